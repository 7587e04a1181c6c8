// A real archive killed at each step of folding its records into checkpoints: the next one finishes, and every row is there once.
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ReceivedRecord } from '../../src/domain/ports.js';
import { STEPS } from '../../src/domain/steps.js';
import { archivedTopics } from '../../src/lake/archived-topics.js';
import { openChain } from '../../src/lake/chain.js';
import { diskFileOps } from '../../src/lake/file-ops.js';
import { createFolderStore } from '../../src/lake/folder-store.js';
import { HourBuffers } from '../../src/lake/hour-buffers.js';
import { lastMessageOf } from '../../src/lake/last-message.js';
import { encodeParquet } from '../../src/lake/parquet-encoder.js';
import { verifyParquet } from '../../src/lake/parquet-verify.js';
import { createDeployment, type Deployment, withKafka } from '../helpers/deployment.js';
import { until } from '../helpers/kafka.js';
import { reading } from '../helpers/readings.js';
import { recordingLogger } from '../helpers/recorders.js';
import { testStack } from '../helpers/stack.js';

const WORKER = resolve(import.meta.dirname, '../helpers/worker-process.mjs');
const PARTITIONS = [0, 1];
/** Above the fewest that are folded (16). */
const ROWS = 24;
/** One life at each step. Both partitions have records to fold, so that each life finds some. */
const LIVES = ['fold.before-checkpoint:1', 'fold.after-checkpoint:1', 'fold.deleted-one:2'];
const [TOPIC] = archivedTopics(['heartBeat']);

let deployment: Deployment;
beforeAll(async () => {
  deployment = await createDeployment('fold');
});
afterAll(() => deployment?.close());

it('folding, killed at each step', async () => {
  expect(LIVES.map((life) => life.split(':')[0])).toEqual([...STEPS.fold]);
  const topic = `${deployment.env.KAFKA_PREFIX}vital-info`;
  const store = createFolderStore(deployment.lakeFolder, diskFileOps);
  await withKafka(testStack(), async (kafka) => {
    const producer = await kafka.transactionalProducer(`${deployment.env.KAFKA_PREFIX}test`);
    const produce = (from: number) =>
      producer.transact(
        PARTITIONS.flatMap((partition) =>
          Array.from({ length: ROWS }, (_, i) => {
            const row = reading(from + partition * 100 + i, 'p1', { heartBeat: 70 });
            return { topic, partition, key: 'p1', value: JSON.stringify(row) };
          }),
        ),
      );
    await produce(1_000);
    const clusterId = await kafka.admin.clusterId();
    const reader = await kafka.partitionReader();
    for (const partition of PARTITIONS) {
      const records: ReceivedRecord[] = [];
      await reader.read(topic, partition, {}, (record) => records.push(record));
      expect(records).toHaveLength(ROWS);
      await writeOldChain(store, partition, records, clusterId);
    }
    await reader.close();

    for (const at of LIVES) {
      const child = spawn(process.execPath, [WORKER, '--roles', 'archive', '--at', `${at}:SIGKILL`], {
        env: { ...deployment.env },
        stdio: 'ignore',
      });
      const [code, signal] = await new Promise<[number | null, string | null]>((done) =>
        child.on('exit', (...end) => done(end)),
      );
      expect([at, code, signal]).toEqual([at, null, 'SIGKILL']);
    }
    const heir = deployment.worker('archive');
    await produce(2_000);
    const names = async () => {
      const files = await Promise.all(PARTITIONS.map((partition) => store.list(`_log/vital-info/${partition}`)));
      return files.flat().map(({ path }) => path.split('/').at(-1) ?? '');
    };
    await until(
      'both chains are folded',
      async () => {
        const there = await names();
        return there.filter((name) => name.startsWith('checkpoint-')).length === 2 && there.length <= 8;
      },
      60_000,
    );
    const count = 'SELECT count(*) AS n, count(DISTINCT row_id) AS ids FROM vital_info';
    await until('all rows are there', async () => Number((await deployment.lake(count))[0]?.n) >= 4 * ROWS, 60_000);
    expect(await deployment.lake(count)).toEqual([{ n: String(4 * ROWS), ids: String(4 * ROWS) }]);
    heir.signal('SIGTERM');
    expect(await heir.exited).toBe(0);
    expect((await store.list('vital_info')).length).toBeGreaterThan(0);
    expect(await store.list('_staging')).toEqual([]);
    await producer.close();
  });
});

/** As an archive of another day would have left it: a commit record for each message. */
async function writeOldChain(
  store: ReturnType<typeof createFolderStore>,
  partition: number,
  records: readonly ReceivedRecord[],
  clusterId: string,
): Promise<void> {
  if (!TOPIC) throw new Error('no topic');
  const chain = await openChain({
    store,
    encode: encodeParquet,
    verify: verifyParquet,
    topic: 'vital-info',
    partition,
    clusterId,
    token: `old-${partition}`,
    steps: { staged: 'archive.staged', beforeRecord: 'archive.before-record', afterRecord: 'archive.after-record' },
    onStep: () => undefined,
    log: recordingLogger(),
  });
  for (const record of records) {
    const decoded = TOPIC.decode(record.value);
    if (decoded.type !== 'row') throw new Error('no row');
    const rows = new HourBuffers();
    rows.append(TOPIC.table, { message: decoded.message, partition, offset: record.offset });
    const last = lastMessageOf(record);
    const newest = record === records.at(-1);
    await chain.commit({
      start: record.offset,
      next: record.offset + 1,
      rows,
      last: newest ? last : { ...last, timestamp: '2026-01-01T12:00:00.000000Z' },
    });
  }
}
