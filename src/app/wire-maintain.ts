// maintain over real things.
import type { Actor } from '../../jobs/actor.js';
import { createMaintainActor } from '../../jobs/maintain.js';
import { watchSubscriptions } from '../../jobs/subscription-look.js';
import { CRON_OFF } from '../config/parsers.js';
import { createAuditRuns } from '../redis/audit-runs.js';
import { auditParts } from './audit-parts.js';
import type { LookParts } from './looks.js';
import { readersOf } from './readers.js';

export function wireMaintain(parts: LookParts): Actor {
  const { config, connections, clock, metrics } = parts;
  const log = parts.log.child({ role: 'maintain' });
  const readers = readersOf(config, () => connections.policy().current());
  const { AUDIT_CRON, REDIS_PREFIX, DRAIN_MS } = config.settings;
  return createMaintainActor({
    ...auditParts({ ...parts, log }),
    runs: createAuditRuns(connections.redis(), REDIS_PREFIX),
    connection: connections.blockingRedis(),
    registry: connections.queues(),
    queuePrefix: REDIS_PREFIX,
    metrics,
    subscriptions: (signal) => watchSubscriptions({ readers, metrics, clock, log }, signal),
    auditCron: AUDIT_CRON === CRON_OFF ? undefined : AUDIT_CRON,
    drainMs: DRAIN_MS,
  });
}
