// Gates: a service that is away is waited for and seen; one that is unsafe stops the start with every problem.
import { expect, it } from 'vitest';
import { openGate } from '../../../src/app/gates.js';
import { ConfigError, type Problem } from '../../../src/config/problems.js';
import type { Clock } from '../../../src/domain/ports.js';
import { recordingLogger, recordingMetrics } from '../../helpers/recorders.js';

const PROBLEM: Problem = { setting: 'REDIS_URL', what: 'it evicts', mend: 'Set maxmemory-policy noeviction' };

function parts() {
  const slept: number[] = [];
  const abort = new AbortController();
  const clock: Clock = {
    nowMs: () => 0,
    monotonicMs: () => 0,
    sleep: async (ms) => {
      slept.push(ms);
    },
  };
  return { clock, slept, abort, log: recordingLogger(), metrics: recordingMetrics(), signal: abort.signal };
}

it('waits with a growing, bounded delay, says so without the words of the driver, and opens', async () => {
  const p = parts();
  let looks = 0;
  const gate = openGate(
    'kafka',
    async () => {
      if (++looks < 9) throw Object.assign(new Error('connect to user:secret@host'), { code: 'ECONNREFUSED' });
      return [];
    },
    p,
  );
  expect(gate.waiting()).toContain('kafka');
  expect(await gate.first).toBe('waiting');
  expect(gate.waiting()).toBe("kafka can't be reached (ECONNREFUSED); it is tried again");
  expect(await p.metrics.value('service_up', { service: 'kafka' })).toBe(0);
  await gate.opened;
  expect(gate.waiting()).toBeUndefined();
  expect(p.slept).toEqual([250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000]);
  expect(await p.metrics.value('service_up', { service: 'kafka' })).toBe(1);
  expect(JSON.stringify(p.log.lines)).not.toContain('secret');
});

it('opens at the first look where all is right', async () => {
  const gate = openGate('lake', async () => [], parts());
  expect(await gate.first).toBe('open');
  await gate.opened;
});

it('refuses by problems, at the first look or at a later one', async () => {
  const now = openGate('redis', async () => [PROBLEM], parts());
  expect(await now.first).toEqual([PROBLEM]);
  await expect(now.opened).rejects.toThrow(ConfigError);
  let looks = 0;
  const later = openGate(
    'redis',
    async () => {
      if (++looks === 1) throw new Error('away');
      return [PROBLEM];
    },
    parts(),
  );
  expect(await later.first).toBe('waiting');
  await expect(later.opened).rejects.toThrow('REDIS_URL: it evicts. Set maxmemory-policy noeviction');
});

it('looks no more once the process stops', async () => {
  const p = parts();
  let looks = 0;
  const gate = openGate(
    'mysql',
    async () => {
      looks++;
      p.abort.abort();
      throw new Error('away');
    },
    p,
  );
  await gate.first;
  await new Promise((resolve) => setImmediate(resolve));
  expect(looks).toBe(1);
});
