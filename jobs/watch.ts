// watch: compares every reading with its patient's limits and writes what begins, worsens or ends to doctors-queue, once.
import type { ActorHealth } from '../src/domain/actor-health.js';
import { createAges } from '../src/domain/age.js';
import type { Attribute } from '../src/domain/attributes.js';
import type { Privacy } from '../src/domain/episode-event.js';
import type { EvaluationContext } from '../src/domain/evaluate.js';
import type { Lookup, LookupView } from '../src/domain/lookup.js';
import type { PolicySource } from '../src/domain/policy.js';
import type {
  Clock,
  Logger,
  Metrics,
  OnStep,
  OwnedConsumer,
  OwnedConsumerOptions,
  PartitionReader,
  PartitionStatus,
  TransactionalProducer,
} from '../src/domain/ports.js';
import { compileThresholds, type ThresholdTable } from '../src/domain/threshold-table.js';
import { topicName } from '../src/kafka/topics.js';
import { type Actor, STUCK_AFTER_MS } from './actor.js';
import { ownWatchPartition, type WatchPartitionParts } from './watch-partition.js';
import { createSilenceWatch } from './watch-silence.js';

const THRESHOLDS_LOOK_MS = 200;
const SILENCE_LOOK_MS = 1_000;
const FETCH_BYTES = 1 << 20;
/** A version may be switched while its missing patients are looked up: then once more, for those that the new one lacks. */
const RESOLVE_ROUNDS = 2;

export const WAITING_FOR_THRESHOLDS = 'waiting for thresholds: run `wardwatch import thresholds`';

export interface WatchKafka {
  transactionalProducer(id: string): Promise<TransactionalProducer>;
  partitionReader(): Promise<PartitionReader>;
  ownedConsumer(options: OwnedConsumerOptions): OwnedConsumer;
}

export interface WatchParts {
  readonly kafka: WatchKafka;
  /** KAFKA_PREFIX: before topics, group and transactional ids. */
  readonly prefix: string;
  readonly lookup: Lookup;
  /** LOOKUP_TIMEOUT_MS. */
  readonly lookupTimeoutMs: number;
  readonly policy: PolicySource;
  readonly privacy: Privacy;
  /** HOSPITAL_TIMEZONE: birthdays begin there. */
  readonly timeZone: string;
  /** Decimals, plausible range and unit of each vital sign. */
  readonly attributes: readonly Attribute[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly onStep: OnStep;
  /** A random text, new at each call. */
  readonly newToken: () => string;
  /** One batch that takes longer makes `live` false. */
  readonly stuckAfterMs?: number;
}

/** The group is joined only once limits are there: a first start must not alarm for everybody. */
export function createWatchActor(parts: WatchParts): Actor {
  const { kafka, prefix, clock, log, metrics, lookup } = parts;
  const abort = new AbortController();
  const openEpisodes = new Map<number, number>();
  const silence = createSilenceWatch(clock, log, metrics);
  const vitalInfo = topicName(prefix, 'vital-info');
  let consumer: OwnedConsumer | undefined;
  let joined = false;
  let crashed = false;
  let intake: Promise<void> = Promise.resolve();

  const partitionParts: WatchPartitionParts = {
    topics: {
      vitalInfo,
      watchState: topicName(prefix, 'watch-state'),
      doctorsQueue: topicName(prefix, 'doctors-queue'),
    },
    clock,
    log,
    metrics,
    onStep: parts.onStep,
    newToken: parts.newToken,
    transactionalProducer: (partition) => kafka.transactionalProducer(`${prefix}watch.vital-info.${partition}`),
    partitionReader: () => kafka.partitionReader(),
    contextFor: createContexts(parts),
    onTick: silence.onTick,
    onOpenEpisodes: (partition, open) => {
      openEpisodes.set(partition, open);
      metrics.gauge(
        'watch_episodes_open',
        [...openEpisodes.values()].reduce((sum, n) => sum + n, 0),
      );
    },
  };

  /** Ends when the group can't be joined, or the actor stops. The consumer itself retries while Kafka is away. */
  const begin = async (): Promise<void> => {
    if (!lookup.hasThresholds()) log.warn('watch.waiting', { for: 'thresholds' });
    while (!lookup.hasThresholds() && !abort.signal.aborted) await clock.sleep(THRESHOLDS_LOOK_MS, abort.signal);
    if (abort.signal.aborted) return;
    consumer = kafka.ownedConsumer({
      groupId: `${prefix}watch`,
      topics: [vitalInfo],
      maxBytesPerPartition: FETCH_BYTES,
      own: (ownership) => ownWatchPartition(partitionParts, ownership),
    });
    void consumer.crashed.then(crashedWith);
    try {
      await consumer.start();
      joined = true;
    } catch (error) {
      crashedWith(error);
      return;
    }
    while (!abort.signal.aborted) {
      await clock.sleep(SILENCE_LOOK_MS, abort.signal);
      silence.look(consumer.status());
    }
  };

  const crashedWith = (error: unknown): void => {
    if (!crashed) log.error('watch.crashed', {}, error);
    crashed = true;
  };

  return {
    role: 'watch',
    start: async () => {
      intake = begin();
    },
    stop: async () => {
      abort.abort();
      // Before waiting for the intake: it may be waiting for Kafka.
      await consumer?.stop();
      await intake;
    },
    health: () =>
      watchHealth({
        hasThresholds: lookup.hasThresholds(),
        joined,
        crashed,
        partitions: consumer?.status() ?? [],
        silence: silence.reasons(),
        nowMs: clock.monotonicMs(),
        stuckAfterMs: parts.stuckAfterMs ?? STUCK_AFTER_MS,
      }),
  };
}

export interface WatchHealthInput {
  readonly hasThresholds: boolean;
  readonly joined: boolean;
  readonly crashed: boolean;
  readonly partitions: readonly PartitionStatus[];
  /** What is said of a source that is silent. */
  readonly silence: readonly string[];
  /** Monotonic. */
  readonly nowMs: number;
  readonly stuckAfterMs: number;
}

/** Ready: limits are there and every partition that the group gave us is owned. Live: no batch hangs and the group goes on. */
export function watchHealth(input: WatchHealthInput): ActorHealth {
  const { partitions, nowMs, stuckAfterMs } = input;
  const stuck = partitions
    .filter((status) => status.busySinceMs !== null && nowMs - status.busySinceMs > stuckAfterMs)
    .map(
      (status) => `watch: partition ${status.partition} has worked on one batch for more than ${stuckAfterMs / 1000} s`,
    );
  const waiting = partitions.filter((status) => status.state !== 'ready').map((status) => status.partition);
  const lacks: string[] = [];
  if (!input.hasThresholds) lacks.push(WAITING_FOR_THRESHOLDS);
  else if (!input.joined) lacks.push('watch: joining the consumer group; is Kafka reachable?');
  if (waiting.length > 0) lacks.push(`watch: not owned yet: partitions ${waiting.join(', ')} of vital-info`);
  const crashed = input.crashed ? ['watch: the consumer group has crashed; the process must be restarted'] : [];
  return {
    ready: lacks.length === 0 && crashed.length === 0,
    live: stuck.length === 0 && crashed.length === 0,
    reasons: [...lacks, ...crashed, ...stuck, ...input.silence],
  };
}

/** What is in force for some patients: limits compiled once a version, unknown patients looked up within the time-out. */
function createContexts(parts: WatchParts): WatchPartitionParts['contextFor'] {
  const { lookup, policy, privacy } = parts;
  const ageAt = createAges(parts.timeZone);
  let compiled: { version: string; limits: ThresholdTable } | undefined;

  const limitsOf = (view: LookupView): ThresholdTable => {
    if (compiled?.version !== view.thresholdVersion) {
      const limits = compileThresholds(view.thresholds, parts.attributes);
      compiled = { version: view.thresholdVersion, limits };
    }
    return compiled.limits;
  };

  return async (patientIds): Promise<EvaluationContext> => {
    let view = lookup.current();
    for (let round = 0; round < RESOLVE_ROUNDS; round++) {
      const ids = missingPatients(view, patientIds);
      if (ids.length === 0) break;
      await lookup.resolve(ids, parts.lookupTimeoutMs);
      const newest = lookup.current();
      if (newest === view) break;
      view = newest;
    }
    const { thresholdVersion, patientVersion } = view;
    const limits = limitsOf(view);
    const patient = (id: string) => view.patient(id);
    return { limits, thresholdVersion, patientVersion, policy: policy.current(), privacy, ageAt, patient };
  };
}

function missingPatients(view: LookupView, patientIds: Iterable<string>): string[] {
  const ids = new Set<string>();
  for (const id of patientIds) if (view.patient(id) === undefined) ids.add(id);
  return [...ids];
}
