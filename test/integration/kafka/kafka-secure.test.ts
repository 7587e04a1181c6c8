// A broker that demands TLS and SCRAM-SHA-512: all of the client works, and what is wrong is said.
import { afterAll, expect, test } from 'vitest';
import { createKafka, type KafkaSettings } from '../../../src/kafka/client.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { allValuesOf, until } from '../../helpers/kafka.js';
import { recordingLogger, recordingMetrics } from '../../helpers/recorders.js';
import { startKafka } from '../../helpers/services.js';

const login = { username: 'wardwatch', password: 'planted-secret-42' };
const broker = await startKafka({ tls: true, sasl: login });
afterAll(() => broker.close());

const log = recordingLogger();
const settings: KafkaSettings = {
  brokers: [broker.brokers],
  clientId: 'secure',
  ssl: { ca: broker.ca },
  sasl: { mechanism: 'scram-sha-512', ...login },
};
const connect = (own: Partial<KafkaSettings>) =>
  createKafka({ ...settings, ...own }, { log, metrics: recordingMetrics(), clock: systemClock });

test('topics, transactions, ownership and reading over TLS with a password', async () => {
  const kafka = connect({});
  await kafka.admin.createTopics([{ topic: 'rows', numPartitions: 2, replicationFactor: 1 }]);
  const producer = await kafka.transactionalProducer('secure');
  await producer.transact([{ topic: 'rows', partition: 1, key: 'a', value: '1' }]);
  const plain = await kafka.plainProducer();
  await plain.send([{ topic: 'rows', partition: 1, key: 'a', value: '2' }]);
  const seen: string[] = [];
  const consumer = kafka.ownedConsumer({
    groupId: 'secure',
    topics: ['rows'],
    own: async () => ({
      expected: 0,
      handle: async (records) => void seen.push(...records.map(({ value }) => String(value))),
      release: async () => undefined,
    }),
  });
  await consumer.start();
  await until('both rows', () => seen.length === 2);
  await consumer.stop();
  expect(await allValuesOf(kafka, 'rows', 1)).toEqual(['1', '2']);
  await kafka.close();
});

test('a wrong password, an unknown authority, a port without TLS: refused at once, without the secret', async () => {
  const wrong = [
    connect({ sasl: { mechanism: 'scram-sha-512', username: login.username, password: 'planted-secret-43' } }),
    connect({ ssl: {} }),
    connect({ ssl: undefined }),
  ];
  for (const kafka of wrong) {
    await expect(kafka.admin.ping()).rejects.toThrow();
    await kafka.close();
  }
  const consumer = wrong[0]?.ownedConsumer({
    groupId: 'g',
    topics: ['rows'],
    own: () => Promise.reject(new Error('no')),
  });
  await expect(consumer?.start()).rejects.toThrow(/[Aa]uthentication/);
  await consumer?.stop();
  const said = JSON.stringify(log.lines, (_, value) => (value instanceof Error ? `${value.stack}` : value));
  expect(said).not.toContain('planted-secret');
});
