// watch over real things: its lookup begins and ends with it.
import type { Actor } from '../../jobs/actor.js';
import { createWatchActor } from '../../jobs/watch.js';
import { knownAttributes } from '../domain/attributes.js';
import { checkThresholds } from '../domain/threshold-check.js';
import { createLookup } from '../redis/lookup.js';
import { createLookupStore } from '../redis/lookup-store.js';
import { newToken } from './connections.js';
import type { LookParts } from './looks.js';
import { tableSourceOf } from './table-source.js';

export function wireWatch(parts: LookParts): Actor {
  const { config, connections, clock, log, metrics, onStep } = parts;
  const { settings } = config;
  const lookup = createLookup({
    store: createLookupStore(connections.redis(), settings.REDIS_PREFIX),
    subscriber: connections.subscriberRedis(),
    source: tableSourceOf(parts),
    thresholdProblems: (rows) =>
      checkThresholds(rows, { attributes: knownAttributes(config.attributes) })
        .filter((problem) => problem.fatal)
        .map((problem) => problem.text),
    clock,
    log,
    metrics,
  });
  const watch = createWatchActor({
    kafka: connections.kafka(),
    prefix: settings.KAFKA_PREFIX,
    lookup,
    lookupTimeoutMs: settings.LOOKUP_TIMEOUT_MS,
    policy: connections.policy(),
    privacy: settings.PRIVACY,
    timeZone: settings.HOSPITAL_TIMEZONE,
    attributes: config.attributes,
    clock,
    log: log.child({ role: 'watch' }),
    metrics,
    onStep,
    newToken,
  });
  return {
    ...watch,
    start: async () => {
      await lookup.start();
      await watch.start();
    },
    stop: async () => {
      await watch.stop();
      await lookup.stop();
    },
  };
}
