// dispatch and deliver over real things.
import type { Actor } from '../../jobs/actor.js';
import { createDeliverActor } from '../../jobs/deliver.js';
import { createDispatchActor } from '../../jobs/dispatch.js';
import type { RoleName } from '../domain/roles.js';
import { countingHeartbeats } from '../sns/counting-publisher.js';
import { createPublisher } from '../sns/publisher.js';
import { newToken } from './connections.js';
import type { LookParts } from './looks.js';

export function wireDispatch(parts: LookParts): Actor {
  const { settings } = parts.config;
  return createDispatchActor({
    ...shared(parts, 'dispatch'),
    heartbeatTopic: settings.SNS_HEARTBEAT_TOPIC_ARN,
    operatorsTopic: settings.SNS_OPERATORS_TOPIC_ARN,
  });
}

export function wireDeliver(parts: LookParts): Actor {
  const { settings } = parts.config;
  return createDeliverActor({
    ...shared(parts, 'deliver'),
    publisher: countingHeartbeats(createPublisher(parts.connections.snsSettings())),
    timeZone: settings.HOSPITAL_TIMEZONE,
    consoleUrl: settings.CONSOLE_URL,
    newToken,
    random: Math.random,
  });
}

/** What both stand on. */
function shared({ config, connections, clock, log, metrics, onStep }: LookParts, role: RoleName) {
  const { KAFKA_PREFIX, REDIS_PREFIX } = config.settings;
  return {
    kafka: connections.kafka(),
    kafkaPrefix: KAFKA_PREFIX,
    redis: connections.redis(),
    blockingRedis: connections.blockingRedis(),
    redisPrefix: REDIS_PREFIX,
    queues: connections.queues(),
    policy: connections.policy(),
    clock,
    log: log.child({ role }),
    metrics,
    onStep,
  };
}
