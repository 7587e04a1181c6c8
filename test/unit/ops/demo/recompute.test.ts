// The demo's oracle, by hand-made rows: when an alert begins, and when it is over.
import { expect, test } from 'vitest';
import { recomputeAlerts } from '../../../../ops/local/demo/recompute.mjs';

const limit = (
  lowAge: number,
  highAge: number,
  lowValue: number,
  highValue: number,
  alert: boolean,
  severity: 'high' | 'medium' | 'low' = 'high',
) => ({ attribute: 'heartBeat', lowAge, highAge, lowValue, highValue, alert, severity });
const AT_ONCE = { sustainMs: 0, minSamples: 1, clearMargin: 0, clearAfterMs: 3_000, clearSamples: 2 };
const THRESHOLDS = [
  limit(0, 40, 0, 69, true),
  limit(0, 40, 70, 78, false),
  limit(0, 40, 79, 9999, true),
  limit(41, 100, 0, 65, true),
  limit(41, 100, 66, 73, false),
  limit(41, 100, 74, 9999, true),
];

/** One reading a second unless a time is given; patient `old` is 60, every other 30. */
function recompute(
  readings: readonly (readonly [patient: string, value: number | null, second?: number])[],
  timingOf: (attribute: string, severity: string) => typeof AT_ONCE = () => AT_ONCE,
  thresholds = THRESHOLDS,
) {
  const rows = readings.map(([patient, heartBeat, second], i) => ({
    id: String(i + 1),
    patient,
    recordedMs: (second ?? i) * 1_000,
    values: { heartBeat },
  }));
  const { expected, openEpisodes } = recomputeAlerts({
    rows,
    ageOf: (patient: string) => (patient === 'old' ? 60 : 30),
    thresholds,
    decimalsOf: () => 0,
    timingOf,
  });
  return { expected: [...expected], openEpisodes };
}

test('nothing out of range raises nothing; an absent value neither', () => {
  expect(
    recompute([
      ['a', 70],
      ['a', 78],
      ['a', null],
      ['old', 66],
    ]),
  ).toEqual({ expected: [], openEpisodes: 0 });
});

test('one alert for a whole episode, and its end after the calm time', () => {
  const calm = [
    ['a', 75],
    ['a', 75],
    ['a', 75],
    ['a', 75],
  ] as const;
  expect(recompute([['a', 79], ['a', 200], ...calm])).toEqual({
    expected: ['raised a heartBeat high 1', 'resolved a heartBeat high 6'],
    openEpisodes: 0,
  });
});

test('a calm that is too short, or interrupted, ends nothing', () => {
  expect(
    recompute([
      ['a', 79],
      ['a', 75],
      ['a', 75],
      ['a', 79],
      ['a', 75],
    ]),
  ).toEqual({
    expected: ['raised a heartBeat high 1'],
    openEpisodes: 1,
  });
});

test('one reading is no calm, however late it comes', () => {
  expect(
    recompute([
      ['a', 79, 0],
      ['a', 75, 60],
    ]).openEpisodes,
  ).toBe(1);
});

test('low and high are two episodes, ages have their own limits, patients their own state', () => {
  expect(
    recompute([
      ['a', 69],
      ['a', 79],
      ['old', 74],
      ['b', 74],
    ]).expected,
  ).toEqual(['raised a heartBeat low 1', 'raised a heartBeat high 2', 'raised old heartBeat high 3']);
});

test("a device's clock that goes back does not lengthen the calm", () => {
  expect(
    recompute([
      ['a', 79, 10],
      ['a', 75, 11],
      ['a', 75, 5],
      ['a', 75, 13],
    ]).openEpisodes,
  ).toBe(1);
  expect(
    recompute([
      ['a', 79, 10],
      ['a', 75, 11],
      ['a', 75, 5],
      ['a', 75, 14],
    ]).openEpisodes,
  ).toBe(0);
});

const of = (...values: number[]) => values.map((value) => ['a', value] as const);

test('what must last, or come several times, is raised by the reading that makes it so; a normal one in between begins anew', () => {
  const lasting = () => ({ ...AT_ONCE, sustainMs: 2_000 });
  expect(recompute(of(79, 79, 75, 79, 79, 79), lasting)).toEqual({
    expected: ['raised a heartBeat high 6'],
    openEpisodes: 1,
  });
  expect(recompute(of(79, 79), lasting)).toEqual({ expected: [], openEpisodes: 0 });
  expect(recompute(of(79, 79, 79), () => ({ ...AT_ONCE, minSamples: 3 })).expected).toEqual([
    'raised a heartBeat high 3',
  ]);
});

test('near the limit nothing ends, and the calm before still counts', () => {
  const clear = () => ({ ...AT_ONCE, clearMargin: 2 });
  expect(recompute(of(79, 77, 77, 77, 77, 77), clear).openEpisodes).toBe(1);
  expect(recompute(of(79, 76, 77, 77, 76), clear).expected.at(-1)).toBe('resolved a heartBeat high 5');
  expect(recompute(of(69, 71, 71, 71, 71), clear).openEpisodes).toBe(1);
  expect(recompute(of(69, 72, 72, 72, 72), clear).openEpisodes).toBe(0);
});

test('worse is told at once; the worst severity says how long to wait', () => {
  const bands = [limit(0, 100, 70, 78, false), limit(0, 100, 79, 99, true, 'low'), limit(0, 100, 100, 999, true)];
  const timingOf = (_: string, severity: string) => ({ ...AT_ONCE, sustainMs: severity === 'low' ? 3_000 : 1_000 });
  expect(recompute(of(80, 80, 80, 80, 120, 80, 120), timingOf, bands).expected).toEqual([
    'raised a heartBeat high 4',
    'worsened a heartBeat high 5',
  ]);
  expect(recompute(of(80, 120, 80), timingOf, bands).expected).toEqual(['raised a heartBeat high 2']);
});
