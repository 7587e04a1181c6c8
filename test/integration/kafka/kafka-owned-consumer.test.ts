// One member on its own: what it hands to its actor, and what it does when the actor, the log or the group fails.
import { expect, test } from 'vitest';
import type { OwnedConsumer, OwnedConsumerOptions, Ownership, ReceivedRecord } from '../../../src/domain/ports.js';
import { PositionLostError } from '../../../src/kafka/errors.js';
import { explicitPartition, Kafka, logLevel } from '../../../src/kafka/kafkajs.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { testKafka, until } from '../../helpers/kafka.js';
import { testStack } from '../../helpers/stack.js';

const { kafka, prefix, topic, log, metrics } = testKafka('consumer');
const raw = new Kafka({ brokers: [...testStack().kafkaBrokers], logLevel: logLevel.NOTHING });

async function produce(name: string, values: readonly string[], partition = 0) {
  const producer = await kafka.plainProducer();
  await producer.send(values.map((value) => ({ topic: name, partition, key: null, value })));
  await producer.close();
}

async function abortTransactions(name: string, count: number) {
  const producer = raw.producer({
    transactionalId: `${name}.aborting`,
    maxInFlightRequests: 1,
    createPartitioner: explicitPartition as never,
    retry: { initialRetryTime: 5, retries: 20 },
  });
  await producer.connect();
  for (let i = 0; i < count; i += 1) {
    const transaction = await producer.transaction();
    const message = { key: null, value: 'aborted', partition: 0, keyBytes: 0, valueBytes: 7 };
    await transaction.send({ topic: name, messages: [message] });
    await transaction.abort();
  }
  await producer.disconnect();
}

async function commit(groupId: string, name: string, offset: number) {
  const consumer = raw.consumer({ groupId, maxWaitTimeInMs: 50 });
  await consumer.connect();
  await consumer.subscribe({ topics: [name] });
  await consumer.run({ autoCommit: false, eachMessage: async () => undefined });
  await consumer.commitOffsets([{ topic: name, partition: 0, offset: String(offset) }]);
  await consumer.disconnect();
}

async function deleteBefore(name: string, offset: number) {
  const admin = raw.admin();
  await admin.connect();
  await admin.fetchTopicOffsets(name);
  await admin.deleteTopicRecords({ topic: name, partitions: [{ partition: 0, offset: String(offset) }] });
  await admin.disconnect();
}

interface Seen {
  readonly calls: { readonly values: string[]; readonly next: number }[];
  readonly released: string[];
  owned: number;
  ownership?: Ownership;
}

/** Collects what it is given; goes on where it was when it is owned anew. */
function collector(
  name: string,
  options: {
    group?: string;
    from?: number;
    onHandle?: (records: readonly ReceivedRecord[], seen: Seen) => Promise<void> | void;
    onOwn?: (seen: Seen) => void;
  } = {},
): { consumer: OwnedConsumer; seen: Seen } {
  const seen: Seen = { calls: [], released: [], owned: 0 };
  const own: OwnedConsumerOptions['own'] = async (ownership) => {
    seen.owned += 1;
    seen.ownership = ownership;
    options.onOwn?.(seen);
    return {
      expected: seen.calls.at(-1)?.next ?? options.from ?? 0,
      handle: async (records, next) => {
        await options.onHandle?.(records, seen);
        seen.calls.push({ values: records.map(({ value }) => String(value)), next });
      },
      release: async (why) => void seen.released.push(why),
    };
  };
  return { consumer: kafka.ownedConsumer({ groupId: options.group ?? `${name}.group`, topics: [name], own }), seen };
}

const valuesIn = (seen: Seen) => seen.calls.flatMap(({ values }) => values);

test('markers and aborted records alone move the position on, and the actor is told', async () => {
  const name = await topic('markers');
  await produce(name, ['a']);
  await abortTransactions(name, 5);
  const { consumer, seen } = collector(name);
  await consumer.start();
  await until('the end is reached', () => consumer.status()[0]?.expected === 11);
  expect(consumer.status()[0]).toMatchObject({ state: 'ready', lag: 0, busySinceMs: null });
  await abortTransactions(name, 3);
  await until('the end is reached again', () => consumer.status()[0]?.expected === 17);
  expect(seen.calls.at(-1)).toEqual({ values: [], next: 17 });
  await produce(name, ['b']);
  await until('b comes', () => valuesIn(seen).length === 2);
  expect(valuesIn(seen)).toEqual(['a', 'b']);
  expect(seen.calls.map(({ next }) => next)).toEqual([...seen.calls.map(({ next }) => next)].sort((x, y) => x - y));
  await until('the group knows', async () => (await kafka.admin.committedOffset(`${name}.group`, name, 0)) === 18);
  expect(await metrics.value('consumer_partitions', { group: `${name}.group`, state: 'ready' })).toBe(1);
  await consumer.stop();
  expect(seen.released).toEqual(['stop']);
  expect(await metrics.value('consumer_partitions', { group: `${name}.group`, state: 'ready' })).toBe(0);
});

test('positions in the middle, group offsets set to nonsense, two groups in one process', async () => {
  const name = await topic('middle');
  const values = Array.from({ length: 30 }, (_, i) => `v${i}`);
  await produce(name, values);
  await commit(`${name}.ahead`, name, 25);
  await commit(`${name}.outside`, name, 9_000);
  const ahead = collector(name, { group: `${name}.ahead`, from: 10 });
  const outside = collector(name, { group: `${name}.outside`, from: 0 });
  await Promise.all([ahead.consumer.start(), outside.consumer.start()]);
  const all = () => valuesIn(ahead.seen).length >= 20 && valuesIn(outside.seen).length >= 30;
  await until('both have read', all);
  await produce(name, ['last']);
  await until('both have the last', () => [ahead, outside].every(({ seen }) => valuesIn(seen).includes('last')));
  expect(valuesIn(ahead.seen)).toEqual([...values.slice(10), 'last']);
  expect(valuesIn(outside.seen)).toEqual([...values, 'last']);
  await Promise.all([ahead.consumer.stop(), outside.consumer.stop()]);
});

test('a handler, an owner and a timer that fail: the partition is owned anew, nothing is skipped', async () => {
  const name = await topic('failing', 1);
  await produce(name, ['a', 'b']);
  let failures = 0;
  const { consumer, seen } = collector(name, {
    onOwn: ({ owned }) => {
      if (owned === 1) throw new Error('own fails');
    },
    onHandle: () => {
      failures += 1;
      if (failures === 1) throw new Error('handle fails');
    },
  });
  await consumer.start();
  await until('a and b', () => valuesIn(seen).length === 2);
  const first = seen.ownership;
  expect(first?.isOurs()).toBe(true);
  first?.fail(new Error('timer fails'));
  expect(first?.isOurs()).toBe(false);
  first?.fail(new Error('again, of a partition that is not its own any more'));
  await produce(name, ['c']);
  await until('c', () => valuesIn(seen).length === 3);
  expect(valuesIn(seen)).toEqual(['a', 'b', 'c']);
  expect(seen.owned).toBe(4);
  await consumer.stop();
  expect(seen.released).toEqual(['failed', 'failed', 'stop']);
  expect(seen.ownership?.isOurs()).toBe(false);
  const failed = log.lines.filter(({ event, fields }) => event === 'kafka.partition.failed' && fields.topic === name);
  expect(failed.map(({ level, cause }) => [level, (cause as Error).message])).toEqual([
    ['error', 'own fails'],
    ['error', 'handle fails'],
    ['error', 'timer fails'],
  ]);
});

test('a handler that takes longer than the session keeps its partition, and the lag says that work waits', async () => {
  const name = await topic('slow');
  await produce(name, ['a']);
  const { consumer, seen } = collector(name, {
    onHandle: ([record]) => systemClock.sleep(String(record?.value) === 'a' ? 7_500 : 100),
  });
  const lag = (unit: 'rows' | 'seconds') => metrics.value(`consumer_lag_${unit}`, { group: `${name}.group` });
  await consumer.start();
  await until('a is being handled', () => (consumer.status()[0]?.busySinceMs ?? null) !== null);
  await produce(name, ['b']);
  await until('both wait', async () => (await lag('rows')) === 2 && (await lag('seconds')) > 2);
  await until('a', () => valuesIn(seen).length === 1);
  await until('b is being handled', () => (consumer.status()[0]?.busySinceMs ?? null) !== null);
  const joins = log.lines.filter(
    ({ event, fields }) => event === 'kafka.group.joined' && fields.group === `${name}.group`,
  );
  expect(joins).toHaveLength(1);
  await consumer.stop();
  expect(seen.owned).toBe(1);
  expect(valuesIn(seen)).toEqual(['a', 'b']);
});

test('stop lets the running handler end, begins no other, then releases', async () => {
  const name = await topic('stop');
  await produce(name, ['a']);
  const order: string[] = [];
  let letGo: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const { consumer, seen } = collector(name, {
    onHandle: async () => {
      order.push('begun');
      await gate;
      order.push('handled');
    },
  });
  await consumer.start();
  await until('it is being handled', () => order.length > 0);
  // Time enough to be fetched while the other is handled: then it waits, and is left to whoever comes next.
  await produce(name, ['b']);
  await systemClock.sleep(500);
  const stopped = consumer.stop();
  letGo();
  await stopped;
  expect(order).toEqual(['begun', 'handled']);
  expect(seen.released).toEqual(['stop']);
  expect(await kafka.admin.committedOffset(`${name}.group`, name, 0)).toBe(1);
});

test('a position that the log does not hold stops the member by name', async () => {
  const behind = await topic('behind');
  await produce(behind, ['a', 'b', 'c', 'd']);
  await deleteBefore(behind, 2);
  const before = collector(behind);
  await before.consumer.start();
  expect(await before.consumer.crashed).toMatchObject({ name: 'PositionLostError', expected: 0, start: 2, end: 4 });
  expect(valuesIn(before.seen)).toEqual([]);
  await before.consumer.stop();

  const beyond = collector(behind, { from: 40, group: `${behind}.beyond` });
  await beyond.consumer.start();
  expect(await beyond.consumer.crashed).toMatchObject({ name: 'PositionLostError', expected: 40, end: 4 });
  await beyond.consumer.stop();

  // While it is owned: deleted under it, so that kafkajs resets the position by itself.
  let letGo: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const during = collector(behind, { from: 3, group: `${behind}.during`, onHandle: () => gate });
  await during.consumer.start();
  await until('d is being handled', () => (during.consumer.status()[0]?.busySinceMs ?? null) !== null);
  // Twice: while d is handled the next fetch is under way, and may have brought the first four before they went.
  await produce(behind, ['e', 'f', 'g', 'h']);
  await deleteBefore(behind, 7);
  await produce(behind, ['i', 'j', 'k', 'l']);
  await deleteBefore(behind, 11);
  letGo();
  const lost = await during.consumer.crashed;
  expect(lost).toBeInstanceOf(PositionLostError);
  expect(lost.message).toContain('wardwatch position skip');
  expect([['d'], ['d', 'e', 'f', 'g', 'h']]).toContainEqual(valuesIn(during.seen));
  await during.consumer.stop();
});

test('a group that can not be joined for good says so', async () => {
  const name = await topic('fatal');
  const other = raw.consumer({
    groupId: `${prefix}fatal`,
    maxWaitTimeInMs: 100,
    partitionAssigners: [
      () => ({
        name: 'other',
        version: 1,
        assign: async () => [],
        protocol: () => ({ name: 'other', metadata: Buffer.alloc(0) }),
      }),
    ],
  });
  await other.connect();
  await other.subscribe({ topics: [name] });
  await other.run({ eachMessage: async () => undefined });
  const { consumer } = collector(name, { group: `${prefix}fatal` });
  await expect(consumer.start()).rejects.toMatchObject({ type: 'INCONSISTENT_GROUP_PROTOCOL' });
  expect(await consumer.crashed).toMatchObject({ type: 'INCONSISTENT_GROUP_PROTOCOL' });
  await consumer.stop();
  await other.disconnect();
});
