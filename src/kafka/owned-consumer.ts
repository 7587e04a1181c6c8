// A consumer group whose members own partitions: the recipe of shared/design/kafkajs.md, "Owning partitions", step by step.
import type { Batch, Consumer, EachBatchPayload } from 'kafkajs';
import type {
  Clock,
  Logger,
  Metrics,
  OwnedConsumer,
  OwnedConsumerOptions,
  Ownership,
  PartitionWork,
  ReceivedRecord,
} from '../domain/ports.js';
import { grantError, isFatal, kafkaErrorType, PositionLostError } from './errors.js';
import { newGeneration, type OwnedPartition, partitionKey } from './owned-partition.js';
import { receivedRecord } from './partition-reader.js';

export const HEARTBEAT_MS = 500;
const HINT_EVERY_MS = 1_000;
/** Every this many hints the ends of the partitions are asked for: lag, and whether the log still holds our position. */
const LOOK_EVERY_HINTS = 5;
const OWN_RETRY_MIN_MS = 500;
const OWN_RETRY_MAX_MS = 10_000;
const RESTART_MIN_MS = 100;
const RESTART_MAX_MS = 2_000;
/** Over in a moment, and no outage. */
const COORDINATOR_MOVES = new Set([
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
]);

export interface OwnedConsumerParts {
  /** A new kafkajs consumer of that group, with the settings of client.ts. */
  readonly make: (groupId: string, maxBytesPerPartition: number | undefined) => Consumer;
  /** Log start and stable end of each partition of the topic. */
  readonly offsets: (topic: string) => Promise<ReadonlyMap<number, { readonly start: number; readonly end: number }>>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export function createOwnedConsumer(parts: OwnedConsumerParts, options: OwnedConsumerOptions): OwnedConsumer {
  const { clock, metrics } = parts;
  const group = options.groupId;
  const log = parts.log.child({ group });
  const owned = new Map<string, OwnedPartition>();
  /** Work of earlier generations that is being let go: the same partition is not owned anew before that is done. */
  const leaving = new Map<string, Promise<void>>();
  const beats = new Set<() => Promise<void>>();
  let consumer: Consumer | undefined;
  let joined = false;
  let stopping = false;
  let dead = false;
  let outage = false;
  let die: (error: Error) => void = () => undefined;
  const crashed = new Promise<Error>((resolve) => {
    die = resolve;
  });
  const stopAsked = new AbortController();

  const isOurs = (part: OwnedPartition) => owned.get(partitionKey(part.topic, part.partition)) === part;
  const fields = (part: OwnedPartition) => ({ topic: part.topic, partition: part.partition });

  /** kafkajs refuses these between two runs; the next join does them all again. */
  const control = (action: (consumer: Consumer) => void) => {
    if (!consumer) return;
    try {
      action(consumer);
    } catch {
      joined = false;
    }
  };
  const pause = ({ topic, partition }: OwnedPartition) => control((c) => c.pause([{ topic, partitions: [partition] }]));
  const continueAt = ({ topic, partition, claimed }: OwnedPartition) =>
    control((c) => {
      c.seek({ topic, partition, offset: String(claimed) });
      c.resume([{ topic, partitions: [partition] }]);
    });

  const fatal = (error: Error) => {
    if (dead) return;
    dead = true;
    for (const part of owned.values()) pause(part);
    log.error('kafka.group.stopped', { reason: error.message }, error);
    die(error);
  };

  // ── Ownership ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Lets work go once what it handles has ended. */
  const release = (part: OwnedPartition, why: 'lost' | 'failed' | 'stop'): Promise<void> => {
    const { work } = part;
    part.work = undefined;
    if (!work) return Promise.resolve();
    return releaseWork(part, work, why);
  };

  const releaseWork = (part: OwnedPartition, work: PartitionWork, why: 'lost' | 'failed' | 'stop'): Promise<void> => {
    const key = partitionKey(part.topic, part.partition);
    const before = leaving.get(key);
    const done = Promise.allSettled([before, part.tail])
      .then(() => work.release(why))
      .catch((error: unknown) => log.error('kafka.partition.release', { ...fields(part), why }, error))
      .finally(() => {
        if (leaving.get(key) === done) leaving.delete(key);
      });
    leaving.set(key, done);
    return done;
  };

  /** A failure: the partition is owned anew, by a new generation, from the next heartbeat on. */
  const forget = (part: OwnedPartition, error: unknown) => {
    if (!isOurs(part)) return;
    const next = newGeneration(part.topic, part.partition, clock.monotonicMs(), part.failures + 1);
    next.notBeforeMs =
      clock.monotonicMs() + Math.min(OWN_RETRY_MIN_MS * 2 ** Math.min(part.failures, 10), OWN_RETRY_MAX_MS);
    owned.set(partitionKey(part.topic, part.partition), next);
    pause(next);
    log.error('kafka.partition.failed', { ...fields(part), failures: next.failures }, error);
    void release(part, 'failed');
  };

  const ownershipOf = (part: OwnedPartition): Ownership => ({
    topic: part.topic,
    partition: part.partition,
    isOurs: () => isOurs(part),
    fail: (error) => forget(part, error),
    heartbeat: beat,
  });

  const own = async (part: OwnedPartition): Promise<void> => {
    part.phase = 'owning';
    let work: PartitionWork | undefined;
    try {
      await leaving.get(partitionKey(part.topic, part.partition));
      if (!isOurs(part) || stopping) return;
      work = await options.own(ownershipOf(part));
      if (isOurs(part)) await checkPosition(part, work.expected);
    } catch (error) {
      if (work) void releaseWork(part, work, 'failed');
      if (error instanceof PositionLostError) fatal(error);
      else forget(part, error);
      return;
    }
    if (!isOurs(part) || stopping) {
      await releaseWork(part, work, stopping ? 'stop' : 'lost');
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

  /** All synchronous: after an await here kafkajs would already fetch, from the group's offsets. */
  const onJoin = (assignment: Readonly<Record<string, readonly number[]>>) => {
    joined = true;
    const now = clock.monotonicMs();
    const assigned = new Set<string>();
    for (const [topic, partitions] of Object.entries(assignment))
      for (const partition of partitions) {
        const key = partitionKey(topic, partition);
        assigned.add(key);
        const kept = owned.get(key);
        if (kept?.phase === 'ready' && !stopping && !dead) {
          continueAt(kept);
          continue;
        }
        const part = kept ?? newGeneration(topic, partition, now);
        owned.set(key, part);
        pause(part);
        if (!kept && !stopping && !dead) void own(part);
      }
    for (const [key, part] of owned)
      if (!assigned.has(key)) {
        owned.delete(key);
        log.info('kafka.partition.lost', fields(part));
        void release(part, 'lost');
      }
    log.info('kafka.group.joined', { partitions: assigned.size });
    if (outage) log.info('kafka.group.back', {});
    outage = false;
    metrics.gauge('service_up', 1, { service: 'kafka' });
  };

  /** Fires only after a successful one, so that a member that was thrown out asks before it fences the rightful owner. */
  const onHeartbeat = () => {
    if (stopping || dead) return;
    for (const part of owned.values())
      if (part.phase === 'wait' && clock.monotonicMs() >= part.notBeforeMs) void own(part);
  };

  // ── Records ────────────────────────────────────────────────────────────────────────────────────────────────────

  const enqueue = (part: OwnedPartition, records: readonly ReceivedRecord[], next: number): Promise<boolean> => {
    part.claimed = next;
    part.tail = part.tail.then(async (sound) => {
      const { work } = part;
      if (!sound || !work || !isOurs(part)) return false;
      part.busySinceMs = clock.monotonicMs();
      try {
        await work.handle(records, next);
      } catch (error) {
        forget(part, error);
        return false;
      } finally {
        part.busySinceMs = null;
      }
      if (!isOurs(part)) return false;
      part.expected = next;
      part.failures = 0;
      part.lastProgressMs = clock.monotonicMs();
      const newest = records.at(-1);
      if (newest) part.lagSeconds = Math.max(0, (clock.nowMs() - newest.timestamp) / 1000);
      return true;
    });
    return part.tail;
  };

  const onBatch = async ({ batch, resolveOffset, heartbeat, pause: pauseThis }: EachBatchPayload): Promise<void> => {
    const part = owned.get(partitionKey(batch.topic, batch.partition));
    if (part?.phase !== 'ready' || stopping || dead) {
      pauseThis();
      return;
    }
    const beatThis = () => heartbeat();
    beats.add(beatThis);
    try {
      // A fetch of markers alone may still be handled.
      if (!(await part.tail) || !isOurs(part)) return;
      const fetched = Number((batch as Batch & { fetchedOffset: string }).fetchedOffset);
      const next = Number(batch.lastOffset()) + 1;
      if (fetched > part.claimed || next <= part.claimed) {
        continueAt(part);
        if (fetched > part.claimed) await lookAfter(part);
        return;
      }
      const from = part.claimed;
      const records: ReceivedRecord[] = [];
      for (const message of batch.messages)
        if (Number(message.offset) >= from) records.push(receivedRecord(message as never));
      if (!(await enqueue(part, records, next))) return;
      part.lag = Math.max(0, Number(batch.highWatermark) - next);
      resolveOffset(batch.lastOffset());
      await heartbeat();
    } finally {
      beats.delete(beatThis);
    }
  };

  /** kafkajs moves past a fetch that holds only markers and aborted records without a call: this is where we hear of it. */
  const onFetchWithoutRecords = (payload: {
    topic: string;
    partition: number;
    firstOffset: string | null;
    lastOffset: string;
  }) => {
    const part = owned.get(partitionKey(payload.topic, payload.partition));
    if (part?.phase !== 'ready' || stopping || dead) return;
    const last = Number(payload.lastOffset);
    const first = payload.firstOffset === null ? last : Number(payload.firstOffset);
    if (first <= part.claimed && part.claimed <= last) void enqueue(part, [], last + 1);
    else continueAt(part);
  };

  /** Keeps the membership while something is handled for long; what it throws, kafkajs's own heartbeat will throw again. */
  async function beat(): Promise<void> {
    const [heartbeat] = beats;
    await heartbeat?.().catch(() => undefined);
  }

  // ── Position, lag, hints ───────────────────────────────────────────────────────────────────────────────────────

  const checkPosition = async (part: OwnedPartition, expected: number): Promise<void> => {
    const held = (await parts.offsets(part.topic)).get(part.partition);
    if (!held) throw new Error(`no offsets of ${part.topic} partition ${part.partition}`);
    if (expected < held.start || expected > held.end)
      throw new PositionLostError({ ...fields(part), expected, start: held.start, end: held.end });
    part.lag = held.end - expected;
  };

  /** kafkajs resets a position that the log doesn't hold to its default, silently. */
  const lookAfter = async (part: OwnedPartition): Promise<void> => {
    if (!isOurs(part) || part.phase !== 'ready') return;
    try {
      await checkPosition(part, part.expected);
    } catch (error) {
      if (error instanceof PositionLostError && isOurs(part)) fatal(error);
      else log.debug('kafka.offsets.unknown', { ...fields(part), error: kafkaErrorType(error) });
    }
  };

  const commitHints = async (): Promise<void> => {
    const ready = [...owned.values()].filter((part) => part.phase === 'ready' && part.expected !== part.hinted);
    if (!consumer || !joined || ready.length === 0) return;
    const hints = ready.map((part) => ({ part, at: part.expected }));
    try {
      await consumer.commitOffsets(
        hints.map(({ part, at }) => ({ topic: part.topic, partition: part.partition, offset: String(at) })),
      );
      for (const { part, at } of hints) part.hinted = at;
    } catch (error) {
      log.debug('kafka.hints.refused', { error: kafkaErrorType(error) });
    }
  };

  const publishGauges = () => {
    const states = { owning: 0, ready: 0, wait: 0 };
    for (const part of owned.values()) states[part.phase] += 1;
    for (const [state, n] of Object.entries(states)) metrics.gauge('consumer_partitions', n, { group, state });
    for (const topic of options.topics) {
      const ready = [...owned.values()].filter((part) => part.topic === topic && part.lag >= 0);
      const behind = ready.filter(({ lag }) => lag > 0);
      metrics.gauge(
        'consumer_lag_rows',
        behind.reduce((sum, { lag }) => sum + lag, 0),
        { group, topic },
      );
      metrics.gauge('consumer_lag_seconds', Math.max(0, ...ready.map(({ lagSeconds }) => lagSeconds)), {
        group,
        topic,
      });
    }
  };

  const housekeeping = async (signal: AbortSignal) => {
    for (let round = 1; !signal.aborted; round += 1) {
      await clock.sleep(HINT_EVERY_MS, signal);
      if (signal.aborted) return;
      await beat();
      await commitHints();
      if (round % LOOK_EVERY_HINTS === 0) for (const part of [...owned.values()]) await lookAfter(part);
      publishGauges();
    }
  };

  // ── Life ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** One kafkajs consumer, from connect to its crash or our stop. Resolves with the error that ended it. */
  const runOnce = async (onRunning: () => void): Promise<Error | undefined> => {
    const mine = parts.make(group, options.maxBytesPerPartition);
    consumer = mine;
    const ended = new Promise<Error | undefined>((resolve) => {
      mine.on(mine.events.CRASH, ({ payload }) => resolve(payload.error));
      stopAsked.signal.addEventListener('abort', () => resolve(undefined), { once: true });
    });
    mine.on(mine.events.GROUP_JOIN, ({ payload }) => onJoin(payload.memberAssignment));
    mine.on(mine.events.HEARTBEAT, onHeartbeat);
    mine.on(mine.events.START_BATCH_PROCESS, ({ payload }) => {
      if (payload.batchSize === 0) onFetchWithoutRecords(payload);
    });
    try {
      await mine.connect();
      await mine.subscribe({ topics: [...options.topics], fromBeginning: true });
      if (!stopping)
        await mine.run({
          autoCommit: false,
          eachBatchAutoResolve: false,
          partitionsConsumedConcurrently: MAX_PARTITIONS,
          eachBatch: onBatch,
        });
      if (joined) onRunning();
      const error = await ended;
      if (!error) await finish();
      return error;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    } finally {
      joined = false;
      await mine.disconnect().catch(() => undefined);
      if (consumer === mine) consumer = undefined;
    }
  };

  /** While still a member: let what runs end, make durable, tell the group where we are. */
  const finish = async () => {
    for (const part of owned.values()) pause(part);
    await Promise.all([...owned.values()].map((part) => part.tail));
    await commitHints();
    await Promise.all([...owned.values()].map((part) => release(part, 'stop')));
    await Promise.all(leaving.values());
    owned.clear();
  };

  const supervise = async (onRunning: () => void) => {
    let wait = RESTART_MIN_MS;
    while (!stopping && !dead) {
      const error = await runOnce(() => {
        wait = RESTART_MIN_MS;
        onRunning();
      });
      if (stopping || !error) break;
      if (isFatal(error)) {
        fatal(grantError(error, 'read', `${group} or ${options.topics.join(', ')}`) ?? error);
        break;
      }
      const type = kafkaErrorType(error);
      if (COORDINATOR_MOVES.has(type)) log.debug('kafka.group.interrupted', { error: type });
      else {
        if (!outage) log.error('kafka.group.interrupted', { error: type }, error);
        outage = true;
        metrics.gauge('service_up', 0, { service: 'kafka' });
      }
      await clock.sleep(wait, stopAsked.signal);
      wait = Math.min(wait * 2, RESTART_MAX_MS);
    }
  };

  let running: Promise<unknown> = Promise.resolve();
  return {
    crashed,
    start: async () => {
      await new Promise<void>((resolve, reject) => {
        running = Promise.all([supervise(resolve), housekeeping(stopAsked.signal)]);
        void crashed.then(reject);
        stopAsked.signal.addEventListener('abort', () => resolve(), { once: true });
      });
    },
    stop: async () => {
      stopping = true;
      stopAsked.abort();
      await running;
      await finish();
      publishGauges();
    },
    status: () =>
      [...owned.values()].map(({ topic, partition, phase, expected, lastProgressMs, lag, busySinceMs }) => ({
        topic,
        partition,
        state: phase,
        expected: phase === 'ready' ? expected : -1,
        lastProgressMs,
        lag,
        busySinceMs,
      })),
  };
}

/** Partitions of one member that are handled at the same time. */
const MAX_PARTITIONS = 64;
