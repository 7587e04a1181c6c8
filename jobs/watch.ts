// watch: compares every reading with its patient's limits and writes what begins, worsens or ends to doctors-queue, once.
import type { Attribute } from '../src/domain/attributes.js';
import type { EvaluationContext, Privacy } from '../src/domain/evaluate.js';
import type { Lookup, LookupView } from '../src/domain/lookup.js';
import type { Policy } from '../src/domain/policy.js';
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
import type { Reading } from '../src/domain/reading.js';
import { compileThresholds, type ThresholdTable } from '../src/domain/threshold-table.js';
import type { Actor, ActorHealth } from './actor.js';
import { ownWatchPartition, type WatchPartitionParts } from './watch-partition.js';

const DEFAULT_STUCK_AFTER_MS = 60_000;
const THRESHOLDS_LOOK_MS = 200;
const START_RETRY_MIN_MS = 500;
const START_RETRY_MAX_MS = 10_000;
const FETCH_BYTES = 1 << 20;
/** An unknown patient is not asked for again sooner: each look may cost the batch LOOKUP_TIMEOUT_MS. */
const UNKNOWN_RETRY_MS = 5_000;
const UNKNOWN_KEPT = 10_000;

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
  readonly policy: Policy;
  readonly privacy: Privacy;
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
  const vitalInfo = `${prefix}vital-info`;
  let consumer: OwnedConsumer | undefined;
  let crash: Error | undefined;
  let intake: Promise<void> = Promise.resolve();

  const partitionParts: WatchPartitionParts = {
    topics: { vitalInfo, watchState: `${prefix}watch-state`, doctorsQueue: `${prefix}doctors-queue` },
    clock,
    log,
    metrics,
    onStep: parts.onStep,
    newToken: parts.newToken,
    transactionalProducer: (partition) => kafka.transactionalProducer(`${prefix}watch.vital-info.${partition}`),
    partitionReader: () => kafka.partitionReader(),
    contextFor: createContexts(parts),
    onOpenEpisodes: (partition, open) => {
      openEpisodes.set(partition, open);
      metrics.gauge(
        'watch_episodes_open',
        [...openEpisodes.values()].reduce((sum, n) => sum + n, 0),
      );
    },
  };

  const begin = async (): Promise<void> => {
    if (!lookup.hasThresholds()) log.warn('watch.waiting', { for: 'thresholds' });
    while (!lookup.hasThresholds() && !abort.signal.aborted) await clock.sleep(THRESHOLDS_LOOK_MS, abort.signal);
    let retryInMs = START_RETRY_MIN_MS;
    while (!abort.signal.aborted) {
      const candidate = kafka.ownedConsumer({
        groupId: `${prefix}watch`,
        topics: [vitalInfo],
        maxBytesPerPartition: FETCH_BYTES,
        own: (ownership) => ownWatchPartition(partitionParts, ownership),
      });
      try {
        await candidate.start();
        consumer = candidate;
        void candidate.crashed.then((error) => {
          crash = error;
          log.error('watch.crashed', {}, error);
        });
        log.info('watch.started', {});
        return;
      } catch (error) {
        log.error('watch.start-failed', { retryInMs }, error);
        await clock.sleep(retryInMs, abort.signal);
        retryInMs = Math.min(START_RETRY_MAX_MS, retryInMs * 2);
      }
    }
  };

  return {
    role: 'watch',
    start: async () => {
      intake = begin();
    },
    stop: async () => {
      abort.abort();
      await intake;
      await consumer?.stop();
    },
    health: () =>
      watchHealth({
        hasThresholds: lookup.hasThresholds(),
        started: consumer !== undefined,
        crashed: crash !== undefined,
        partitions: consumer?.status() ?? [],
        nowMs: clock.monotonicMs(),
        stuckAfterMs: parts.stuckAfterMs ?? DEFAULT_STUCK_AFTER_MS,
      }),
  };
}

export interface WatchHealthInput {
  readonly hasThresholds: boolean;
  readonly started: boolean;
  readonly crashed: boolean;
  readonly partitions: readonly PartitionStatus[];
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
  else if (!input.started) lacks.push('watch: joining the consumer group; is Kafka reachable?');
  if (waiting.length > 0) lacks.push(`watch: not owned yet: partitions ${waiting.join(', ')} of vital-info`);
  const crashed = input.crashed ? ['watch: the consumer group has crashed; the process must be restarted'] : [];
  return {
    ready: lacks.length === 0 && crashed.length === 0,
    live: stuck.length === 0 && crashed.length === 0,
    reasons: [...lacks, ...crashed, ...stuck],
  };
}

/** What is in force for a batch: limits compiled once a version, unknown patients looked up within the time-out. */
function createContexts(parts: WatchParts): WatchPartitionParts['contextFor'] {
  const { lookup, clock, policy, privacy } = parts;
  const askAgainAtMs = new Map<string, number>();
  let compiled: { version: string; limits: ThresholdTable } | undefined;

  const missing = (view: LookupView, readings: readonly Reading[]): string[] => {
    const ids = new Set<string>();
    for (const { patientId } of readings) {
      if (view.patient(patientId) === undefined && !ids.has(patientId)) {
        if ((askAgainAtMs.get(patientId) ?? 0) <= clock.monotonicMs()) ids.add(patientId);
      }
    }
    return [...ids];
  };

  const resolve = async (view: LookupView, ids: readonly string[]): Promise<void> => {
    await lookup.resolve(ids, parts.lookupTimeoutMs);
    const at = clock.monotonicMs() + UNKNOWN_RETRY_MS;
    if (askAgainAtMs.size > UNKNOWN_KEPT) askAgainAtMs.clear();
    for (const id of ids) {
      if (view.patient(id) === undefined) askAgainAtMs.set(id, at);
      else askAgainAtMs.delete(id);
    }
  };

  return async (readings): Promise<EvaluationContext> => {
    const view = lookup.current();
    const ids = missing(view, readings);
    if (ids.length > 0) await resolve(view, ids);
    if (compiled?.version !== view.thresholdVersion) {
      compiled = {
        version: view.thresholdVersion,
        limits: compileThresholds(view.thresholds, parts.attributes),
      };
    }
    return {
      limits: compiled.limits,
      thresholdVersion: view.thresholdVersion,
      patientVersion: view.patientVersion,
      policy,
      privacy,
      patient: (id) => view.patient(id),
    };
  };
}
