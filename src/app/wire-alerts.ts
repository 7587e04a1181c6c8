// dispatch and deliver over real things.
import type { Actor } from '../../jobs/actor.js';
import { createDeliverActor } from '../../jobs/deliver.js';
import { createDispatchActor } from '../../jobs/dispatch.js';
import { countingHeartbeats } from '../sns/counting-publisher.js';
import { createPublisher } from '../sns/publisher.js';
import { newToken } from './connections.js';
import type { LookParts } from './looks.js';

export function wireDispatch({ config, connections, clock, log, metrics, onStep }: LookParts): Actor {
  const { settings } = config;
  return createDispatchActor({
    kafka: connections.kafka(),
    kafkaPrefix: settings.KAFKA_PREFIX,
    redis: connections.redis(),
    blockingRedis: connections.blockingRedis(),
    redisPrefix: settings.REDIS_PREFIX,
    queues: connections.queues(),
    policy: connections.policy(),
    heartbeatTopic: settings.SNS_HEARTBEAT_TOPIC_ARN,
    operatorsTopic: settings.SNS_OPERATORS_TOPIC_ARN,
    clock,
    log: log.child({ role: 'dispatch' }),
    metrics,
    onStep,
  });
}

export function wireDeliver({ config, connections, clock, log, metrics, onStep }: LookParts): Actor {
  const { settings } = config;
  return createDeliverActor({
    kafka: connections.kafka(),
    kafkaPrefix: settings.KAFKA_PREFIX,
    redis: connections.redis(),
    blockingRedis: connections.blockingRedis(),
    redisPrefix: settings.REDIS_PREFIX,
    queues: connections.queues(),
    policy: connections.policy(),
    publisher: countingHeartbeats(createPublisher(connections.snsSettings())),
    timeZone: settings.HOSPITAL_TIMEZONE,
    consoleUrl: settings.CONSOLE_URL,
    clock,
    log: log.child({ role: 'deliver' }),
    metrics,
    onStep,
    newToken,
    random: Math.random,
  });
}
