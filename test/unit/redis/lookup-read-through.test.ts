// Reading patients through: once for many waiters, within the time limit, and never a query a batch for who is nowhere.
import { describe, expect, it } from 'vitest';
import { type Entry, entryOfPatient } from '../../../src/domain/import-version.js';
import type { Patient } from '../../../src/domain/patient.js';
import type { Clock } from '../../../src/domain/ports.js';
import { createReadThrough } from '../../../src/redis/lookup-read-through.js';
import { recordingLogger, recordingMetrics } from '../../helpers/recorders.js';

const person = (id: string): Patient => ({
  id,
  name: null,
  address: null,
  phone: null,
  ward: null,
  age: 50,
  otherDetails: null,
});

function setUp(options: { redis?: readonly string[]; rds?: readonly string[]; redisDown?: boolean } = {}) {
  let now = 0;
  let wakeSleepers: (() => void)[] = [];
  const asked: string[][] = [];
  const memory = new Map<string, Patient>();
  const metrics = recordingMetrics();
  const pending: { release: () => void; fail: () => void }[] = [];
  let held = false;
  const clock: Clock = {
    nowMs: () => now,
    monotonicMs: () => now,
    sleep: (_ms, signal) =>
      new Promise((resolve) => {
        wakeSleepers.push(resolve);
        signal?.addEventListener('abort', () => resolve());
      }),
  };
  const readThrough = createReadThrough({
    store: {
      current: async () => {
        if (options.redisDown) throw new Error('Connection is closed.');
        return { version: 'v2' } as never;
      },
      entries: async (_table, _version, keys) =>
        keys.map((key): Entry | undefined => (options.redis?.includes(key) ? entryOfPatient(person(key)) : undefined)),
    },
    source: {
      patientsById: async (ids) => {
        asked.push([...ids]);
        if (held)
          await new Promise<void>((release, reject) =>
            pending.push({ release, fail: () => reject(new Error('RDS gone')) }),
          );
        return ids.filter((id) => options.rds?.includes(id)).map(person);
      },
    },
    clock,
    log: recordingLogger(),
    metrics,
    known: (id) => memory.has(id),
    versionInMemory: () => 'v1',
    found: (patient) => memory.set(patient.id, patient),
  });
  return {
    resolve: (...ids: string[]) => readThrough.resolve(ids, 500),
    asked,
    memory,
    misses: (found: string) => metrics.value('lookup_misses_total', { found }),
    hold: () => {
      held = true;
    },
    pending,
    advance: (ms: number) => {
      now += ms;
    },
    timeOut: () => {
      const sleepers = wakeSleepers;
      wakeSleepers = [];
      for (const wake of sleepers) wake();
    },
  };
}
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('read-through', () => {
  it('asks memory, then Redis, then RDS, each for what the one before lacks', async () => {
    const t = setUp({ redis: ['r'], rds: ['d', 'r'] });
    t.memory.set('m', person('m'));
    await t.resolve('m', 'r', 'd', 'x', 'd');
    expect([...t.memory.keys()].sort()).toEqual(['d', 'm', 'r']);
    expect(t.asked).toEqual([['d', 'x']]);
    expect([await t.misses('redis'), await t.misses('rds'), await t.misses('nowhere')]).toEqual([1, 1, 1]);
  });

  it('goes to RDS while Redis is away', async () => {
    const t = setUp({ redisDown: true, rds: ['d'] });
    await t.resolve('d');
    expect(t.memory.has('d')).toBe(true);
  });

  it('asks once for many waiters, and all of them get the answer', async () => {
    const t = setUp({ rds: ['a', 'b'] });
    t.hold();
    const waiters = [t.resolve('a'), t.resolve('a', 'b'), t.resolve('b', 'a')];
    await settle();
    expect(t.asked).toEqual([['a'], ['b']]);
    for (const { release } of t.pending) release();
    await Promise.all(waiters);
    expect([...t.memory.keys()].sort()).toEqual(['a', 'b']);
  });

  it('does not ask again for five seconds for who is nowhere', async () => {
    const t = setUp();
    await t.resolve('x');
    await t.resolve('x');
    t.advance(4_999);
    await t.resolve('x');
    expect(t.asked.length).toBe(1);
    t.advance(1);
    await t.resolve('x');
    expect(t.asked.length).toBe(2);
  });

  it('gives up at the time limit, keeps the late answer, and lets the next batches pass at once', async () => {
    const t = setUp({ rds: ['a'] });
    t.hold();
    const waiting = t.resolve('a');
    await settle();
    t.timeOut();
    await waiting;
    expect(t.memory.size).toBe(0);
    // Neither the same patient nor another one waits for a source that hangs.
    await t.resolve('a', 'b');
    expect(t.asked).toEqual([['a']]);
    t.pending[0]?.release();
    await settle();
    expect(t.memory.has('a')).toBe(true);
  });

  it('never throws: a failing source closes the way for a second', async () => {
    const t = setUp({ rds: ['a'] });
    t.hold();
    const waiting = t.resolve('a');
    await settle();
    t.pending[0]?.fail();
    await waiting;
    expect(await t.misses('failed')).toBe(1);
    await t.resolve('a');
    expect(t.asked.length).toBe(1);
    t.advance(1_000);
    const again = t.resolve('a');
    await settle();
    t.pending[1]?.release();
    await again;
    expect(t.memory.has('a')).toBe(true);
  });
});
