// What wardwatch does with a lake on HDFS: commits that die anywhere, SQL over fetched copies, the doctor's words, the demo.
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { childEnvironment } from '../../ops/local/environment.mjs';
import { checkLake, lookAtLake } from '../../src/app/look-at-lake.js';
import type { LookParts } from '../../src/app/looks.js';
import type { LakeStore } from '../../src/domain/ports.js';
import { lakeFiles } from '../../src/lake/chain-reader.js';
import { openLake } from '../../src/lake/open-lake.js';
import { lakeQuery } from '../../src/lake/query.js';
import { createWebHdfs } from '../../src/lake/webhdfs.js';
import { createWebHdfsStore } from '../../src/lake/webhdfs-store.js';
import { dyingAt, type Intercept, intercepted, losingAnswerOf } from '../helpers/lake-store-contract.js';
import { reading } from '../helpers/readings.js';
import { type PrivateHdfs, startHdfs } from '../helpers/services.js';
import { archiveMessages } from '../helpers/small-lake.js';

const ROOT = join(import.meta.dirname, '../..');
const run = promisify(execFile);
/** A row of a table that the statement doesn't mention. */
const LOOKED_AT = { v: 1, at: '2026-11-24T22:00:00.000000Z', user: 'nurse', action: 'look', patientId: 'p1' };
const SIGNS = [{ name: 'heartBeat', decimals: 0 }];

let hdfs: PrivateHdfs;
let folder: string;
beforeAll(async () => {
  hdfs = await startHdfs();
  folder = await mkdtemp(join(tmpdir(), 'wardwatch-hdfs-lake-'));
});
afterAll(async () => {
  await hdfs?.close();
  await rm(folder, { recursive: true, force: true });
});

const settingsOf = (path: string, user = 'ward') => ({
  LAKE_URL: `${hdfs.url}${path}`,
  HDFS_HTTP_URL: hdfs.httpUrl,
  HDFS_USER: user,
});
const openAt = (path: string, intercept?: Intercept): LakeStore =>
  createWebHdfsStore(
    `${hdfs.url}${path}`,
    intercepted(createWebHdfs({ httpUrl: hdfs.httpUrl, user: 'ward' }), intercept),
  );
const copies = () => ({ folder: join(folder, 'copies'), maxBytes: 64 * 1_048_576, nowMs: () => Date.now() });

test('a commit that dies, or loses an answer, at any call to HDFS: its successor has each row once, and no file too many', async () => {
  const store = openAt('/chain');
  let next = 0;
  const archive = (target: LakeStore) =>
    archiveMessages(target, {
      attributes: ['heartBeat'],
      messages: [reading(next, 'p1', { heartBeat: 70 }, (next % 3) * 3_600)],
    });
  let calls = 0;
  const counting: Intercept = (call) => {
    calls += 1;
    return call();
  };
  await archive(store);
  next += 1;
  await archive(openAt('/chain', counting));
  next += 1;
  expect(calls).toBeGreaterThan(10);
  const committed = async () => {
    const { rows } = await lakeQuery(store, 'SELECT count(*)::INT AS n FROM vital_info', SIGNS, copies());
    return Number(rows[0]?.n);
  };
  for (let at = 0; at < calls; at++) {
    for (const fault of [dyingAt(at, false), dyingAt(at, true), losingAnswerOf(at)]) {
      await archive(openAt('/chain', fault)).catch((error: Error) =>
        expect(error.message).toMatch(/^(killed|answer lost)$/),
      );
      // Whoever comes next finds out what became of it, and does it unless it was done.
      if ((await committed()) === next) await archive(store);
      next += 1;
      expect(await committed()).toBe(next);
    }
  }
  await archive(store);
  next += 1;
  const { rows } = await lakeQuery(
    store,
    `SELECT count(*)::INT AS n, count(DISTINCT row_id)::INT AS ids, max(kafka_offset)::INT AS last FROM vital_info`,
    SIGNS,
    copies(),
  );
  expect(rows).toEqual([{ n: next, ids: next, last: next - 1 }]);
  const named = (await lakeFiles(store)).map(({ path }) => path).sort();
  expect((await store.list('vital_info')).map(({ path }) => path)).toEqual(named);
  expect(await store.list('_staging')).toEqual([]);
});

test('lake query asks HDFS only for files of the tables that it needs, once, and says when one is damaged', async () => {
  const store = openAt('/query');
  await archiveMessages(store, {
    attributes: ['heartBeat'],
    messages: [reading(1, 'p1', { heartBeat: 71 }), reading(2, 'p2', { heartBeat: 180 })],
  });
  await archiveMessages(store, { topic: 'access-audit', attributes: ['heartBeat'], messages: [LOOKED_AT] });
  expect(await store.list('access_audit')).toHaveLength(1);
  const envFile = join(folder, 'query.env');
  const cache = join(folder, 'cli-copies');
  const lines = Object.entries({ ...settingsOf('/query'), LAKE_CACHE: cache }).map(
    ([key, value]) => `${key}=${value}\n`,
  );
  await writeFile(envFile, lines.join(''));
  const ask = (sql: string) =>
    run(process.execPath, [join(ROOT, 'dist/src/main.js'), '--env-file', envFile, 'lake', 'query', '--json', sql], {
      env: childEnvironment({}),
    });
  const { stdout } = await ask('SELECT customerId, heartBeat FROM patients_vital_info ORDER BY id');
  expect(JSON.parse(stdout)).toEqual([
    { customerId: 'p1', heartBeat: 71 },
    { customerId: 'p2', heartBeat: 180 },
  ]);
  expect(await readdir(cache)).toEqual(['vital_info']);
  const [file] = await store.list('vital_info');
  const bytes = Buffer.from((await store.read(file?.path as string)) as Uint8Array);
  bytes.writeUInt8(bytes.readUInt8(40) ^ 1, 40);
  await store.write(file?.path as string, bytes);
  // The copy is what was committed.
  expect(JSON.parse((await ask('SELECT count(*)::INT AS n FROM vital_info')).stdout)).toEqual([{ n: 2 }]);
  await rm(cache, { recursive: true });
  await expect(ask('SELECT count(*) FROM vital_info')).rejects.toMatchObject({
    stderr: expect.stringMatching(/vital_info\/dt=2026-11-24\/.* is damaged/),
  });
});

test('the doctor and the start say what is wrong with a lake on HDFS, and how to mend it', async () => {
  const partsOf = (settings: object) => ({ config: { settings } }) as unknown as LookParts;
  const check = (path: string, user?: string) => checkLake(partsOf(settingsOf(path, user)));
  expect(await check('/doctor/lake')).toMatchObject({
    verdict: 'warning',
    found: '/doctor/lake is not there yet; the first start makes it',
    mend: 'hdfs dfs -mkdir -p /doctor/lake',
  });
  await openLake({ url: `${hdfs.url}/doctor/lake`, hdfsHttpUrl: hdfs.httpUrl, hdfsUser: 'ward' }).createExclusive(
    '_log/x.json',
    Buffer.from('{}'),
  );
  expect(await check('/doctor/lake')).toMatchObject({
    verdict: 'warning',
    found: `/doctor/lake can be read and written as ward over ${hdfs.httpUrl}; each file lies on one DataNode, and is lost with it`,
    mend: 'Set dfs.replication to 3',
  });
  // What is made on the way inherits its parent's rights: here `/` is for all.
  const rights = 'op=SETPERMISSION&permission=750&user.name=ward';
  expect((await fetch(`${hdfs.httpUrl}/webhdfs/v1/doctor/lake?${rights}`, { method: 'PUT' })).status).toBe(200);
  const refused = {
    setting: 'LAKE_URL',
    what: 'HDFS lets the user nurse not read and write /doctor/lake',
    mend: "As HDFS's superuser: hdfs dfs -mkdir -p /doctor/lake && hdfs dfs -chown nurse /doctor/lake",
  };
  expect(await check('/doctor/lake', 'nurse')).toMatchObject({
    verdict: 'failed',
    found: refused.what,
    mend: refused.mend,
  });
  expect(await lookAtLake(partsOf(settingsOf('/doctor/lake', 'nurse')))).toEqual([refused]);
  expect(await check('/doctor/lake/_log/x.json')).toMatchObject({
    verdict: 'failed',
    found: '/doctor/lake/_log/x.json on HDFS is a file',
  });
  await expect(
    checkLake(partsOf({ ...settingsOf('/doctor/lake'), HDFS_HTTP_URL: 'http://127.0.0.1:1' })),
  ).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('npm run demo -- --lake hdfs adds up, counted by what hadoop fs copies', async () => {
  const report = join(folder, 'report.json');
  const { stdout } = await run(
    process.execPath,
    [join(ROOT, 'ops/local/demo.mjs'), '--for', '10s', '--patients', '50', '--lake', 'hdfs', '--report', report],
    { timeout: 400_000 },
  );
  expect(stdout).toContain('It adds up.');
  const { ok, lakeRows } = JSON.parse(await readFile(report, 'utf8')) as { ok: boolean; lakeRows: number };
  expect(ok).toBe(true);
  expect(lakeRows).toBeGreaterThan(100);
});
