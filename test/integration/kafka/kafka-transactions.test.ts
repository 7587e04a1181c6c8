// What readers may see: committed records only, when transactions overlap, abort, are fenced or fill several requests.
import { expect, test } from 'vitest';
import { FencedError, KafkaOutcomeUnknownError, RecordTooLargeError } from '../../../src/kafka/errors.js';
import { explicitPartition, Kafka, logLevel } from '../../../src/kafka/kafkajs.js';
import { allValuesOf, testKafka, transactionsEnded, until } from '../../helpers/kafka.js';
import { testStack } from '../../helpers/stack.js';

const { kafka, prefix, topic } = testKafka('transactions');

/** Transactions that stay open as long as the test wants: kafkajs's own producers. */
async function rawProducers(count: number) {
  const raw = new Kafka({ brokers: [...testStack().kafkaBrokers], logLevel: logLevel.NOTHING });
  const producers = Array.from({ length: count }, (_, i) =>
    raw.producer({
      transactionalId: `${prefix}raw.${i}`,
      maxInFlightRequests: 1,
      createPartitioner: explicitPartition as never,
      retry: { initialRetryTime: 5, retries: 20 },
    }),
  );
  await Promise.all(producers.map((producer) => producer.connect()));
  return producers;
}

const message = (value: string) => ({
  key: null,
  value,
  partition: 0,
  keyBytes: 0,
  valueBytes: Buffer.byteLength(value),
});

test('four producers with overlapping transactions, many of them aborted: consumer and reader see the committed records, in order', async () => {
  const name = await topic('overlap');
  const producers = await rawProducers(4);
  const written: { value: string; round: number; producer: number }[] = [];
  const committed = new Set<string>();
  for (let round = 0; round < 12; round += 1) {
    const transactions = [];
    for (const producer of producers) transactions.push(await producer.transaction());
    // Begun in one order, written in another, ended in a third.
    for (let turn = 0; turn < 3; turn += 1)
      for (let i = 0; i < 4; i += 1) {
        const at = (i * 3 + turn + round) % 4;
        const value = `${round}.${turn}.${at}`;
        await transactions[at]?.send({ topic: name, messages: [message(value)] });
        written.push({ value, round, producer: at });
      }
    for (let i = 0; i < 4; i += 1) {
      const at = (i + round) % 4;
      const commit = (round + at) % 3 === 0;
      await (commit ? transactions[at]?.commit() : transactions[at]?.abort());
      if (commit) committed.add(`${round}.${at}`);
    }
  }
  await Promise.all(producers.map((producer) => producer.disconnect()));
  const wanted = written.filter((w) => committed.has(`${w.round}.${w.producer}`)).map(({ value }) => value);
  expect(wanted).toHaveLength(48);

  expect(await allValuesOf(kafka, name, 0)).toEqual(wanted);
  const seen: string[] = [];
  const consumer = kafka.ownedConsumer({
    groupId: `${prefix}overlap`,
    topics: [name],
    maxBytesPerPartition: 600,
    own: async () => ({
      expected: 0,
      handle: async (records) => void seen.push(...records.map(({ value }) => String(value))),
      release: async () => undefined,
    }),
  });
  await consumer.start();
  const end = (await kafka.admin.endOffsets(name))[0];
  await until('all handled', () => consumer.status()[0]?.expected === end);
  await consumer.stop();
  expect(seen).toEqual(wanted);
});

test('the first transaction of a new producer fences the old one, and aborts what it had open', async () => {
  const name = await topic('fence');
  const old = await kafka.transactionalProducer(`${prefix}fence`);
  await old.transact([{ topic: name, key: 'a', value: 'old 1' }]);
  const fresh = await kafka.transactionalProducer(`${prefix}fence`);
  await old.transact([{ topic: name, key: 'a', value: 'old 2' }]);
  await fresh.transact([{ topic: name, key: 'a', value: 'new 1' }]);
  await expect(old.transact([{ topic: name, key: 'a', value: 'old 3' }])).rejects.toThrow(FencedError);
  await expect(old.transact([{ topic: name, key: 'a', value: 'old 4' }])).rejects.toThrow(KafkaOutcomeUnknownError);
  await fresh.transact([{ topic: name, key: 'a', value: 'new 2' }]);
  expect(await allValuesOf(kafka, name, 0)).toEqual(['old 1', 'old 2', 'new 1', 'new 2']);
});

test('a transaction of many requests over two topics is whole, in order, and lands where the keys belong', async () => {
  const rows = await topic('rows', 6);
  const state = await topic('state', 1);
  const producer = await kafka.transactionalProducer(`${prefix}many`);
  const patients = Array.from({ length: 50 }, (_, i) => `patient-${i}-ä`);
  const text = (i: number) => `${i} ${'ü'.repeat(i % 90)} ${'x'.repeat((i * 37) % 400)}`;
  const records = Array.from({ length: 25_000 }, (_, i) => ({
    topic: rows,
    key: patients[(i * 7) % patients.length] ?? null,
    value: i % 1_000 === 999 ? null : text(i),
  }));
  const large = 'y'.repeat(900_000);
  await producer.transact([...records, { topic: state, key: 'position', value: large }]);
  const reader = await kafka.partitionReader();
  const byPatient = new Map<string, (string | null)[]>();
  let partitionsUsed = 0;
  for (let partition = 0; partition < 6; partition += 1) {
    const here = new Set<string>();
    await transactionsEnded(kafka, rows, partition);
    await reader.read(rows, partition, {}, ({ key, value }) => {
      const patient = String(key);
      here.add(patient);
      byPatient.set(patient, [...(byPatient.get(patient) ?? []), value && String(value)]);
    });
    if (here.size > 0) partitionsUsed += 1;
  }
  expect(partitionsUsed).toBe(6);
  for (const patient of patients)
    expect(byPatient.get(patient)).toEqual(records.filter(({ key }) => key === patient).map(({ value }) => value));
  expect(await allValuesOf(kafka, state, 0)).toEqual([large]);

  // One record that no broker takes: none of the transaction is seen.
  const tooLarge = [
    { topic: rows, key: 'a', value: 'lost' },
    { topic: state, key: 'position', value: 'z'.repeat(1_100_000) },
  ];
  await expect(producer.transact(tooLarge)).rejects.toThrow(RecordTooLargeError);
  expect(await allValuesOf(kafka, state, 0)).toHaveLength(1);
});

test('a plain producer says where each record lies', async () => {
  const name = await topic('plain', 3);
  const producer = await kafka.plainProducer();
  const record = (i: number) => ({ topic: name, key: `k${i % 7}`, value: `v${i}` });
  const batches = await Promise.all(
    [0, 1, 2].map((batch) => producer.send(Array.from({ length: 20 }, (_, i) => record(batch * 20 + i)))),
  );
  const places = batches.flat();
  const found: string[][] = [[], [], []];
  for (const [i, { partition, offset }] of places.entries()) {
    const list = found[partition] ?? [];
    list[offset] = `v${i}`;
  }
  for (const partition of [0, 1, 2]) expect(await allValuesOf(kafka, name, partition)).toEqual(found[partition]);
  // One that can't be sent does not take another with it.
  const [unknown, large, fine] = await Promise.allSettled([
    producer.send([{ topic: `${name}.none`, key: 'a', value: 'b' }]),
    producer.send([{ topic: name, key: 'a', value: 'z'.repeat(1_100_000) }]),
    producer.send([record(60)]),
  ]);
  expect(unknown).toMatchObject({ reason: { message: expect.stringMatching(/UNKNOWN_TOPIC/) } });
  expect(large).toMatchObject({ reason: { name: 'RecordTooLargeError' } });
  expect(fine).toMatchObject({ status: 'fulfilled', value: [{}] });
  await producer.close();
  await expect(producer.send([record(61)])).rejects.toThrow(/closed/);
});

test('a partition is read to a token, past empty and aborted stretches, from a position, and not past the stable end', async () => {
  const name = await topic('read');
  const [raw] = await rawProducers(1);
  if (!raw) throw new Error('no producer');
  const producer = await kafka.transactionalProducer(`${prefix}read`);
  await producer.transact([{ topic: name, key: 'a', value: '1' }]);
  const aborted = await raw.transaction();
  await aborted.send({ topic: name, messages: Array.from({ length: 50 }, (_, i) => message(`aborted ${i}`)) });
  await aborted.abort();
  await producer.transact([{ topic: name, key: 'token', value: 'earlier' }]);
  await producer.transact([{ topic: name, key: 'token', value: 'mine' }]);
  await producer.transact([{ topic: name, key: 'a', value: '2' }]);
  await transactionsEnded(kafka, name, 0);
  const reader = await kafka.partitionReader();
  const values: string[] = [];
  const token = await reader.read(name, 0, { untilToken: 'mine' }, ({ value }) => values.push(String(value)));
  expect(values).toEqual(['1', 'earlier']);
  const more: string[] = [];
  const end = await reader.read(name, 0, { from: token.next }, ({ value }) => more.push(String(value)));
  expect(more).toEqual(['2']);

  const open = await raw.transaction();
  await open.send({ topic: name, messages: [message('open')] });
  expect(await reader.read(name, 0, { from: end.next }, () => expect.unreachable())).toEqual(end);
  expect((await reader.offsets(name, 0)).stableEnd).toBe(end.next);
  const missing = reader.read(name, 0, { from: end.next, untilToken: 'never', timeoutMs: 300 }, () => undefined);
  await expect(missing).rejects.toThrow(/before its token came/);
  await open.abort();
  await transactionsEnded(kafka, name, 0);
  expect(await reader.read(name, 0, { from: end.next }, () => expect.unreachable())).toEqual({ next: end.next + 2 });
  await raw.disconnect();
});
