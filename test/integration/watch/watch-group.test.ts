// Watch in its consumer group on a real Kafka: restarts, failures and rebalances in the middle; a first start without limits; bad input.
import { afterEach, expect, test } from 'vitest';
import type { Actor } from '../../../jobs/actor.js';
import { createWatchActor, WAITING_FOR_THRESHOLDS, type WatchParts } from '../../../jobs/watch.js';
import type { EpisodeEvent } from '../../../src/domain/events.js';
import { STEPS } from '../../../src/domain/steps.js';
import { until } from '../../helpers/kafka.js';
import { SEED_LIMITS } from '../../helpers/limits.js';
import { testPatient } from '../../helpers/lookups.js';
import { reading } from '../../helpers/readings.js';
import { outOfOrder, told, wardScript } from '../../helpers/ward-script.js';
import { CLEAR, isEpisodeEvent, watchWorld } from '../../helpers/watch-world.js';

const PARTITIONS = 4;
const world = watchWorld('watch', PARTITIONS);

const running = new Set<Actor>();
afterEach(async () => {
  await Promise.all([...running].map((actor) => actor.stop()));
  running.clear();
});

async function start(prefix: string, more: Partial<WatchParts> = {}) {
  const made = world.partsOf(prefix, more);
  const actor = createWatchActor(made.parts);
  running.add(actor);
  await actor.start();
  const stop = async () => {
    running.delete(actor);
    await actor.stop();
  };
  return { ...made, actor, stop };
}

const isReady = ({ actor }: { actor: Actor }) => actor.health().ready;
const eventsOf = async (prefix: string): Promise<EpisodeEvent[]> =>
  (await world.messages(prefix)).filter(isEpisodeEvent);

test('events come once over a restart, a failure at every step, and rebalances', async () => {
  const prefix = 'once.';
  await world.create(prefix);
  const ward = wardScript(40);
  world.lookup.load(
    SEED_LIMITS,
    ward.patients.map((id) => testPatient(id)),
  );
  const produceSeconds = async (from: number, to: number) => {
    for (let second = from; second < to; second++) await world.produce(ward.nextSecond(), prefix);
  };

  // Each step fails once, in turn, in the middle of the work.
  const toFail: string[] = [...STEPS.watch];
  const failing = await start(prefix, {
    onStep: (step) => {
      if (step !== toFail[0]) return;
      toFail.shift();
      throw new Error(`failure at ${step}`);
    },
  });
  const feed = produceSeconds(0, 40);
  await until('every step has failed once', () => toFail.length === 0);
  await feed;
  const second = await start(prefix);
  await until('two share', () => isReady(failing) && isReady(second));
  const more = produceSeconds(40, 70);
  await failing.stop();
  await more;
  await world.drained(prefix);
  await second.stop();
  await produceSeconds(70, 90);
  const third = await start(prefix);
  await until('the third owns all', () => isReady(third));
  await produceSeconds(90, 100);
  await world.drained(prefix);

  const got = await eventsOf(prefix);
  const expected = ward.expected(CLEAR);
  expect(expected.length).toBeGreaterThan(300);
  expect(told(got)).toEqual(expected);
  expect(new Set(got.map((e) => e.eventId)).size).toBe(got.length);
  expect(outOfOrder(got)).toEqual([]);
});

test('a first start waits for limits and then alarms for nobody who is well; bad rows are counted and passed', async () => {
  const prefix = 'first.';
  await world.create(prefix);
  world.lookup.load([], [], { thresholds: '', patients: '' });
  const name = `O'Brien "Bob"\n\r<b>${'🫀'.repeat(300)}`;
  const well = Array.from({ length: 50 }, (_, i) => reading(i + 1, `p${i}`, { heartBeat: 72, bp: 170 }));
  const odd = '9999-12-31T23:59:59.999999Z';
  await world.produce(
    [
      ...well,
      reading(100, 'p1', { heartBeat: 130 }),
      '{"v":1,',
      '{"v":99}',
      '[]',
      '{"v":1,"kind":"tick","source":"rds","partition":0,"at":"now"}',
      reading(101, 'named', { bp: 10 }),
      reading(102, 'ageless', { heartBeat: 72 }),
      reading(103, 'nobody', { heartBeat: 72 }),
      reading(104, 'p2', {}, 104, { bad: { heartBeat: 'NaN' } }),
      reading(105, 'p3', { heartBeat: -3 }),
      reading(106, 'p4', { spo2: 96 }),
      reading(107, 'p5', { heartBeat: 72 }, 107, { recordedAt: odd }),
      reading(108, 'p6', {}),
      reading(109, 'p7', { bodyTemperature: 36.8 }, 109, { mark: 'backfill' }),
    ],
    prefix,
  );
  const waiting = await start(prefix);
  expect(waiting.actor.health()).toEqual({ ready: false, live: true, reasons: [WAITING_FOR_THRESHOLDS] });
  const group = `${world.prefix}${prefix}watch`;
  expect(await world.kafka.admin.committedOffset(group, `${world.prefix}${prefix}vital-info`, 0)).toBeUndefined();
  expect(await world.messages(prefix)).toEqual([]);

  const patients = [
    ...well.map((r) => testPatient(r.patientId)),
    testPatient('named', { name }),
    testPatient('ageless', { age: null }),
  ];
  // Limits of body temperature with a gap at 36.8.
  const gap = {
    ...SEED_LIMITS[1],
    attribute: 'bodyTemperature',
    lowValue: 37,
    highValue: 38,
  } as (typeof SEED_LIMITS)[number];
  world.lookup.load([...SEED_LIMITS, gap], patients);
  await until('it has begun', () => isReady(waiting));
  await world.drained(prefix);

  const got = await eventsOf(prefix);
  expect(got.map((e) => `${e.readingId} ${e.kind} ${e.attribute} ${e.direction} ${e.reason}`).sort()).toEqual([
    'rds:100 raised heartBeat high out-of-range',
    'rds:101 raised bp low out-of-range',
    'rds:102 raised heartBeat unclassified unknown-age',
    'rds:103 raised heartBeat unclassified unknown-patient',
    'rds:104 raised heartBeat unclassified bad-value',
    'rds:105 raised heartBeat unclassified implausible-value',
    'rds:106 raised spo2 unclassified no-threshold-for-attribute',
    'rds:109 raised bodyTemperature unclassified no-band-for-value',
  ]);
  expect(got.find((e) => e.readingId === 'rds:101')?.patient.name).toBe(name);
  expect(got.find((e) => e.readingId === 'rds:104')?.vitals).toEqual({ heartBeat: 'NaN' });
  for (const [reason, n] of [
    ['not-json', 1],
    ['unknown-version', 1],
    ['wrong-shape', 2],
  ] as const)
    expect(await waiting.metrics.value('watch_dead_total', { reason })).toBe(n);
  expect(await waiting.metrics.value('watch_unclassified_total')).toBe(6);
  expect(await waiting.metrics.value('watch_clamped_total')).toBe(1);
  expect(await waiting.metrics.value('watch_readings_total')).toBe(well.length + 10);
  expect(await waiting.metrics.value('watch_episodes_open')).toBe(8);
  const lines = JSON.stringify(waiting.log.lines);
  for (const event of ['watch.dead', 'watch.raised', 'watch.clock', 'watch.no-position', 'watch.waiting'])
    expect(lines).toContain(event);
  expect(lines).not.toContain('Name of');
  expect(lines).not.toContain("O'Brien");
  expect((await world.messages(prefix)).filter((m) => m.kind === 'context').length).toBeGreaterThan(0);
});
