// poll over real things.
import type { Actor } from '../../jobs/actor.js';
import { createPollActor } from '../../jobs/poll.js';
import { createVitalsSource, type VitalsSource } from '../mysql/vitals-source.js';
import { newToken } from './connections.js';
import { type LookParts, sourceOptions } from './looks.js';
import { noStep } from './steps.js';

export function vitalsSourceOf({ config, connections, deployment, clock, log }: LookParts): VitalsSource {
  return createVitalsSource(
    connections.rds(),
    { ...sourceOptions(config), source: deployment.source, attributes: config.attributes },
    { clock, log },
  );
}

export function wirePoll(parts: LookParts): Actor {
  const { config, connections, deployment, clock, metrics } = parts;
  const { settings } = config;
  const log = parts.log.child({ role: 'poll' });
  return createPollActor({
    source: deployment.source,
    vitals: vitalsSourceOf({ ...parts, log }),
    kafka: connections.kafka(),
    prefix: settings.KAFKA_PREFIX,
    start: settings.POLL_START,
    batchRows: settings.POLL_BATCH_ROWS,
    intervalMs: settings.POLL_INTERVAL_MS,
    registry: connections.queues(),
    connection: connections.blockingRedis(),
    queuePrefix: settings.REDIS_PREFIX,
    clock,
    log,
    metrics,
    onStep: noStep,
    newToken,
  });
}
