// The moment that an audit looks at: where every topic ends, once watch and archive have passed it.
import { AuditImpossible } from '../src/domain/audit.js';
import type { Clock, LakeStore, PartitionReader } from '../src/domain/ports.js';
import { decodeVitalInfo } from '../src/domain/reading.js';
import { decodeWatchState } from '../src/domain/watch-state.js';
import type { KafkaAdmin } from '../src/kafka/admin.js';
import { type TopicName, topicName } from '../src/kafka/topics.js';
import type { PartitionCut } from '../src/lake/audit-alerts.js';
import { LakeChainError } from '../src/lake/errors.js';
import { chainsBehind } from '../src/lake/readings-held.js';

const LOOK_MS = 500;
/** Records that are looked through to see whether they are but ticks. */
const LOOKED_THROUGH = 5_000;
/** A watcher that goes no further for so long stands still, or has nothing to do but has not written where it is. */
const WATCH_STANDS_MS = 10_000;
/** Whose chains the equation needs. Deliveries first: whatever was decided below their end then has its event below the end of doctors-queue. */
const TOPICS = [
  'alert-deliveries',
  'vital-info',
  'vital-gaps',
  'doctors-queue',
  'access-audit',
] as const satisfies readonly TopicName[];

export interface CutParts {
  /** KAFKA_PREFIX. */
  readonly prefix: string;
  readonly kafka: { readonly admin: Pick<KafkaAdmin, 'endOffsets'> };
  readonly lake: LakeStore;
  readonly clock: Clock;
}

/** How long it may take. */
export interface CutLimits {
  /** Monotonic. */
  readonly untilMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Cut {
  readonly partitions: readonly PartitionCut[];
  /** Ends of alert-deliveries. */
  readonly deliveries: readonly number[];
  /** Chains that did not get there in time. */
  readonly behind: readonly string[];
}

/**
 * In this order: ends of the readings; the watcher past them; then ends of everything, so that each event below the end of
 * doctors-queue has its reading below the end of vital-info; the archive past those. Throws AuditImpossible when it was stopped.
 */
export async function takeCut(parts: CutParts, reader: PartitionReader, limits: CutLimits): Promise<Cut> {
  const { kafka, prefix, clock, lake } = parts;
  const { untilMs, signal } = limits;
  const endsOf = (topic: TopicName) => kafka.admin.endOffsets(topicName(prefix, topic));
  const readings = await endsOf('vital-info');
  const evaluated = await watchPast(parts, reader, readings, limits);
  const ends = new Map<TopicName, readonly number[]>();
  for (const topic of TOPICS) ends.set(topic, await endsOf(topic));
  let behind: string[];
  for (;;) {
    behind = [];
    for (const topic of TOPICS) {
      for (const { partition, at, end } of await behindOf(lake, topic, ends.get(topic) ?? [])) {
        const lacks = await isAnythingBetween(reader, topicName(prefix, topic), partition, at, end);
        if (lacks) behind.push(`${topic}/${partition} is at ${at} of ${end}`);
      }
    }
    if (behind.length === 0 || clock.monotonicMs() > untilMs) break;
    await clock.sleep(LOOK_MS, signal);
    if (signal?.aborted) throw new AuditImpossible('stopped before the archive had passed the cut');
  }
  const events = ends.get('doctors-queue') ?? [];
  return {
    behind,
    deliveries: ends.get('alert-deliveries') ?? [],
    partitions: readings.map((end, p) => ({ end, evaluated: evaluated[p] ?? 0, events: events[p] ?? 0 })),
  };
}

/** Ticks and the marks of transactions go nowhere: whoever was stopped before them has missed nothing. What lies far behind is not read for it. */
async function isAnythingBetween(
  reader: PartitionReader,
  topic: string,
  partition: number,
  from: number,
  end: number,
): Promise<boolean> {
  if (from >= end) return false;
  if (end - from > LOOKED_THROUGH) return true;
  let anything = false;
  await reader.read(topic, partition, { from }, ({ offset, value }) => {
    if (offset < end && decodeVitalInfo(value).type !== 'tick') anything = true;
  });
  return anything;
}

/** A broken chain is no reason to wait: the exam names it. */
async function behindOf(lake: LakeStore, topic: string, ends: readonly number[]) {
  try {
    return await chainsBehind(lake, topic, ends);
  } catch (error) {
    if (error instanceof LakeChainError) return [];
    throw error;
  }
}

/** Where the watcher stands, as soon as it has passed `ends`, or goes no further. */
async function watchPast(
  { prefix, clock }: CutParts,
  reader: PartitionReader,
  ends: readonly number[],
  { untilMs, signal }: CutLimits,
): Promise<readonly number[]> {
  const looks = ends.map((_, partition) => followWatch(reader, topicName(prefix, 'watch-state'), partition));
  let at: readonly number[] = [];
  let movedMs = clock.monotonicMs();
  for (;;) {
    const now: number[] = [];
    for (const look of looks) now.push(await look());
    if (now.join() !== at.join()) movedMs = clock.monotonicMs();
    at = now;
    const nowMs = clock.monotonicMs();
    let past = true;
    for (const [partition, end] of ends.entries())
      past &&= !(await isAnythingBetween(reader, topicName(prefix, 'vital-info'), partition, at[partition] ?? 0, end));
    if (past || nowMs > untilMs || nowMs - movedMs > WATCH_STANDS_MS || signal?.aborted) return at;
    await clock.sleep(LOOK_MS, signal);
  }
}

/** Where the watcher stands in a partition: each look reads what came since the one before. */
function followWatch(reader: PartitionReader, topic: string, partition: number): () => Promise<number> {
  let from: number | undefined;
  let evaluated = 0;
  return async () => {
    const { next } = await reader.read(topic, partition, from === undefined ? {} : { from }, ({ key, value }) => {
      const record = decodeWatchState(key, value);
      if (record.type === 'next') evaluated = record.next;
    });
    from = next;
    return evaluated;
  };
}
