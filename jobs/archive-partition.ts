// One partition of an archived topic while it is ours: its rows in memory, flushed one after the other into its chain.
import type { Clock, Logger, Metrics, OnStep, Ownership, PartitionWork, ReceivedRecord } from '../src/domain/ports.js';
import type { DeadReason } from '../src/domain/reading.js';
import type { ArchivedTopic } from '../src/lake/archived-topics.js';
import type { Chain } from '../src/lake/chain.js';
import type { DeadRow, EventRow, Placed, ReadingRow } from '../src/lake/columns.js';
import { LakeRaceLostError, TableRowError } from '../src/lake/errors.js';
import { HourBuffers } from '../src/lake/hour-buffers.js';
import { lastMessageOf } from '../src/lake/last-message.js';
import type { ByteBudget } from './archive-budget.js';

/** A file's encoding blocks the process for about 2 µs a row, and a member that is silent for 6 s is thrown out. */
export const MAX_FLUSH_ROWS = 250_000;
/** A file each hour and table: clocks that are wrong in many ways must not make a commit of thousands, which ends in no time-out. */
export const MAX_FLUSH_FILES = 500;
/** Ticks and markers move the position without a row: a record without files now and then keeps it inside the retention. */
const EMPTY_FLUSH_AFTER_MS = 60_000;
/** A row's columns beside its message's bytes, roughly. */
const ROW_OVERHEAD_BYTES = 64;
const HEARTBEAT_EVERY_MS = 500;

export interface ArchivePartitionParts {
  readonly topic: ArchivedTopic<ReadingRow | EventRow>;
  readonly ownership: Ownership;
  readonly chain: Chain;
  /** The first offset to take. */
  readonly expected: number;
  readonly flushRows: number;
  readonly flushAfterMs: number;
  readonly budget: ByteBudget;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly onStep: OnStep;
}

/** Rows since the last flush, and how far they reach. */
interface Batch {
  readonly rows: HourBuffers;
  bytes: number;
  next: number;
  last: ReceivedRecord | undefined;
  /** Monotonic: when the first row came, and when the position first moved. */
  rowsSinceMs: number | undefined;
  movedSinceMs: number | undefined;
  readonly dead: Map<DeadReason, { records: number; firstOffset: number }>;
}

export interface ArchivePartition extends PartitionWork {
  readonly topic: string;
  readonly partition: number;
  /** Flushes what has waited long enough. Called on a timer, so that silence doesn't keep rows in memory. */
  flushIfDue(): void;
  /** Monotonic ms since when the oldest row waits to be published; undefined where none does. */
  waitingSinceMs(): number | undefined;
}

export function createArchivePartition(parts: ArchivePartitionParts): ArchivePartition {
  const { topic, ownership, chain, budget, clock, metrics, onStep } = parts;
  const { partition } = ownership;
  const log = parts.log.child({ topic: topic.topic, partition });
  const flushRows = Math.min(parts.flushRows, MAX_FLUSH_ROWS);
  const emptyAfterMs = Math.max(parts.flushAfterMs, EMPTY_FLUSH_AFTER_MS);
  let pending = emptyBatch(parts.expected);
  const flushing: Batch[] = [];
  let tail: Promise<void> = Promise.resolve();
  /** Lost or failed: nothing more is committed. */
  let gaveUp = false;

  const member = { pendingBytes: () => (gaveUp ? 0 : pending.bytes), flush: () => flush() };
  budget.join(member);

  const flush = (): void => {
    const batch = pending;
    if (gaveUp || batch.movedSinceMs === undefined) return;
    pending = emptyBatch(batch.next);
    flushing.push(batch);
    tail = tail.then(async () => {
      try {
        if (!gaveUp) await commit(batch);
      } catch (error) {
        gaveUp = true;
        if (error instanceof LakeRaceLostError) log.warn('archive.race-lost', { next: batch.next });
        ownership.fail(error);
      } finally {
        flushing.shift();
        budget.give(batch.bytes);
      }
    });
  };

  const commit = async (batch: Batch): Promise<void> => {
    const startMs = clock.monotonicMs();
    const record = await chain.commit({
      start: parts.expected,
      next: batch.next,
      rows: batch.rows,
      last: batch.last ? lastMessageOf(batch.last) : null,
      stillOurs: () => !gaveUp,
    });
    const seconds = (clock.monotonicMs() - startMs) / 1000;
    const labels = { topic: topic.topic };
    let dead = 0;
    for (const [reason, { records, firstOffset }] of batch.dead) {
      dead += records;
      metrics.count('archive_dead_rows_total', { ...labels, reason }, records);
      log.warn('archive.dead', { reason, records, firstOffset });
    }
    metrics.count('archive_rows_total', labels, batch.rows.rows - dead);
    metrics.count('archive_files_total', labels, record.files.length);
    metrics.observe('archive_flush_seconds', seconds);
    log.info('archive.flushed', {
      start: record.start,
      next: record.next,
      rows: batch.rows.rows,
      files: record.files.length,
      bytes: record.files.reduce((sum, file) => sum + file.bytes, 0),
      ms: Math.round(seconds * 1000),
    });
  };

  const isWhole = () => pending.rows.rows >= flushRows || pending.rows.files >= MAX_FLUSH_FILES;

  /** While memory is full, or a whole flush waits behind another: nothing is dropped, nothing more is taken. */
  const waitForRoom = async (): Promise<void> => {
    while (!gaveUp && (budget.full() || (flushing.length > 0 && isWhole()))) {
      budget.relieve();
      const awake = new AbortController();
      await Promise.race([budget.given(), clock.sleep(HEARTBEAT_EVERY_MS, awake.signal)]);
      awake.abort();
      await ownership.heartbeat();
    }
  };

  const take = (record: ReceivedRecord): void => {
    const decoded = topic.decode(record.value);
    if (decoded.type === 'skip') return;
    if (decoded.type === 'dead') {
      takeDead(record, decoded.reason);
      return;
    }
    try {
      pending.rows.append(topic.table, { message: decoded.message, partition, offset: record.offset });
    } catch (error) {
      // What no column can hold is kept as the bytes that it came in.
      if (!(error instanceof TableRowError)) throw error;
      takeDead(record, 'wrong-shape');
    }
  };

  const takeDead = (record: ReceivedRecord, reason: DeadReason): void => {
    const row: Placed<DeadRow> = {
      message: {
        value: record.value,
        key: record.key,
        headers: headersOf(record),
        timestampMs: record.timestamp,
        reason,
      },
      partition,
      offset: record.offset,
    };
    pending.rows.append(topic.dead, row);
    const count = pending.dead.get(reason);
    if (count) count.records += 1;
    else pending.dead.set(reason, { records: 1, firstOffset: record.offset });
  };

  const moved = (bytes: number, next: number, last: ReceivedRecord | undefined): void => {
    pending.bytes += bytes;
    budget.take(bytes);
    pending.next = next;
    pending.last = last ?? pending.last;
    pending.movedSinceMs ??= clock.monotonicMs();
    if (pending.rows.rows > 0) pending.rowsSinceMs ??= clock.monotonicMs();
  };

  return {
    topic: topic.topic,
    partition,
    expected: parts.expected,

    handle: async (records, next) => {
      await waitForRoom();
      if (gaveUp) return;
      let bytes = 0;
      for (const record of records) {
        take(record);
        bytes += (record.value?.length ?? 0) + ROW_OVERHEAD_BYTES;
        if (pending.rows.files < MAX_FLUSH_FILES) continue;
        moved(bytes, record.offset + 1, record);
        bytes = 0;
        await waitForRoom();
        if (gaveUp) return;
        flush();
      }
      moved(bytes, next, records.at(-1));
      await onStep('archive.buffered');
      if (isWhole() && flushing.length === 0) flush();
      budget.relieve();
    },

    flushIfDue: () => {
      // One after the other: a second one behind a slow first would only make smaller files.
      if (flushing.length > 0) return;
      const now = clock.monotonicMs();
      const { rowsSinceMs, movedSinceMs } = pending;
      const due =
        (rowsSinceMs !== undefined && now - rowsSinceMs >= parts.flushAfterMs) ||
        (movedSinceMs !== undefined && now - movedSinceMs >= emptyAfterMs) ||
        isWhole();
      if (due) flush();
    },

    waitingSinceMs: () => (flushing[0] ?? pending).rowsSinceMs,

    release: async (why) => {
      if (why === 'stop') flush();
      else gaveUp = true;
      await tail;
      budget.leave(member);
      budget.give(pending.bytes);
      pending = emptyBatch(pending.next);
    },
  };
}

function emptyBatch(next: number): Batch {
  return {
    rows: new HourBuffers(),
    bytes: 0,
    next,
    last: undefined,
    rowsSinceMs: undefined,
    movedSinceMs: undefined,
    dead: new Map(),
  };
}

/** As JSON of base64, null where there are none: a header may hold any bytes. */
function headersOf({ headers }: ReceivedRecord): string | null {
  const entries = Object.entries(headers).filter(([, value]) => value !== undefined);
  if (entries.length === 0) return null;
  return JSON.stringify(
    Object.fromEntries(
      entries.map(([name, value]) => [name, Buffer.from(value as Buffer | string).toString('base64')]),
    ),
  );
}
