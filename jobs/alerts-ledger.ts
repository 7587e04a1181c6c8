// What dispatch and deliver both stand on: the ledger in Redis, alert-deliveries in Kafka, and the keeper that makes one from the other.
import type { Redis } from 'ioredis';
import type { Ledger } from '../src/domain/ledger.js';
import type { Limiter } from '../src/domain/limiter.js';
import type {
  Clock,
  Logger,
  OwnedConsumer,
  OwnedConsumerOptions,
  PartitionReader,
  PlainProducer,
} from '../src/domain/ports.js';
import { createDeliveryLog, type DeliveryLog } from '../src/kafka/delivery-log.js';
import { createLedger } from '../src/redis/ledger.js';
import { createLedgerKeeper, type LedgerKeeper } from './ledger-keeper.js';
import { rebuildLedger } from './ledger-rebuild.js';

/** What is used of KafkaClient. */
export interface AlertsKafka {
  plainProducer(): Promise<PlainProducer>;
  partitionReader(): Promise<PartitionReader>;
  ownedConsumer(options: OwnedConsumerOptions): OwnedConsumer;
  readonly admin: {
    committedOffset(group: string, topic: string, partition: number): Promise<number | undefined>;
    startOffsets(topic: string): Promise<readonly number[]>;
    offsetsAt(topic: string, ms: number): Promise<ReadonlyMap<number, number>>;
  };
}

export interface AlertsLedgerParts {
  readonly kafka: AlertsKafka;
  /** KAFKA_PREFIX. */
  readonly kafkaPrefix: string;
  /** A `command` connection, not closed here. */
  readonly redis: Redis;
  /** REDIS_PREFIX. */
  readonly redisPrefix: string;
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface AlertsLedger {
  readonly ledger: Ledger;
  readonly limiter: Limiter;
  readonly deliveries: DeliveryLog;
  readonly keeper: LedgerKeeper;
  start(): void;
  stop(): Promise<void>;
}

export function createAlertsLedger(parts: AlertsLedgerParts): AlertsLedger {
  const { kafka, kafkaPrefix, clock, log } = parts;
  const ledger = createLedger(parts.redis, parts.redisPrefix);
  const alertDeliveries = `${kafkaPrefix}alert-deliveries`;
  const deliveries = createDeliveryLog({
    topic: alertDeliveries,
    plainProducer: () => kafka.plainProducer(),
    partitionReader: () => kafka.partitionReader(),
  });
  const keeper = createLedgerKeeper({
    ledger,
    rebuild: async (into, signal) => {
      const reader = await kafka.partitionReader();
      try {
        const topics = { doctorsQueue: `${kafkaPrefix}doctors-queue`, alertDeliveries };
        const offsetsAt = (topic: string, ms: number) => kafka.admin.offsetsAt(topic, ms);
        await rebuildLedger({ ...topics, reader, offsetsAt, leaseMs: parts.leaseMs, clock, log }, into, signal);
      } finally {
        await reader.close();
      }
    },
    clock,
    log,
  });
  return {
    ledger,
    limiter: ledger.limiter,
    deliveries,
    keeper,
    start: () => keeper.start(),
    stop: async () => {
      await keeper.stop();
      await deliveries.close();
    },
  };
}
