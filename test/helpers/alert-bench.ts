// Dispatch and deliver on real Redis and Kafka, with a counting SNS: topics and keys of their own, taken away at the end.
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Actor } from '../../jobs/actor.js';
import { createDeliverActor, type DeliverActorParts } from '../../jobs/deliver.js';
import { createDispatchActor, type DispatchActorParts } from '../../jobs/dispatch.js';
import { createQueueRegistry } from '../../queues/registry.js';
import { decodeDelivery } from '../../src/domain/delivery.js';
import type { DeliveryRecord, EpisodeEvent, OperatorEvent } from '../../src/domain/events.js';
import { operatorKey } from '../../src/domain/operator-events.js';
import { createKafka, type KafkaClient } from '../../src/kafka/client.js';
import { connectRedis, redisReady } from '../../src/redis/connections.js';
import { createPublisher } from '../../src/sns/publisher.js';
import { systemClock } from '../../src/telemetry/clock.js';
import { type FakeSns, startFakeSns } from './fake-sns.js';
import { fixed, policyWith } from './policies.js';
import { recordingLogger, recordingMetrics } from './recorders.js';
import { testStack, uniqueName } from './stack.js';
import { UNLIMITED } from './unlimited.js';

export const TOPIC_ARN = 'arn:aws:sns:eu-west-1:000000000000:doctors';
/** One route, for every alert. */
export const ALERT_POLICY = policyWith(
  {},
  { routes: [{ name: 'default', match: {}, topic: TOPIC_ARN, reminder: null, escalation: [] }] },
);
/** Of dispatch, unless a test says otherwise. */
const ALERT_SETTINGS = { policy: fixed(ALERT_POLICY), heartbeatTopic: undefined, operatorsTopic: undefined };
const PARTITIONS = 2;
/** No machine is so busy: a time-out makes an unknown outcome, and that an e-mail more. Tests of time-outs and leases ask for a short one. */
const SNS_TIMEOUT_MS = 20_000;
/** From a publish's begin to the end of its lease: on a busy machine the record of the attempt takes its time, too. */
const LEASE_MARGIN_MS = 20_000;
/** Where leases are to run out soon. */
const SHORT_MARGIN_MS = 1_250;

export interface AlertBench {
  readonly sns: FakeSns;
  readonly log: ReturnType<typeof recordingLogger>;
  readonly metrics: ReturnType<typeof recordingMetrics>;
  readonly kafka: KafkaClient;
  readonly redis: Redis;
  readonly kafkaPrefix: string;
  readonly redisPrefix: string;
  readonly queues: ReturnType<typeof createQueueRegistry>;
  dispatch(more?: Partial<DispatchActorParts>): Promise<Actor>;
  /** Without limits, unless a policy is given. */
  deliver(more?: Partial<DeliverActorParts>): Promise<Actor>;
  /** Stops it now, not at the end. */
  stop(actor: Actor): Promise<void>;
  write(...events: readonly (EpisodeEvent | OperatorEvent | string)[]): Promise<void>;
  /** All of alert-deliveries. */
  deliveries(): Promise<readonly DeliveryRecord[]>;
  /** Resolves when the condition holds; throws, with the log's tail, after the bound. */
  until(what: string, holds: () => boolean | Promise<boolean>, withinMs?: number): Promise<void>;
  /** Resolves when dispatch's group offsets stand at the ends of doctors-queue. */
  dispatched(): Promise<void>;
  /** Resolves when no notification is open and the mailbox is empty. */
  settled(): Promise<void>;
  /** Sets dispatch's positions back to the log's start, while no dispatch runs. */
  rewind(): Promise<void>;
  close(): Promise<void>;
}

export async function startAlertBench(
  options: { readonly redisUrl?: string; readonly kafkaBrokers?: string; readonly snsTimeoutMs?: number } = {},
): Promise<AlertBench> {
  const stack = testStack();
  const name = uniqueName('alerts');
  const [kafkaPrefix, redisPrefix] = [`${name}.`, `{${name}}`];
  const log = recordingLogger();
  const metrics = recordingMetrics();
  const clock = systemClock;
  const sns = await startFakeSns();
  const kafka = createKafka(
    { brokers: options.kafkaBrokers ? [options.kafkaBrokers] : stack.kafkaBrokers, clientId: name },
    { log, metrics, clock },
  );
  const snsTimeoutMs = options.snsTimeoutMs ?? SNS_TIMEOUT_MS;
  const url = options.redisUrl ?? stack.redisUrl;
  const redis = connectRedis({ url }, 'command', log);
  await redisReady(redis);
  const queues = createQueueRegistry(redis, redisPrefix);
  const topics = [`${kafkaPrefix}doctors-queue`, `${kafkaPrefix}alert-deliveries`];
  await kafka.admin.createTopics(topics.map((topic) => ({ topic, numPartitions: PARTITIONS, replicationFactor: 1 })));
  const producer = await kafka.plainProducer();
  const reader = await kafka.partitionReader();
  const all: DeliveryRecord[] = [];
  const read = new Map(Array.from({ length: PARTITIONS }, (_, partition) => [partition, 0]));
  const running = new Map<Actor, () => Promise<void>>();
  const base = { kafka, kafkaPrefix, redis, redisPrefix, queues, clock, log, metrics, onStep: () => undefined };

  const begin = async (actor: Actor, after: () => Promise<void>): Promise<Actor> => {
    running.set(actor, after);
    await actor.start();
    return actor;
  };
  const stop = async (actor: Actor): Promise<void> => {
    const after = running.get(actor);
    running.delete(actor);
    await actor.stop();
    await after?.();
  };
  const until: AlertBench['until'] = async (what, holds, withinMs = 20_000) => {
    const end = clock.monotonicMs() + withinMs;
    while (!(await holds())) {
      if (clock.monotonicMs() > end) {
        const tail = log.lines.slice(-25).map(({ level, event, fields, cause }) => ({ level, event, fields, cause }));
        throw new Error(`not within ${withinMs} ms: ${what}; log: ${JSON.stringify(tail)}`);
      }
      await clock.sleep(20);
    }
  };

  return {
    ...{ sns, log, metrics, kafka, redis, kafkaPrefix, redisPrefix, queues, until, stop },
    dispatch: (more = {}) => {
      const blockingRedis = connectRedis({ url }, 'blocking', log);
      return begin(createDispatchActor({ ...base, blockingRedis, ...ALERT_SETTINGS, ...more }), async () =>
        blockingRedis.disconnect(),
      );
    },
    deliver: async (more = {}) => {
      const blockingRedis = connectRedis({ url }, 'blocking', log);
      return begin(
        createDeliverActor({
          ...base,
          blockingRedis,
          publisher: createPublisher({
            region: 'eu-west-1',
            endpoint: sns.url,
            timeoutMs: snsTimeoutMs,
            credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
          }),
          policy: fixed(ALERT_POLICY),
          ...(more.policy ? {} : { limiter: UNLIMITED }),
          timeZone: 'Europe/Berlin',
          newToken: () => randomBytes(8).toString('hex'),
          random: () => 0.1,
          leaseMs: snsTimeoutMs + (options.snsTimeoutMs === undefined ? LEASE_MARGIN_MS : SHORT_MARGIN_MS),
          heldRetryMs: 500,
          ...more,
        }),
        async () => blockingRedis.disconnect(),
      );
    },
    write: async (...events) => {
      await producer.send(
        events.map((event) =>
          typeof event === 'string'
            ? { topic: topics[0] ?? '', key: 'broken', value: event }
            : {
                topic: topics[0] ?? '',
                key: 'patient' in event ? event.patient.id : operatorKey(event),
                value: JSON.stringify(event),
              },
        ),
      );
    },
    deliveries: async () => {
      for (const [partition, from] of read)
        read.set(
          partition,
          (
            await reader.read(topics[1] ?? '', partition, { from }, (record) => {
              all.push(decodeDelivery(record.value));
            })
          ).next,
        );
      return all;
    },
    dispatched: () =>
      until('dispatch has passed all of doctors-queue', async () => {
        const ends = await kafka.admin.endOffsets(topics[0] ?? '');
        const at = await Promise.all(
          ends.map((_, p) => kafka.admin.committedOffset(`${kafkaPrefix}dispatch`, topics[0] ?? '', p)),
        );
        return ends.every((end, p) => end === 0 || at[p] === end);
      }),
    settled: () =>
      until('nothing is open', async () => {
        const { waiting, active, delayed, prioritized } = await queues.counts('deliver-alert');
        const jobs = (waiting ?? 0) + (active ?? 0) + (delayed ?? 0) + (prioritized ?? 0);
        return jobs === 0 && (await redis.zcard(`${redisPrefix}:notif:due`)) === 0;
      }),
    rewind: () =>
      until('the group is empty and its offsets are gone', () =>
        kafka.admin.deleteGroups([`${kafkaPrefix}dispatch`]).then(
          () => true,
          () => false,
        ),
      ),
    close: async () => {
      for (const actor of [...running.keys()]) await stop(actor);
      await producer.close();
      await queues.close();
      const keys = redis.status === 'ready' ? await redis.keys(`${redisPrefix.replace('{', '\\{')}*`) : [];
      if (keys.length > 0) await redis.del(...keys);
      redis.disconnect();
      await kafka.admin.deleteTopics(topics);
      await kafka.admin.deleteGroups([`${kafkaPrefix}dispatch`]).catch(() => undefined);
      await kafka.close();
      await sns.close();
    },
  };
}
