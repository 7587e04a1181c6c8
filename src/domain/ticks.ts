// A row of the poller's ticks without a pause: only what it covers may be called silence (data-path.md 4).
import type { Micros } from './time.js';

/** Ticks come every 2 s, to each partition. A longer pause: the poller, or RDS, was away. */
export const TICKS_PAUSE_US = 5_000_000;

export interface TickRow {
  /** The first tick after the last pause. */
  readonly sinceUs: Micros;
  readonly newestUs: Micros;
}

/** A tick read again, or an older one, changes nothing. */
export function withTick(row: TickRow | null, atUs: Micros): TickRow {
  if (row === null || atUs - row.newestUs > TICKS_PAUSE_US) return { sinceUs: atUs, newestUs: atUs };
  return atUs > row.newestUs ? { ...row, newestUs: atUs } : row;
}

/** Whether the newest tick tells of now: one from a backlog is followed by readings that have not been read yet. */
export function isTicking(row: TickRow, nowUs: Micros): boolean {
  return nowUs - row.newestUs < TICKS_PAUSE_US;
}

/** How long somebody last heard of at `lastSeenUs` has been silent, as far as ticks prove it. */
export function silentForUs(row: TickRow, lastSeenUs: Micros): number {
  return row.newestUs - Math.max(lastSeenUs, row.sinceUs);
}
