// dispatch and deliver over real things.
import type { Actor } from '../../jobs/actor.js';
import { createDeliverActor } from '../../jobs/deliver.js';
import { createDispatchActor } from '../../jobs/dispatch.js';
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
    policy: { current: () => config.policy },
    publisher: createPublisher(connections.snsSettings()),
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
