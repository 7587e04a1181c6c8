// Kafka as the actors see it: producers, owned consumers, partition readers and administration over one set of settings.
import type { KafkaConfig, Kafka as KafkaType, RetryOptions, SASLOptions } from 'kafkajs';
import type {
  Clock,
  Logger,
  Metrics,
  OwnedConsumer,
  OwnedConsumerOptions,
  PartitionReader,
  PlainProducer,
  TransactionalProducer,
} from '../domain/ports.js';
import { createKafkaAdmin, type KafkaAdmin } from './admin.js';
import { clientLog } from './client-log.js';
import { clusterAccess, explicitPartition, Kafka, logLevel } from './kafkajs.js';
import { createOwnedConsumer, HEARTBEAT_MS } from './owned-consumer.js';
import { createPartitionReader } from './partition-reader.js';
import {
  createPlainProducer,
  createTransactionalProducer,
  PRODUCER_RETRY,
  type RawProducer,
  TRANSACTION_TIMEOUT_MS,
} from './producers.js';

export interface KafkaSettings {
  /** host:port. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** Present: TLS. `ca` is PEM text; absent, the system's authorities. */
  readonly ssl?: { readonly ca?: string | undefined } | undefined;
  readonly sasl?:
    | {
        readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
        readonly username: string;
        readonly password: string;
      }
    | undefined;
}

export interface KafkaParts {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

export interface KafkaClient {
  /** Connects; fencing happens at the first `transact`. */
  transactionalProducer(transactionalId: string): Promise<TransactionalProducer>;
  plainProducer(): Promise<PlainProducer>;
  /** Joins nothing before `start`. */
  ownedConsumer(options: OwnedConsumerOptions): OwnedConsumer;
  partitionReader(): Promise<PartitionReader>;
  readonly admin: KafkaAdmin;
  /** Closes what is still open of all of the above except consumers, which have to be stopped. */
  close(): Promise<void>;
}

const CONNECTION_TIMEOUT_MS = 3_000;
const AUTHENTICATION_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
const SESSION_TIMEOUT_MS = 6_000;
const REBALANCE_TIMEOUT_MS = 15_000;
/** How long a fetch waits for records: heartbeats and resumed partitions wait for it. */
const FETCH_WAIT_MS = 100;
const FETCH_BYTES_PER_PARTITION = 1_048_576;

/** kafkajs has other defaults under NODE_ENV=test, so every field is said. */
const retryBy = (retry: RetryOptions): RetryOptions => ({ factor: 0.2, multiplier: 2, ...retry });
const producerRetry = retryBy(PRODUCER_RETRY);
/** About 3 s: a doctor's question must end. */
const adminRetry = retryBy({ initialRetryTime: 50, maxRetryTime: 1_000, retries: 5 });
/** About 6 s, then the consumer crashes and is made anew, without end, by owned-consumer.ts. */
const consumerRetry = retryBy({ initialRetryTime: 50, maxRetryTime: 1_000, retries: 9 });

export function createKafka(settings: KafkaSettings, parts: KafkaParts): KafkaClient {
  const config: KafkaConfig = {
    brokers: [...settings.brokers],
    clientId: settings.clientId,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    authenticationTimeout: AUTHENTICATION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    logLevel: logLevel.INFO,
    logCreator: clientLog(parts.log, parts.clock),
    ...(settings.ssl ? { ssl: settings.ssl.ca ? { ca: [settings.ssl.ca] } : true } : {}),
    ...(settings.sasl ? { sasl: settings.sasl as SASLOptions } : {}),
  };
  const producing = new Kafka({ ...config, retry: producerRetry });
  const consuming = new Kafka({ ...config, retry: adminRetry });
  const producers = clusterAccess(producing, producerRetry);
  const readers = clusterAccess(consuming, adminRetry);
  const open = new Set<{ close(): Promise<void> }>();
  const admin = createKafkaAdmin(() => consuming.admin({ retry: adminRetry }), parts.clock);

  /** Remembers what was opened until it is closed. */
  const opened = <T extends { close(): Promise<void> }>(thing: T): T => {
    const tracked = {
      ...thing,
      close: async () => {
        open.delete(tracked);
        await thing.close();
      },
    };
    open.add(tracked);
    return tracked;
  };

  return {
    transactionalProducer: async (transactionalId) =>
      opened(
        await createTransactionalProducer(
          () => rawProducer(producing, producers, { transactionalId, transactionTimeout: TRANSACTION_TIMEOUT_MS }),
          transactionalId,
        ),
      ),
    plainProducer: async () =>
      opened(await createPlainProducer(() => rawProducer(producing, producers, { idempotent: true }))),
    ownedConsumer: (options) =>
      createOwnedConsumer(
        {
          ...parts,
          offsets: admin.offsets,
          make: (groupId, maxBytesPerPartition = FETCH_BYTES_PER_PARTITION) =>
            consuming.consumer({
              groupId,
              sessionTimeout: SESSION_TIMEOUT_MS,
              heartbeatInterval: HEARTBEAT_MS,
              rebalanceTimeout: REBALANCE_TIMEOUT_MS,
              maxWaitTimeInMs: FETCH_WAIT_MS,
              maxBytesPerPartition,
              allowAutoTopicCreation: false,
              readUncommitted: false,
              retry: { ...consumerRetry, restartOnFailure: async () => false },
            }),
        },
        options,
      ),
    partitionReader: async () =>
      opened(
        await createPartitionReader(readers.create({ isolationLevel: 1, allowAutoTopicCreation: false }), parts.clock),
      ),
    admin,
    close: async () => {
      await Promise.allSettled([...open].map((thing) => thing.close()));
      await admin.close();
    },
  };
}

/** Transactional producers are not made `idempotent` beside it: that would fetch a second producer id, and need a grant for it. */
function rawProducer(
  kafka: KafkaType,
  access: ReturnType<typeof clusterAccess>,
  options: { transactionalId: string; transactionTimeout: number } | { idempotent: true },
): RawProducer {
  const { made, cluster } = access.within(() =>
    kafka.producer({
      ...options,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      retry: producerRetry,
      createPartitioner: explicitPartition as never,
    }),
  );
  return { producer: made, cluster };
}
