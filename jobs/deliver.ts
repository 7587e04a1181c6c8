// deliver: publishes each notification to SNS, once, and records what became of it. The mailbox is deliver-alert, the state the ledger.
import type { Redis } from 'ioredis';
import type { QueueRegistry } from '../queues/registry.js';
import { createQueueWorker, RunLater } from '../queues/worker.js';
import type { ActorHealth } from '../src/domain/actor-health.js';
import { LedgerLostError } from '../src/domain/ledger.js';
import type { Limiter } from '../src/domain/limiter.js';
import type { AlertPublisher } from '../src/domain/notification.js';
import type { PolicySource } from '../src/domain/policy.js';
import type { Clock, Logger, Metrics, OnStep } from '../src/domain/ports.js';
import { type Actor, STUCK_AFTER_MS } from './actor.js';
import { type AlertsKafka, createAlertsLedger } from './alerts-ledger.js';
import { COMBINED_AFTER_MS } from './deliver-cover.js';
import { addDelivery } from './deliver-job.js';
import { deliverNotification, LEASE_MS } from './deliver-notification.js';
import type { DeliverParts } from './deliver-parts.js';
import { sweepNotifications } from './deliver-sweep.js';
import { createDestinationGate } from './destination-gate.js';

const SWEEP_EVERY_MS = 1_000;
const LEDGER_RETRY_MS = 500;
/** A publish and its outcome take 3 s; the rest is for Kafka to come back. BullMQ's own closing waits for Redis without end. */
const STOP_WITHIN_MS = 8_000;

export interface DeliverActorParts {
  readonly kafka: AlertsKafka;
  /** KAFKA_PREFIX. */
  readonly kafkaPrefix: string;
  /** A `command` connection, not closed by the actor. */
  readonly redis: Redis;
  /** A `blocking` connection for the worker, not closed by the actor. */
  readonly blockingRedis: Redis;
  /** REDIS_PREFIX. */
  readonly redisPrefix: string;
  readonly queues: QueueRegistry;
  /** Closed by the actor. */
  readonly publisher: AlertPublisher;
  /** For its limits and the fallback topic. */
  readonly policy: PolicySource;
  /** Instead of the one in Redis, for tests and measurements of the rest. */
  readonly limiter?: Limiter;
  /** HOSPITAL_TIMEZONE. */
  readonly timeZone: string;
  /** CONSOLE_URL. */
  readonly consoleUrl?: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly onStep: OnStep;
  /** A random text, new at each call. */
  readonly newToken: () => string;
  /** In [0, 1), for the jitter. */
  readonly random: () => number;
  readonly leaseMs?: number;
  readonly heldRetryMs?: number;
  readonly combinedAfterMs?: number;
  readonly stuckAfterMs?: number;
}

export function createDeliverActor(parts: DeliverActorParts): Actor {
  const { clock, log, metrics, queues } = parts;
  const leaseMs = parts.leaseMs ?? LEASE_MS;
  const alerts = createAlertsLedger({ ...parts, leaseMs });
  const { ledger, keeper } = alerts;
  const stopped = new AbortController();
  /** Monotonic ms of the last sign of life, by job. */
  const running = new Map<string, number>();
  let sweeping: Promise<void> = Promise.resolve();
  let started = false;

  const deliver: DeliverParts = {
    ledger,
    limiter: parts.limiter ?? alerts.limiter,
    deliveries: alerts.deliveries,
    publisher: parts.publisher,
    gate: createDestinationGate(clock, parts.heldRetryMs),
    policy: parts.policy,
    enqueue: (row, generation) => addDelivery(queues, row, generation),
    timeZone: parts.timeZone,
    consoleUrl: parts.consoleUrl,
    leaseMs,
    combinedAfterMs: parts.combinedAfterMs ?? COMBINED_AFTER_MS,
    clock,
    log,
    metrics,
    onStep: parts.onStep,
    newToken: parts.newToken,
    random: parts.random,
  };

  const worker = createQueueWorker(
    'deliver-alert',
    { connection: parts.blockingRedis, prefix: parts.redisPrefix, clock, log, metrics },
    async ({ notificationId }, { jobId, signal }) => {
      // While the ledger is rebuilt nothing is delivered: what it lacks is not known yet.
      if (!keeper.isReady()) throw new RunLater(LEDGER_RETRY_MS);
      const moved = () => running.set(jobId, clock.monotonicMs());
      moved();
      try {
        await deliverNotification(deliver, notificationId, { signal, moved });
      } catch (error) {
        if (!(error instanceof LedgerLostError)) throw error;
        keeper.lost();
        throw new RunLater(LEDGER_RETRY_MS);
      } finally {
        running.delete(jobId);
      }
    },
  );

  const sweep = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      try {
        if (keeper.isReady()) await sweepNotifications({ ledger, queues, log, metrics });
      } catch (error) {
        if (error instanceof LedgerLostError) keeper.lost();
        else log.warn('deliver.sweep-failed', { error: error instanceof Error ? error.name : typeof error });
      }
      await clock.sleep(SWEEP_EVERY_MS, stopped.signal);
    }
  };

  return {
    role: 'deliver',
    start: async () => {
      alerts.start();
      worker.start();
      sweeping = sweep();
      started = true;
    },
    stop: async () => {
      stopped.abort();
      // What is cut off here is found by its lease, and sent again with a label if it had been published.
      if (!(await worker.stop(STOP_WITHIN_MS))) log.error('deliver.stop-cut-off', { jobs: worker.running() });
      await sweeping;
      await alerts.stop();
      parts.publisher.close();
    },
    health: () =>
      deliverHealth({
        ready: started && keeper.isReady(),
        quietMs: [...running.values()].map((movedMs) => clock.monotonicMs() - movedMs),
        stuckAfterMs: parts.stuckAfterMs ?? STUCK_AFTER_MS,
      }),
  };
}

export interface DeliverHealthInput {
  readonly ready: boolean;
  /** For each running job, how long it has shown no sign of life. */
  readonly quietMs: readonly number[];
  readonly stuckAfterMs: number;
}

/** SNS out of reach is no reason to be not ready: another process would not reach it either, and the ledger waits. */
export function deliverHealth({ ready, quietMs, stuckAfterMs }: DeliverHealthInput): ActorHealth {
  const stuck = quietMs.filter((ms) => ms > stuckAfterMs);
  return {
    ready,
    live: stuck.length === 0,
    reasons: [
      ...(ready
        ? []
        : ['deliver: the notification ledger is not there yet: is Redis up, and is Kafka, from which it is rebuilt?']),
      ...(stuck.length === 0
        ? []
        : [`deliver: ${stuck.length} job(s) without a sign of life for ${Math.round(Math.max(...stuck) / 1000)} s`]),
    ],
  };
}
