// import over real things: the actor, and the one import that the command line runs.
import type { Actor } from '../../jobs/actor.js';
import { createImportActor } from '../../jobs/import.js';
import type { ImportParts } from '../../jobs/import-run.js';
import { CRON_OFF } from '../config/parsers.js';
import { knownAttributes } from '../domain/attributes.js';
import { createReferenceLake } from '../lake/reference-tables.js';
import { createLookupStore } from '../redis/lookup-store.js';
import { newToken } from './connections.js';
import type { LookParts } from './looks.js';
import { tableSourceOf } from './table-source.js';

export function importParts(parts: LookParts): ImportParts {
  const { config, connections, deployment, clock, log, metrics, onStep } = parts;
  return {
    source: tableSourceOf(parts),
    lake: createReferenceLake({ store: connections.lake(), source: deployment.source, newToken, log }),
    store: createLookupStore(connections.redis(), config.settings.REDIS_PREFIX),
    thresholdOptions: {
      attributes: knownAttributes(config.attributes),
      configured: config.attributes.map(({ name }) => name),
    },
    newToken,
    onStep,
    clock,
    log,
    metrics,
  };
}

export function wireImport(parts: LookParts): Actor {
  const { config, connections, log } = parts;
  const { patients, thresholds } = config.imports;
  return createImportActor({
    ...importParts({ ...parts, log: log.child({ role: 'import' }) }),
    connection: connections.blockingRedis(),
    registry: connections.queues(),
    prefix: config.settings.REDIS_PREFIX,
    crons: {
      ...(patients.cron === CRON_OFF ? {} : { 'import-patients': patients.cron }),
      ...(thresholds.cron === CRON_OFF ? {} : { 'import-thresholds': thresholds.cron }),
    },
    drainMs: config.settings.DRAIN_MS,
  });
}
