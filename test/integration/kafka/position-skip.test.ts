// Records that Kafka deleted before they were handled: workers stop, a person accepts it, positions move over the range and no further, and it is on record.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createArchiveActor } from '../../../jobs/archive.js';
import { type SkipParts, skipPosition } from '../../../jobs/position-skip.js';
import { decodeWatchState, encodeNext } from '../../../src/domain/watch-state.js';
import { Kafka, logLevel } from '../../../src/kafka/kafkajs.js';
import { readChain } from '../../../src/lake/chain-reader.js';
import { diskFileOps } from '../../../src/lake/file-ops.js';
import { createFolderStore } from '../../../src/lake/folder-store.js';
import { encodeParquet } from '../../../src/lake/parquet-encoder.js';
import { verifyParquet } from '../../../src/lake/parquet-verify.js';
import { lakeQuery } from '../../../src/lake/query.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { allValuesOf, testKafka, until } from '../../helpers/kafka.js';
import { reading } from '../../helpers/readings.js';
import { testStack } from '../../helpers/stack.js';

const { kafka, prefix, log, metrics } = testKafka('skip');
const raw = new Kafka({ brokers: [...testStack().kafkaBrokers], logLevel: logLevel.NOTHING });
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wardwatch-skip-'));
  await kafka.admin.ensureTopics(prefix, { partitions: 1, replication: 1 });
});
afterAll(async () => {
  await kafka.admin.deleteGroups([`${prefix}archive`, `${prefix}dispatch`]);
  await rm(folder, { recursive: true, force: true });
});

async function deleteBelow(topic: string, offset: number): Promise<void> {
  const admin = raw.admin();
  await admin.connect();
  // Without this kafkajs deletes on what it knows of the topic: nothing.
  await admin.fetchTopicOffsets(prefix + topic);
  await admin.deleteTopicRecords({ topic: prefix + topic, partitions: [{ partition: 0, offset: String(offset) }] });
  await admin.disconnect();
}

async function send(topic: string, values: readonly string[]): Promise<void> {
  const producer = await kafka.plainProducer();
  await producer.send(values.map((value) => ({ topic: prefix + topic, partition: 0, key: 'k', value })));
  await producer.close();
}

test('archive, watch and dispatch go on behind the range, and nothing else is passed over', async () => {
  const store = createFolderStore(join(folder, 'lake'), diskFileOps);
  const archive = () =>
    createArchiveActor({
      ...{ kafka, prefix, store, log, metrics },
      clusterId: () => kafka.admin.clusterId(),
      encode: encodeParquet,
      verify: verifyParquet,
      attributes: ['heartBeat'],
      flushAfterMs: 100,
      flushRows: 100,
      flushBytes: 1 << 20,
      clock: systemClock,
      onStep: () => undefined,
      newToken: randomUUID,
    });
  const inLake = async () =>
    (await lakeQuery(store, 'SELECT row_id FROM vital_info ORDER BY row_id')).rows.map(({ row_id: id }) => Number(id));
  const parts: SkipParts = {
    ...{ kafka, prefix, store, log, encode: encodeParquet, verify: verifyParquet },
    clock: systemClock,
    onStep: () => undefined,
    newToken: randomUUID,
  };
  const skip = (topic: string, to: number) =>
    skipPosition(parts, { topic, partition: 0, to, by: 'tester', reason: 'down for nine days' });
  const rows = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, n) => JSON.stringify(reading(from + n, 'p1', { heartBeat: 72 })));

  // Positions: archive and watch handled five rows, dispatch two events; then the records behind them went.
  await send('vital-info', rows(0, 4));
  const first = archive();
  await first.start();
  await until('the first rows are in the lake', async () => (await inLake()).length === 5);
  await first.stop();
  const watcher = await kafka.transactionalProducer(`${prefix}watch.vital-info.0`);
  const next = (n: number) => ({ topic: `${prefix}watch-state`, partition: 0, key: 'next', value: encodeNext(n) });
  await watcher.transact([next(5)]);
  await send('doctors-queue', ['{"v":1}', '{"v":1}', '{"v":1}', '{"v":1}']);
  await kafka.admin.setCommittedOffset(`${prefix}dispatch`, `${prefix}doctors-queue`, 0, 2);
  await send('vital-info', rows(5, 9));
  await deleteBelow('vital-info', 8);
  await deleteBelow('doctors-queue', 3);

  const stopped = archive();
  await stopped.start();
  await until('the archive stops and says what to do', () =>
    stopped.health().reasons.some((reason) => reason.includes('wardwatch position skip') && reason.includes('--to 8')),
  );
  await stopped.stop();
  expect(await inLake()).toEqual([0, 1, 2, 3, 4]);

  await expect(skip('vital-info', 9)).rejects.toThrow('offsets 8 to 8 can still be read, so that --to is 8 at most');
  await expect(skip('watch-state', 8)).rejects.toThrow("nobody's position is moved on watch-state");
  await expect(skip('nothing', 8)).rejects.toThrow('nothing');
  expect(await skip('vital-info', 8)).toEqual([
    { reader: 'archive', from: 5, skipped: true },
    { reader: 'watch', from: 5, skipped: true },
  ]);
  // Again, and to where it is anyway: nothing is there to skip.
  expect(await skip('vital-info', 8)).toEqual([
    { reader: 'archive', from: 8, skipped: false },
    { reader: 'watch', from: 8, skipped: false },
  ]);
  // A watcher that slept through it can't put its old position above ours.
  await expect(watcher.transact([next(6)])).rejects.toMatchObject({ name: 'FencedError' });
  await watcher.close();
  const state = await newestNext();
  expect(state).toEqual({ type: 'next', next: 8 });

  const again = archive();
  await again.start();
  await until('the archive goes on', async () => (await inLake()).includes(9));
  await again.stop();
  expect(await inLake()).toEqual([0, 1, 2, 3, 4, 8, 9]);
  const skipped = (await readChain(store, 'vital-info', 0)).find(({ start }) => start === 5);
  expect(skipped).toMatchObject({
    next: 8,
    files: [],
    state: { skipped: { from: '5', to: '8', by: 'tester', reason: 'down for nine days' } },
  });

  const events = await skip('doctors-queue', 3);
  expect(events).toContainEqual({ reader: 'dispatch', from: 2, skipped: true });
  expect(await kafka.admin.committedOffset(`${prefix}dispatch`, `${prefix}doctors-queue`, 0)).toBe(3);
  const recorded = (await allValuesOf(kafka, `${prefix}access-audit`, 0)).map((one) => JSON.parse(one));
  expect(recorded).toMatchObject([
    { v: 1, user: 'tester', action: 'position-skip', reader: 'archive', topic: 'vital-info', from: '5', to: '8' },
    { reader: 'watch', partition: 0, from: '5', to: '8', reason: 'down for nine days' },
    { reader: 'dispatch', topic: 'doctors-queue', from: '2', to: '3' },
  ]);
});

test('a group that is at work keeps its offset', async () => {
  const topic = `${prefix}doctors-queue`;
  const consumer = kafka.ownedConsumer({
    groupId: `${prefix}dispatch`,
    topics: [topic],
    own: async () => ({ expected: 4, handle: async () => undefined, release: async () => undefined }),
  });
  await consumer.start();
  await expect(kafka.admin.setCommittedOffset(`${prefix}dispatch`, topic, 0, 1)).rejects.toMatchObject({
    name: 'GroupInUseError',
  });
  await consumer.stop();
});

/** The newest `next` of watch-state. */
async function newestNext() {
  const reader = await kafka.partitionReader();
  let newest: unknown;
  await reader.read(`${prefix}watch-state`, 0, {}, ({ key, value }) => {
    if (key?.toString() === 'next') newest = decodeWatchState(key, value);
  });
  await reader.close();
  return newest;
}
