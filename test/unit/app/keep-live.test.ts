// The watchdog: stuck for long ends the process, stuck for a while does not.
import { expect, it } from 'vitest';
import { keepLive, NOT_LIVE_LIMIT_MS, NotLiveError } from '../../../src/app/keep-live.js';
import type { Clock } from '../../../src/domain/ports.js';
import { recordingLogger } from '../../helpers/recorders.js';

/** `liveAt` is asked at each look with the seconds since the start; the watch is ended after `forS`. */
async function watch(liveAt: (second: number) => boolean, forS: number) {
  let nowMs = 0;
  const ended = new AbortController();
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: async (ms) => {
      nowMs += ms;
      if (nowMs > forS * 1_000) ended.abort();
    },
  };
  const log = recordingLogger();
  const check = () => ({ live: liveAt(nowMs / 1_000), reasons: ['watch: partition 3 hangs'] });
  const error = await keepLive({ check, clock, log, signal: ended.signal }).catch((thrown: unknown) => thrown);
  return { error, log, nowMs };
}

it('ends a process that has not been live for two minutes, saying why', async () => {
  const { error, log, nowMs } = await watch((second) => second < 1_000, 10_000);
  expect(error).toBeInstanceOf(NotLiveError);
  expect(log.lines).toEqual([
    { level: 'error', event: 'worker.not-live', fields: { reasons: ['watch: partition 3 hangs'] } },
  ]);
  expect(nowMs).toBeGreaterThan(1_000_000 + NOT_LIVE_LIMIT_MS);
  expect(nowMs).toBeLessThan(1_000_000 + NOT_LIVE_LIMIT_MS + 10_000);
});

it('counts anew after each sign of life, and ends quietly when the process stops', async () => {
  const { error, log } = await watch((second) => second % 120 === 0, 10_000);
  expect(error).toBeUndefined();
  expect(log.lines).toEqual([]);
});
