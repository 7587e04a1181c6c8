// One partition of vital-info while it is ours: its episodes in memory, its producer, and the transaction that keeps both true.
import { heardOf, judgeAbsence, silentPatients } from '../src/domain/absence.js';
import { type EvaluationContext, evaluate } from '../src/domain/evaluate.js';
import { createInstantReader } from '../src/domain/event-time.js';
import type { DoctorsQueueMessage } from '../src/domain/events.js';
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
import { isTicking } from '../src/domain/ticks.js';
import { formatMicros, type Micros, microsOfMs } from '../src/domain/time.js';
import { contextEvent, heartbeatEvent, tickMinute, type Versions } from '../src/domain/watch-events.js';
import { decodeWatchState, TOKEN_KEY } from '../src/domain/watch-state.js';
import { createWatchMemory, type WatchMemory } from './watch-memory.js';
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
    const { memory, next } = await readState(parts, partition, token);
    await parts.onStep('watch.state-read');
    parts.onOpenEpisodes(partition, memory.book.size);
    parts.log.info('watch.owned', { partition, next, open: memory.book.size });
    return createWork(parts, ownership, producer, memory, next);
  } catch (error) {
    await producer.close();
    throw error;
  }
}

async function readState(
  parts: WatchPartitionParts,
  partition: number,
  token: string,
): Promise<{ memory: WatchMemory; next: number }> {
  const { topics, log } = parts;
  const memory = createWatchMemory();
  let next: number | undefined;
  const reader = await parts.partitionReader();
  try {
    const options = { untilToken: token, timeoutMs: READ_STATE_TIMEOUT_MS };
    await reader.read(topics.watchState, partition, options, (record) => {
      next = memory.restore(decodeWatchState(record.key, record.value)) ?? next;
    });
    if (next === undefined) {
      next = (await reader.offsets(topics.vitalInfo, partition)).start;
      log.warn('watch.no-position', { partition, startsAt: next });
    }
    return { memory, next };
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
  memory: WatchMemory,
  start: number,
): PartitionWork {
  const { topics, clock, log, metrics, onStep } = parts;
  const { partition } = ownership;
  const instants = createInstantReader();
  let expected = start;
  let written = start;
  let writtenAtMs = clock.monotonicMs();
  let versions = '';
  let heartbeatMinute = '';
  /** False from the first change of memory until the batch is whole: half a batch must never be committed. */
  let whole = true;

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
        if (atUs !== undefined) {
          parts.onTick(partition, atUs);
          memory.tick(atUs);
        }
        if (minute > heartbeatMinute) {
          heartbeatMinute = minute;
          messages.push(heartbeatEvent(partition, item));
        }
        continue;
      }
      const time = { ...instants.timeOf(item, nowUs), nowIso };
      const heard = heardOf(item, memory.seen, context, time);
      if (heard.change) memory.noteSeen(heard.change);
      if (heard.event) messages.push(heard.event);
      tally.reading(time, nowUs);
      const result = evaluate(item, memory.book, context, time);
      for (const change of result.changes) memory.apply(change);
      for (const event of result.events) messages.push(event);
      for (const reason of result.unclassified) tally.unclassified(reason);
      if (result.transients > 0) tally.transients(result.transients);
    }
  };

  /** Once a batch, by its newest tick. False: the partition was lost while patients were looked up. */
  const lookForAbsence = async (messages: DoctorsQueueMessage[]): Promise<boolean> => {
    const nowUs = microsOfMs(clock.nowMs());
    const { book, seen, ticks } = memory;
    if (ticks === null || !isTicking(ticks, nowUs)) return true;
    const silences = { episodes: book, seen, ticks };
    const { policy } = await parts.contextFor([]);
    const ids = silentPatients(silences, policy);
    if (ids.size === 0 && seen.size === 0) return true;
    const context = await parts.contextFor(ids);
    if (!ownership.isOurs()) return false;
    const absence = judgeAbsence(silences, context, formatMicros(nowUs));
    for (const change of absence.changes) memory.apply(change);
    for (const change of absence.seenChanges) {
      seen.put(change);
      memory.noteSeen(change);
    }
    messages.push(...absence.events);
    return true;
  };

  const commit = async (messages: readonly DoctorsQueueMessage[], next: number, all = false): Promise<void> => {
    const records: OutRecord[] = messages.map((message) => ({
      topic: topics.doctorsQueue,
      partition,
      key: 'patient' in message ? message.patient.id : null,
      value: JSON.stringify(message),
    }));
    for (const state of memory.unwritten(next, all)) records.push({ topic: topics.watchState, partition, ...state });
    await producer.transact(records);
    memory.written();
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
    parts.onOpenEpisodes(partition, memory.book.size);
  };

  return {
    get expected() {
      return expected;
    },
    handle: async (records, next) => {
      whole = false;
      let ticked = false;
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
        ticked ||= chunk.items.length > chunk.readings.length;
      }
      if (ticked && !(await lookForAbsence(messages))) return;
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
        if (why === 'stop' && whole && (expected > written || memory.waits)) await commit([], expected, true);
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
