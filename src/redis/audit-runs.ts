// The newest audit of all replicas, for the metrics of each and so that a tick is not run twice.
import type { Redis } from 'ioredis';
import { AUDIT_TERMS, type AuditTermName } from '../domain/audit.js';

/** How an audit by tick ended. Milliseconds, UTC. */
export interface AuditRun {
  readonly tickMs: number;
  readonly endedAtMs: number;
  /** Null: there was nothing to compare. */
  readonly ok: boolean | null;
  readonly offending: Readonly<Record<AuditTermName, number>>;
}

export interface AuditRuns {
  /** Throws when Redis is away. */
  last(): Promise<AuditRun | undefined>;
  record(run: AuditRun): Promise<void>;
}

/** `redis` is a `command` connection, not closed here. */
export function createAuditRuns(redis: Redis, prefix: string): AuditRuns {
  const key = `${prefix}:audit:run`;
  return {
    last: async () => {
      const { tickMs, endedAtMs, ok, ...counts } = await redis.hgetall(key);
      if (tickMs === undefined) return undefined;
      const offending = Object.fromEntries(AUDIT_TERMS.map((term) => [term, Number(counts[term] ?? 0)]));
      return {
        tickMs: Number(tickMs),
        endedAtMs: Number(endedAtMs),
        ok: ok === '' ? null : ok === '1',
        offending: offending as AuditRun['offending'],
      };
    },
    record: async ({ tickMs, endedAtMs, ok, offending }) => {
      await redis.hset(key, { tickMs, endedAtMs, ok: ok === null ? '' : Number(ok), ...offending });
    },
  };
}
