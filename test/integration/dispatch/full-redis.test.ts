// A Redis that is full (noeviction: it refuses writes), and a replica whose clock is an hour fast: nobody goes without an e-mail.
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../../src/telemetry/clock.js';
import { type AlertBench, startAlertBench } from '../../helpers/alert-bench.js';
import { episodeEvent } from '../../helpers/alert-events.js';
import { type PrivateUrl, startRedis } from '../../helpers/services.js';

const HOUR_MS = 3_600_000;
const EVENTS = 5;

let redis: PrivateUrl;
let bench: AlertBench;
const events = (name: string) =>
  Array.from({ length: EVENTS }, (_, i) => episodeEvent({ patientId: `${name}${i}`, atMs: systemClock.nowMs() }));
const mails = () => bench.sns.accepted.length;

beforeAll(async () => {
  redis = await startRedis({ appendonly: true });
  bench = await startAlertBench({ redisUrl: redis.url });
  const fast = { ...systemClock, nowMs: () => systemClock.nowMs() + HOUR_MS };
  const dispatch = await bench.dispatch({ clock: fast });
  await bench.deliver();
  await bench.until('ready', () => dispatch.health().ready);
});
afterAll(async () => {
  await bench.close();
  await redis.close();
});

test('a fast clock makes no history of live alerts', async () => {
  await bench.write(...events('live'));
  await bench.dispatched();
  await bench.until('all are accepted', () => mails() >= EVENTS);
  await bench.settled();
  expect(mails()).toBe(EVENTS);
});

test('full: asked again at a bearable rate, and when there is room again everybody is told once', async () => {
  const admin = new Redis(redis.url);
  const refused = () => bench.log.lines.filter(({ event }) => event === 'queue.error').length;
  await admin.config('SET', 'maxmemory', '1');
  await admin.config('RESETSTAT');
  await bench.write(...events('full'));
  await bench.until('dispatch is refused', () =>
    bench.log.lines.some(({ event }) => event === 'kafka.partition.failed'),
  );
  await bench.until('deliver is refused', () => refused() > 0);
  // Counted by Redis, which has no more to do than this.
  const asked = async () => Number(/total_error_replies:(\d+)/.exec(await admin.info('stats'))?.[1]);
  const [fromMs, before] = [systemClock.monotonicMs(), await asked()];
  await systemClock.sleep(3_000);
  const perSecond = ((await asked()) - before) / ((systemClock.monotonicMs() - fromMs) / 1_000);
  expect(perSecond).toBeLessThan(100);
  expect(refused()).toBeLessThan(5);
  await admin.config('SET', 'maxmemory', '0');
  admin.disconnect();
  await bench.until('all are accepted', () => mails() >= 2 * EVENTS);
  await bench.settled();
  expect(mails()).toBe(2 * EVENTS);
  expect(bench.sns.accepted.filter(({ body }) => body.includes('POSSIBLE REPEAT'))).toEqual([]);
});
