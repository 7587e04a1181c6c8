// An actor for tests of ownership: copies each record to the same partition of another topic, with its position, in one transaction per batch.
import { randomUUID } from 'node:crypto';
import type { OwnedConsumer, TransactionalProducer } from '../../src/domain/ports.js';
import type { KafkaClient } from '../../src/kafka/client.js';
import { systemClock } from '../../src/telemetry/clock.js';

export interface CopierTopics {
  readonly prefix: string;
  readonly input: string;
  readonly output: string;
  readonly state: string;
}

export function createCopier(kafka: KafkaClient, topics: CopierTopics, slowMs = 0): OwnedConsumer {
  const { prefix, input, output, state } = topics;
  return kafka.ownedConsumer({
    groupId: `${prefix}copier`,
    topics: [input],
    maxBytesPerPartition: 4_096,
    own: async ({ partition }) => {
      const producer: TransactionalProducer = await kafka.transactionalProducer(`${prefix}copier.${partition}`);
      let expected = 0;
      try {
        const token = randomUUID();
        await producer.transact([{ topic: state, partition, key: 'token', value: token }]);
        const reader = await kafka.partitionReader();
        await reader.read(state, partition, { untilToken: token }, ({ key, value }) => {
          if (String(key) === 'next') expected = Number(value);
        });
        await reader.close();
      } catch (error) {
        await producer.close();
        throw error;
      }
      return {
        expected,
        handle: async (records, next) => {
          await systemClock.sleep(slowMs);
          await producer.transact([
            ...records.map(({ value }) => ({ topic: output, partition, key: null, value: String(value) })),
            { topic: state, partition, key: 'next', value: String(next) },
          ]);
        },
        release: () => producer.close(),
      };
    },
  });
}
