// Reads one partition without a group: states up to a token, rebuilds and audits up to the stable end. Committed records only.
import type { Clock, PartitionReader } from '../domain/ports.js';
import { grantError, isFatal, PartitionReadTimeoutError, PositionLostError } from './errors.js';
import type { FetchedRecord } from './fetch-decoding.js';
import { committedFrom } from './fetched-batch.js';
import type { Cluster } from './kafkajs.js';

/** The key of the record that a new owner writes to a state partition, to read up to. */
export const TOKEN_KEY = 'token';

const READ_COMMITTED = 1;
const NO_REPLICA = -1;
const FETCH_BYTES = 4 * 1_048_576;
const FETCH_WAIT_MS = 100;
const TIMEOUT_MS = 30_000;
const RETRY_MIN_MS = 20;
const RETRY_MAX_MS = 1_000;

export async function createPartitionReader(cluster: Cluster, clock: Clock): Promise<PartitionReader> {
  await cluster.connect();

  /** Retries what a restart or a moved leader heals, until nothing has gone forward for `timeoutMs`. */
  const patiently = async <T>(topic: string, timeoutMs: number, attempt: () => Promise<T>): Promise<T> => {
    const until = clock.monotonicMs() + timeoutMs;
    for (let wait = RETRY_MIN_MS; ; wait = Math.min(wait * 2, RETRY_MAX_MS)) {
      try {
        return await attempt();
      } catch (error) {
        if (error instanceof PositionLostError) throw error;
        if (isFatal(error)) throw grantError(error, 'read', topic) ?? error;
        if (clock.monotonicMs() > until) throw error;
        await clock.sleep(wait);
        await cluster.refreshMetadata().catch(() => cluster.connect().catch(() => undefined));
      }
    }
  };

  const leaderOf = async (topic: string, partition: number) => {
    await cluster.addMultipleTargetTopics([topic]);
    const found = cluster.findTopicPartitionMetadata(topic).find(({ partitionId }) => partitionId === partition);
    if (!found) throw new Error(`${topic} has no partition ${partition}`);
    return cluster.findBroker({ nodeId: found.leader });
  };

  const offsets = (topic: string, partition: number, timeoutMs = TIMEOUT_MS) =>
    patiently(topic, timeoutMs, async () => {
      await leaderOf(topic, partition);
      const ask = async (fromBeginning: boolean) => {
        const [answer] = await cluster.fetchTopicsOffset([{ topic, fromBeginning, partitions: [{ partition }] }]);
        const offset = answer?.partitions[0]?.offset;
        if (offset === undefined) throw new Error(`no offset of ${topic} partition ${partition}`);
        return Number(offset);
      };
      // Under read-committed the "latest" offset is the last stable one.
      return { start: await ask(true), stableEnd: await ask(false) };
    });

  const fetch = (topic: string, partition: number, from: number, timeoutMs: number) =>
    patiently(topic, timeoutMs, async () => {
      const broker = await leaderOf(topic, partition);
      const { responses } = await broker.fetch({
        replicaId: NO_REPLICA,
        isolationLevel: READ_COMMITTED,
        maxWaitTime: FETCH_WAIT_MS,
        minBytes: 1,
        maxBytes: FETCH_BYTES,
        rackId: '',
        topics: [{ topic, partitions: [{ partition, fetchOffset: String(from), maxBytes: FETCH_BYTES }] }],
      });
      const answer = responses[0]?.partitions[0];
      if (!answer) throw new Error(`an empty answer for ${topic} partition ${partition}`);
      return answer;
    });

  return {
    offsets,
    read: async (topic, partition, { from, to, untilToken, timeoutMs = TIMEOUT_MS }, onRecord) => {
      const found = await offsets(topic, partition, timeoutMs);
      const held = { ...found, stableEnd: Math.min(found.stableEnd, to ?? Number.MAX_SAFE_INTEGER) };
      let next = from ?? held.start;
      if (next < held.start)
        throw new PositionLostError({ topic, partition, expected: next, start: held.start, end: held.stableEnd });
      let progressMs = clock.monotonicMs();
      while (untilToken !== undefined || next < held.stableEnd) {
        const answer = await fetch(topic, partition, next, timeoutMs);
        const from = next;
        for (const record of committedFrom(from, answer)) {
          if (untilToken === undefined && record.offset >= held.stableEnd) break;
          next = record.offset + 1;
          if (untilToken !== undefined && isToken(record, untilToken)) return { next };
          onRecord(record);
        }
        const end = answer.messages.endOffset ?? next;
        if (Math.max(next, end) > from) progressMs = clock.monotonicMs();
        else if (clock.monotonicMs() - progressMs > timeoutMs)
          throw new PartitionReadTimeoutError(
            `reading ${topic} partition ${partition} stood still at offset ${next} for ${timeoutMs} ms, ${untilToken === undefined ? `before its stable end ${held.stableEnd}` : 'before its token came'}`,
          );
        next = Math.max(next, untilToken === undefined ? Math.min(end, held.stableEnd) : end);
      }
      return { next };
    },
    close: () => cluster.disconnect(),
  };
}

function isToken(record: FetchedRecord, token: string): boolean {
  return record.key?.toString() === TOKEN_KEY && record.value?.toString() === token;
}
