// The lookup on real Redis and MariaDB: versions switch whole while readers loop, new patients are read through, Redis may go.
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { runImport } from '../../../jobs/import-run.js';
import { versionOf } from '../../../src/domain/import-version.js';
import { connectRedis } from '../../../src/redis/connections.js';
import { createLookup, type LookupParts, type RunningLookup } from '../../../src/redis/lookup.js';
import { createLookupStore } from '../../../src/redis/lookup-store.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { type ImportBench, importBench } from '../../helpers/import-bench.js';
import { startRedis } from '../../helpers/services.js';
import { testStack } from '../../helpers/stack.js';

const INSERT = 'INSERT INTO patients_information VALUES ?';
const until = (check: () => unknown) => vi.waitFor(check, { timeout: 20_000, interval: 20 });
/** Only the change message can be in time. */
const NEVER_MS = 3_600_000;

let bench: ImportBench;
beforeAll(async () => {
  bench = await importBench('lookup');
});
afterAll(() => bench.close());

async function lookup(over: Partial<LookupParts> = {}, subscriber?: Redis): Promise<RunningLookup> {
  const own = subscriber ?? connectRedis({ url: testStack().redisUrl }, 'subscriber', bench.log);
  const made = createLookup({
    store: bench.store,
    subscriber: own,
    source: bench.parts().source,
    thresholdProblems: () => [],
    clock: systemClock,
    log: bench.log,
    metrics: bench.metrics,
    refreshMs: NEVER_MS,
    ...over,
  });
  onTestFinished(async () => {
    await made.stop();
    own.disconnect();
  });
  await made.start();
  return made;
}

it('has no limits before an import of good ones, takes them from RDS where Redis has none, refuses broken ones', async () => {
  const broken = await lookup({ thresholdProblems: () => ['upside down'] });
  expect(broken.hasThresholds()).toBe(false);
  expect(broken.health()).toMatchObject({ ready: false });
  expect(broken.health().reasons.join()).toMatch(/wardwatch import thresholds/);
  expect(broken.current()).toMatchObject({ thresholds: [], thresholdVersion: '' });

  await bench.sql(INSERT, [[['a', 'Ann', null, null, '4B', '41', null]]]);
  const cold = await lookup();
  expect(cold.current().thresholds.length).toBe(3);
  expect(cold.current().patient('a')).toMatchObject({ name: 'Ann', age: 41 });
  // The same content is the same version, whichever way it came: no storm of context events after a loss of Redis.
  const { thresholdVersion, patientVersion } = cold.current();
  await runImport('thresholds', bench.parts());
  await runImport('patients', bench.parts());
  const warm = await lookup({ source: undefined });
  expect(warm.current()).toMatchObject({ thresholdVersion, patientVersion });
  expect(warm.current().thresholds).toEqual(cold.current().thresholds);
  expect(await bench.metrics.value('lookup_rows', { table: 'thresholds' })).toBe(3);
});

it('switches whole versions on the change message, while readers loop', async () => {
  const running = await lookup();
  const seen = new Map<string, string>();
  let reading = true;
  let reads = 0;
  const readers = (async () => {
    while (reading) {
      const view = running.current();
      const ages = ['s1', 's250', 's500'].map((id) => view.patient(id)?.age ?? null);
      const before = seen.get(view.patientVersion);
      if (before !== undefined) expect(ages.join()).toBe(before);
      seen.set(view.patientVersion, ages.join());
      // Half a version would show two ages.
      expect(new Set(ages).size).toBe(1);
      reads += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  try {
    await bench.sql(INSERT, [Array.from({ length: 500 }, (_, i) => [`s${i + 1}`, 'N', null, null, null, '10', null])]);
    for (const age of [10, 11, 12]) {
      await bench.sql('UPDATE patients_information SET age = ? WHERE patientid LIKE "s%"', [String(age)]);
      const { version } = await runImport('patients', bench.parts());
      await until(() => expect(running.current().patientVersion).toBe(version));
      expect(running.current().patient('s250')?.age).toBe(age);
    }
  } finally {
    reading = false;
    await readers;
  }
  expect(seen.size).toBe(4);
  expect(reads).toBeGreaterThan(10);
  // The one before expires, the one in force does not.
  const keys = await bench.redis.keys(`${bench.prefix}:lookup:patients:*`);
  const versions = keys.filter((key) => /:[a-z2-7]{26}$/.test(key) && !key.includes(':meta:'));
  const ttls = await Promise.all(versions.map((key) => bench.redis.ttl(key)));
  expect(ttls.filter((ttl) => ttl === -1).length).toBe(1);
  expect(ttls.filter((ttl) => ttl > 0).length).toBe(versions.length - 1);
});

it('finds a patient who came after the import, in RDS, and keeps the version', async () => {
  const running = await lookup();
  const batch = running.current();
  await bench.sql(INSERT, [
    [
      ['new', "Zoë O'Hara \n😀", null, null, '5C', '7', null],
      ['12', 'twelve', null, null, null, '12', null],
    ],
  ]);
  await Promise.all([
    running.resolve(['new', 'a', 'ghost'], 5_000),
    running.resolve(['new', '12abc', "' OR 1=1"], 5_000),
  ]);
  expect(batch.patient('new')).toMatchObject({ name: "Zoë O'Hara \n😀", age: 7 });
  expect(running.current().patient('new')?.ward).toBe('5C');
  for (const id of ['ghost', '12abc', '12', "' OR 1=1"]) expect(running.current().patient(id)).toBeUndefined();
  expect(running.current().patientVersion).toBe(batch.patientVersion);
  // An import brings the patient into the version.
  const { version } = await runImport('patients', bench.parts());
  await until(() => expect(running.current().patientVersion).toBe(version));
  expect(running.current().patient('new')?.age).toBe(7);
  expect(batch.patient('new')?.age).toBe(7);
});

it('goes on from memory, and reads through to RDS, while Redis is gone; takes a torn version for none', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const settings = { url: redis.url };
  const command = connectRedis(settings, 'command', bench.log);
  const subscriber = connectRedis(settings, 'subscriber', bench.log);
  onTestFinished(() => command.disconnect());
  const store = createLookupStore(command, '{ww}');
  await until(() => expect(command.status).toBe('ready'));
  const parts = { ...bench.parts(), store };
  await runImport('patients', parts);
  await runImport('thresholds', parts);
  const running = await lookup({ store, refreshMs: 50 }, subscriber);
  const { patientVersion, thresholdVersion } = running.current();
  expect(patientVersion).not.toBe('');

  await redis.kill();
  await until(() => expect(running.health().reasons.join()).toMatch(/Redis/));
  await bench.sql(INSERT, [[['late', 'L', null, null, null, '30', null]]]);
  await running.resolve(['late'], 5_000);
  expect(running.current().patient('late')?.age).toBe(30);
  expect(running.current()).toMatchObject({ patientVersion, thresholdVersion });
  expect(running.hasThresholds()).toBe(true);
  const cold = await lookup({ store }, connectRedis(settings, 'subscriber', bench.log));
  expect(cold.current().thresholdVersion).toBe(thresholdVersion);
  expect(cold.current().patient('late')?.age).toBe(30);

  // It comes back empty, and a version in it lacks a row: memory stays until a whole one is there.
  await redis.start();
  await until(() => expect(command.status).toBe('ready'));
  const { version } = await runImport('patients', parts);
  await until(() => expect(running.current().patientVersion).toBe(version));
  const torn = versionOf('patients', [{ key: 'late', json: '["L",null,null,null,31,null]' }]);
  await command.hset(`{ww}:lookup:patients:meta:${torn.version}`, { rows: 1, checksum: torn.checksum, confirmedAt: 0 });
  await command.set('{ww}:lookup:patients:current', torn.version);
  await until(() => expect(running.health().reasons.join()).toMatch(/torn/));
  expect(running.current().patientVersion).toBe(version);
  await runImport('patients', parts);
  await until(() => expect(running.health().reasons).toEqual([]));
});

it('loads a large table of patients and finds each at once', async () => {
  const PATIENTS = 20_000;
  await bench.sql('DELETE FROM patients_information');
  const row = (i: number) => [
    `big${i}`,
    `Name ${i}`,
    `${i} Long Street, Town`,
    `+44 20 ${i}`,
    `${i % 40}B`,
    String(i % 100),
    null,
  ];
  for (let i = 0; i < PATIENTS; i += 10_000)
    await bench.sql(INSERT, [Array.from({ length: 10_000 }, (_, n) => row(i + n))]);
  const result = await runImport('patients', bench.parts());
  expect(result).toMatchObject({ outcome: 'changed', rows: PATIENTS });
  const running = await lookup({ source: undefined });
  expect(running.current().patientVersion).toBe(result.version);
  const view = running.current();
  for (let i = 0; i < PATIENTS; i++) if (view.patient(`big${i}`)?.age !== i % 100) throw new Error(`big${i}`);
  expect(await runImport('patients', bench.parts())).toMatchObject({ outcome: 'unchanged', version: result.version });
});
