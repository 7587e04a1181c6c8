// The one place that opens Redis connections, each for one use.
import { Redis, type RedisOptions } from 'ioredis';
import type { Logger, Metrics } from '../domain/ports.js';

/** `command`: fails fast while Redis is away. `blocking`: for BullMQ's workers, which wait for it. */
export type RedisUse = 'command' | 'blocking' | 'subscriber';

const CONNECT_TIMEOUT_MS = 5_000;
const COMMAND_TIMEOUT_MS = 10_000;
const RECONNECT_MIN_MS = 50;
const RECONNECT_MAX_MS = 2_000;

export interface RedisSettings {
  /** redis:// or rediss://, with user and password where needed. */
  readonly url: string;
  /** PEM text of the authority that signed the server's certificate. */
  readonly tlsCa?: string | undefined;
}

/** Opens a connection that reconnects by itself with backoff. Errors are logged once per outage, without the address's secrets. */
export function connectRedis(settings: RedisSettings, use: RedisUse, log: Logger, metrics?: Metrics): Redis {
  const options: RedisOptions = {
    connectTimeout: CONNECT_TIMEOUT_MS,
    enableReadyCheck: true,
    retryStrategy: (times) => Math.min(RECONNECT_MIN_MS * 2 ** Math.min(times, 10), RECONNECT_MAX_MS),
    ...(settings.tlsCa ? { tls: { ca: settings.tlsCa } } : {}),
    ...(use === 'command'
      ? { enableOfflineQueue: false, maxRetriesPerRequest: 1, commandTimeout: COMMAND_TIMEOUT_MS }
      : { maxRetriesPerRequest: null }),
  };
  const redis = new Redis(settings.url, options);
  let down = false;
  redis.on('error', (error: Error) => {
    if (!down) log.error('redis.unavailable', { use }, error);
    down = true;
    metrics?.gauge('service_up', 0, { service: 'redis' });
  });
  redis.on('ready', () => {
    if (down) log.info('redis.back', { use });
    down = false;
    metrics?.gauge('service_up', 1, { service: 'redis' });
  });
  return redis;
}

/** Resolves once the connection is ready; rejects when the signal aborts first. */
export function redisReady(redis: Redis, signal?: AbortSignal): Promise<void> {
  if (redis.status === 'ready') return Promise.resolve();
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      redis.off('ready', onReady);
      signal?.removeEventListener('abort', onAbort);
      settle();
    };
    const onReady = () => end(resolve);
    const onAbort = () => end(() => reject(new Error('stopped before Redis was ready')));
    redis.on('ready', onReady);
    signal?.addEventListener('abort', onAbort);
    if (signal?.aborted) onAbort();
  });
}
