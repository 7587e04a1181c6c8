// Waiting for Redis leaves nothing behind, however it ends: a start asks again every few seconds for as long as Redis is away.
import { EventEmitter, getEventListeners } from 'node:events';
import type { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { redisReady } from '../../../src/redis/connections.js';

const away = () => Object.assign(new EventEmitter(), { status: 'reconnecting' });

test('what was waited for in vain leaves no listener', async () => {
  const redis = away();
  const stop = new AbortController();
  const waiting = redisReady(redis as unknown as Redis, stop.signal);
  stop.abort();
  await expect(waiting).rejects.toThrow('stopped before Redis was ready');
  expect(redis.listenerCount('ready')).toBe(0);
});

test('once it is ready nothing listens any more, also not to the signal', async () => {
  const redis = away();
  const stop = new AbortController();
  const waiting = redisReady(redis as unknown as Redis, stop.signal);
  redis.emit('ready');
  await waiting;
  expect([redis.listenerCount('ready'), getEventListeners(stop.signal, 'abort').length]).toEqual([0, 0]);
});

test('a signal that was given before ends the waiting at once', async () => {
  await expect(redisReady(away() as unknown as Redis, AbortSignal.abort())).rejects.toThrow('stopped');
});
