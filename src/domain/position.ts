// The poller's position as it stands on vital-poll-state: written in the transaction of the rows it follows.
import type { Gap, Ledger } from './gap-ledger.js';
import { formatMicros, isoOfMs, type Micros, parseMicros } from './time.js';

/** Above this the poller reads nothing new until gaps have closed. */
export const POSITION_LIMIT_BYTES = 512 * 1024;
/** Below the topic's max.message.bytes (1 MiB), whatever one page adds. */
const POSITION_HARD_LIMIT_BYTES = 900 * 1024;
/** A gap of two 20-digit ids and two times as JSON. */
const GAP_BYTES_AT_MOST = 125;
/** As many as a position below that limit can hold, whatever their ids. */
export const GAPS_AT_MOST = Math.floor(POSITION_HARD_LIMIT_BYTES / GAP_BYTES_AT_MOST);

/** How it is decided that a skipped id can't come any more (data-path.md 2). */
export type EvidenceKind = 'trx' | 'lock' | 'time';

/** Which server the ids belong to. */
export interface ServerIdentity {
  readonly uuid: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
}

export interface Position {
  readonly server: ServerIdentity;
  readonly ledger: Ledger;
  /** The first id that counts: where the very first start began. */
  readonly startId: bigint;
  /** When the last read that reached the table's end began; null before the first. */
  readonly reachedEndAt: Micros | null;
  readonly evidence: EvidenceKind;
  /** Counts the resets after which ids were handed out again; 1 where absent. */
  readonly generation?: number;
  /** The request that made this position; absent where none did. */
  readonly resetId?: string;
}

/** The name of the source in the ids of readings. After a reset that begins below what was read, ids come a second time, and a reading's name must never. */
export function readingSource(source: string, position: Pick<Position, 'generation'> | undefined): string {
  const generation = position?.generation ?? 1;
  return generation === 1 ? source : `${source}@${generation}`;
}

interface StoredGap {
  readonly from: string;
  readonly to: string;
  readonly bornMs: number;
  readonly collectedMs?: number;
  readonly offStep?: true;
}

interface StoredPosition {
  readonly v: 1;
  readonly source: string;
  readonly at: string;
  readonly server: ServerIdentity;
  readonly high: string;
  readonly startId: string;
  readonly reachedEndAt: string | null;
  readonly evidence: EvidenceKind;
  readonly gaps: readonly StoredGap[];
  readonly transactions: readonly { readonly id: string; readonly firstSeenMs: number }[];
  readonly generation?: number;
  readonly resetId?: string;
}

/** The state can't be read: a newer wardwatch wrote it, or it is damaged. Going on would lose or repeat rows. */
export class PositionUnreadableError extends Error {
  override readonly name = 'PositionUnreadableError';
}

/** The message on vital-poll-state, key = source. */
export function encodePosition(source: string, position: Position, nowMs: number): string {
  const { ledger } = position;
  const stored: StoredPosition = {
    v: 1,
    source,
    at: isoOfMs(nowMs),
    server: position.server,
    high: String(ledger.high),
    startId: String(position.startId),
    reachedEndAt: position.reachedEndAt === null ? null : formatMicros(position.reachedEndAt),
    evidence: position.evidence,
    gaps: ledger.gaps.map((gap) => ({
      from: String(gap.from),
      to: String(gap.to),
      bornMs: gap.bornMs,
      ...(gap.collectedMs === null ? {} : { collectedMs: gap.collectedMs }),
      ...(gap.offStep ? { offStep: true } : {}),
    })),
    transactions: ledger.transactions,
    ...(position.generation === undefined ? {} : { generation: position.generation }),
    ...(position.resetId === undefined ? {} : { resetId: position.resetId }),
  };
  return JSON.stringify(stored);
}

/**
 * Reads a position that another process, with another clock, may have written. A gap whose transactions were not collected in
 * full begins to wait anew; known transactions count for every such gap. Throws PositionUnreadableError.
 */
export function decodePosition(text: string, nowMs: number): Position {
  let stored: StoredPosition;
  try {
    stored = JSON.parse(text) as StoredPosition;
  } catch {
    throw new PositionUnreadableError('the position on vital-poll-state is no JSON');
  }
  if (stored?.v !== 1) throw new PositionUnreadableError('the position on vital-poll-state is of an unknown version');
  try {
    return {
      server: { uuid: need(stored.server.uuid), startedAt: need(stored.server.startedAt) },
      ledger: {
        high: BigInt(need(stored.high)),
        gaps: stored.gaps.map((gap) => takenOver(gap, nowMs)),
        transactions: stored.transactions.map((seen) => ({
          id: need(seen.id),
          firstSeenMs: Math.min(finite(seen.firstSeenMs), nowMs),
        })),
      },
      startId: BigInt(need(stored.startId)),
      reachedEndAt: stored.reachedEndAt === null ? null : (parseMicros(need(stored.reachedEndAt)) ?? null),
      evidence: stored.evidence,
      ...(stored.generation === undefined ? {} : { generation: finite(stored.generation) }),
      ...(stored.resetId === undefined ? {} : { resetId: need(stored.resetId) }),
    };
  } catch (error) {
    if (error instanceof PositionUnreadableError) throw error;
    throw new PositionUnreadableError('the position on vital-poll-state has another shape');
  }
}

/** How many rows may be read ahead when the position took `positionBytes`: none above the limit, and never so many that it could not be written. */
export function readAhead(positionBytes: number, batchRows: number): number {
  if (positionBytes > POSITION_LIMIT_BYTES) return 0;
  return Math.min(batchRows, Math.floor((POSITION_HARD_LIMIT_BYTES - positionBytes) / GAP_BYTES_AT_MOST));
}

function takenOver(gap: StoredGap, nowMs: number): Gap {
  return {
    from: BigInt(need(gap.from)),
    to: BigInt(need(gap.to)),
    bornMs: finite(gap.bornMs),
    waitFromMs: nowMs,
    // By the earlier owner's clock: a moment that has not come yet would let newer transactions count for ever.
    collectedMs: gap.collectedMs === undefined ? null : Math.min(finite(gap.collectedMs), nowMs),
    cleared: false,
    offStep: gap.offStep === true,
  };
}

function need(value: unknown): string {
  if (typeof value !== 'string')
    throw new PositionUnreadableError('the position on vital-poll-state has another shape');
  return value;
}

function finite(value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value))
    throw new PositionUnreadableError('the position on vital-poll-state has another shape');
  return value;
}
