// One partition of watch over fakes: what is written when, in which order, and what a failure leaves behind.
import { beforeEach, describe, expect, it } from 'vitest';
import { createWatchActor, WAITING_FOR_THRESHOLDS, type WatchParts, watchHealth } from '../../../jobs/watch.js';
import { ATTRIBUTES } from '../../../src/domain/attributes.js';
import type {
  Clock,
  OutRecord,
  OwnedConsumerOptions,
  PartitionStatus,
  PartitionWork,
  ReceivedRecord,
} from '../../../src/domain/ports.js';
import type { Reading } from '../../../src/domain/reading.js';
import type { Step } from '../../../src/domain/steps.js';
import { formatMicros } from '../../../src/domain/time.js';
import { SEED_LIMITS } from '../../helpers/limits.js';
import { fakeLookup, testPatient } from '../../helpers/lookups.js';
import { policyWith } from '../../helpers/policies.js';
import { reading, START_US } from '../../helpers/readings.js';
import { recordingLogger, recordingMetrics } from '../../helpers/recorders.js';

const PARTITION = 3;
const FIRST_MS = START_US / 1_000 + 60_000;

/** Everything that watch is given, in memory; `transactions` is what was committed. */
function world() {
  const state: { key: string; value: string | null }[] = [];
  const transactions: OutRecord[][] = [];
  const steps: Step[] = [];
  const closed: string[] = [];
  const time = { ms: FIRST_MS };
  const clock: Clock = {
    nowMs: () => time.ms,
    monotonicMs: () => time.ms - FIRST_MS,
    sleep: async (ms, signal) => {
      // What looks every second rests here.
      if (ms >= 1_000) return new Promise((resolve) => signal?.addEventListener('abort', () => resolve()));
      time.ms += ms;
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
  const log = recordingLogger();
  const metrics = recordingMetrics();
  const lookup = fakeLookup();
  const failing = { transact: undefined as Error | undefined, step: undefined as Step | undefined };
  const policy = { now: policyWith({}, { version: 'y1', expectDataWards: ['ICU'] }) };
  let ours = true;
  let options: OwnedConsumerOptions | undefined;
  const parts: WatchParts = {
    kafka: {
      transactionalProducer: async (id) => ({
        transact: async (records) => {
          if (failing.transact) throw failing.transact;
          transactions.push([...records]);
          for (const { topic, key, value } of records)
            if (topic === 'x-watch-state') state.push({ key: key ?? '', value });
        },
        close: async () => {
          closed.push(id);
        },
      }),
      partitionReader: async () => ({
        offsets: async () => ({ start: 17, stableEnd: 99 }),
        read: async (_topic, _partition, { untilToken }, onRecord) => {
          for (const [offset, { key, value }] of state.entries()) {
            if (key === 'token' && value === untilToken) return { next: offset + 1 };
            onRecord(received(offset, value, key));
          }
          throw new Error('no token');
        },
        close: async () => {
          closed.push('reader');
        },
      }),
      ownedConsumer: (given) => {
        options = given;
        return {
          start: async () => undefined,
          stop: async () => undefined,
          status: () => [],
          crashed: new Promise(() => undefined),
        };
      },
    },
    prefix: 'x-',
    lookup,
    lookupTimeoutMs: 500,
    policy: { current: () => policy.now },
    privacy: 'full',
    timeZone: 'Asia/Kolkata',
    attributes: ATTRIBUTES,
    clock,
    log,
    metrics,
    onStep: (step) => {
      steps.push(step);
      if (step === failing.step) throw new Error('step');
    },
    newToken: () => `token-${transactions.length}`,
  };
  const actor = createWatchActor(parts);
  const own = async (): Promise<PartitionWork> => {
    if (!options) throw new Error('the group was not joined');
    return options.own({
      topic: 'x-vital-info',
      partition: PARTITION,
      isOurs: () => ours,
      fail: () => undefined,
      heartbeat: async () => undefined,
    });
  };
  return {
    actor,
    own,
    state,
    transactions,
    steps,
    closed,
    time,
    log,
    metrics,
    lookup,
    failing,
    policy,
    joined: () => options !== undefined,
    lose: () => {
      ours = false;
    },
    /** Messages of doctors-queue, as `key kind direction?`. */
    said: () =>
      transactions
        .flat()
        .filter((r) => r.topic === 'x-doctors-queue')
        .map((r) => {
          const m = JSON.parse(r.value ?? '') as { kind: string; direction?: string };
          return [r.key ?? '-', m.kind, m.direction].filter(Boolean).join(' ');
        }),
  };
}

function received(offset: number, value: string | null, key = 'k'): ReceivedRecord {
  return {
    offset,
    timestamp: FIRST_MS,
    key: Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    headers: {},
  };
}

const send = (work: PartitionWork, readings: readonly (Reading | object | string)[]) =>
  work.handle(
    readings.map((r, i) => received(work.expected + i, typeof r === 'string' ? r : JSON.stringify(r))),
    work.expected + readings.length,
  );
const tick = (at: string) => ({ v: 1, kind: 'tick', source: 'rds', partition: PARTITION, at });

let w: ReturnType<typeof world>;
let work: PartitionWork;

async function ready() {
  w.lookup.load(SEED_LIMITS, [testPatient('p1'), testPatient('p2')]);
  await w.actor.start();
  await new Promise((resolve) => setImmediate(resolve));
  work = await w.own();
}

beforeEach(() => {
  w = world();
});

describe('who was seen when', () => {
  const seenAt = (records: readonly OutRecord[] | undefined) =>
    (records ?? []).filter(({ key }) => key?.endsWith('"seen"]')).map(({ key, value }) => [key, value]);
  const inIcu = testPatient('icu', { ward: 'ICU' });
  const at = (seconds: number, row: number) => {
    const lastSeen = formatMicros(START_US + seconds * 1_000_000 + 100_000);
    return JSON.stringify({ v: 1, lastSeen, reading: `rds:${row}`, staleSince: null });
  };

  it('is kept for wards that are expected to send data, every 20 s at most, and over a change of owner', async () => {
    await ready();
    w.lookup.load(SEED_LIMITS, [inIcu, testPatient('p1')]);
    const commit = async (n: number, id: string, seconds: number, more: Partial<Reading> = {}) => {
      w.time.ms += 1_000;
      await send(work, [reading(n, id, { heartBeat: 72 }, seconds, more)]);
      return seenAt(w.transactions.at(-1));
    };
    expect(await commit(1, 'icu', 0)).toEqual([['["icu","seen"]', at(0, 1)]]);
    expect(await commit(2, 'p1', 1)).toEqual([]);
    expect(await commit(3, 'icu', 19)).toEqual([]);
    expect(await commit(4, 'icu', 20)).toEqual([['["icu","seen"]', at(20, 4)]]);
    work = await w.own();
    // Known: not written again. Backfilled: says nothing of now. A read before that: no step back.
    expect(await commit(5, 'icu', 39)).toEqual([]);
    expect(await commit(6, 'icu', 90, { mark: 'backfill' })).toEqual([]);
    expect(await commit(7, 'icu', 10)).toEqual([]);
    expect(await commit(8, 'icu', 40)).toEqual([['["icu","seen"]', at(40, 8)]]);
    // Moved to a ward that expects nothing: forgotten, once.
    w.lookup.load(SEED_LIMITS, [testPatient('icu')]);
    expect(await commit(9, 'icu', 41)).toEqual([['["icu","seen"]', null]]);
    expect(await commit(10, 'icu', 99)).toEqual([]);
  });
});

describe('taking a partition', () => {
  it('fences with the token, reads the state, and without a position starts at the log’s start, aloud', async () => {
    await ready();
    expect(w.transactions).toEqual([
      [{ topic: 'x-watch-state', partition: PARTITION, key: 'token', value: 'token-0' }],
    ]);
    expect(w.steps).toEqual(['watch.own', 'watch.state-read']);
    expect(work.expected).toBe(17);
    expect(w.log.lines).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        event: 'watch.no-position',
        fields: { partition: PARTITION, startsAt: 17 },
      }),
    );
  });

  it('gives the producer back when the state can’t be read, or a step fails', async () => {
    await ready();
    w.state.push({ key: '["p1","bp","high"]', value: '{"v":9}' });
    await expect(w.own()).rejects.toThrow('watch-state');
    w.state.pop();
    w.failing.step = 'watch.own';
    await expect(w.own()).rejects.toThrow('step');
    expect(w.closed.filter((id) => id === 'x-watch.vital-info.3')).toHaveLength(2);
  });

  it('goes on with what the predecessor committed: no second raise, and the resolved of its episode', async () => {
    await ready();
    await send(work, [reading(1, 'p1', { heartBeat: 130 }, 0), reading(2, 'p1', { heartBeat: 131 }, 1)]);
    const next = await w.own();
    expect(next.expected).toBe(19);
    await send(next, [
      reading(3, 'p1', { heartBeat: 132 }, 2),
      reading(4, 'p1', { heartBeat: 72 }, 3),
      reading(5, 'p1', { heartBeat: 72 }, 33),
    ]);
    expect(w.said()).toEqual(['- context', 'p1 raised high', '- context', 'p1 resolved high']);
  });
});

describe('a batch', () => {
  beforeEach(ready);

  it('writes events, then states, then the position, in one transaction to its own partition', async () => {
    await send(work, [reading(1, 'p1', { heartBeat: 130, bp: 170 }), reading(2, 'p2', { bp: 10 })]);
    expect(w.transactions).toHaveLength(2);
    const records = w.transactions[1] ?? [];
    expect(records.map(({ topic, partition, key }) => `${topic} ${partition} ${key}`)).toEqual([
      'x-doctors-queue 3 null',
      'x-doctors-queue 3 p1',
      'x-doctors-queue 3 p2',
      'x-watch-state 3 ["p1","heartBeat","high"]',
      'x-watch-state 3 ["p2","bp","low"]',
      'x-watch-state 3 next',
    ]);
    expect(records.at(-1)?.value).toBe('{"v":1,"next":"19"}');
    expect(w.steps.slice(2)).toEqual(['watch.evaluated', 'watch.before-commit', 'watch.after-commit']);
    expect(work.expected).toBe(19);
    expect(await w.metrics.value('watch_events_total', { kind: 'raised', severity: 'high' })).toBe(2);
    expect(await w.metrics.value('watch_episodes_open')).toBe(2);
    expect(await w.metrics.value('watch_readings_total')).toBe(2);
    const line = w.log.lines.find(({ event }) => event === 'watch.raised');
    expect(line?.fields).toMatchObject({
      patientId: 'p1',
      attribute: 'heartBeat',
      direction: 'high',
      readingId: 'rds:1',
    });
    expect(JSON.stringify(w.log.lines)).not.toContain('Name of');
  });

  it('without events waits up to a second, then writes the newest states and the position', async () => {
    await send(work, [reading(1, 'p1', { heartBeat: 130 }, 0)]);
    const before = w.transactions.length;
    await send(work, [reading(2, 'p1', { heartBeat: 72 }, 1)]);
    w.time.ms += 999;
    await send(work, [reading(3, 'p1', { heartBeat: 72 }, 2)]);
    expect(w.transactions).toHaveLength(before);
    w.time.ms += 1;
    await send(work, [reading(4, 'p2', { heartBeat: 72 }, 3)]);
    expect(w.transactions).toHaveLength(before + 1);
    const records = w.transactions.at(-1) ?? [];
    expect(records.map(({ key }) => key)).toEqual(['["p1","heartBeat","high"]', 'next']);
    expect(JSON.parse(records[0]?.value ?? '')).toMatchObject({ phase: 'recovering', recoveringSamples: 2 });
    w.time.ms += 5_000;
    await work.handle([], work.expected);
    expect(w.transactions).toHaveLength(before + 1);
  });

  it('writes a tombstone when an episode ends, also one that began in the same batch', async () => {
    const seconds = [0, 1, 31];
    const values = [130, 72, 72];
    await send(
      work,
      values.map((heartBeat, i) => reading(i, 'p1', { heartBeat }, seconds[i])),
    );
    expect(w.said()).toEqual(['- context', 'p1 raised high', 'p1 resolved high']);
    expect(w.transactions.at(-1)?.filter(({ key }) => key?.startsWith('['))).toEqual([
      { topic: 'x-watch-state', partition: PARTITION, key: '["p1","heartBeat","high"]', value: null },
    ]);
    expect(await w.metrics.value('watch_episodes_open')).toBe(0);
  });

  it('after another policy came goes by that one, and says so before its events', async () => {
    await send(work, [reading(1, 'p1', { heartBeat: 130 }, 0)]);
    w.policy.now = policyWith({ sustainMs: 60_000 }, { version: 'y2' });
    await send(work, [reading(2, 'p2', { heartBeat: 130 }, 1), reading(3, 'p2', { heartBeat: 130 }, 61)]);
    const said = w.transactions
      .flat()
      .filter((r) => r.topic === 'x-doctors-queue')
      .map((r) => JSON.parse(r.value ?? '') as { kind: string; policyVersion: string; offset?: string });
    expect(said.map(({ kind, policyVersion, offset }) => [kind, policyVersion, offset])).toEqual([
      ['context', 'y1', '17'],
      ['raised', 'y1', undefined],
      ['context', 'y2', '18'],
      ['raised', 'y2', undefined],
    ]);
    expect(said.at(-1)).toMatchObject({ readingId: 'rds:3' });
  });

  it('of markers alone moves the position', async () => {
    await work.handle([], 40);
    expect(work.expected).toBe(40);
    w.time.ms += 1_000;
    await work.handle([], 41);
    expect(w.transactions.at(-1)?.map(({ key, value }) => [key, value])).toEqual([['next', '{"v":1,"next":"41"}']]);
  });

  it('counts what it can’t read and goes on', async () => {
    await send(work, ['{', '{"v":2}', '', '{"v":1}', reading(1, 'p1', { bp: 10 })]);
    for (const reason of ['not-json', 'unknown-version', 'empty', 'wrong-shape'])
      expect(await w.metrics.value('watch_dead_total', { reason })).toBe(1);
    expect(w.log.lines.filter(({ event }) => event === 'watch.dead').map(({ fields }) => fields)).toContainEqual({
      partition: PARTITION,
      reason: 'unknown-version',
      count: 1,
      firstOffset: 18,
    });
    expect(w.said()).toEqual(['- context', 'p1 raised low']);
  });

  it('flags and counts clocks that are wrong', async () => {
    const early = '2026-11-24T21:58:59.999999Z';
    await send(work, [
      reading(1, 'p1', { bp: 300 }, 0, { recordedAt: '2026-11-24T23:00:00.000000Z' }),
      reading(2, 'p2', { bp: 300 }, 0, { recordedAt: early, notBefore: '2026-11-24T22:00:00.000000Z' }),
      reading(3, 'p2', { heartBeat: 300 }, 3),
    ]);
    const events = w.transactions.flat().filter((r) => r.topic === 'x-doctors-queue' && r.key !== null);
    expect(events.map((r) => (JSON.parse(r.value ?? '') as { clock?: string }).clock)).toEqual([
      'ahead',
      'behind',
      undefined,
    ]);
    expect(await w.metrics.value('watch_clamped_total')).toBe(1);
    expect(await w.metrics.value('watch_clock_skew_total')).toBe(1);
    expect(w.log.lines.find(({ event }) => event === 'watch.clock')?.fields).toEqual({
      partition: PARTITION,
      clamped: 1,
      skewed: 1,
    });
  });

  it('is not written, and its memory is not trusted, after any failure', async () => {
    for (const step of ['watch.evaluated', 'watch.before-commit', 'watch.after-commit'] as const) {
      w.failing.step = step;
      await expect(send(work, [reading(1, 'p1', { bp: 10 })])).rejects.toThrow('step');
      await work.release('failed');
      w.failing.step = undefined;
      work = await w.own();
      await send(work, work.expected === 17 ? [reading(1, 'p1', { bp: 10 })] : []);
      expect(w.said().filter((text) => text !== '- context')).toEqual(['p1 raised low']);
      w.state.length = 0;
      w.transactions.length = 0;
      work = await w.own();
    }
    w.failing.transact = new Error('outcome unknown');
    await expect(send(work, [reading(1, 'p1', { bp: 10 })])).rejects.toThrow('outcome unknown');
    expect(work.expected).toBe(17);
  });

  it('is left alone when the partition was lost while patients were looked up', async () => {
    w.lookup.onResolve = w.lose;
    await send(work, [reading(1, 'stranger', { bp: 10 })]);
    expect(w.steps).not.toContain('watch.evaluated');
    expect(work.expected).toBe(17);
  });
});

describe('letting go', () => {
  beforeEach(async () => {
    await ready();
    await send(work, [reading(1, 'p1', { heartBeat: 130 }, 0)]);
    await send(work, [reading(2, 'p1', { heartBeat: 72 }, 1)]);
  });

  it('on stop writes what waited for its second', async () => {
    await work.release('stop');
    expect(w.transactions.at(-1)?.map(({ key }) => key)).toEqual(['["p1","heartBeat","high"]', 'next']);
    expect(w.closed).toContain('x-watch.vital-info.3');
    expect(await w.metrics.value('watch_episodes_open')).toBe(0);
    expect((await w.own()).expected).toBe(19);
  });

  it('lost or failed writes nothing: someone else may own it', async () => {
    const before = w.transactions.length;
    await work.release('lost');
    await work.release('failed');
    expect(w.transactions).toHaveLength(before);
    expect((await w.own()).expected).toBe(18);
  });

  it('never commits half a batch', async () => {
    const before = w.transactions.length;
    w.failing.step = 'watch.evaluated';
    await expect(send(work, [reading(3, 'p1', { heartBeat: 72 }, 99)])).rejects.toThrow('step');
    await work.release('stop');
    expect(w.transactions).toHaveLength(before);
  });

  it('does not fail where Kafka does', async () => {
    w.failing.transact = new Error('away');
    await work.release('stop');
    expect(w.log.lines.map(({ event }) => event)).toContain('watch.position-not-written');
  });
});

describe('context and heartbeat', () => {
  beforeEach(ready);

  it('says at the first use which versions a partition evaluates with', async () => {
    await send(work, [reading(1, 'p1', { bp: 170 })]);
    await send(work, [reading(2, 'p1', { bp: 170 })]);
    w.lookup.load(SEED_LIMITS, [testPatient('p1')], { thresholds: 't2', patients: 'p1' });
    await send(work, [tick('2026-11-24T22:00:01.000000Z'), reading(3, 'p1', { bp: 170 })]);
    const contexts = w.transactions
      .flat()
      .map((r) => JSON.parse(r.value?.startsWith('{') ? r.value : '{}') as Record<string, unknown>);
    expect(contexts.filter((m) => m.kind === 'context')).toMatchObject([
      { partition: PARTITION, offset: '17', thresholdVersion: 't1', patientVersion: 'p1', policyVersion: 'y1' },
      { partition: PARTITION, offset: '19', thresholdVersion: 't2' },
    ]);
  });

  it('makes one heartbeat a minute out of ticks, the same id for the same minute', async () => {
    await send(work, [
      tick('2026-11-24T22:00:01.000000Z'),
      tick('2026-11-24T22:00:59.000000Z'),
      tick('2026-11-24T22:01:01.000000Z'),
    ]);
    await send(work, [tick('2026-11-24T22:01:03.000000Z')]);
    await send(await w.own(), [tick('2026-11-24T22:01:05.000000Z')]);
    const beats = w.transactions
      .flat()
      .filter((r) => r.value?.includes('heartbeat'))
      .map((r) => JSON.parse(r.value ?? '') as { at: string; eventId: string });
    expect(beats.map(({ at }) => at.slice(14, 19))).toEqual(['00:01', '01:01', '01:05']);
    expect(beats[2]?.eventId).toBe(beats[1]?.eventId);
    expect(new Set(beats.map(({ eventId }) => eventId)).size).toBe(2);
  });
});

describe('patients', () => {
  beforeEach(ready);

  it('that memory lacks are looked up before the batch, each once', async () => {
    w.lookup.behind.set('late', testPatient('late'));
    await send(work, [
      reading(1, 'late', { bp: 170 }),
      reading(2, 'late', { bp: 170 }),
      reading(3, 'stranger', { bp: 170 }),
      reading(4, 'p1', { bp: 170 }),
    ]);
    expect(w.lookup.asked[0]).toEqual(['late', 'stranger']);
    expect(w.said()).toEqual(['- context', 'stranger raised unclassified']);
    expect(await w.metrics.value('watch_unclassified_total', { reason: 'unknown-patient' })).toBe(1);
  });

  it('of a large batch are looked up at once', async () => {
    const strangers = Array.from({ length: 600 }, (_, i) => `s${i}`);
    for (const id of strangers) w.lookup.behind.set(id, testPatient(id));
    const records = strangers.map((id, i) =>
      received(work.expected + i, JSON.stringify(reading(i, id, { bp: 170 }, 1)), id),
    );
    await work.handle(records, work.expected + records.length);
    expect(w.lookup.asked).toEqual([strangers]);
    expect(w.said()).toEqual(['- context']);
  });

  it('are taken from the version that is in force after the look-up', async () => {
    w.lookup.onResolve = () => w.lookup.load(SEED_LIMITS, [testPatient('new')], { thresholds: 't2', patients: 'p2' });
    await send(work, [reading(1, 'new', { bp: 170 })]);
    expect(w.said()).toEqual(['- context']);
    expect(w.transactions.flat().find((r) => r.topic === 'x-doctors-queue')?.value).toContain('"patientVersion":"p2"');
  });
});

describe('health', () => {
  it('joins no group before limits are there, says so, and goes on by itself when they come', async () => {
    await w.actor.start();
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(w.joined()).toBe(false);
    expect(w.actor.health()).toEqual({ ready: false, live: true, reasons: [WAITING_FOR_THRESHOLDS] });
    w.lookup.load(SEED_LIMITS, []);
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(w.joined()).toBe(true);
    expect(w.actor.health()).toEqual({ ready: true, live: true, reasons: [] });
    await w.actor.stop();
  });

  it('stops while it waits', async () => {
    await w.actor.start();
    await w.actor.stop();
    expect(w.joined()).toBe(false);
  });

  it('tells stuck from slow, and not owned from owned', () => {
    const part = (state: PartitionStatus['state'], busySinceMs: number | null): PartitionStatus => ({
      topic: 'vital-info',
      partition: 2,
      state,
      expected: 1,
      lastProgressMs: 0,
      lag: 0,
      busySinceMs,
    });
    const ask = (partitions: PartitionStatus[], more = {}) =>
      watchHealth({
        hasThresholds: true,
        joined: true,
        crashed: false,
        partitions,
        silence: [],
        nowMs: 70_000,
        stuckAfterMs: 60_000,
        ...more,
      });
    expect(ask([part('ready', 10_000)])).toEqual({ ready: true, live: true, reasons: [] });
    expect(ask([part('ready', 9_999)])).toMatchObject({ ready: true, live: false });
    expect(ask([part('ready', 9_999)]).reasons[0]).toMatch(/partition 2 .*60 s/);
    expect(ask([part('wait', null)])).toMatchObject({ ready: false, live: true });
    expect(ask([], { joined: false })).toMatchObject({ ready: false, live: true });
    expect(ask([], { crashed: true })).toMatchObject({ ready: false, live: false });
  });
});
