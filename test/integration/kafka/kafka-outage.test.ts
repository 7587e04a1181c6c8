// Kafka killed, frozen, stopped and started again under a producer, a consumer and a reader: they come back, nothing is lost.
import { randomUUID } from 'node:crypto';
import { afterAll, expect, test } from 'vitest';
import type { TransactionalProducer } from '../../../src/domain/ports.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { testKafka, until, valuesOf } from '../../helpers/kafka.js';
import { createCopier } from '../../helpers/kafka-copier.js';
import { startKafka } from '../../helpers/services.js';

const broker = await startKafka();
afterAll(() => broker.close());
const { kafka, prefix, topic, log, metrics } = testKafka('outage', { brokers: [broker.brokers], clientId: 'outage' });

test('work goes on after each outage, every record once', { timeout: 120_000 }, async () => {
  const topics = { prefix, input: await topic('in', 3), output: await topic('out', 3), state: await topic('state', 3) };
  const copier = createCopier(kafka, topics);
  await copier.start();
  await until('all owned', () => copier.status().filter(({ state }) => state === 'ready').length === 3);

  // As poll does it: a failed transaction throws the producer away, and what was written is read before going on.
  let value = 0;
  let producing = true;
  let outages = 0;
  const own = async (): Promise<TransactionalProducer> => {
    const producer = await kafka.transactionalProducer(`${prefix}source`);
    const token = randomUUID();
    try {
      await producer.transact([{ topic: topics.state, partition: 0, key: 'token', value: token }]);
      const reader = await kafka.partitionReader();
      let last = 0;
      await reader.read(topics.state, 0, { untilToken: token }, (record) => {
        if (String(record.key) === 'source') last = Number(record.value);
      });
      await reader.close();
      value = last;
      return producer;
    } catch (error) {
      await producer.close();
      throw error;
    }
  };
  const load = (async () => {
    let producer: TransactionalProducer | undefined;
    while (producing) {
      try {
        producer ??= await own();
        const rows = Array.from({ length: 30 }, (_, i) => ({
          topic: topics.input,
          partition: i % 3,
          key: null,
          value: String(value + i),
        }));
        const next = { topic: topics.state, partition: 0, key: 'source', value: String(value + rows.length) };
        await producer.transact([...rows, next]);
        value += rows.length;
        await systemClock.sleep(20);
      } catch {
        outages += 1;
        await producer?.close();
        producer = undefined;
        await systemClock.sleep(100);
      }
    }
    await producer?.close();
  })();

  const copied = async () => Number((await kafka.admin.endOffsets(topics.output))[0]);
  const progress = async (what: string) => {
    const [before, written] = [await copied(), value];
    await until(`it goes on after ${what}`, async () => (await copied()) > before && value > written, 30_000);
  };
  await progress('the start');

  await broker.kill();
  await until('the outage is seen', async () => (await metrics.value('service_up', { service: 'kafka' })) === 0);
  await broker.start();
  await progress('kill and start');
  await until('and that is seen', async () => (await metrics.value('service_up', { service: 'kafka' })) === 1);

  broker.pause();
  await systemClock.sleep(3_000);
  broker.cont();
  await progress('three seconds of silence');

  producing = false;
  await load;
  expect(outages).toBeGreaterThan(0);
  const all = async () => Promise.all([0, 1, 2].map((partition) => valuesOf(kafka, topics.output, partition)));
  await until('all is copied', async () => (await all()).flat().length >= value);
  const wanted = Array.from({ length: value }, (_, i) => String(i));
  const sorted = (await all()).map((values) => values.map(Number));
  for (const values of sorted) expect(values).toEqual(values.toSorted((a, b) => a - b));
  expect(
    sorted
      .flat()
      .toSorted((a, b) => a - b)
      .map(String),
  ).toEqual(wanted);
  await copier.stop();
  const interruptions = log.lines.filter(({ event }) => event === 'kafka.group.interrupted');
  expect(interruptions.filter(({ level }) => level === 'error').length).toBeGreaterThan(0);
  expect(log.lines.filter(({ event }) => event === 'kafka.group.back').length).toBeGreaterThan(0);
});

test('stop ends while Kafka is away, and start waits for it', async () => {
  const input = await topic('away');
  const consumer = (group: string) =>
    kafka.ownedConsumer({
      groupId: prefix + group,
      topics: [input],
      own: async () => ({ expected: 0, handle: async () => undefined, release: async () => undefined }),
    });
  const running = consumer('running');
  await running.start();
  await until('it owns', () => running.status()[0]?.state === 'ready');
  await broker.stop();
  await running.stop();
  const waiting = consumer('waiting');
  const never = consumer('never');
  const [started, stopped] = [waiting.start(), never.start()];
  await never.stop();
  await stopped;
  await broker.start();
  await started;
  await until('it owns', () => waiting.status()[0]?.state === 'ready');
  await waiting.stop();
});
