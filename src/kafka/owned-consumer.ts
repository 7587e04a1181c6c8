// A consumer group whose members own partitions: the recipe of shared/design/kafkajs.md, "Owning partitions", on one kafkajs consumer after another.
import type { Consumer, EachBatchPayload } from 'kafkajs';
import type { Clock, Logger, Metrics, OwnedConsumer, OwnedConsumerOptions } from '../domain/ports.js';
import { consumerGauges } from './consumer-gauges.js';
import { grantError, isFatal, kafkaErrorType } from './errors.js';
import type { FetchedBatch } from './fetched-batch.js';
import type { OwnedPartition } from './owned-partition.js';
import { createPartitionOwner, type PartitionOwnerParts } from './partition-owner.js';

export const HEARTBEAT_MS = 500;
const HINT_EVERY_MS = 1_000;
/** Every this many hints the ends of the partitions are asked for: lag, and whether the log still holds our position. */
const LOOK_EVERY_HINTS = 5;
/** A hint is worth no longer wait than this when we leave. */
const LAST_HINT_MS = 2_000;
const RESTART_MIN_MS = 100;
const RESTART_MAX_MS = 2_000;
/** Partitions of one member that are handled at the same time. */
const MAX_PARTITIONS = 64;
/** Over in a moment, and no outage. */
const COORDINATOR_MOVES = new Set([
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
]);

export interface OwnedConsumerParts {
  /** A new kafkajs consumer of that group, with the settings of client.ts. */
  readonly make: (groupId: string, maxBytesPerPartition: number | undefined) => Consumer;
  readonly offsets: PartitionOwnerParts['offsets'];
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export function createOwnedConsumer(parts: OwnedConsumerParts, options: OwnedConsumerOptions): OwnedConsumer {
  const { clock, metrics } = parts;
  const group = options.groupId;
  const log = parts.log.child({ group });
  const beats = new Set<() => Promise<void>>();
  const stopAsked = new AbortController();
  /** End the present run, and the wait of `start`. */
  let onStop: () => void = () => undefined;
  let onStopBeforeStart: () => void = () => undefined;
  let consumer: Consumer | undefined;
  let joined = false;
  let outage = false;
  let died = false;
  let die: (error: Error) => void = () => undefined;
  const crashed = new Promise<Error>((resolve) => {
    die = resolve;
  });

  /** kafkajs refuses these between two runs; the next join does them all again. */
  const control = (action: (consumer: Consumer) => void) => {
    try {
      if (consumer) action(consumer);
    } catch (error) {
      log.debug('kafka.group.away', { error: kafkaErrorType(error) });
    }
  };

  /** Keeps the membership while something is handled for long. What it throws, kafkajs's own heartbeat throws again. */
  const heartbeat = async () => {
    const [beat] = beats;
    await beat?.().catch(() => undefined);
  };

  const fatal = (error: Error) => {
    if (died) return;
    died = true;
    owner.halt();
    log.error('kafka.group.stopped', { reason: error.message }, error);
    die(error);
  };

  const owner = createPartitionOwner(
    {
      clock,
      log,
      offsets: parts.offsets,
      pause: ({ topic, partition }) => control((c) => c.pause([{ topic, partitions: [partition] }])),
      continueAt: ({ topic, partition, claimed }) =>
        control((c) => {
          c.seek({ topic, partition, offset: String(claimed) });
          c.resume([{ topic, partitions: [partition] }]);
        }),
      heartbeat,
      onFatal: fatal,
    },
    options,
  );

  const onJoin = (assignment: Readonly<Record<string, readonly number[]>>) => {
    owner.assign(assignment);
    joined = true;
    log.info('kafka.group.joined', { partitions: Object.values(assignment).flat().length });
    if (outage) log.info('kafka.group.back');
    outage = false;
    metrics.gauge('service_up', 1, { service: 'kafka' });
  };

  // ── Records ────────────────────────────────────────────────────────────────────────────────────────────────────

  const seekBack = ({ topic, partition, claimed }: OwnedPartition) =>
    control((c) => c.seek({ topic, partition, offset: String(claimed) }));

  const onBatch = async ({ batch, resolveOffset, heartbeat: beat, pause }: EachBatchPayload): Promise<void> => {
    const part = owner.ready(batch.topic, batch.partition);
    if (!part) {
      pause();
      return;
    }
    beats.add(beat);
    try {
      // What was fetched before is handled first. It may be the last that is: the partition went, or we are to stop.
      if (!(await part.tail) || owner.ready(batch.topic, batch.partition) !== part) return;
      const { fetchedOffset, messages } = batch as unknown as FetchedBatch;
      const fetched = Number(fetchedOffset);
      const next = Number(batch.lastOffset()) + 1;
      if (fetched > part.claimed || next <= part.claimed) {
        seekBack(part);
        if (fetched > part.claimed) await owner.lookAfter(part);
        return;
      }
      const from = part.claimed;
      const records = fetched === from ? messages : messages.filter(({ offset }) => offset >= from);
      // Not awaited: the next fetch travels while this one is handled, and waits above for its end.
      void owner.enqueue(part, records, next, Number(batch.highWatermark));
      resolveOffset(batch.lastOffset());
      await beat();
    } finally {
      beats.delete(beat);
    }
  };

  /** kafkajs moves past a fetch that holds only markers and aborted records without a call: this is where we hear of it. */
  const onFetchWithoutRecords = (fetch: FetchWithoutRecords) => {
    const part = owner.ready(fetch.topic, fetch.partition);
    if (!part) return;
    const last = Number(fetch.lastOffset);
    const first = fetch.firstOffset === null ? last : Number(fetch.firstOffset);
    if (first <= part.claimed && part.claimed <= last)
      void owner.enqueue(part, [], last + 1, Number(fetch.highWatermark));
    else seekBack(part);
  };

  // ── Hints, lag ─────────────────────────────────────────────────────────────────────────────────────────────────

  const commitHints = async (): Promise<void> => {
    const hints = owner
      .all()
      .filter((part) => part.phase === 'ready' && part.expected !== part.hinted)
      .map((part) => ({ part, at: part.expected }));
    if (!consumer || !joined || hints.length === 0) return;
    try {
      await consumer.commitOffsets(
        hints.map(({ part, at }) => ({ topic: part.topic, partition: part.partition, offset: String(at) })),
      );
      for (const { part, at } of hints) part.hinted = at;
    } catch (error) {
      log.debug('kafka.hints.refused', { error: kafkaErrorType(error) });
    }
  };

  const publishGauges = () => consumerGauges(metrics, group, options.topics, owner.all(), clock.monotonicMs());

  const housekeeping = async () => {
    for (let round = 1; ; round += 1) {
      await clock.sleep(HINT_EVERY_MS, stopAsked.signal);
      if (stopAsked.signal.aborted) return;
      await heartbeat();
      await commitHints();
      if (round % LOOK_EVERY_HINTS === 0) await owner.lookAfterAll();
      publishGauges();
    }
  };

  // ── Life ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** While still a member: let what runs end, tell the group where we are, make durable. */
  const finish = async () => {
    owner.halt();
    await owner.settled();
    await Promise.race([commitHints(), clock.sleep(LAST_HINT_MS)]);
    await owner.releaseAll();
  };

  /** One kafkajs consumer, from connect to its crash or our stop. Resolves with the error that ended it. */
  const runOnce = async (onRunning: () => void): Promise<unknown> => {
    const mine = parts.make(group, options.maxBytesPerPartition);
    consumer = mine;
    const ended = new Promise<Error | undefined>((resolve) => {
      mine.on(mine.events.CRASH, ({ payload }) => resolve(payload.error));
      onStop = () => resolve(undefined);
      if (stopAsked.signal.aborted) onStop();
    });
    mine.on(mine.events.GROUP_JOIN, ({ payload }) => onJoin(payload.memberAssignment));
    mine.on(mine.events.HEARTBEAT, () => owner.ownWaiting());
    mine.on(mine.events.START_BATCH_PROCESS, ({ payload }) => {
      if (payload.batchSize === 0) onFetchWithoutRecords(payload);
    });
    try {
      await mine.connect();
      await mine.subscribe({ topics: [...options.topics], fromBeginning: true });
      // Resolves when it has joined, or crashed. Leaving before that would leave a member behind that no one knows of.
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
      return error;
    } finally {
      await mine.disconnect().catch(() => undefined);
      joined = false;
      consumer = undefined;
    }
  };

  const interrupted = (error: unknown) => {
    const type = kafkaErrorType(error);
    if (COORDINATOR_MOVES.has(type)) {
      log.debug('kafka.group.interrupted', { reason: type });
      return;
    }
    if (!outage) log.error('kafka.group.interrupted', { reason: type }, error);
    outage = true;
    metrics.gauge('service_up', 0, { service: 'kafka' });
  };

  const supervise = async (onRunning: () => void) => {
    let wait = RESTART_MIN_MS;
    while (!stopAsked.signal.aborted && !died) {
      const error = await runOnce(() => {
        wait = RESTART_MIN_MS;
        onRunning();
      });
      if (!error || stopAsked.signal.aborted) return;
      if (isFatal(error)) {
        const what = `${group}, topics ${options.topics.join(', ')}`;
        fatal(grantError(error, 'read', what) ?? (error instanceof Error ? error : new Error(String(error))));
        return;
      }
      interrupted(error);
      await clock.sleep(wait, stopAsked.signal);
      wait = Math.min(wait * 2, RESTART_MAX_MS);
    }
  };

  let running: Promise<unknown> = Promise.resolve();
  return {
    crashed,
    start: () =>
      new Promise<void>((resolve, reject) => {
        running = Promise.all([supervise(resolve), housekeeping()]);
        void crashed.then(reject);
        onStopBeforeStart = resolve;
      }),
    stop: async () => {
      owner.halt();
      stopAsked.abort();
      onStop();
      onStopBeforeStart();
      await running;
      await finish();
      publishGauges();
    },
    status: () =>
      owner.all().map(({ topic, partition, phase, expected, lastProgressMs, lag, busySinceMs }) => ({
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

interface FetchWithoutRecords {
  readonly topic: string;
  readonly partition: number;
  readonly firstOffset: string | null;
  readonly lastOffset: string;
  readonly highWatermark: string;
}
