// The only door to kafkajs: its version is checked and its inside mended here, before anything of it is loaded.
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import type * as KafkaJs from 'kafkajs';
import { systemClock } from '../telemetry/clock.js';
import { decodeFetch, endOfBatches, type FetchedRecord } from './fetch-decoding.js';
import { FetchedBatch, type FetchedPartition } from './fetched-batch.js';
import { encodeProduce, type ProduceRequest } from './produce-encoding.js';

/** The mends lean on the inside of exactly this version (ops/decisions/kafkajs-with-mends.md): another one is a decision of its own. */
const SUPPORTED_VERSION = '2.2.4';

const load = createRequire(import.meta.url);

/** Kafkajs's Cluster, as far as we use it: a pool of broker connections with topic metadata. */
export interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  refreshMetadata(): Promise<void>;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  findTopicPartitionMetadata(topic: string): readonly { readonly partitionId: number; readonly leader: number }[];
  findBroker(node: { readonly nodeId: number | string }): Promise<Broker>;
  findGroupCoordinator(of: { readonly groupId: string; readonly coordinatorType: number }): Promise<Broker>;
  fetchTopicsOffset(
    topics: readonly {
      readonly topic: string;
      readonly fromBeginning: boolean;
      readonly partitions: readonly { readonly partition: number }[];
    }[],
  ): Promise<{ topic: string; partitions: { partition: number; offset: string }[] }[]>;
  /** What its transaction manager retries by; kafkajs never sets it (producer/eosManager/index.js:54). */
  retry?: KafkaJs.RetryOptions;
}

export interface Broker {
  endTxn(request: {
    readonly transactionalId: string;
    readonly producerId: number;
    readonly producerEpoch: number;
    /** True commits, false aborts. */
    readonly transactionResult: boolean;
  }): Promise<unknown>;
  fetch(request: {
    readonly replicaId: number;
    readonly isolationLevel: number;
    readonly maxWaitTime: number;
    readonly minBytes: number;
    readonly maxBytes: number;
    readonly rackId: string;
    readonly topics: readonly {
      readonly topic: string;
      readonly partitions: readonly {
        readonly partition: number;
        readonly fetchOffset: string;
        readonly maxBytes: number;
      }[];
    }[];
  }): Promise<{ readonly responses: readonly { readonly partitions: readonly FetchedPartition[] }[] }>;
}

interface Decoder {
  offset: number;
  readInt32(): number;
  canReadBytes(size: number): boolean;
  readBytes(size: number): Buffer;
}

const MENDED = Symbol.for('wardwatch.kafkajs.mended');

function mend(): void {
  const found = (load('kafkajs/package.json') as { version: string }).version;
  if (found !== SUPPORTED_VERSION)
    throw new Error(
      `kafkajs ${found} is installed, but src/kafka/kafkajs.ts mends the inside of ${SUPPORTED_VERSION}: install that version, or revise the mends and their tests`,
    );
  const marked = globalThis as { [MENDED]?: boolean };
  if (marked[MENDED]) return;
  if (load.cache[load.resolve('kafkajs')])
    throw new Error('kafkajs was loaded before src/kafka/kafkajs.ts could mend it: import it only there');
  marked[MENDED] = true;

  replace('consumer/batch', () => FetchedBatch);
  replace('protocol/requests/fetch/v4/decodeMessages', (decode: DecodeMessages) => (decoder: Decoder) => {
    return decodeMessages(decoder, decode);
  });
  replace('protocol/requests/produce/v3/request', () => produceRequest);
  replace(
    'producer/eosManager',
    (make: (options: ManagerOptions) => TransactionManager) => (options: ManagerOptions) => {
      const manager = make(options);
      if (options.transactional) managers.set(options.cluster, manager);
      return manager;
    },
  );
  // Theirs copies the whole list for each message.
  replace('producer/groupMessagesPerPartition', () => groupPerPartition);
  // Theirs sets a timer for "now minus the time since 1970" on every response: negative (a warning on Node 22 and newer), and
  // 1 ms later another, for ever.
  const queue = (load('kafkajs/src/network/requestQueue') as { prototype: RequestQueue }).prototype;
  queue.scheduleCheckPendingRequests = function schedule(this: RequestQueue) {
    if (this.throttleCheckTimeoutId || this.pending.length === 0) return;
    const wait = Math.max(this.throttledUntil - systemClock.nowMs(), PENDING_CHECK_MS);
    this.throttleCheckTimeoutId = setTimeout(() => {
      this.throttleCheckTimeoutId = null;
      this.checkPendingRequests();
    }, wait);
  };
  // Theirs adds a listener to a dead socket each time a connection is closed again: a warning after ten.
  const connection = (load('kafkajs/src/network/connection') as { prototype: Connection }).prototype;
  const { connect, disconnect } = connection;
  connection.disconnect = function disconnectOnce(this: Connection) {
    if (this.socket?.destroyed) this.socket = undefined;
    return disconnect.call(this);
  };
  // Theirs keeps what came of an answer before a connection broke, and reads what the next one brings behind it: garbage, thrown where
  // nobody catches it.
  connection.connect = function connectAnew(this: Connection) {
    if (!this.isConnected()) {
      this.socket?.removeAllListeners('data');
      Object.assign(this, { chunks: [], bytesBuffered: 0, bytesNeeded: SIZE_BYTES });
    }
    return connect.call(this);
  };
}

/** Before each answer: how long it is. */
const SIZE_BYTES = 4;

const PENDING_CHECK_MS = 10;

interface ManagerOptions {
  readonly cluster: Cluster;
  readonly transactional: boolean;
}

interface TransactionManager {
  getProducerId(): number;
  getProducerEpoch(): number;
  isInitialized(): boolean;
}

/** kafkajs keeps a producer's id and epoch to itself, and after a failed commit its own `abort` only throws. */
const managers = new WeakMap<Cluster, TransactionManager>();
const TRANSACTION_COORDINATOR = 1;

/**
 * Aborts the transaction of the producer that lives on this Cluster, whatever kafkajs thinks of its state. An older epoch is
 * refused, so it never touches a successor's. Resolves where there is no producer yet. Throws kafkajs's errors.
 */
export async function abortTransaction(cluster: Cluster, transactionalId: string): Promise<void> {
  const manager = managers.get(cluster);
  if (!manager?.isInitialized()) return;
  const broker = await cluster.findGroupCoordinator({
    groupId: transactionalId,
    coordinatorType: TRANSACTION_COORDINATOR,
  });
  await broker.endTxn({
    transactionalId,
    producerId: manager.getProducerId(),
    producerEpoch: manager.getProducerEpoch(),
    transactionResult: false,
  });
}

interface Connection {
  socket: Socket | undefined;
  isConnected(): boolean;
  connect(): Promise<boolean>;
  disconnect(): Promise<boolean>;
}

interface RequestQueue {
  pending: unknown[];
  throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  checkPendingRequests(): void;
  scheduleCheckPendingRequests(): void;
}

function replace<T>(path: string, make: (original: T) => unknown): void {
  const name = `kafkajs/src/${path}`;
  const original = load(name) as T;
  const module = load.cache[load.resolve(name)];
  if (!module) throw new Error(`${name} is not where it was`);
  module.exports = make(original);
}

/** What kafkajs's own decoder makes of a record. */
type TheirRecord = Omit<FetchedRecord, 'offset' | 'timestamp'> & {
  readonly offset: string;
  readonly timestamp: string;
};
type DecodeMessages = (decoder: Decoder) => Promise<TheirRecord[]>;

/** Compressed batches, and those from before Kafka 0.11, are left to kafkajs. */
async function decodeMessages(decoder: Decoder, theirs: DecodeMessages): Promise<FetchedPartition['messages']> {
  const start = decoder.offset;
  const size = decoder.readInt32();
  if (size <= 0 || !decoder.canReadBytes(size)) return [];
  const bytes = decoder.readBytes(size);
  const ours = decodeFetch(bytes);
  if (ours) return Object.assign(ours.records, { endOffset: ours.endOffset });
  decoder.offset = start;
  const records = (await theirs(decoder)).map((record) => ({
    ...record,
    offset: Number(record.offset),
    timestamp: Number(record.timestamp),
  }));
  const last = records.at(-1);
  return Object.assign(records, { endOffset: endOfBatches(bytes) ?? (last && last.offset + 1) });
}

/** Versions 4 to 7 are this one with another number. Its encoder needs no more than the bytes. */
function produceRequest(request: ProduceRequest & { readonly compression?: number }) {
  return {
    apiKey: 0,
    apiVersion: 3,
    apiName: 'Produce',
    expectResponse: () => request.acks !== 0,
    encode: async () => {
      if (request.compression) throw new Error('compression is not offered: see src/kafka/produce-encoding.ts');
      const buffer = encodeProduce(request, systemClock.nowMs());
      return { buf: buffer, buffer };
    },
  };
}

function groupPerPartition<M>(input: {
  topic: string;
  partitionMetadata: readonly unknown[];
  messages: readonly M[];
  partitioner: (of: { topic: string; partitionMetadata: readonly unknown[]; message: M }) => number;
}): Record<number, M[]> {
  const { topic, partitionMetadata, messages, partitioner } = input;
  const groups: Record<number, M[]> = {};
  if (partitionMetadata.length === 0) return groups;
  for (const message of messages) {
    const partition = partitioner({ topic, partitionMetadata, message });
    const group = groups[partition];
    if (group) group.push(message);
    else groups[partition] = [message];
  }
  return groups;
}

mend();
const kafkajs = load('kafkajs') as typeof KafkaJs;

export const { Kafka, logLevel, ConfigResourceTypes } = kafkajs;

/** Always the partition that the message names: ours are computed before, so that a retry can't choose another. */
export const explicitPartition = () => (of: { readonly message: { readonly partition?: number } }) => {
  if (of.message.partition === undefined) throw new Error('a record reached kafkajs without a partition');
  return of.message.partition;
};

interface ClusterOptions {
  readonly isolationLevel?: number;
  readonly allowAutoTopicCreation?: boolean;
  readonly metadataMaxAge?: number;
}
type CreateCluster = (options: ClusterOptions) => Cluster;

/** Makes a Cluster of our own, or gives the one that kafkajs makes inside `make`. */
export function clusterAccess(kafka: KafkaJs.Kafka, retry: KafkaJs.RetryOptions) {
  const symbol = Object.getOwnPropertySymbols(kafka).find(
    ({ description }) => description === 'private:Kafka:createCluster',
  );
  const holder = kafka as unknown as Record<symbol, CreateCluster>;
  const original = symbol && holder[symbol];
  if (!symbol || !original) throw new Error('kafkajs has no createCluster any more: see src/kafka/kafkajs.ts');
  let last: Cluster | undefined;
  holder[symbol] = (options) => {
    last = original(options);
    last.retry = retry;
    return last;
  };
  return {
    create: (options: ClusterOptions): Cluster => original(options),
    within<T>(make: () => T): { readonly made: T; readonly cluster: Cluster } {
      last = undefined;
      const made = make();
      if (!last) throw new Error('kafkajs made no Cluster: see src/kafka/kafkajs.ts');
      return { made, cluster: last };
    },
  };
}
