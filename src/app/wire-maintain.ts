// maintain over real things.
import type { Actor } from '../../jobs/actor.js';
import { createMaintainActor } from '../../jobs/maintain.js';
import { createAuditRuns } from '../redis/audit-runs.js';
import { auditParts } from './audit-parts.js';
import type { LookParts } from './looks.js';

/** How an `off` in a cron setting reads. */
const NEVER = 'off';

export function wireMaintain(parts: LookParts): Actor {
  const { config, connections, metrics } = parts;
  const { AUDIT_CRON, REDIS_PREFIX, DRAIN_MS } = config.settings;
  return createMaintainActor({
    ...auditParts({ ...parts, log: parts.log.child({ role: 'maintain' }) }),
    runs: createAuditRuns(connections.redis(), REDIS_PREFIX),
    connection: connections.blockingRedis(),
    registry: connections.queues(),
    queuePrefix: REDIS_PREFIX,
    metrics,
    auditCron: AUDIT_CRON === NEVER ? undefined : AUDIT_CRON,
    drainMs: DRAIN_MS,
  });
}
