// Imports whose way to RDS or Redis is cut at ten moments each: readers see whole versions only, and the next import makes what a full one would.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ImportParts, type ImportResult, runImport } from '../../jobs/import-run.js';
import { entryOfPatient, versionOf } from '../../src/domain/import-version.js';
import { DEFAULT_PATIENTS, DEFAULT_THRESHOLDS } from '../../src/domain/mapping.js';
import { createPool, type MysqlPool } from '../../src/mysql/pool.js';
import { createTableSource } from '../../src/mysql/table-source.js';
import { connectRedis, redisReady } from '../../src/redis/connections.js';
import { createLookupStore } from '../../src/redis/lookup-store.js';
import { systemClock } from '../../src/telemetry/clock.js';
import { type ImportBench, importBench } from '../helpers/import-bench.js';
import { startProxy, type Proxy as TcpProxy } from '../helpers/proxy.js';
import { testStack, uniqueName } from '../helpers/stack.js';

const PATIENTS = 8_000;
const PER_INSERT = 4_000;
const MOMENTS = 10;

let bench: ImportBench;
let mysqlProxy: TcpProxy;
let redisProxy: TcpProxy;
let pool: MysqlPool;
beforeAll(async () => {
  bench = await importBench('cuts');
  await bench.sql(`ALTER TABLE patients_information ADD PRIMARY KEY (patientid),
    ADD COLUMN touched DATETIME(6) NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)`);
  for (let from = 0; from < PATIENTS; from += PER_INSERT)
    await bench.sql('INSERT INTO patients_information (patientid, patientname, age) VALUES ?', [
      Array.from({ length: PER_INSERT }, (_, i) => [`p${from + i}`, `Name of ${from + i}`, '30']),
    ]);
  const { rdsUrl, redisUrl } = testStack();
  mysqlProxy = await startProxy(Number(new URL(rdsUrl).port));
  redisProxy = await startProxy(Number(new URL(redisUrl).port));
  const through = new URL(`${rdsUrl}/${bench.database}`);
  through.port = String(mysqlProxy.port);
  pool = createPool({ url: through.toString() }, bench.log);
});
afterAll(async () => {
  await pool?.close();
  await Promise.all([mysqlProxy?.close(), redisProxy?.close()]);
  await bench?.close();
});

test('cut at any moment', async () => {
  const url = new URL(testStack().redisUrl);
  url.port = String(redisProxy.port);
  const redis = connectRedis({ url: url.toString() }, 'command', bench.log);
  await redisReady(redis);
  const source = createTableSource(pool, {
    patients: DEFAULT_PATIENTS,
    thresholds: DEFAULT_THRESHOLDS,
    increments: {
      of: { patients: { mode: 'lastmodified', checkColumn: 'touched' }, thresholds: null },
      timezone: 'UTC',
      clock: systemClock,
      newNonce: () => uniqueName('nonce'),
      log: bench.log,
      overlapMinMs: 0,
    },
  });
  const parts: ImportParts = { ...bench.parts(), source, store: createLookupStore(redis, bench.prefix) };
  const startMs = systemClock.monotonicMs();
  expect(await runImport('patients', parts)).toMatchObject({ outcome: 'changed', rows: PATIENTS });
  const tookMs = systemClock.monotonicMs() - startMs;

  // A reader of its own, which throws where count or checksum of the version in force don't hold.
  const reading = new AbortController();
  const versions = new Set<string>();
  const reader = (async () => {
    while (!reading.signal.aborted) {
      const meta = await bench.store.current('patients');
      expect(meta).toBeDefined();
      if (meta) {
        await bench.store.read('patients', meta, () => undefined);
        versions.add(meta.version);
      }
    }
  })();

  const outcomes: string[] = [];
  for (let n = 0; n < 2 * MOMENTS; n++) {
    // Changed, new, deleted: each import has something to do.
    await bench.sql("UPDATE patients_information SET patientname = ? WHERE patientid = 'p7'", [`Name ${n}`]);
    await bench.sql('INSERT INTO patients_information (patientid) VALUES (?)', [`new${n}`]);
    await bench.sql('DELETE FROM patients_information WHERE patientid = ?', [`p${100 + n}`]);
    const proxy = n % 2 === 0 ? mysqlProxy : redisProxy;
    const running = runImport('patients', parts).then(
      (result: ImportResult) => result.outcome,
      (error: Error) => error.name,
    );
    await systemClock.sleep((tookMs * Math.floor(n / 2)) / MOMENTS);
    proxy.cut();
    proxy.restore();
    outcomes.push(await running);
    await redisReady(redis);
    // What could not be unlocked would be free after its 30 s.
    await bench.redis.del(`${bench.prefix}:lookup:patients:lock`);
  }
  const last = await runImport('patients', parts);
  reading.abort();
  await reader;
  redis.disconnect();

  const whole = versionOf('patients', (await bench.parts().source.patients()).patients.map(entryOfPatient));
  expect(last.version).toBe(whole.version);
  expect((await bench.store.current('patients'))?.version).toBe(whole.version);
  expect(versionOf('patients', await parts.lake.read('patients'))).toEqual(whole);
  // Some were cut in the middle, some came through, and the reader saw more than one version.
  expect(outcomes.filter((outcome) => outcome !== 'changed').length).toBeGreaterThan(0);
  expect(outcomes).toContain('changed');
  expect(versions.size).toBeGreaterThan(1);
  // What dead imports had staged is gone.
  const staged = (await bench.lakeStore.list('_staging')).map(({ path }) => path);
  expect(staged).toEqual([]);
});
