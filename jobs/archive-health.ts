// Is the archive ready, and does its work move? A pure function of what it knows.
import type { ActorHealth } from '../src/domain/actor-health.js';
import type { PartitionStatus } from '../src/domain/ports.js';

export interface ArchiveHealthInput {
  readonly joined: boolean;
  /** Why the consumer group can't go on. */
  readonly crashed: string | undefined;
  readonly refused: readonly string[];
  /** What is wrong with chains that work goes on with; each line names a file or record. */
  readonly damage: readonly string[];
  /** Of the last write that the disk or the store refused; undefined since one succeeded. */
  readonly trouble: string | undefined;
  readonly partitions: readonly PartitionStatus[];
  readonly waiting: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly sinceMs: number | undefined;
  }[];
  /** Monotonic. */
  readonly nowMs: number;
  readonly overdueAfterMs: number;
}

/** Ready: every partition that the group gave us is owned. Live: no row waits for longer than a flush can take. */
export function archiveHealth(input: ArchiveHealthInput): ActorHealth {
  const { nowMs, overdueAfterMs } = input;
  const overdue = input.waiting
    .filter(({ sinceMs }) => sinceMs !== undefined && nowMs - sinceMs > overdueAfterMs)
    .map(
      ({ topic, partition }) =>
        `archive: rows of ${topic}/${partition} have waited for more than ${overdueAfterMs / 1000} s: does the lake answer?`,
    );
  const lacks = [...input.refused, ...input.damage].map((reason) => `archive: ${reason}`);
  if (input.trouble !== undefined)
    lacks.push(
      `archive: the lake can't be written (${input.trouble}): rows wait in Kafka until it can, as long as its retention`,
    );
  if (!input.joined) lacks.push('archive: joining the consumer group; is Kafka reachable?');
  const notOwned = input.partitions.filter(({ state }) => state !== 'ready');
  if (notOwned.length > 0)
    lacks.push(
      `archive: not owned yet: ${notOwned.map(({ topic, partition }) => `${topic}/${partition}`).join(', ')}; does the lake answer?`,
    );
  const crashed = input.crashed === undefined ? [] : [`archive: the consumer group has stopped: ${input.crashed}`];
  return {
    ready: lacks.length === 0 && crashed.length === 0,
    live: overdue.length === 0 && crashed.length === 0,
    reasons: [...lacks, ...crashed, ...overdue],
  };
}
