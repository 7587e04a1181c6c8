// Every script of the ledger's rows and of the limiter on real Redis, by a clock of the test's own.
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { NewNotification, NotificationRow } from '../../../src/domain/ledger.js';
import type { SendLimits } from '../../../src/domain/policy.js';
import { connectRedis, redisReady } from '../../../src/redis/connections.js';
import { createLedger, type RedisLedger } from '../../../src/redis/ledger.js';
import { recordingLogger } from '../../helpers/recorders.js';
import { testStack, uniqueName } from '../../helpers/stack.js';

const TOPIC = 'arn:aws:sns:eu-west-1:000000000000:doctors';
const LIMITS: SendLimits = { perSecond: 1, burst: 2, digestAbove: 4, digestEveryMs: 10_000 };
const START_S = 1_800_000_000;
const LEASE_MS = 10_000;

let redis: Redis;
let prefix: string;
let ledger: RedisLedger;
let nowMs: number;

const at = async (ms: number) => {
  nowMs = START_S * 1000 + ms;
  const [s, rest] = [Math.floor(nowMs / 1000), nowMs % 1000];
  await redis.rpush(`${prefix}:clock`, s, rest * 1000);
  await redis.ltrim(`${prefix}:clock`, -2, -1);
};
const made = (id: string, more: Partial<NewNotification> = {}): NewNotification => ({
  ...{ notificationId: id, trigger: `t-${id}`, eventId: `${id}-raised-0`, episodeId: `t-${id}`, kind: 'raised', n: 0 },
  ...{ destination: TOPIC, severity: 'high', after: [], logPartition: 1, logOffset: 7, ...more },
});
const open = async (...rows: readonly NewNotification[]) => {
  for (const row of rows) await ledger.open(row);
  return Promise.all(rows.map(async (row) => (await ledger.read(row.notificationId)) as NotificationRow));
};
const row = async (id: string) => (await ledger.read(id)) as NotificationRow;
const due = async () => (await ledger.overdue(1_000)).map(({ notificationId }) => notificationId).sort();
const digest = (id: string) => made(id, { kind: 'digest', trigger: 'digest:1', episodeId: '', eventId: id });

beforeAll(async () => {
  redis = connectRedis({ url: testStack().redisUrl }, 'command', recordingLogger());
  await redisReady(redis);
});
afterAll(() => redis.disconnect());

beforeEach(async () => {
  prefix = `{${uniqueName('scripts')}}`;
  await at(0);
  ledger = createLedger(redis, prefix, `redis.call('LRANGE', '${prefix}:clock', 0, 1)`);
  const rebuild = await ledger.rebuild();
  await rebuild?.finish();
  expect(await ledger.attach()).toBe('ready');
  return async () => {
    const keys = await redis.keys(`${prefix.replace('{', '\\{')}*`);
    if (keys.length > 0) await redis.del(...keys);
  };
});

describe('rows', () => {
  test('from the decision to the end of a claim; what is settled is nobody’s any more', async () => {
    const [a] = await open(made('a'));
    expect(a).toEqual({
      ...{
        ...made('a'),
        state: 'PENDING',
        token: '',
        leaseUntil: 0,
        due: nowMs,
        createdAt: nowMs,
        attempt: 0,
        failures: 0,
      },
      ...{ generation: 0, possibleRepeat: false, safe: false, reason: '', coveredBy: '', covers: [] },
      ...{ coversRecorded: false, fallback: '', fallbackFor: '', now: nowMs },
    });
    expect(await ledger.open(made('a', { severity: 'low' }))).toEqual({ state: 'PENDING', generation: 0 });
    expect([await due(), await ledger.oldestUnsentMs()]).toEqual([[], 0]);
    await at(3_000);
    expect([await due(), await ledger.oldestUnsentMs()]).toEqual([['a'], 3_000]);
    expect([await ledger.bump('a', 4), await ledger.bump('a', 0)]).toEqual([undefined, 1]);

    expect(await ledger.claim('a', 'one', LEASE_MS)).toEqual({ attempt: 1 });
    expect([await ledger.claim('a', 'two', LEASE_MS), await due()]).toEqual([undefined, []]);
    expect([await ledger.confirm('a', 'two', 9), await ledger.confirm('a', 'one', 9)]).toEqual([false, true]);
    expect(await ledger.takeOver('a', 'one', 'two', LEASE_MS)).toBe(false);
    await at(3_000 + LEASE_MS);
    expect(await ledger.extend('a', 'one', LEASE_MS)).toBe(true);
    await at(3_000 + 2 * LEASE_MS);
    expect(await ledger.takeOver('a', 'one', 'two', LEASE_MS)).toBe(true);
    expect([await ledger.extend('a', 'one', LEASE_MS), (await row('a')).logOffset]).toEqual([false, 9]);

    const held = {
      state: 'HELD',
      reason: 'configuration',
      dueInMs: 500,
      countFailure: true,
      possibleRepeat: true,
    } as const;
    expect([await ledger.settle('a', 'one', held), await ledger.settle('a', 'two', held)]).toEqual([false, true]);
    expect(await row('a')).toMatchObject({
      state: 'HELD',
      due: nowMs + 500,
      failures: 1,
      possibleRepeat: true,
      safe: false,
    });
    expect((await ledger.troubled(9)).map(({ notificationId }) => notificationId)).toEqual(['a']);
    expect(await ledger.openCounts()).toEqual({ HELD: 1 });
    expect(await ledger.move('a', { state: 'PENDING', reason: 'again', safe: true })).toBe(true);
    expect([await ledger.troubled(9), (await row('a')).safe]).toEqual([[], true]);
    expect(await ledger.move('a', { state: 'CANCELLED', reason: 'acknowledged' })).toBe(true);
    await at(600_000);
    expect([await due(), await ledger.oldestUnsentMs(), await ledger.openCounts()]).toEqual([[], undefined, {}]);
    expect([await ledger.move('a', held), await ledger.bump('a', 1)]).toEqual([false, undefined]);
    expect(await redis.pttl(`${prefix}:notif:a`)).toBeGreaterThan(0);
  });

  test('the sweeper’s list: the longest overdue first, put off, and without what has gone', async () => {
    await open(made('a', { severity: 'low' }), made('b'));
    await ledger.claim('a', 't', LEASE_MS);
    await ledger.settle('a', 't', { state: 'DEAD', reason: 'payload' });
    await at(5_000);
    await ledger.postpone(['b', 'nobody'], 10_000);
    expect([await due(), await ledger.openCounts()]).toEqual([[], { PENDING: 1, DEAD: 1 }]);
    await at(15_000);
    expect(await due()).toEqual(['b']);
    await redis.del(`${prefix}:notif:a`, `${prefix}:notif:b`);
    expect([await ledger.bump('b', 0), await due(), await ledger.troubled(9)]).toEqual([undefined, [], []]);
    expect(await redis.zcard(`${prefix}:notif:trouble`)).toBe(0);
  });

  test('a new row stands for others: only for those that nothing has happened to', async () => {
    const rows = await open(made('a'), made('b'), made('c'), made('d'));
    await ledger.claim('b', 't', LEASE_MS);
    await ledger.claim('c', 't', LEASE_MS);
    await ledger.settle('c', 't', { state: 'PENDING', reason: 'ambiguous', possibleRepeat: true });
    await ledger.move('d', { state: 'HELD', reason: 'configuration' });
    const again = await Promise.all(['c', 'd'].map(row));
    expect(await ledger.cover({ create: digest('x') }, [...rows.slice(0, 2), ...again])).toEqual({
      outcome: 'covered',
      covered: ['a', 'c', 'd'],
    });
    expect(await row('x')).toMatchObject({
      ...{ state: 'PENDING', kind: 'digest', severity: 'high', covers: ['a', 'c', 'd'], coversRecorded: false },
      possibleRepeat: true,
    });
    expect(await row('a')).toMatchObject({ state: 'COVERED', coveredBy: 'x', reason: 'covered' });
    expect([await ledger.troubled(9), await ledger.claim('a', 't', LEASE_MS)]).toEqual([[], undefined]);
    expect(await ledger.cover({ create: digest('x') }, [])).toEqual({ outcome: 'exists' });
    expect(await ledger.cover({ create: digest('y') }, rows)).toEqual({ outcome: 'none' });
    expect(await ledger.read('y')).toBeUndefined();

    expect(await ledger.coversRecorded('x', ['a'], { partition: 1, offset: 5 })).toBe(false);
    expect(await ledger.coversRecorded('x', ['a', 'c', 'd'], { partition: 1, offset: 5 })).toBe(true);
    expect(await row('x')).toMatchObject({ coversRecorded: true, logPartition: 1, logOffset: 5 });
    expect(await ledger.settleCovered('y', ['a', 'c', 'd'], 'SENT', 'covered')).toBe(0);
    expect(await ledger.settleCovered('x', ['a', 'b'], 'SENT', 'covered')).toBe(1);
    expect(await ledger.settleCovered('x', ['a', 'c'], 'PENDING', 'alone')).toBe(1);
    expect([(await row('a')).state, (await row('b')).state, (await row('c')).state]).toEqual([
      'SENT',
      'SENDING',
      'PENDING',
    ]);
  });

  test('one that is there stands for more; given up with all of them, and driven again with them', async () => {
    const rows = await open(made('a'), made('b'), made('x', { kind: 'resolved', after: ['a', 'b'] }));
    expect(await ledger.cover({ into: 'x' }, rows.slice(0, 1))).toEqual({ outcome: 'covered', covered: ['a'] });
    expect(await ledger.coversRecorded('x', ['a'])).toBe(true);
    expect(await ledger.cover({ into: 'x' }, rows.slice(1, 2))).toEqual({ outcome: 'covered', covered: ['b'] });
    expect(await row('x')).toMatchObject({ covers: ['a', 'b'], coversRecorded: false, logOffset: 7 });
    await at(70_000);
    expect(await due()).toEqual(['a', 'b', 'x']);

    await ledger.claim('x', 't', LEASE_MS);
    expect(await ledger.cover({ into: 'x' }, [])).toEqual({ outcome: 'exists' });
    expect(await ledger.settle('x', 't', { state: 'DEAD', reason: 'payload', safe: true })).toBe(true);
    expect(await ledger.settleCovered('x', ['a', 'b'], 'DEAD', 'payload')).toBe(2);
    expect([await ledger.oldestUnsentMs(), await due()]).toEqual([undefined, []]);
    const dead = await row('x');
    expect(await ledger.redrive(dead, 'redriven')).toBe(1);
    expect(await ledger.redrive(dead, 'redriven')).toBeUndefined();
    expect(await row('x')).toMatchObject({ state: 'PENDING', safe: false, failures: 0, coversRecorded: false });
    expect([(await row('a')).state, (await row('b')).state]).toEqual(['COVERED', 'COVERED']);
    expect([await ledger.troubled(9), await redis.pttl(`${prefix}:notif:a`)]).toEqual([[], -1]);
    expect(await ledger.oldestUnsentMs()).toBe(70_000);
    await ledger.fallenBack('x', 'y');
    await ledger.fallenBack('nobody', 'y');
    expect([(await row('x')).fallback, await ledger.read('nobody')]).toEqual(['y', undefined]);
  });

  test('a rebuild restores also what stands for what', async () => {
    const into = await ledger.rebuild();
    const history = { attempt: 2, possibleRepeat: true, reason: 'rebuilt', driven: true };
    await into?.restore({ ...made('a'), ...history, state: 'COVERED', coveredBy: 'x', covers: [] }, LEASE_MS);
    await into?.restore({ ...digest('x'), ...history, state: 'SENDING', coveredBy: '', covers: ['a'] }, LEASE_MS);
    await into?.finish();
    await ledger.attach();
    expect(await row('a')).toMatchObject({ state: 'COVERED', coveredBy: 'x', attempt: 2, possibleRepeat: true });
    expect(await row('x')).toMatchObject({
      state: 'SENDING',
      covers: ['a'],
      coversRecorded: true,
      leaseUntil: nowMs + LEASE_MS,
    });
    expect(await ledger.settleCovered('x', ['a'], 'SENT', 'covered')).toBe(1);
  });
});

describe('the limiter', () => {
  const ask = async (id: string) => ledger.limiter.admit(await row(id), LIMITS);
  const wait = (waitMs: number, why: 'limited' | 'digest' = 'limited') => ({ outcome: 'wait', waitMs, why });
  const go = { outcome: 'go', slowed: false };

  test('a burst, then one a second; the more severe and then the older first', async () => {
    await open(made('a'), made('b'), made('low', { severity: 'low' }));
    await at(10);
    await open(made('late'), made('other', { destination: `${TOPIC}-2` }));
    expect([await ask('a'), await ask('b'), await ask('low')]).toEqual([go, go, wait(1_000)]);
    expect([await ask('late'), await ask('other')]).toEqual([wait(1_000), go]);
    await at(1_010);
    // There is one token, and it is for the more severe one.
    expect([await ask('low'), await ask('late')]).toEqual([wait(1_000), go]);
    await at(2_010);
    expect(await ask('low')).toEqual(go);
  });

  test('a long wait is looked at half-way; who does not come back has no place any more', async () => {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    await open(...ids.map((id) => made(id, { kind: 'technical', trigger: 'technical:x:y:z' })));
    const answers = [];
    for (const id of ids) answers.push(await ask(id));
    expect(answers).toEqual([go, go, wait(1_000), wait(1_000), wait(1_000), wait(1_000), wait(1_000)]);
    await open(made('low', { severity: 'low', kind: 'technical' }));
    // Five before it.
    expect(await ask('low')).toEqual(wait(3_000));
    await ledger.limiter.leave(TOPIC, ['c', 'd', 'e']);
    expect(await ask('low')).toEqual(wait(2_000));
    await at(20_000);
    expect(await ask('low')).toEqual(go);
  });

  test('more than so many new episodes: one digest each window takes what waits, the most severe first', async () => {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
    await open(
      ...ids.map((id, i) => made(id, { severity: i === 5 ? 'high' : 'low' })),
      made('t', { kind: 'technical' }),
    );
    const answers = [];
    for (const id of ids) answers.push(await ask(id));
    expect(answers).toEqual([go, go, wait(1_000), wait(1_000), wait(10_010, 'digest'), wait(10_000, 'digest')]);
    // Not a patient's: by itself, and in nobody's way.
    await at(1_000);
    expect(await ask('t')).toEqual(go);
    expect(await ledger.limiter.pool(TOPIC, 2)).toEqual(['f', 'c']);
    await at(10_000);
    expect([await ask('c'), await ask('d')]).toEqual([{ outcome: 'digest', windowMs: nowMs }, wait(10_010, 'digest')]);
    await ledger.limiter.leave(TOPIC, ids);
    expect(await ledger.limiter.pool(TOPIC, 9)).toEqual([]);
    // While digests wait to be sent no more are made.
    const digests = ['x', 'y', 'z', 'w'].map((id) => made(id, { kind: 'digest', severity: 'high' }));
    await open(...digests);
    for (const { notificationId } of digests) await ask(notificationId);
    await at(20_000);
    expect([await ask('d'), await ask('x'), await ask('y')]).toEqual([wait(10_000, 'digest'), go, go]);
    await at(30_000);
    expect([await ask('z'), await ask('w')]).toEqual([go, go]);
    expect(await ask('d')).toEqual({ outcome: 'digest', windowMs: nowMs });
    await ledger.limiter.leave(TOPIC, ids);
    // A minute later there are few again.
    await at(95_000);
    expect(await ask('e')).toEqual(go);
  });

  test('throttled: slower for everybody, and as fast as before once SNS accepts again', async () => {
    await open(made('a'), made('b'));
    await ledger.limiter.slow(TOPIC);
    await ledger.limiter.slow(TOPIC);
    expect(await ask('a')).toEqual(wait(2_000));
    await at(4_000);
    expect(await ask('a')).toEqual({ outcome: 'go', slowed: true });
    for (const _ of [1, 2, 3]) await ledger.limiter.ease(TOPIC);
    await at(5_000);
    expect(await ask('b')).toEqual(go);
    for (let i = 0; i < 10; i += 1) await ledger.limiter.slow(TOPIC);
    await open(made('c'));
    await at(5_000 + 16_000);
    expect(await ask('c')).toEqual({ outcome: 'go', slowed: true });
  });

  test('throttled for ten minutes: hardly anything is tried meanwhile, and no burst follows', async () => {
    const ids = Array.from({ length: 200 }, (_, i) => `r${i}`);
    const limits = { ...LIMITS, perSecond: 8, burst: 8, digestAbove: 1_000 };
    await open(...ids.map((id) => made(id)));
    const MINUTES_10 = 600_000;
    let tried = 0;
    let sent = 0;
    /** Everybody who waits asks once in 500 ms; SNS takes or throttles. */
    const turn = async (ms: number, throttled: boolean) => {
      await at(ms);
      const waiting = ids.slice(sent, sent + 20);
      for (const id of waiting) {
        const answer = await ledger.limiter.admit(await row(id), limits);
        if (answer.outcome !== 'go') break;
        tried += 1;
        if (throttled) await ledger.limiter.slow(TOPIC);
        else {
          sent += 1;
          if (answer.slowed) await ledger.limiter.ease(TOPIC);
        }
      }
      return sent;
    };
    for (let ms = 0; ms < MINUTES_10; ms += 2_000) await turn(ms, true);
    // A sixteenth of 8 a second, once it has slowed down.
    expect(tried).toBeLessThanOrEqual(300 + limits.burst);
    expect(tried).toBeGreaterThan(200);
    let before = 0;
    for (let ms = MINUTES_10; ms < MINUTES_10 + 20_000; ms += 500) {
      const now = await turn(ms, false);
      expect(now - before).toBeLessThanOrEqual(limits.burst);
      before = now;
    }
    expect(sent).toBeGreaterThan(100);
  });
});
