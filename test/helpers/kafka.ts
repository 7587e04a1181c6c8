// A Kafka client of one test, with topics and groups of its own that go when the test ends.
import { afterAll } from 'vitest';
import { createKafka, type KafkaClient, type KafkaSettings } from '../../src/kafka/client.js';
import { systemClock } from '../../src/telemetry/clock.js';
import { recordingLogger, recordingMetrics } from './recorders.js';
import { testStack, uniqueName } from './stack.js';

export interface TestKafka {
  readonly kafka: KafkaClient;
  readonly log: ReturnType<typeof recordingLogger>;
  readonly metrics: ReturnType<typeof recordingMetrics>;
  /** Stands before every topic, group and transactional id of the test. */
  readonly prefix: string;
  /** Makes a topic and gives its whole name. */
  topic(name: string, partitions?: number, config?: Readonly<Record<string, string>>): Promise<string>;
}

/** Deletes all topics with the prefix and closes the client after the file's tests. `settings` replaces the stack's Kafka. */
export function testKafka(name: string, settings?: KafkaSettings): TestKafka {
  const prefix = `${uniqueName(name)}.`;
  const log = recordingLogger();
  const metrics = recordingMetrics();
  const kafka = createKafka(settings ?? { brokers: testStack().kafkaBrokers, clientId: name }, {
    log,
    metrics,
    clock: systemClock,
  });
  afterAll(async () => {
    const topics = await kafka.admin.listTopics();
    await kafka.admin.deleteTopics(topics.filter((topic) => topic.startsWith(prefix)));
    await kafka.close();
  });
  return {
    kafka,
    log,
    metrics,
    prefix,
    topic: async (topic, partitions = 1, config = {}) => {
      await kafka.admin.createTopics([
        {
          topic: prefix + topic,
          numPartitions: partitions,
          replicationFactor: 1,
          configEntries: Object.entries(config).map(([key, value]) => ({ name: key, value })),
        },
      ]);
      return prefix + topic;
    },
  };
}

/** Polls until the condition holds; throws, naming it, after `withinMs`. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, withinMs = 20_000) {
  const end = systemClock.monotonicMs() + withinMs;
  while (!(await condition())) {
    if (systemClock.monotonicMs() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await systemClock.sleep(20);
  }
}

/** Resolves when no transaction is open any more: a commit or abort is answered before its markers stand in every partition. */
export async function transactionsEnded(kafka: KafkaClient, topic: string, partition: number): Promise<void> {
  const reader = await kafka.partitionReader();
  await until(`the transactions on ${topic} have ended`, async () => {
    const [ends, { stableEnd }] = [await kafka.admin.endOffsets(topic), await reader.offsets(topic, partition)];
    return ends[partition] === stableEnd;
  });
  await reader.close();
}

/** The committed values of one partition, in order, once no transaction is open on it. */
export async function allValuesOf(kafka: KafkaClient, topic: string, partition: number): Promise<string[]> {
  await transactionsEnded(kafka, topic, partition);
  return valuesOf(kafka, topic, partition);
}

/** The committed values of one partition as far as transactions have ended, in order. */
export async function valuesOf(kafka: KafkaClient, topic: string, partition: number): Promise<string[]> {
  const reader = await kafka.partitionReader();
  const values: string[] = [];
  await reader.read(topic, partition, {}, ({ value }) => values.push(String(value)));
  await reader.close();
  return values;
}
