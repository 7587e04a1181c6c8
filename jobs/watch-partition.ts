// One partition of vital-info while it is ours: its episodes in memory, its producer, and the transaction that keeps both true.
import type { EpisodeChange } from '../src/domain/episode.js';
import { createEpisodeBook, type EpisodeBook } from '../src/domain/episode-book.js';
import { type EvaluationContext, evaluate } from '../src/domain/evaluate.js';
import { createInstantReader } from '../src/domain/event-time.js';
import type { DoctorsQueueMessage } from '../src/domain/events.js';
import { createSeenBook, type SeenBook, type SeenChange } from '../src/domain/last-seen.js';
import type {
  Clock,
  Logger,
  Metrics,
  OnStep,
  OutRecord,
  Ownership,
  PartitionReader,
  PartitionWork,
  ReceivedRecord,
  TransactionalProducer,
} from '../src/domain/ports.js';
import { decodeVitalInfo, type Reading, type Tick } from '../src/domain/reading.js';
import { formatMicros, type Micros, microsOfMs } from '../src/domain/time.js';
import { contextEvent, heartbeatEvent, tickMinute, type Versions } from '../src/domain/watch-events.js';
import {
  decodeWatchState,
  encodeEpisode,
  encodeNext,
  encodeSeen,
  episodeKeyText,
  NEXT_KEY,
  seenKeyText,
  TOKEN_KEY,
} from '../src/domain/watch-state.js';
import { type BatchTally, createTally } from './watch-tally.js';

/** Longest time between two writes of the position while batches raise nothing; a successor evaluates that much again. */
const NEXT_EVERY_MS = 1_000;
const READ_STATE_TIMEOUT_MS = 30_000;
/** Records decoded at a time: what lives as long as a whole batch is what the garbage collector has to copy. */
const CHUNK_RECORDS = 250;

export interface WatchTopics {
  readonly vitalInfo: string;
  readonly watchState: string;
  readonly doctorsQueue: string;
}

export interface WatchPartitionParts {
  readonly topics: WatchTopics;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly onStep: OnStep;
  readonly newToken: () => string;
  transactionalProducer(partition: number): Promise<TransactionalProducer>;
  partitionReader(): Promise<PartitionReader>;
  /** What is in force now, these patients looked up. */
  contextFor(patientIds: Iterable<string>): Promise<EvaluationContext>;
  /** Called with the time of each tick; null when the partition is let go. */
  onTick(partition: number, atUs: Micros | null): void;
  /** Called with the number of open episodes when it may have changed; 0 when the partition is let go. */
  onOpenEpisodes(partition: number, open: number): void;
}

/** Fences the predecessor, reads its state, and answers the work from its position on. Throws where any of it fails: nothing is taken then. */
export async function ownWatchPartition(parts: WatchPartitionParts, ownership: Ownership): Promise<PartitionWork> {
  const { partition } = ownership;
  const producer = await parts.transactionalProducer(partition);
  try {
    const token = parts.newToken();
    await producer.transact([{ topic: parts.topics.watchState, partition, key: TOKEN_KEY, value: token }]);
    await parts.onStep('watch.own');
    const { book, seen, next } = await readState(parts, partition, token);
    await parts.onStep('watch.state-read');
    parts.onOpenEpisodes(partition, book.size);
    parts.log.info('watch.owned', { partition, next, open: book.size });
    return createWork(parts, ownership, producer, book, seen, next);
  } catch (error) {
    await producer.close();
    throw error;
  }
}

async function readState(
  parts: WatchPartitionParts,
  partition: number,
  token: string,
): Promise<{ book: EpisodeBook; seen: SeenBook; next: number }> {
  const { topics, log } = parts;
  const book = createEpisodeBook();
  const seen = createSeenBook();
  let next: number | undefined;
  const reader = await parts.partitionReader();
  try {
    const options = { untilToken: token, timeoutMs: READ_STATE_TIMEOUT_MS };
    await reader.read(topics.watchState, partition, options, (record) => {
      const decoded = decodeWatchState(record.key, record.value);
      if (decoded.type === 'episode') book.apply(decoded.change);
      else if (decoded.type === 'seen') seen.restore(decoded.change);
      else if (decoded.type === 'next') next = decoded.next;
    });
    if (next === undefined) {
      next = (await reader.offsets(topics.vitalInfo, partition)).start;
      log.warn('watch.no-position', { partition, startsAt: next });
    }
    return { book, seen, next };
  } finally {
    await reader.close();
  }
}

/** Decoded records, in order. */
interface Chunk {
  readonly items: readonly (Reading | Tick)[];
  readonly readings: readonly Reading[];
}

function decodeChunk(records: readonly ReceivedRecord[], tally: BatchTally): Chunk {
  const items: (Reading | Tick)[] = [];
  const readings: Reading[] = [];
  for (const record of records) {
    const decoded = decodeVitalInfo(record.value);
    if (decoded.type === 'reading') {
      items.push(decoded.reading);
      readings.push(decoded.reading);
    } else if (decoded.type === 'tick') items.push(decoded.tick);
    else tally.dead(decoded.reason, record.offset);
  }
  return { items, readings };
}

/** The poller's keys are patient ids; a tick has none. */
function keysOf(records: readonly ReceivedRecord[]): ReadonlySet<string> {
  const keys = new Set<string>();
  for (const { key } of records) if (key !== null) keys.add(key.toString());
  return keys;
}

function createWork(
  parts: WatchPartitionParts,
  ownership: Ownership,
  producer: TransactionalProducer,
  book: EpisodeBook,
  seen: SeenBook,
  start: number,
): PartitionWork {
  const { topics, clock, log, metrics, onStep } = parts;
  const { partition } = ownership;
  const instants = createInstantReader();
  /** Changes since the last commit, by key: only a key's newest state is written. */
  const dirty = new Map<string, EpisodeChange>();
  const dirtySeen = new Map<string, SeenChange>();
  let expected = start;
  let written = start;
  let writtenAtMs = clock.monotonicMs();
  let versions = '';
  let heartbeatMinute = '';
  /** False from the first change of memory until the batch is whole: half a batch must never be committed. */
  let whole = true;

  /** Of wards whose patients are expected to send data. What is backfilled or replayed says nothing of now. */
  const noteSeen = ({ patientId, mark }: Reading, context: EvaluationContext, readUs: Micros): void => {
    const { expectDataWards } = context.policy;
    if (mark !== undefined || (expectDataWards.length === 0 && seen.size === 0)) return;
    const ward = context.patient(patientId)?.ward;
    const change = seen.note(patientId, readUs, typeof ward === 'string' && expectDataWards.includes(ward));
    if (change) dirtySeen.set(patientId, change);
  };

  /** Evaluates in Kafka's order, in memory; adds what doctors-queue has to hear to `messages`. */
  const evaluateChunk = (
    chunk: Chunk,
    context: EvaluationContext,
    from: number,
    tally: BatchTally,
    messages: DoctorsQueueMessage[],
  ): void => {
    const nowUs = microsOfMs(clock.nowMs());
    const nowIso = formatMicros(nowUs);
    if (chunk.readings.length > 0) {
      const used = versionsOf(context);
      if (used.key !== versions) messages.push(contextEvent(partition, from, used.versions, nowIso));
      versions = used.key;
    }
    for (const item of chunk.items) {
      if ('kind' in item) {
        const minute = tickMinute(item);
        const atUs = instants.micros(item.at);
        if (atUs !== undefined) parts.onTick(partition, atUs);
        if (minute > heartbeatMinute) {
          heartbeatMinute = minute;
          messages.push(heartbeatEvent(partition, item));
        }
        continue;
      }
      const time = instants.timeOf(item, nowUs);
      noteSeen(item, context, time.readUs);
      tally.reading(time, nowUs);
      const result = evaluate(item, book, context, { ...time, nowIso });
      for (const change of result.changes) {
        book.apply(change);
        dirty.set(episodeKeyText(change), change);
      }
      for (const event of result.events) messages.push(event);
      for (const reason of result.unclassified) tally.unclassified(reason);
    }
  };

  const commit = async (messages: readonly DoctorsQueueMessage[], next: number): Promise<void> => {
    const records: OutRecord[] = messages.map((message) => ({
      topic: topics.doctorsQueue,
      partition,
      key: 'patient' in message ? message.patient.id : null,
      value: JSON.stringify(message),
    }));
    const state = (key: string, value: string | null) =>
      records.push({ topic: topics.watchState, partition, key, value });
    for (const [key, change] of dirty) state(key, encodeEpisode(change.state));
    for (const [id, change] of dirtySeen) state(seenKeyText(id), encodeSeen(change.seen));
    state(NEXT_KEY, encodeNext(next));
    await producer.transact(records);
    dirty.clear();
    dirtySeen.clear();
    written = next;
    writtenAtMs = clock.monotonicMs();
  };

  const announce = (messages: readonly DoctorsQueueMessage[]): void => {
    for (const message of messages) {
      const severity = 'severity' in message ? message.severity : 'none';
      metrics.count('watch_events_total', { kind: message.kind, severity });
      if (!('patient' in message)) continue;
      const { kind, eventId, attribute, direction, reason, readingId } = message;
      const fields = { partition, patientId: message.patient.id, eventId, attribute, direction, severity };
      log.info(`watch.${kind}`, { ...fields, reason, readingId });
    }
    parts.onOpenEpisodes(partition, book.size);
  };

  return {
    get expected() {
      return expected;
    },
    handle: async (records, next) => {
      whole = false;
      const messages: DoctorsQueueMessage[] = [];
      const tally = createTally(partition, records.length, log, metrics);
      // Once for the whole batch: the time-out is the batch's, not that of each part of it.
      if (records.length > CHUNK_RECORDS) await parts.contextFor(keysOf(records));
      for (let i = 0; i < records.length; i += CHUNK_RECORDS) {
        const part = records.slice(i, i + CHUNK_RECORDS);
        const chunk = decodeChunk(part, tally);
        const context = await parts.contextFor(chunk.readings.map(({ patientId }) => patientId));
        if (!ownership.isOurs()) return;
        evaluateChunk(chunk, context, part[0]?.offset ?? expected, tally, messages);
      }
      tally.report();
      await onStep('watch.evaluated');
      const due = next > written && clock.monotonicMs() - writtenAtMs >= NEXT_EVERY_MS;
      if (messages.length > 0 || due) {
        await onStep('watch.before-commit');
        await commit(messages, next);
        await onStep('watch.after-commit');
        announce(messages);
      }
      expected = next;
      whole = true;
    },
    release: async (why) => {
      parts.onOpenEpisodes(partition, 0);
      parts.onTick(partition, null);
      try {
        if (why === 'stop' && whole && expected > written) await commit([], expected);
      } catch (error) {
        log.warn('watch.position-not-written', { partition, error: error instanceof Error ? error.name : 'unknown' });
      } finally {
        await closeQuietly(producer, log, partition);
      }
      log.info('watch.released', { partition, why, next: expected });
    },
  };
}

async function closeQuietly(producer: TransactionalProducer, log: Logger, partition: number): Promise<void> {
  try {
    await producer.close();
  } catch (error) {
    log.warn('watch.producer-close', { partition, error: error instanceof Error ? error.name : 'unknown' });
  }
}

function versionsOf(context: EvaluationContext): { key: string; versions: Versions } {
  const { thresholdVersion, patientVersion, policy } = context;
  const { version: policyVersion, conditions } = policy;
  const versions = { thresholdVersion, patientVersion, policyVersion, conditions };
  return { key: JSON.stringify(versions), versions };
}
