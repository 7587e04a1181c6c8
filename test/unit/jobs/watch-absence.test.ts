// Readings that stay away: told once, only while ticks prove it, over stops and crashes; the oracle looks at the script, not at watch.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ownWatchPartition, type WatchPartitionParts } from '../../../jobs/watch-partition.js';
import { decodeDoctorsQueue } from '../../../src/domain/doctors-queue.js';
import type { EpisodeEvent } from '../../../src/domain/events.js';
import { dataEpisodeId } from '../../../src/domain/identity.js';
import type { Patient } from '../../../src/domain/patient.js';
import type { Clock, Metrics, PartitionWork, ReceivedRecord } from '../../../src/domain/ports.js';
import type { Reading } from '../../../src/domain/reading.js';
import { compileThresholds } from '../../../src/domain/threshold-table.js';
import { formatMicros } from '../../../src/domain/time.js';
import { playDecisions } from '../../helpers/decision-play.js';
import { SEED_LIMITS } from '../../helpers/limits.js';
import { testPatient } from '../../helpers/lookups.js';
import { memoryKafka } from '../../helpers/memory-kafka.js';
import { DEFAULT_POLICY, policyWith } from '../../helpers/policies.js';
import { reading, START_US } from '../../helpers/readings.js';
import { recordingLogger } from '../../helpers/recorders.js';

const STALE_AFTER = 60;
const TICK_EVERY = 2;
const PAUSE = 5;
/** How late a silence may be told after a crash: so old may be what the state says of who was heard of when. */
const REFRESH = 20;
const limits = compileThresholds(SEED_LIMITS);
const quiet: Metrics = { count: () => undefined, gauge: () => undefined, observe: () => undefined };
const topics = { vitalInfo: 'vital-info', watchState: 'watch-state', doctorsQueue: 'doctors-queue' };

/** One partition and its clock; seconds count from START_US. */
function world(patients: readonly Patient[], staleAfter = STALE_AFTER) {
  const kafka = memoryKafka(1);
  const records: ReceivedRecord[] = [];
  const known = new Map(patients.map((patient) => [patient.id, patient]));
  let second = 0;
  let tokens = 0;
  let row = 0;
  let work: PartitionWork | undefined;
  const nowMs = () => START_US / 1_000 + second * 1_000 + 500;
  const clock: Clock = { nowMs, monotonicMs: nowMs, sleep: async () => undefined };
  const parts: WatchPartitionParts = {
    ...{ topics, clock, log: recordingLogger(), metrics: quiet, onStep: () => undefined },
    newToken: () => `token-${tokens++}`,
    transactionalProducer: () => kafka.transactionalProducer('watch.vital-info.0'),
    partitionReader: () => kafka.partitionReader(),
    contextFor: async () => ({
      ...{ limits, thresholdVersion: 't1', patientVersion: 'p1', privacy: 'full' as const },
      policy: policyWith({ staleAfterMs: staleAfter * 1_000 }, { expectDataWards: ['ICU'] }),
      ageAt: ({ age }) => age,
      patient: (id) => known.get(id),
    }),
    ...{ onTick: () => undefined, onOpenEpisodes: () => undefined },
  };
  const put = (value: object, key: string | null) =>
    records.push({
      ...{ offset: records.length, timestamp: 0, headers: {} },
      key: key === null ? null : Buffer.from(key),
      value: Buffer.from(JSON.stringify(value)),
    });
  return {
    known,
    at: (now: number) => {
      second = now;
    },
    /** Measured and read at this second. */
    read: (id: string, values: Readonly<Record<string, number>>, more: Partial<Reading> = {}) => {
      row += 1;
      put(reading(row, id, values, second, more), id);
      return `rds:${row}`;
    },
    tick: () =>
      put({ v: 1, kind: 'tick', source: 'rds', partition: 0, at: formatMicros(START_US + second * 1_000_000) }, null),
    /** What waits, at most so many records. */
    handle: async (most = Number.POSITIVE_INFINITY) => {
      work ??= await ownWatchPartition(parts, {
        ...{ topic: topics.vitalInfo, partition: 0, isOurs: () => true, fail: () => undefined },
        heartbeat: async () => undefined,
      });
      const next = Math.min(records.length, work.expected + most);
      await work.handle(records.slice(work.expected, next), next);
      return next < records.length;
    },
    stop: async (how: 'stop' | 'failed') => {
      await work?.release(how);
      work = undefined;
    },
    /** Events of silence so far. */
    said: () =>
      kafka
        .records(topics.doctorsQueue)
        .map((r) => JSON.parse(r.value ?? '') as EpisodeEvent)
        .filter(({ kind }) => kind === 'stale' || kind === 'fresh'),
    seconds: (iso: string) => (Date.parse(iso) * 1_000 - START_US) / 1_000_000,
  };
}

/** A reading every five seconds of each patient from `from` to `to`, ticks beside; handled each second. */
async function run(w: ReturnType<typeof world>, from: number, to: number, ids: readonly string[], value = 72) {
  for (let second = from; second <= to; second++) {
    w.at(second);
    for (const id of second % 5 === 0 ? ids : []) w.read(id, { heartBeat: value });
    if (second % TICK_EVERY === 0) w.tick();
    await w.handle();
  }
}

const short = (w: ReturnType<typeof world>) =>
  w.said().map((e) => `${Math.floor(w.seconds(e.at))} ${e.patient.id} ${e.kind} ${e.attribute} ${e.index} ${e.reason}`);

describe('a patient of a ward that expects data', () => {
  const icu = testPatient('icu', { ward: 'ICU' });

  it('is told to be silent once, with everything that dispatch asks for, and to be heard of again', async () => {
    const w = world([icu]);
    await run(w, 0, 10, ['icu']);
    await run(w, 11, 300, []);
    w.at(301);
    const back = w.read('icu', { heartBeat: 72 });
    await w.handle();
    const id = dataEpisodeId('icu', 'rds:3');
    const at = (second: number) => formatMicros(START_US + second * 1_000_000);
    expect(w.said()).toEqual([
      expect.objectContaining({
        ...{ eventId: `${id}-stale-0`, episodeId: id, index: 0, kind: 'stale', attribute: '~data' },
        ...{ direction: 'unclassified', severity: 'medium', reason: 'no-data', value: null, unit: null, range: null },
        ...{ vitals: {}, readingId: 'rds:3', measuredAt: at(10.1), since: at(10.1), notBefore: at(72) },
        patient: expect.objectContaining({ id: 'icu', ward: 'ICU', age: 30, name: 'Name of icu' }),
      }),
      expect.objectContaining({
        ...{ eventId: `${id}-fresh-1`, index: 1, kind: 'fresh', reason: 'data-back', readingId: back, value: null },
        ...{ vitals: { heartBeat: 72 }, since: at(10.1), measuredAt: at(301) },
      }),
    ]);
  });

  it('is one e-mail when it begins and one when it ends, also with a stale-after beyond the age of history', async () => {
    const w = world([icu], 1_200);
    await run(w, 0, 10, ['icu']);
    for (let second = 11; second <= 1_300; second++) {
      w.at(second);
      if (second % TICK_EVERY === 0) w.tick();
      await w.handle();
    }
    w.at(1_301);
    w.read('icu', { heartBeat: 72 });
    await w.handle();
    const play = playDecisions(DEFAULT_POLICY, START_US / 1_000);
    for (const event of w.said()) {
      expect(decodeDoctorsQueue(JSON.stringify(event)).type).toBe('episode');
      play.until(Date.parse(event.at));
      play.event(event);
    }
    const topic = DEFAULT_POLICY.routes[0]?.topic;
    expect(play.said()).toEqual([`stale routed stale>${topic}`, `fresh routed resolved>${topic}`]);
  });

  it('who moves to another ward is forgotten, and a silence already told is over', async () => {
    const w = world([icu, testPatient('icu2', { ward: 'ICU' })]);
    await run(w, 0, 10, ['icu', 'icu2']);
    await run(w, 11, 40, ['icu2']);
    w.known.set('icu2', testPatient('icu2', { ward: '4B' }));
    await run(w, 41, 120, []);
    w.known.set('icu', testPatient('icu', { ward: null }));
    await run(w, 121, 200, []);
    expect(short(w)).toEqual(['72 icu stale ~data 0 no-data', '122 icu fresh ~data 1 no-longer-expected']);
    // And is not known any more, after a change of owner neither.
    await w.stop('stop');
    await run(w, 201, 300, []);
    expect(short(w)).toHaveLength(2);
  });

  it('who is in no version of the patients table any more is not alarmed about', async () => {
    const w = world([icu]);
    await run(w, 0, 10, ['icu']);
    w.known.clear();
    await run(w, 11, 200, []);
    expect(short(w)).toEqual([]);
  });

  it('history says nothing of now: a table a year old makes nobody silent', async () => {
    const w = world([icu, testPatient('p1')]);
    const old = { recordedAt: '2025-11-24T22:00:00.000000Z', notBefore: null };
    w.read('icu', { heartBeat: 72 }, old);
    w.read('p1', { heartBeat: 130 }, old);
    w.read('icu', { heartBeat: 130 }, { mark: 'backfill' });
    await run(w, 0, 200, []);
    expect(short(w)).toEqual([]);
  });
});

describe('an open episode', () => {
  it('turns stale and fresh again, in any ward, and there is no second message for the same silence', async () => {
    const w = world([testPatient('icu', { ward: 'ICU' }), testPatient('p1')]);
    await run(w, 0, 10, ['icu', 'p1'], 130);
    await run(w, 11, 100, []);
    await run(w, 101, 110, ['icu', 'p1'], 130);
    expect(short(w)).toEqual([
      '72 icu stale heartBeat 1 no-data',
      '72 p1 stale heartBeat 1 no-data',
      '105 icu fresh heartBeat 2 data-back',
      '105 p1 fresh heartBeat 2 data-back',
    ]);
  });

  it('whose sign alone is missing is stale while the patient is heard of', async () => {
    const w = world([testPatient('icu', { ward: 'ICU' })]);
    await run(w, 0, 10, ['icu'], 130);
    for (let second = 11; second <= 200; second++) {
      w.at(second);
      if (second % 5 === 0) w.read('icu', { bp: 170 });
      if (second % TICK_EVERY === 0) w.tick();
      await w.handle();
    }
    expect(short(w)).toEqual(['72 icu stale heartBeat 1 no-data']);
    // Then nothing at all: the patient is silent now, which is another thing.
    await run(w, 201, 300, []);
    expect(short(w)).toEqual(['72 icu stale heartBeat 1 no-data', '262 icu stale ~data 0 no-data']);
  });
});

it('RDS away for ten minutes: nobody is told that a patient is silent', async () => {
  const ids = Array.from({ length: 20 }, (_, i) => `icu${i}`);
  const w = world(ids.map((id) => testPatient(id, { ward: 'ICU' })));
  await run(w, 0, 20, ids, 72);
  await run(w, 21, 30, ids.slice(0, 10), 130);
  // Neither rows nor ticks; a change of owner in the middle of it.
  for (let second = 31; second <= 630; second++) {
    w.at(second);
    await w.handle();
    if (second === 300) await w.stop('failed');
  }
  await run(w, 631, 640, []);
  await run(w, 641, 720, ids, 72);
  expect(short(w)).toEqual([]);
});

it('a silence that is over by the time a late watcher reads of it is not told', async () => {
  const w = world([testPatient('icu', { ward: 'ICU' })]);
  await run(w, 0, 10, ['icu'], 130);
  for (let second = 11; second <= 200; second++) {
    w.at(second);
    if (second > 90 && second % 5 === 0) w.read('icu', { heartBeat: 130 });
    if (second % TICK_EVERY === 0) w.tick();
  }
  while (await w.handle(7));
  expect(short(w)).toEqual([]);
});

interface Script {
  readonly silent: readonly (readonly (readonly [number, number])[])[];
  readonly outages: readonly (readonly [number, number])[];
  readonly owners: readonly (readonly [number, 'stop' | 'failed' | 'asleep'])[];
}

/** Expected and with an episode, expected, with an episode, neither. */
const WHO = ['both', 'icu', 'ill', 'well'] as const;
const END = 420;
const ASLEEP = 12;
const inside = (ranges: readonly (readonly [number, number])[], second: number) =>
  ranges.some(([from, length]) => second >= from && second < from + length);

it('says of every silence that ticks cover that it is one, once, and of no other; and when it ends', async () => {
  const range = (least: number, most: number) =>
    fc.tuple(fc.integer({ min: 10, max: 330 }), fc.integer({ min: least, max: most }));
  const script = fc.record<Script>({
    silent: fc.array(fc.array(range(40, 150), { maxLength: 3 }), { minLength: WHO.length, maxLength: WHO.length }),
    outages: fc.array(range(4, 90), { maxLength: 2 }),
    owners: fc.array(
      fc.tuple(
        fc.integer({ min: 5, max: 400 }),
        fc.constantFrom('stop' as const, 'failed' as const, 'asleep' as const),
      ),
      { maxLength: 4 },
    ),
  });
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(script, async (one) => {
      for (const line of await checked(one)) seen.add(line);
    }),
    { numRuns: 15 },
  );
  expect([...seen].sort()).toEqual(['both heartBeat', 'icu ~data', 'ill heartBeat']);
});

async function checked({ silent, outages, owners }: Script): Promise<string[]> {
  const w = world([
    testPatient('both', { ward: 'ICU' }),
    testPatient('icu', { ward: 'ICU' }),
    testPatient('ill'),
    testPatient('well'),
  ]);
  const heard = new Map<string, number[]>(WHO.map((id) => [id, []]));
  const ticks: number[] = [];
  for (let second = 0; second <= END; second++) {
    w.at(second);
    const away = inside(outages, second);
    for (const [i, id] of WHO.entries()) {
      if (away || second % 5 !== i || inside(silent[i] ?? [], second)) continue;
      w.read(id, { heartBeat: id === 'both' || id === 'ill' ? 130 : 72 });
      heard.get(id)?.push(second);
    }
    if (!away && second % TICK_EVERY === 0) {
      w.tick();
      ticks.push(second);
    }
    const asleep = owners.some(([at, how]) => how === 'asleep' && second >= at && second < at + ASLEEP);
    if (!asleep) await w.handle();
    for (const [at, how] of owners) if (at === second && how !== 'asleep') await w.stop(how);
  }
  return WHO.flatMap((id) => checkedOf(id, w, heard.get(id) ?? [], ticks, owners));
}

function checkedOf(
  id: string,
  w: ReturnType<typeof world>,
  heard: readonly number[],
  ticks: readonly number[],
  owners: Script['owners'],
): string[] {
  const events = w.said().filter((e) => e.patient.id === id);
  const sign = id === 'icu' ? '~data' : 'heartBeat';
  expect(new Set(events.map((e) => e.attribute)).size).toBeLessThanOrEqual(1);
  // Alternating, each with its own id.
  expect(events.map((e) => e.kind)).toEqual(events.map((_, i) => (i % 2 === 0 ? 'stale' : 'fresh')));
  expect(new Set(events.map((e) => e.eventId)).size).toBe(events.length);
  const stale = events.filter((e) => e.kind === 'stale');
  for (const event of stale) {
    expect(event.attribute).toBe(sign);
    const at = Math.floor(w.seconds(event.notBefore));
    // Nothing came for so long, and the ticks of all that time were there.
    expect(heard.filter((second) => second > at - STALE_AFTER && second <= at)).toEqual([]);
    const covering = ticks.filter((second) => second <= at).slice(-1 - Math.floor(STALE_AFTER / TICK_EVERY));
    for (const [i, second] of covering.entries())
      expect(second - (covering[i - 1] ?? second)).toBeLessThanOrEqual(PAUSE);
    expect(at - (covering[0] ?? at)).toBeGreaterThanOrEqual(STALE_AFTER - 1);
  }
  // And every silence of which the same can be said, with room for a sleeping owner and for what a crash forgets, was told.
  const room = STALE_AFTER + REFRESH + 2 * TICK_EVERY;
  for (const [i, from] of heard.entries()) {
    const to = heard[i + 1] ?? END;
    const during = ticks.filter((second) => second > from && second < to);
    let since = from;
    let due = false;
    for (const [k, second] of during.entries()) {
      const before = during[k - 1];
      if (second - (before ?? from) > PAUSE) since = second;
      const sleepy = owners.some(([at, how]) => how === 'asleep' && second >= at - 1 && second <= at + ASLEEP + 1);
      if (second - since >= room && !sleepy) due = true;
    }
    const told = stale.some((e) => w.seconds(e.notBefore) > from && w.seconds(e.notBefore) <= to);
    if (due && id !== 'well') expect(told, `${id} was silent from ${from} to ${to}`).toBe(true);
    // The next reading ends it.
    const ended = events.some((e) => e.kind === 'fresh' && Math.abs(w.seconds(e.measuredAt) - to) < 1);
    if (told && to !== END) expect(ended).toBe(true);
  }
  return stale.map((e) => `${id} ${e.attribute}`);
}
