// One generation of one owned partition: what the consumer knows of it. A new generation is a new object: its identity is the test of ownership.
import type { PartitionWork } from '../domain/ports.js';

export interface OwnedPartition {
  readonly topic: string;
  readonly partition: number;
  phase: 'owning' | 'ready' | 'wait';
  work: PartitionWork | undefined;
  /** Next offset to handle; -1 while not ready. */
  expected: number;
  /** The same after all that is queued. */
  claimed: number;
  /** Handling, one fetch after the other. Resolves to false once the partition was forgotten. */
  tail: Promise<boolean>;
  /** Failures in a row, and (monotonic ms) when to try again. */
  failures: number;
  notBeforeMs: number;
  lastProgressMs: number;
  busySinceMs: number | null;
  /** Records behind the last stable offset; -1 unknown. */
  lag: number;
  /** Age of the newest handled record when it was handled. */
  lagSeconds: number;
  /** The offset last committed to the group as a hint. */
  hinted: number;
}

export function partitionKey(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

export function newGeneration(topic: string, partition: number, nowMs: number, failures = 0): OwnedPartition {
  return {
    topic,
    partition,
    phase: 'wait',
    work: undefined,
    expected: -1,
    claimed: -1,
    tail: Promise.resolve(true),
    failures,
    notBeforeMs: 0,
    lastProgressMs: nowMs,
    busySinceMs: null,
    lag: -1,
    lagSeconds: 0,
    hinted: -1,
  };
}
