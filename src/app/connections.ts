// The real things behind every interface, each opened when first asked for, and closed in two phases.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Redis } from 'ioredis';
import { createQueueRegistry, type QueueRegistry } from '../../queues/registry.js';
import type { Config } from '../config/load.js';
import { createPolicySource, type PolicyFileSource } from '../config/policy-source.js';
import type { SettingName, Settings } from '../config/settings.js';
import type { Clock, LakeStore, Logger, OnStep } from '../domain/ports.js';
import { createKafka, type KafkaClient } from '../kafka/client.js';
import type { LocalCopies } from '../lake/local-copies.js';
import { type LakeLocation, openLake } from '../lake/open-lake.js';
import { createPool, type MysqlPool } from '../mysql/pool.js';
import { connectRedis, type RedisUse } from '../redis/connections.js';
import type { SnsSettings } from '../sns/client.js';
import type { MetricRegistry } from '../telemetry/metrics.js';
import type { Phase } from './lifecycle.js';

export interface Base {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricRegistry;
  /** Called at each named step of every protocol: does nothing in production. */
  readonly onStep: OnStep;
}

export interface Connections {
  /** Fails fast while Redis is away. */
  redis(): Redis;
  /** For BullMQ's workers. */
  blockingRedis(): Redis;
  subscriberRedis(): Redis;
  queues(): QueueRegistry;
  kafka(): KafkaClient;
  rds(): MysqlPool;
  lake(): LakeStore;
  snsSettings(): SnsSettings;
  /** The policy in force: a changed file is taken while the process runs. */
  policy(): PolicyFileSource;
  /** Undefined where nobody has asked yet: for what only looks. */
  openQueues(): QueueRegistry | undefined;
  /** Kafka and queues first, then Redis and MySQL. */
  closing(): readonly Phase[];
}

export function createConnections({ config, clock, log, metrics }: Base): Connections {
  const { settings } = config;
  const closeFirst: (() => Promise<unknown>)[] = [];
  const closeLast: (() => Promise<unknown>)[] = [];
  const redisSettings = () => ({ url: need(settings, 'REDIS_URL'), tlsCa: config.authorities.redis });

  const redisFor = (use: RedisUse) =>
    once(() => {
      const redis = connectRedis(redisSettings(), use, log, metrics);
      closeLast.push(async () => (redis.status === 'ready' ? redis.quit() : redis.disconnect()));
      return redis;
    });
  const redis = redisFor('command');
  let opened: QueueRegistry | undefined;

  return {
    redis,
    blockingRedis: redisFor('blocking'),
    subscriberRedis: redisFor('subscriber'),
    queues: once(() => {
      const queues = createQueueRegistry(redis(), settings.REDIS_PREFIX);
      closeFirst.push(() => queues.close());
      opened = queues;
      return queues;
    }),
    openQueues: () => opened,
    kafka: once(() => {
      const kafka = createKafka(kafkaSettings(config), { log, metrics, clock });
      closeFirst.push(() => kafka.close());
      return kafka;
    }),
    rds: once(() => {
      const pool = createPool(
        { url: need(settings, 'RDS_URL'), tlsCa: config.authorities.rds, timezone: settings.RDS_TIMEZONE },
        log,
        metrics,
      );
      closeLast.push(() => pool.close());
      return pool;
    }),
    lake: once(() => openLake(lakeLocation(settings))),
    snsSettings: () => snsSettings(settings),
    policy: once(() => {
      const source = createPolicySource({
        path: settings.WARDWATCH_POLICY,
        readFile: (path) => readFileSync(path, 'utf8'),
        settings: config.policySettings,
        first: config.policy,
        ...{ clock, log, metrics },
      });
      closeFirst.push(() => source.stop());
      source.start();
      return source;
    }),
    closing: () => [
      { name: 'close kafka and queues', steps: closeFirst },
      { name: 'close redis and mysql', steps: closeLast },
    ],
  };
}

export function kafkaSettings(config: Config) {
  const { settings } = config;
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password } = settings;
  return {
    brokers: need(settings, 'KAFKA_BROKERS'),
    clientId: config.settings.WARDWATCH_DEPLOYMENT,
    ...(settings.KAFKA_SSL ? { ssl: { ca: config.authorities.kafka } } : {}),
    ...(mechanism && username && password ? { sasl: { mechanism, username, password } } : {}),
  };
}

export function lakeLocation(settings: Settings): LakeLocation {
  return { url: need(settings, 'LAKE_URL'), hdfsHttpUrl: settings.HDFS_HTTP_URL, hdfsUser: settings.HDFS_USER };
}

/** Where commands keep copies of a lake on HDFS. */
export function lakeCopies({ config, clock }: Pick<Base, 'config' | 'clock'>): LocalCopies {
  const { LAKE_CACHE, LAKE_CACHE_BYTES } = config.settings;
  const folder = LAKE_CACHE ?? path.join(tmpdir(), `wardwatch-lake-${process.getuid?.() ?? 'user'}`);
  return { folder, maxBytes: LAKE_CACHE_BYTES, nowMs: () => clock.nowMs() };
}

/** The region is the topic's where none is set: `arn:aws:sns:<region>:…`. Credentials are the SDK's business. */
export function snsSettings(settings: Settings): SnsSettings {
  const region = settings.AWS_REGION ?? settings.SNS_TOPIC_ARN?.split(':')[3];
  return { region: region ?? need(settings, 'AWS_REGION'), endpoint: settings.AWS_ENDPOINT_URL_SNS };
}

/** A setting that load.ts was told to demand: its absence is a mistake of ours. */
export function need<N extends SettingName>(settings: Settings, name: N): NonNullable<Settings[N]> {
  const value = settings[name];
  if (value === undefined || value === null) throw new Error(`${name} was not demanded when the settings were loaded`);
  return value as NonNullable<Settings[N]>;
}

/** For fencing tokens and lock holders: new at each call. */
export const newToken = (): string => randomUUID();

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
