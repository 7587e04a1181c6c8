// The beat in Redis: what it says of the process, and what it learns of Redis and of our clock.
import { expect, it } from 'vitest';
import { startHeartbeat } from '../../../src/app/heartbeat.js';
import type { Clock } from '../../../src/domain/ports.js';
import { recordingLogger, recordingMetrics } from '../../helpers/recorders.js';

const HOUR_S = 3_600;
const NOW_S = 1_795_557_828;

function beating() {
  const kept = new Map<string, string>();
  const log = recordingLogger();
  const metrics = recordingMetrics();
  let wake = () => {};
  const clock: Clock = {
    nowMs: () => NOW_S * 1_000,
    monotonicMs: () => 0,
    sleep: () =>
      new Promise((resolve) => {
        wake = resolve;
      }),
  };
  const server = { offsetS: 0, refuses: '' };
  const redis = {
    time: async () => [NOW_S + server.offsetS, 0],
    set: async (key: string, value: string) => {
      if (server.refuses) throw Object.assign(new Error(server.refuses), { name: 'ReplyError' });
      kept.set(key, value);
    },
    del: async (...keys: string[]) => keys.map((key) => kept.delete(key)),
  };
  const heartbeat = startHeartbeat({
    redis: redis as never,
    prefix: '{t}',
    roles: ['watch', 'dispatch'],
    instance: 'host-1-abc',
    ...{ clock, log, metrics },
    describe: () => ({ ready: true, live: true }),
  });
  const beat = async () => {
    wake();
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  };
  return { heartbeat, server, kept, log, metrics, beat, end: () => Promise.all([heartbeat.end(), beat()]) };
}

it('says which roles run, and takes it back at the end', async () => {
  const b = beating();
  await b.beat();
  expect([...b.kept.keys()]).toEqual(['{t}:role:watch:host-1-abc', '{t}:role:dispatch:host-1-abc']);
  expect(b.heartbeat.lacks()).toEqual([]);
  await b.end();
  expect(b.kept.size).toBe(0);
});

it('tells of a Redis that takes no writes, once and by its code, until it takes them again', async () => {
  const b = beating();
  await b.beat();
  b.server.refuses = "OOM command not allowed when used memory > 'maxmemory'.";
  for (let i = 0; i < 3; i += 1) await b.beat();
  expect(b.heartbeat.lacks()).toEqual([expect.stringContaining('redis refuses writing (OOM)')]);
  expect(await b.metrics.value('service_up', { service: 'redis' })).toBe(0);
  expect(b.log.lines.filter(({ event }) => event === 'redis.refuses')).toHaveLength(1);
  b.server.refuses = '';
  await b.beat();
  expect(b.heartbeat.lacks()).toEqual([]);
  expect(await b.metrics.value('service_up', { service: 'redis' })).toBe(1);
  await b.end();
});

it('tells of a clock that differs from the one that all share', async () => {
  const b = beating();
  b.server.offsetS = -HOUR_S;
  await b.beat();
  await b.beat();
  expect(b.heartbeat.lacks()).toEqual([expect.stringContaining(`differ by ${HOUR_S} s`)]);
  expect(await b.metrics.value('clock_skew_seconds')).toBe(HOUR_S);
  expect(b.log.lines.filter(({ event }) => event === 'clock.skewed')).toHaveLength(1);
  b.server.offsetS = 2;
  await b.beat();
  expect(b.heartbeat.lacks()).toEqual([]);
  await b.end();
});
