// Which processes run which role: a key with a short life in Redis, for people and for `doctor`. Nothing leans on it.
import type { Redis } from 'ioredis';
import type { Clock } from '../domain/ports.js';
import type { RoleName } from '../domain/roles.js';

const TTL_MS = 15_000;
const BEAT_MS = 5_000;

export interface HeartbeatParts {
  /** A `command` connection. While Redis is away nothing is said, and connections.ts has logged it. */
  readonly redis: Redis;
  readonly prefix: string;
  readonly roles: readonly RoleName[];
  /** host-pid-random: unique among living and dead. */
  readonly instance: string;
  readonly clock: Clock;
  readonly describe: (role: RoleName) => { readonly ready: boolean; readonly live: boolean };
}

/** Returns how to end it; the keys are taken away then, so that a stopped process is seen at once. */
export function startHeartbeat(parts: HeartbeatParts): () => Promise<void> {
  const { redis, prefix, instance, clock } = parts;
  const stopped = new AbortController();
  const key = (role: RoleName) => `${prefix}:role:${role}:${instance}`;
  const beat = async () => {
    const at = new Date(clock.nowMs()).toISOString();
    for (const role of parts.roles) {
      await redis.set(key(role), JSON.stringify({ v: 1, at, ...parts.describe(role) }), 'PX', TTL_MS);
    }
  };
  const loop = (async () => {
    while (!stopped.signal.aborted) {
      await beat().catch(() => undefined);
      await clock.sleep(BEAT_MS, stopped.signal);
    }
  })();
  return async () => {
    stopped.abort();
    await loop;
    await redis.del(...parts.roles.map(key)).catch(() => undefined);
  };
}
