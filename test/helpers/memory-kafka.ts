// A Kafka of one test in memory: transactional ids that fence, commits whose outcome is unknown on demand, one partition per topic and number.
import type { PollKafka } from '../../jobs/poll-source.js';
import type { OutRecord, PartitionReader, ReceivedRecord, TransactionalProducer } from '../../src/domain/ports.js';
import { FencedError, KafkaOutcomeUnknownError } from '../../src/kafka/errors.js';

export interface MemoryKafka extends PollKafka {
  /** Committed records of a topic, in order of commit. */
  records(topic: string): readonly OutRecord[];
  /** The next transaction throws, after or before its records count. */
  failNext(how: 'committed' | 'not-committed'): void;
  /** The topic's retention: what lies below `offset` is deleted. */
  deleteBefore(topic: string, offset: number): void;
  /** Producers that are open. */
  open(): number;
}

export function memoryKafka(partitions = 2): MemoryKafka {
  const log = new Map<string, OutRecord[]>();
  const starts = new Map<string, number>();
  const epochs = new Map<string, number>();
  let failing: 'committed' | 'not-committed' | undefined;
  let openProducers = 0;
  const of = (topic: string) => {
    const records = log.get(topic) ?? [];
    log.set(topic, records);
    return records;
  };
  const producer = async (id: string): Promise<TransactionalProducer> => {
    openProducers += 1;
    let epoch: number | undefined;
    let usable = true;
    return {
      transact: async (records) => {
        if (!usable) throw new KafkaOutcomeUnknownError('this producer has failed before');
        if (epoch === undefined) {
          epoch = (epochs.get(id) ?? 0) + 1;
          epochs.set(id, epoch);
        }
        if (epochs.get(id) !== epoch) {
          usable = false;
          throw new FencedError(id);
        }
        const how = failing;
        failing = undefined;
        if (how !== 'not-committed') for (const record of records) of(record.topic).push(record);
        if (how === undefined) return;
        usable = false;
        throw new KafkaOutcomeUnknownError(id);
      },
      close: async () => {
        usable = false;
        openProducers -= 1;
      },
    };
  };
  const reader: PartitionReader = {
    offsets: async (topic) => ({ start: starts.get(topic) ?? 0, stableEnd: of(topic).length }),
    read: async (topic, _partition, { from = starts.get(topic) ?? 0, untilToken }, onRecord) => {
      const records = of(topic);
      for (let offset = from; offset < records.length; offset += 1) {
        const { key, value } = records[offset] as OutRecord;
        if (untilToken !== undefined && key === 'token' && value === untilToken) return { next: offset };
        onRecord({ offset, timestamp: 0, key: bytes(key), value: bytes(value), headers: {} } as ReceivedRecord);
      }
      if (untilToken !== undefined) throw new Error('the token did not come');
      return { next: records.length };
    },
    close: async () => {},
  };
  return {
    transactionalProducer: producer,
    partitionReader: async () => reader,
    admin: { partitionCount: async () => partitions },
    records: of,
    failNext: (how) => {
      failing = how;
    },
    deleteBefore: (topic, offset) => void starts.set(topic, offset),
    open: () => openProducers,
  };
}

function bytes(text: string | null): Buffer | null {
  return text === null ? null : Buffer.from(text);
}
