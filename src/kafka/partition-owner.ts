// Taking, keeping and letting go of partitions: what one member of a group owns, independent of how records arrive.
import { setImmediate } from 'node:timers/promises';
import type { Clock, Logger, OwnedConsumerOptions, Ownership, PartitionWork, ReceivedRecord } from '../domain/ports.js';
import { kafkaErrorType, PositionLostError } from './errors.js';
import { newGeneration, type OwnedPartition, partitionKey } from './owned-partition.js';

const OWN_RETRY_MIN_MS = 500;
const OWN_RETRY_MAX_MS = 10_000;
/** A new leader may not show its end at once: a position beyond the end has to be so this often, this far apart. */
const END_LOOKS = 4;
const END_LOOK_EVERY_MS = 500;

type Offsets = ReadonlyMap<number, { readonly start: number; readonly end: number }>;

export interface PartitionOwnerParts {
  readonly clock: Clock;
  readonly log: Logger;
  /** Log start and stable end of each partition of the topic. */
  readonly offsets: (topic: string) => Promise<Offsets>;
  /** Stops the fetching of a partition, at once. */
  readonly pause: (part: OwnedPartition) => void;
  /** Fetches a partition from `claimed` on. */
  readonly continueAt: (part: OwnedPartition) => void;
  /** Keeps the membership. */
  readonly heartbeat: () => Promise<void>;
  /** The group can't go on: a person has to decide. */
  readonly onFatal: (error: Error) => void;
}

export interface PartitionOwner {
  readonly all: () => readonly OwnedPartition[];
  /** The partition where it is ours and ready, and work goes on. */
  readonly ready: (topic: string, partition: number) => OwnedPartition | undefined;
  /** The group's assignment, synchronously: after an await kafkajs would already fetch, from the group's offsets. */
  readonly assign: (assignment: Readonly<Record<string, readonly number[]>>) => void;
  /** Owns what waits. Only after a successful heartbeat: a member that was thrown out asks before it fences the rightful owner. */
  readonly ownWaiting: () => void;
  /** Handles records after what is handled already; `end` is where the partition ended when they were fetched. False: the partition was forgotten or lost. */
  readonly enqueue: (
    part: OwnedPartition,
    records: readonly ReceivedRecord[],
    next: number,
    end: number,
  ) => Promise<boolean>;
  /** Compares position and log: kafkajs resets a position that the log doesn't hold to its default, silently. */
  readonly lookAfter: (part: OwnedPartition) => Promise<void>;
  /** The same for all that is ready, and their lag. */
  readonly lookAfterAll: () => Promise<void>;
  /** Takes nothing more and handles nothing more. */
  readonly halt: () => void;
  /** After `halt`: what is being handled has ended. */
  readonly settled: () => Promise<void>;
  /** After `halt`: lets all go. */
  readonly releaseAll: () => Promise<void>;
}

type Why = 'lost' | 'failed' | 'stop';

export function createPartitionOwner(parts: PartitionOwnerParts, options: OwnedConsumerOptions): PartitionOwner {
  const { clock, log, pause, continueAt } = parts;
  const owned = new Map<string, OwnedPartition>();
  /** Work of earlier generations that is being let go: the same partition is not owned anew before that is done. */
  const leaving = new Map<string, Promise<void>>();
  const owning = new Set<Promise<void>>();
  let halted = false;

  const keyOf = (part: OwnedPartition) => partitionKey(part.topic, part.partition);
  const isOurs = (part: OwnedPartition) => owned.get(keyOf(part)) === part;
  const fields = (part: OwnedPartition) => ({ topic: part.topic, partition: part.partition });

  /** Lets work go once what it handles has ended. */
  const release = (part: OwnedPartition, work: PartitionWork | undefined, why: Why): Promise<void> => {
    part.work = undefined;
    if (!work) return Promise.resolve();
    const key = keyOf(part);
    const done: Promise<void> = Promise.allSettled([leaving.get(key), part.tail])
      .then(() => work.release(why))
      .catch((error: unknown) => log.error('kafka.partition.release', { ...fields(part), why }, error))
      .finally(() => {
        if (leaving.get(key) === done) leaving.delete(key);
      });
    leaving.set(key, done);
    return done;
  };

  /** A failure: the partition is owned anew, by a new generation, from a later heartbeat on. */
  const forget = (part: OwnedPartition, error: unknown) => {
    if (!isOurs(part)) return;
    const next = newGeneration(part.topic, part.partition, clock.monotonicMs(), part.failures + 1);
    next.notBeforeMs =
      clock.monotonicMs() + Math.min(OWN_RETRY_MIN_MS * 2 ** Math.min(part.failures, 10), OWN_RETRY_MAX_MS);
    owned.set(keyOf(part), next);
    pause(next);
    log.error('kafka.partition.failed', { ...fields(part), failures: next.failures }, error);
    void release(part, part.work, 'failed');
  };

  const ownershipOf = (part: OwnedPartition): Ownership => ({
    topic: part.topic,
    partition: part.partition,
    isOurs: () => isOurs(part),
    fail: (error) => forget(part, error),
    heartbeat: parts.heartbeat,
  });

  const checkPosition = async (part: OwnedPartition, expected: number, known?: Offsets): Promise<void> => {
    for (let look = 1; ; look += 1) {
      const offsets = look === 1 && known ? known : await parts.offsets(part.topic);
      const held = offsets.get(part.partition);
      if (!held) throw new Error(`no offsets of ${part.topic} partition ${part.partition}`);
      part.lag = Math.max(0, held.end - expected);
      if (expected >= held.start && expected <= held.end) return;
      if (expected < held.start || look === END_LOOKS)
        throw new PositionLostError({ ...fields(part), expected, start: held.start, end: held.end });
      await clock.sleep(END_LOOK_EVERY_MS);
    }
  };

  const own = async (part: OwnedPartition): Promise<void> => {
    let work: PartitionWork | undefined;
    try {
      await leaving.get(keyOf(part));
      if (!isOurs(part) || halted) return;
      work = await options.own(ownershipOf(part));
      if (isOurs(part)) await checkPosition(part, work.expected);
    } catch (error) {
      if (work) void release(part, work, 'failed');
      if (error instanceof PositionLostError && isOurs(part)) parts.onFatal(error);
      else forget(part, error);
      return;
    }
    if (!isOurs(part) || halted) {
      await release(part, work, halted ? 'stop' : 'lost');
      return;
    }
    part.work = work;
    part.expected = work.expected;
    part.claimed = work.expected;
    part.phase = 'ready';
    part.lastProgressMs = clock.monotonicMs();
    log.info('kafka.partition.owned', { ...fields(part), expected: work.expected });
    continueAt(part);
  };

  const lookAfter = async (part: OwnedPartition, known?: Offsets): Promise<void> => {
    if (!isOurs(part) || part.phase !== 'ready') return;
    try {
      await checkPosition(part, part.expected, known);
    } catch (error) {
      if (error instanceof PositionLostError && isOurs(part)) parts.onFatal(error);
      else log.debug('kafka.offsets.unknown', { ...fields(part), reason: kafkaErrorType(error) });
    }
  };

  const startOwning = (part: OwnedPartition) => {
    part.phase = 'owning';
    const done: Promise<void> = own(part).finally(() => owning.delete(done));
    owning.add(done);
  };

  return {
    all: () => [...owned.values()],
    ready: (topic, partition) => {
      const part = owned.get(partitionKey(topic, partition));
      return part?.phase === 'ready' && !halted ? part : undefined;
    },
    assign: (assignment) => {
      const assigned = new Set<string>();
      for (const [topic, partitions] of Object.entries(assignment))
        for (const partition of partitions) {
          const key = partitionKey(topic, partition);
          assigned.add(key);
          const kept = owned.get(key);
          if (kept?.phase === 'ready' && !halted) {
            // kafkajs says nothing when it drops a commit on its way out of a generation.
            kept.hinted = -1;
            continueAt(kept);
            continue;
          }
          const part = kept ?? newGeneration(topic, partition, clock.monotonicMs());
          pause(part);
          if (kept || halted) continue;
          owned.set(key, part);
          startOwning(part);
        }
      for (const [key, part] of owned)
        if (!assigned.has(key)) {
          owned.delete(key);
          log.info('kafka.partition.lost', fields(part));
          void release(part, part.work, 'lost');
        }
    },
    ownWaiting: () => {
      if (halted) return;
      for (const part of owned.values())
        if (part.phase === 'wait' && clock.monotonicMs() >= part.notBeforeMs) startOwning(part);
    },
    enqueue: (part, records, next, end) => {
      part.claimed = next;
      part.tail = part.tail.then(async (sound) => {
        const { work } = part;
        if (!sound || !work || !isOurs(part)) return false;
        part.busySinceMs = clock.monotonicMs();
        try {
          // What is asked for next must be on its way before this may keep the process busy.
          await setImmediate();
          await work.handle(records, next);
        } catch (error) {
          forget(part, error);
          return false;
        } finally {
          part.busySinceMs = null;
        }
        if (!isOurs(part)) return false;
        part.expected = next;
        part.lag = Math.max(0, end - next);
        part.failures = 0;
        part.lastProgressMs = clock.monotonicMs();
        const newest = records.at(-1);
        if (newest) part.lagSeconds = Math.max(0, (clock.nowMs() - newest.timestamp) / 1000);
        return true;
      });
      return part.tail;
    },
    lookAfter,
    lookAfterAll: async () => {
      for (const topic of options.topics) {
        const ready = [...owned.values()].filter((part) => part.topic === topic && part.phase === 'ready');
        if (ready.length === 0) continue;
        const known = await parts.offsets(topic).catch(() => undefined);
        for (const part of ready) if (known) await lookAfter(part, known);
      }
    },
    halt: () => {
      halted = true;
      for (const part of owned.values()) pause(part);
    },
    settled: async () => {
      await Promise.all([...owning, ...[...owned.values()].map((part) => part.tail)]);
    },
    releaseAll: async () => {
      await Promise.all([...owned.values()].map((part) => release(part, part.work, 'stop')));
      await Promise.all(leaving.values());
      owned.clear();
    },
  };
}
