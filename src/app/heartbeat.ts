// Which processes run which role: a key with a short life in Redis, for people and for `doctor`. What the beat learns on its way is told:
// that Redis refuses writing, and how far our clock is from Redis's, which all processes share.
import type { Redis } from 'ioredis';
import type { Clock, Logger, Metrics } from '../domain/ports.js';
import type { RoleName } from '../domain/roles.js';

const TTL_MS = 15_000;
const BEAT_MS = 5_000;
/** Times of different processes are compared with each other; ages in minutes bear this much. */
const SKEW_LIMIT_MS = 60_000;
/** Redis's own words begin with a code in capitals: OOM (maxmemory), MISCONF (its disk), READONLY (a replica). */
const REFUSAL = /^[A-Z]+/;

export interface HeartbeatParts {
  /** A `command` connection. While Redis is away nothing is said, and connections.ts has logged it. */
  readonly redis: Pick<Redis, 'set' | 'time' | 'del'>;
  readonly prefix: string;
  readonly roles: readonly RoleName[];
  /** host-pid-random: unique among living and dead. */
  readonly instance: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly describe: (role: RoleName) => { readonly ready: boolean; readonly live: boolean };
}

export interface Heartbeat {
  /** Why the process is not well, as far as the last beat knows. */
  lacks(): string[];
  /** The keys are taken away then, so that a stopped process is seen at once. */
  end(): Promise<void>;
}

export function startHeartbeat(parts: HeartbeatParts): Heartbeat {
  const { redis, prefix, instance, clock, log, metrics } = parts;
  const stopped = new AbortController();
  const key = (role: RoleName) => `${prefix}:role:${role}:${instance}`;
  let refusal: string | undefined;
  let skewMs = 0;

  const lookAtClocks = async () => {
    const before = clock.nowMs();
    const [seconds, micros] = await redis.time();
    const wasSkewed = Math.abs(skewMs) > SKEW_LIMIT_MS;
    skewMs = Math.round((before + clock.nowMs()) / 2 - (Number(seconds) * 1_000 + Number(micros) / 1_000));
    metrics.gauge('clock_skew_seconds', skewMs / 1_000);
    if (Math.abs(skewMs) > SKEW_LIMIT_MS && !wasSkewed) log.error('clock.skewed', { skewMs });
  };

  const beat = async () => {
    await lookAtClocks();
    const at = new Date(clock.nowMs()).toISOString();
    try {
      for (const role of parts.roles) {
        await redis.set(key(role), JSON.stringify({ v: 1, at, ...parts.describe(role) }), 'PX', TTL_MS);
      }
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'ReplyError') throw error;
      const code = REFUSAL.exec(error.message)?.[0] ?? 'unknown';
      if (refusal === undefined) log.error('redis.refuses', { errorCode: code });
      refusal = code;
      metrics.gauge('service_up', 0, { service: 'redis' });
      return;
    }
    if (refusal === undefined) return;
    log.info('redis.writes-again');
    metrics.gauge('service_up', 1, { service: 'redis' });
    refusal = undefined;
  };

  const loop = (async () => {
    while (!stopped.signal.aborted) {
      await beat().catch(() => undefined);
      await clock.sleep(BEAT_MS, stopped.signal);
    }
  })();
  return {
    lacks: () => [
      ...(refusal === undefined
        ? []
        : [`redis refuses writing (${refusal}): jobs and alerts wait until it takes them again`]),
      ...(Math.abs(skewMs) > SKEW_LIMIT_MS
        ? [
            `this machine's clock and Redis's differ by ${Math.round(skewMs / 1_000)} s: let all follow the same time (chrony, NTP)`,
          ]
        : []),
    ],
    end: async () => {
      stopped.abort();
      await loop;
      await redis.del(...parts.roles.map(key)).catch(() => undefined);
    },
  };
}
