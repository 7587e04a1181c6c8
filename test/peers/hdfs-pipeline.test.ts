// HDFS cut off, stalled and killed under the running pipeline: rows wait in Kafka, and afterwards each is in the lake once.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/telemetry/clock.js';
import { createDeployment, type Deployment, type WorkerProcess } from '../helpers/deployment.js';
import { expectAuditedWhole } from '../helpers/fault-checks.js';
import { until } from '../helpers/kafka.js';
import { type Proxy as Between, startProxy } from '../helpers/proxy.js';
import { type PrivateHdfs, startHdfs } from '../helpers/services.js';

/** Known to HDFS as its DataNode's address; only our proxy listens there. */
const DATA_HOST = '127.0.0.2';
const ROW_EVERY_MS = 20;
/** For what hangs. */
const WITHIN_MS = 180_000;
/** Longer than a request may take. */
const STALL_MS = 12_000;

let hdfs: PrivateHdfs;
let toName: Between;
let toData: Between;
let copies: string;
let deployment: Deployment;
let worker: WorkerProcess;
beforeAll(async () => {
  hdfs = await startHdfs({ dataHost: DATA_HOST });
  toName = await startProxy(Number(new URL(hdfs.httpUrl).port));
  toData = await startProxy(hdfs.ports.dataHttp, hdfs.ports.dataHttp, DATA_HOST);
  copies = await mkdtemp(join(tmpdir(), 'wardwatch-hdfs-pipeline-'));
  deployment = await createDeployment('hdfscut', {
    env: {
      LAKE_URL: `${hdfs.url}/lake`,
      HDFS_HTTP_URL: `http://127.0.0.1:${toName.port}`,
      HDFS_USER: 'ward',
      LAKE_CACHE: copies,
      POLL_START: 'beginning',
    },
  });
  worker = deployment.worker('poll,archive');
});
afterAll(async () => {
  await deployment?.close();
  await Promise.all([toName?.close(), toData?.close()]);
  await hdfs?.close();
  await rm(copies, { recursive: true, force: true });
});

const cut = async (proxy: Between) => {
  proxy.cut();
  await systemClock.sleep(STALL_MS / 4);
  proxy.restore();
};
const stall = async (proxy: Between) => {
  proxy.stall();
  await systemClock.sleep(STALL_MS);
  proxy.restore();
};

test('cut, stalled, losing an answer, killed and started again under rows: each row is in the lake once, and the audit holds', async () => {
  let written = 0;
  let writing = true;
  const ward = (async () => {
    while (writing) {
      await deployment.sql(
        'INSERT INTO patients_vital_info (customerId, recorded_at, heartBeat) VALUES (?, NOW(6), 72)',
        [`p${written % 7}`],
      );
      written += 1;
      await systemClock.sleep(ROW_EVERY_MS);
    }
  })();
  const archived = async () => {
    const text = (await worker.get('/metrics'))?.body ?? '';
    return Number(/^wardwatch_archive_rows_total\{topic="vital-info"\} (\d+)$/m.exec(text)?.[1] ?? 0);
  };
  const goesOn = async (what: string) => {
    const goal = written + 1;
    await until(`the archive goes on: ${what}`, async () => (await archived()) >= goal, WITHIN_MS);
  };
  await goesOn('at first');
  const faults: [string, () => Promise<unknown>][] = [
    ['the NameNode is cut off', () => cut(toName)],
    ['the DataNode is cut off', () => cut(toData)],
    ['the NameNode stalls', () => stall(toName)],
    ['the DataNode stalls', () => stall(toData)],
    ['a file is written and not answered', () => toData.loseAnswer((chunk) => chunk.includes('PUT '))],
    ['a rename is carried out and not answered', () => toName.loseAnswer((chunk) => chunk.includes('op=RENAME'))],
    ['both are killed and started again', () => hdfs.kill().then(() => hdfs.start())],
  ];
  for (const [what, deed] of faults) {
    await deed();
    await goesOn(what);
  }
  writing = false;
  await ward;
  // The counter lacks what a commit with a lost answer has brought.
  const held = async () => Number((await deployment.lake('SELECT count(*) AS n FROM vital_info'))[0]?.n);
  await until('all is in the lake', async () => (await held()) >= written, WITHIN_MS);
  const ids = (await deployment.lake('SELECT row_id FROM vital_info')).map(({ row_id: id }) => Number(id));
  expect(ids.sort((a, b) => a - b)).toEqual(Array.from({ length: written }, (_, n) => n + 1));
  await expectAuditedWhole(deployment);
  worker.signal('SIGTERM');
  expect(await worker.exited).toBe(0);
});
