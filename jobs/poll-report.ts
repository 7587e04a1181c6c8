// What one look at the table has to say: rows, late ones, retired ids, gaps and lag in metrics; values that can't be used in the log.
import { holdersOf, type IdRange, type Ledger, oldestGap, openIds } from '../src/domain/gap-ledger.js';
import type { Clock, Logger, Metrics } from '../src/domain/ports.js';
import { GAPS_AT_MOST, POSITION_LIMIT_BYTES } from '../src/domain/position.js';
import { parseMicros } from '../src/domain/time.js';
import type { EncodedReading } from '../src/domain/vitals-row.js';
import type { PollAlarms } from './poll-alarms.js';

export interface LookReport {
  /** As they were written, late ones first. */
  readonly readings: readonly EncodedReading[];
  /** How many of them came into a gap. */
  readonly late: number;
  readonly retired: readonly IdRange[];
  /** As it stands after the look. */
  readonly ledger: Ledger;
  readonly positionBytes: number;
  readonly reachedEnd: boolean;
  /** Now, by the clock that the ledger is timed by. */
  readonly steadyMs: number;
}

export function reportLook(
  parts: { readonly log: Logger; readonly metrics: Metrics; readonly clock: Clock; readonly alarms: PollAlarms },
  { readings, late, retired, ledger, positionBytes, reachedEnd, steadyMs }: LookReport,
): void {
  const { log, metrics, clock, alarms } = parts;
  if (readings.length > 0) metrics.count('poll_rows_total', {}, readings.length);
  if (late > 0) metrics.count('poll_late_rows_total', {}, late);
  if (retired.length > 0) {
    const ids = Number(retired.reduce((sum, { from, to }) => sum + to - from + 1n, 0n));
    metrics.count('poll_ids_retired_total', {}, ids);
    log.info('poll.retired', { ids, ranges: retired.length, first: String(retired[0]?.from) });
  }
  for (const { row, patientId, bad, cut } of readings) {
    for (const attribute of bad) metrics.count('poll_bad_values_total', { attribute });
    if (bad.length > 0) alarms.badValue({ row, patientId, attributes: bad });
    if (cut) log.warn('poll.row-cut', { row, patientId });
  }
  const oldestUs = parseMicros(readings[0]?.recordedAt ?? '');
  if (oldestUs !== undefined) metrics.gauge('poll_lag_seconds', Math.max(0, clock.nowMs() / 1e3 - oldestUs / 1e6));
  // The last row of a backlog may have been old; once nothing waits, nothing is late.
  else if (reachedEnd) metrics.gauge('poll_lag_seconds', 0);
  if (reachedEnd) metrics.gauge('poll_lag_rows', 0);
  const oldest = oldestGap(ledger);
  const holder = oldest && holdersOf(ledger, oldest)[0];
  const secondsSince = (ms: number | undefined) => (ms === undefined ? 0 : Math.max(0, steadyMs - ms) / 1e3);
  metrics.gauge('poll_gaps_open', openIds(ledger));
  metrics.gauge('poll_gap_oldest_seconds', secondsSince(oldest?.bornMs));
  metrics.gauge('poll_gap_transaction_seconds', secondsSince(holder?.firstSeenMs));
  alarms.gaps(ledger, steadyMs);
  alarms.positionFull(positionBytes > POSITION_LIMIT_BYTES || ledger.gaps.length >= GAPS_AT_MOST);
}
