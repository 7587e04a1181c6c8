// dispatch: reads doctors-queue, decides who is told of each event, records every decision and hands the notifications to deliver.
import type { Redis } from 'ioredis';
import type { QueueRegistry } from '../queues/registry.js';
import type { ActorHealth } from '../src/domain/actor-health.js';
import type { DecisionRules } from '../src/domain/decision.js';
import { decodeDoctorsQueue } from '../src/domain/doctors-queue.js';
import { LedgerLostError } from '../src/domain/ledger.js';
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
import { type Actor, STUCK_AFTER_MS } from './actor.js';
import { type AlertsKafka, createAlertsLedger } from './alerts-ledger.js';
import { LEASE_MS } from './deliver-notification.js';
import { type DispatchParts, dispatchEvents, type PlacedEvent } from './dispatch-events.js';

/** Few enough that the first of a backlog does not wait for the last. */
const EVENTS_TOGETHER = 200;
const LEDGER_LOOK_MS = 250;

export interface DispatchActorParts {
  readonly kafka: AlertsKafka;
  /** KAFKA_PREFIX. */
  readonly kafkaPrefix: string;
  /** A `command` connection, not closed by the actor. */
  readonly redis: Redis;
  /** REDIS_PREFIX. */
  readonly redisPrefix: string;
  readonly queues: QueueRegistry;
  readonly rules: DecisionRules;
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
  const { keeper } = alerts;
  const dispatch: DispatchParts = { ...parts, ledger: alerts.ledger, deliveries: alerts.deliveries };
  let consumer: OwnedConsumer | undefined;
  let joined = false;
  let crashed = false;
  let stopping = false;

  const crashedWith = (error: unknown): void => {
    if (!crashed) log.error('dispatch.crashed', {}, error);
    crashed = true;
  };

  /** Our position is the group's offset: everything before it has its decisions on alert-deliveries. */
  const own = async (ownership: Ownership): Promise<PartitionWork> => {
    while (!keeper.isReady() && ownership.isOurs() && !stopping) {
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
      consumer = kafka.ownedConsumer({ groupId: group, topics: [topic], own });
      void consumer.crashed.then(crashedWith);
      // Resolves once the group is joined: it waits for Kafka, the process does not.
      void consumer.start().then(() => {
        joined = true;
      }, crashedWith);
    },
    stop: async () => {
      stopping = true;
      await consumer?.stop();
      await alerts.stop();
    },
    health: () =>
      dispatchHealth({
        ledger: keeper.isReady(),
        joined,
        crashed,
        partitions: consumer?.status() ?? [],
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

/** A dead record is counted; its bytes are in the lake's table of dead ones. Events without a patient notify nobody. */
function placed(parts: DispatchParts, record: ReceivedRecord, partition: number): PlacedEvent[] {
  const decoded = decodeDoctorsQueue(record.value);
  switch (decoded.type) {
    case 'episode':
      return [{ event: decoded.event, offset: record.offset }];
    case 'operator':
    case 'other':
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
  return {
    ready: input.ledger && input.joined && !input.crashed && waiting.length === 0,
    live: !input.crashed && stuck.length === 0,
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
    ],
  };
}
