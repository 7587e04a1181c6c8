// dispatch: reads doctors-queue, decides who is told of each event and what is looked at again later, records every decision and hands the notifications to deliver.
import type { Redis } from 'ioredis';
import type { QueueRegistry } from '../queues/registry.js';
import { createQueueWorker, RunLater } from '../queues/worker.js';
import type { ActorHealth } from '../src/domain/actor-health.js';
import { decodeDoctorsQueue } from '../src/domain/doctors-queue.js';
import { LedgerLostError } from '../src/domain/ledger.js';
import type { PolicySource } from '../src/domain/policy.js';
import type {
  Clock,
  Logger,
  Metrics,
  OnStep,
  OwnedConsumer,
  Ownership,
  PartitionStatus,
  PartitionWork,
  ReceivedRecord,
} from '../src/domain/ports.js';
import { createOperatorLog } from '../src/kafka/operator-log.js';
import { type Actor, STUCK_AFTER_MS } from './actor.js';
import { type AlarmKeeperParts, createAlarmKeeper } from './alarm-keeper.js';
import { type AlertsKafka, createAlertsLedger } from './alerts-ledger.js';
import { LEASE_MS } from './deliver-notification.js';
import { dispatchEvents, type PlacedEvent } from './dispatch-events.js';
import type { DispatchParts } from './dispatch-outcome.js';
import { createSilenceExpiry } from './dispatch-silence.js';
import { followUp, sweepFollowUps } from './follow-up.js';

/** Few enough that the first of a backlog does not wait for the last. */
const EVENTS_TOGETHER = 200;
const LEDGER_LOOK_MS = 250;
const SWEEP_EVERY_MS = 1_000;
const LEDGER_RETRY_MS = 1_000;
/** BullMQ's own closing waits for Redis without end. */
const STOP_WITHIN_MS = 8_000;

export interface DispatchActorParts {
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
  readonly policy: PolicySource;
  /** SNS_HEARTBEAT_TOPIC_ARN, SNS_OPERATORS_TOPIC_ARN. */
  readonly heartbeatTopic: string | undefined;
  readonly operatorsTopic: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly onStep: OnStep;
  readonly leaseMs?: number;
  readonly stuckAfterMs?: number;
}

export function createDispatchActor(parts: DispatchActorParts): Actor {
  const { kafka, clock, log } = parts;
  const group = `${parts.kafkaPrefix}dispatch`;
  const topic = `${parts.kafkaPrefix}doctors-queue`;
  const alerts = createAlertsLedger({ ...parts, leaseMs: parts.leaseMs ?? LEASE_MS });
  const { keeper, ledger } = alerts;
  const operatorLog = createOperatorLog({ topic, plainProducer: () => kafka.plainProducer() });
  const dispatch: DispatchParts & AlarmKeeperParts = {
    ...{ ...parts, ledger, deliveries: alerts.deliveries, operatorLog },
    partitions: async () => (await kafka.admin.startOffsets(topic)).length,
  };
  const expiry = createSilenceExpiry(dispatch);
  const alarms = createAlarmKeeper(dispatch);
  const stopped = new AbortController();
  /** Monotonic ms of its begin, by job of follow-up. */
  const running = new Map<string, number>();
  let sweeping: Promise<void> = Promise.resolve();
  let consumer: OwnedConsumer | undefined;
  let joined = false;
  let crashed = false;

  const crashedWith = (error: unknown): void => {
    if (!crashed) log.error('dispatch.crashed', {}, error);
    crashed = true;
  };

  const worker = createQueueWorker(
    'follow-up',
    { connection: parts.blockingRedis, prefix: parts.redisPrefix, clock, log, metrics: parts.metrics },
    async ({ timerId }, { jobId }) => {
      if (!keeper.isReady()) throw new RunLater(LEDGER_RETRY_MS);
      running.set(jobId, clock.monotonicMs());
      try {
        await followUp(dispatch, timerId);
      } catch (error) {
        if (!(error instanceof LedgerLostError)) throw error;
        keeper.lost();
        throw new RunLater(LEDGER_RETRY_MS);
      } finally {
        running.delete(jobId);
      }
    },
  );

  const attempt = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    if (!keeper.isReady()) return;
    try {
      await work();
    } catch (error) {
      if (error instanceof LedgerLostError) keeper.lost();
      else log.warn('dispatch.sweep-failed', { what, error: error instanceof Error ? error.name : typeof error });
    }
  };
  const sweep = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      // Each by itself: what stops the follow-ups must not silence the alarms.
      await attempt('follow-ups', () => sweepFollowUps(dispatch, expiry));
      await attempt('alarms', () => alarms.look());
      await clock.sleep(SWEEP_EVERY_MS, stopped.signal);
    }
  };

  /** Our position is the group's offset: everything before it has its decisions on alert-deliveries. */
  const own = async (ownership: Ownership): Promise<PartitionWork> => {
    while (!keeper.isReady() && ownership.isOurs() && !stopped.signal.aborted) {
      await clock.sleep(LEDGER_LOOK_MS);
      await ownership.heartbeat();
    }
    const { partition } = ownership;
    const committed = await kafka.admin.committedOffset(group, topic, partition);
    const expected = committed ?? (await kafka.admin.startOffsets(topic))[partition];
    if (expected === undefined) throw new Error(`no start offset of ${topic} partition ${partition}`);
    if (committed === undefined) log.info('dispatch.no-position', { partition, from: expected });
    return {
      expected,
      handle: async (records) => {
        try {
          await handle(dispatch, records, ownership);
        } catch (error) {
          if (error instanceof LedgerLostError) keeper.lost();
          throw error;
        }
      },
      release: async () => undefined,
    };
  };

  return {
    role: 'dispatch',
    start: async () => {
      alerts.start();
      worker.start();
      sweeping = sweep();
      consumer = kafka.ownedConsumer({ groupId: group, topics: [topic], own });
      void consumer.crashed.then(crashedWith);
      // Resolves once the group is joined: it waits for Kafka, the process does not.
      void consumer.start().then(() => {
        joined = true;
      }, crashedWith);
    },
    stop: async () => {
      stopped.abort();
      await consumer?.stop();
      // What is cut off here is found in the ledger, and carried out again.
      if (!(await worker.stop(STOP_WITHIN_MS))) log.error('dispatch.stop-cut-off', { jobs: worker.running() });
      await sweeping;
      await operatorLog.close();
      await alerts.stop();
    },
    health: () =>
      dispatchHealth({
        ledger: keeper.isReady(),
        joined,
        crashed,
        partitions: consumer?.status() ?? [],
        timersSinceMs: [...running.values()],
        nowMs: clock.monotonicMs(),
        stuckAfterMs: parts.stuckAfterMs ?? STUCK_AFTER_MS,
      }),
  };
}

async function handle(parts: DispatchParts, records: readonly ReceivedRecord[], ownership: Ownership): Promise<void> {
  for (let at = 0; at < records.length && ownership.isOurs(); at += EVENTS_TOGETHER) {
    const events = records
      .slice(at, at + EVENTS_TOGETHER)
      .flatMap((record) => placed(parts, record, ownership.partition));
    if (events.length > 0) await dispatchEvents(parts, events);
    await ownership.heartbeat();
  }
  await parts.onStep('dispatch.offset');
}

/** A dead record is counted; its bytes are in the lake's table of dead ones. A context notifies nobody. */
function placed(parts: DispatchParts, record: ReceivedRecord, partition: number): PlacedEvent[] {
  const decoded = decodeDoctorsQueue(record.value);
  switch (decoded.type) {
    case 'episode':
    case 'operator':
      return [{ event: decoded.event, offset: record.offset }];
    case 'other':
      if (decoded.event.kind === 'heartbeat') return [{ event: decoded.event, offset: record.offset }];
      parts.metrics.count('dispatch_decisions_total', { kind: decoded.event.kind, reason: 'not-notified' });
      return [];
    case 'dead':
      parts.log.error('dispatch.dead', { partition, offset: record.offset, reason: decoded.reason });
      parts.metrics.count('dispatch_dead_total', { reason: decoded.reason });
      return [];
  }
}

export interface DispatchHealthInput {
  readonly ledger: boolean;
  readonly joined: boolean;
  readonly crashed: boolean;
  readonly partitions: readonly PartitionStatus[];
  /** When each timer that is being carried out was begun; monotonic. */
  readonly timersSinceMs: readonly number[];
  /** Monotonic. */
  readonly nowMs: number;
  readonly stuckAfterMs: number;
}

/** Ready: the ledger is there and every partition that the group gave us is owned. Live: no batch hangs and the group goes on. */
export function dispatchHealth(input: DispatchHealthInput): ActorHealth {
  const waiting = input.partitions.filter((status) => status.state !== 'ready');
  const stuck = input.partitions.filter(
    ({ busySinceMs }) => busySinceMs !== null && input.nowMs - busySinceMs > input.stuckAfterMs,
  );
  const slow = input.timersSinceMs.filter((sinceMs) => input.nowMs - sinceMs > input.stuckAfterMs);
  return {
    ready: input.ledger && input.joined && !input.crashed && waiting.length === 0,
    live: !input.crashed && stuck.length === 0 && slow.length === 0,
    reasons: [
      ...(input.ledger
        ? []
        : ['dispatch: the notification ledger is not there yet: is Redis up, and is Kafka, from which it is rebuilt?']),
      ...(input.crashed ? ['dispatch: the consumer group can not go on, see dispatch.crashed in the log'] : []),
      ...(input.joined || input.crashed ? [] : ['dispatch: not in its consumer group yet: is Kafka up?']),
      ...waiting.map(({ partition }) => `dispatch: partition ${partition} is not owned yet`),
      ...stuck.map(
        ({ partition }) => `dispatch: a batch of partition ${partition} takes longer than ${input.stuckAfterMs} ms`,
      ),
      ...(slow.length === 0
        ? []
        : [`dispatch: ${slow.length} reminder(s) or other timers take longer than ${input.stuckAfterMs} ms`]),
    ],
  };
}
