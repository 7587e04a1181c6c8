// What a consumer group's member says of its partitions in metrics: how many in which state, how far behind, how late.
import type { Metrics } from '../domain/ports.js';
import type { OwnedPartition } from './owned-partition.js';

/** `nowMs` monotonic. */
export function consumerGauges(
  metrics: Metrics,
  group: string,
  topics: readonly string[],
  owned: readonly Pick<OwnedPartition, 'topic' | 'phase' | 'lag' | 'lagSeconds' | 'lastProgressMs'>[],
  nowMs: number,
): void {
  const states = { owning: 0, ready: 0, wait: 0 };
  for (const { phase } of owned) states[phase] += 1;
  for (const [state, n] of Object.entries(states)) metrics.gauge('consumer_partitions', n, { group, state });
  for (const topic of topics) {
    const known = owned.filter((part) => part.topic === topic && part.lag >= 0);
    const rows = known.reduce((sum, { lag }) => sum + lag, 0);
    const seconds = Math.max(0, ...known.map((part) => secondsBehind(part, nowMs)));
    metrics.gauge('consumer_lag_rows', rows, { group, topic });
    metrics.gauge('consumer_lag_seconds', seconds, { group, topic });
  }
}

/**
 * As old as what was handled last was, and growing while more waits and nothing is handled. The last record of a backlog may
 * have been old; once nothing waits, nothing is late.
 */
function secondsBehind(part: Pick<OwnedPartition, 'lag' | 'lagSeconds' | 'lastProgressMs'>, nowMs: number): number {
  return part.lag > 0 ? part.lagSeconds + (nowMs - part.lastProgressMs) / 1000 : 0;
}
