// The two producers: transactional, one transaction per call, and plain (idempotent, acks all).
import { setTimeout } from 'node:timers/promises';
import type { Producer, RetryOptions } from 'kafkajs';
import type { OutRecord, PlainProducer, TransactionalProducer } from '../domain/ports.js';
import { answered, type Chunk, chunksOf, type ProduceAnswer } from './chunks.js';
import { FencedError, KafkaOutcomeUnknownError, kafkaErrorType, producerError } from './errors.js';
import { abortTransaction, type Cluster } from './kafkajs.js';

/** Short first waits: CONCURRENT_TRANSACTIONS right after a commit is over in a few ms. About 5 s in all. */
export const PRODUCER_RETRY: RetryOptions = { initialRetryTime: 5, maxRetryTime: 300, retries: 20 };
/** The broker aborts a transaction that is open longer, ms. */
export const TRANSACTION_TIMEOUT_MS = 10_000;
/** A failed producer gets this long to abort or to disconnect, ms; then it is left behind. */
const LEAVE_AFTER_MS = 2_000;
/** What the coordinator answers while it ends a transaction of this id for somebody. */
const PENDING = new Set(['CONCURRENT_TRANSACTIONS', 'UNKNOWN']);
const ASK_AGAIN_MS = 20;

export interface RawProducer {
  readonly producer: Producer;
  readonly cluster: Cluster;
}

type SendBatch = (request: { acks: -1; topicMessages: Chunk['topicMessages'] }) => Promise<ProduceAnswer[]>;

export async function createTransactionalProducer(
  make: () => RawProducer,
  transactionalId: string,
): Promise<TransactionalProducer> {
  const { producer, cluster } = make();
  const what = `transaction of ${transactionalId}`;
  let usable = true;
  let busy = false;
  await connect(producer, what);
  return {
    transact: async (records) => {
      if (!usable) throw new KafkaOutcomeUnknownError(`${what}: this producer has failed before, make another`);
      if (busy) throw new Error(`${what}: one at a time`);
      busy = true;
      try {
        const partitions = await partitionCounts(cluster, records);
        const transaction = await producer.transaction();
        const send = transaction.sendBatch.bind(transaction) as SendBatch;
        for (const chunk of chunksOf(records, partitions))
          answered(chunk, await send({ acks: -1, topicMessages: chunk.topicMessages }));
        await transaction.commit();
      } catch (error) {
        usable = false;
        const failure = producerError(error, what);
        if (failure instanceof FencedError) throw failure;
        throw (await abortOrFenced(cluster, transactionalId)) ?? failure;
      } finally {
        busy = false;
      }
    },
    close: async () => {
      usable = false;
      await within(LEAVE_AFTER_MS, producer.disconnect());
    },
  };
}

/**
 * After a failure: aborts, since read-committed readers wait behind an open transaction, and finds out whether the id is
 * another's by now. While a successor is fencing us the coordinator answers CONCURRENT_TRANSACTIONS, or UNKNOWN (its
 * IllegalStateException "already a pending state PREPARE_EPOCH_FENCE"; measured on 4.1: 4 of 250 fencings); once it has done
 * so, our epoch is refused. A commit that took effect without an answer is not touched by this. Undefined: nobody fenced us,
 * or the coordinator can't be asked, which leaves the transaction to the broker's time-out.
 */
async function abortOrFenced(cluster: Cluster, transactionalId: string): Promise<FencedError | undefined> {
  let given = false;
  const ask = async (): Promise<FencedError | undefined> => {
    while (!given) {
      try {
        await abortTransaction(cluster, transactionalId);
        return undefined;
      } catch (error) {
        const failure = producerError(error, `transaction of ${transactionalId}`);
        if (failure instanceof FencedError) return failure;
        if (!PENDING.has(kafkaErrorType(error))) return undefined;
        await setTimeout(ASK_AGAIN_MS);
      }
    }
    return undefined;
  };
  const fenced = await within(LEAVE_AFTER_MS, ask());
  given = true;
  return fenced;
}

/**
 * One request at a time, with all that is asked for while the one before is on its way. After a failure it goes on with
 * another idempotent producer: kafkajs takes sequence numbers back when a request fails, so that the next records would
 * carry numbers that the broker may have seen, and be thrown away as repeats.
 */
export async function createPlainProducer(make: () => RawProducer): Promise<PlainProducer> {
  let current: Promise<RawProducer> | undefined;
  let waiting: Ask[] = [];
  let sending: Promise<void> | undefined;
  let closed = false;

  const alive = (): Promise<RawProducer> => {
    current ??= connected(make()).catch((error: unknown) => {
      current = undefined;
      throw error;
    });
    return current;
  };
  await alive();

  const request = async ({ producer, cluster }: RawProducer, records: readonly OutRecord[]): Promise<Place[]> => {
    const places: Place[] = new Array(records.length);
    const partitions = await partitionCounts(cluster, records);
    const sendBatch = producer.sendBatch.bind(producer) as SendBatch;
    for (const chunk of chunksOf(records, partitions)) {
      const offsets = answered(chunk, await sendBatch({ acks: -1, topicMessages: chunk.topicMessages }));
      for (const [key, indexes] of chunk.indexes) {
        const partition = Number(key.slice(key.lastIndexOf('/') + 1));
        const base = offsets.get(key) ?? -1;
        for (const [i, index] of indexes.entries()) places[index] = { partition, offset: base + i };
      }
    }
    return places;
  };

  const sendWaiting = async () => {
    while (waiting.length > 0) {
      const asks = waiting;
      waiting = [];
      let raw: RawProducer | undefined;
      try {
        raw = await alive();
        const places = await request(
          raw,
          asks.flatMap(({ records }) => records),
        );
        let from = 0;
        for (const { records, resolve } of asks) {
          resolve(places.slice(from, from + records.length));
          from += records.length;
        }
      } catch (error) {
        current = undefined;
        if (raw) void within(LEAVE_AFTER_MS, raw.producer.disconnect());
        for (const { records, reject } of asks) reject(producerError(error, whatOf(records)));
      }
    }
    sending = undefined;
  };

  return {
    send: async (records) => {
      const refuseIfClosed = () => {
        if (closed) throw new KafkaOutcomeUnknownError(`${whatOf(records)}: the producer is closed`);
      };
      refuseIfClosed();
      try {
        // What is wrong with these records must not fail those of others.
        const { cluster } = await alive();
        for (const _ of chunksOf(records, await partitionCounts(cluster, records)));
      } catch (error) {
        throw producerError(error, whatOf(records));
      }
      // It may have been closed while this was waiting.
      refuseIfClosed();
      return new Promise((resolve, reject) => {
        waiting.push({ records, resolve, reject });
        sending ??= sendWaiting();
      });
    },
    close: async () => {
      closed = true;
      await sending;
      if (current)
        await within(
          LEAVE_AFTER_MS,
          current.then(({ producer }) => producer.disconnect()),
        );
    },
  };
}

async function connected(raw: RawProducer): Promise<RawProducer> {
  await connect(raw.producer, 'producer');
  return raw;
}

interface Place {
  readonly partition: number;
  readonly offset: number;
}

interface Ask {
  readonly records: readonly OutRecord[];
  readonly resolve: (places: Place[]) => void;
  readonly reject: (error: Error) => void;
}

function whatOf(records: readonly OutRecord[]): string {
  return `send to ${[...new Set(records.map(({ topic }) => topic))].join(', ')}`;
}

async function connect(producer: Producer, what: string): Promise<void> {
  try {
    await producer.connect();
  } catch (error) {
    void within(LEAVE_AFTER_MS, producer.disconnect());
    throw producerError(error, `${what}: connecting`);
  }
}

/** The number of partitions of each topic that is written to. */
async function partitionCounts(cluster: Cluster, records: readonly OutRecord[]): Promise<(topic: string) => number> {
  const topics = new Set(records.map(({ topic }) => topic));
  await cluster.addMultipleTargetTopics([...topics]);
  const counts = new Map([...topics].map((topic) => [topic, cluster.findTopicPartitionMetadata(topic).length]));
  return (topic) => {
    const count = counts.get(topic);
    if (!count) throw new Error(`no metadata of topic ${topic}: does it exist?`);
    return count;
  };
}

/** What `work` answers, or undefined where that takes longer than `ms`; its failure is of no interest here. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  const timer = new AbortController();
  const late = setTimeout(ms, undefined, { signal: timer.signal }).catch(() => undefined);
  const answer = await Promise.race([work.catch(() => undefined), late]);
  timer.abort();
  return answer;
}
