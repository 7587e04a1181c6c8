// What one batch of watch has to say apart from events: counts for metrics, and one log line per kind of trouble, not per row.
import type { ReadingTime } from '../src/domain/event-time.js';
import type { EvaluationReason } from '../src/domain/events.js';
import type { Logger, Metrics } from '../src/domain/ports.js';
import type { DeadReason } from '../src/domain/reading.js';

/** Latencies observed of one batch, at most about: a backlog's neighbours are all as late. */
const OBSERVED_PER_BATCH = 200;
const US_PER_SECOND = 1e6;

export interface BatchTally {
  reading(time: ReadingTime, nowUs: number): void;
  unclassified(reason: EvaluationReason): void;
  /** Pending episodes that nobody heard of. */
  transients(count: number): void;
  dead(reason: DeadReason, offset: number): void;
  /** Tells metrics and log. */
  report(): void;
}

/** `records`: how many the batch has. */
export function createTally(partition: number, records: number, log: Logger, metrics: Metrics): BatchTally {
  const observeEvery = Math.ceil(records / OBSERVED_PER_BATCH);
  const dead = new Map<DeadReason, { count: number; readonly firstOffset: number }>();
  const unclassified = new Map<EvaluationReason, number>();
  let readings = 0;
  let clamped = 0;
  let skewed = 0;
  let transients = 0;
  return {
    reading: (time, nowUs) => {
      if (readings % observeEvery === 0)
        metrics.observe('watch_evaluate_seconds', Math.max(0, nowUs - time.eventUs) / US_PER_SECOND);
      readings++;
      if (time.clock === 'ahead') clamped++;
      if (time.clock === 'behind') skewed++;
    },
    unclassified: (reason) => {
      unclassified.set(reason, (unclassified.get(reason) ?? 0) + 1);
    },
    transients: (count) => {
      transients += count;
    },
    dead: (reason, offset) => {
      const seen = dead.get(reason);
      if (seen) seen.count++;
      else dead.set(reason, { count: 1, firstOffset: offset });
    },
    report: () => {
      if (readings > 0) metrics.count('watch_readings_total', {}, readings);
      if (transients > 0) metrics.count('watch_transients_total', {}, transients);
      if (clamped > 0) metrics.count('watch_clamped_total', {}, clamped);
      if (skewed > 0) metrics.count('watch_clock_skew_total', {}, skewed);
      if (clamped + skewed > 0) log.warn('watch.clock', { partition, clamped, skewed });
      for (const [reason, count] of unclassified) metrics.count('watch_unclassified_total', { reason }, count);
      for (const [reason, { count, firstOffset }] of dead) {
        metrics.count('watch_dead_total', { reason }, count);
        log.warn('watch.dead', { partition, reason, count, firstOffset });
      }
    },
  };
}
