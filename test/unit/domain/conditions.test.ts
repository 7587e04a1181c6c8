// Sustain, samples, clear margin and severity together, against a model that searches whole histories; and what changes in mid-episode.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAges } from '../../../src/domain/age.js';
import { createEpisodeBook } from '../../../src/domain/episode-book.js';
import { type EvaluationContext, evaluate } from '../../../src/domain/evaluate.js';
import { createInstantReader } from '../../../src/domain/event-time.js';
import type { EpisodeEvent, Severity } from '../../../src/domain/events.js';
import type { ConditionTiming, Policy } from '../../../src/domain/policy.js';
import { compileThresholds } from '../../../src/domain/threshold-table.js';
import { formatMicros } from '../../../src/domain/time.js';
import { limit } from '../../helpers/limits.js';
import { testPatient } from '../../helpers/lookups.js';
import { DEFAULT_POLICY, policyWith } from '../../helpers/policies.js';
import { reading, START_US } from '../../helpers/readings.js';
import { type JudgedSample, type ReferenceTiming, referenceEvents } from '../../helpers/reference-episodes.js';

const NOW_US = START_US + 3_600_000_000;
const bp = (values: readonly [number, number], flag: 0 | 1, severity: Severity = 'high') =>
  limit('bp', [0, 100], values, flag, { severity });
/** Each value's judgement and rank, written beside the rows: the oracle does not ask the code under test. */
const LIMITS = [
  bp([0, 4], 1, 'high'),
  bp([5, 7], 1, 'low'),
  bp([8, 12], 0),
  bp([13, 15], 1, 'low'),
  bp([16, 18], 1, 'medium'),
  bp([19, 20], 1, 'high'),
];
const NORMAL = { low: 8, high: 12 };
const RANK_UP_TO: readonly (readonly [number, number])[] = [
  [4, 3],
  [7, 1],
  [12, 0],
  [15, 1],
  [18, 2],
  [20, 3],
];

function contextOf(policy: Policy, more: Partial<EvaluationContext> = {}): EvaluationContext {
  return {
    limits: compileThresholds(LIMITS),
    thresholdVersion: 't1',
    patientVersion: 'p1',
    policy,
    privacy: 'full',
    ageAt: ({ age }) => age,
    patient: (id) => testPatient(id),
    ...more,
  };
}

/** Evaluates one reading after the other; each sees the context that is in force by then. */
function player() {
  const book = createEpisodeBook();
  const instants = createInstantReader();
  let row = 0;
  return (context: EvaluationContext, second: number, value: number | 'bad'): EpisodeEvent[] => {
    const more = value === 'bad' ? { bad: { bp: 'x' } } : {};
    const item = reading(row++, 'p1', value === 'bad' ? {} : { bp: value }, second, more);
    const result = evaluate(item, book, context, { ...instants.timeOf(item, NOW_US), nowIso: formatMicros(NOW_US) });
    for (const change of result.changes) book.apply(change);
    return [...result.events];
  };
}

const said = (events: readonly EpisodeEvent[]) => events.map(({ kind, severity }) => `${kind} ${severity}`);

function judgedSample(value: number | 'bad', second: number, n: number, margin: number): JudgedSample {
  if (value === 'bad') return { judged: 'unclassified', rank: 3, second, reading: n };
  const rank = RANK_UP_TO.find(([most]) => value <= most)?.[1] ?? 3;
  if (value < NORMAL.low) return { judged: 'low', rank, second, reading: n };
  if (value > NORMAL.high) return { judged: 'high', rank, second, reading: n };
  const close = [
    ...(value - NORMAL.low < margin ? (['low'] as const) : []),
    ...(NORMAL.high - value < margin ? (['high'] as const) : []),
  ];
  return { judged: 'normal', rank: 0, second, reading: n, close };
}

describe('against the model', () => {
  const sample = fc.record({
    value: fc.oneof(
      { weight: 4, arbitrary: fc.integer({ min: 0, max: 20 }) },
      { weight: 3, arbitrary: fc.integer({ min: 8, max: 16 }) },
      { weight: 1, arbitrary: fc.constant('bad' as const) },
    ),
    step: fc.oneof(
      { weight: 5, arbitrary: fc.integer({ min: 0, max: 3 }) },
      { weight: 1, arbitrary: fc.integer({ min: -6, max: 9 }) },
    ),
    /** The same value again and again: otherwise hardly anything would last. */
    times: fc.integer({ min: 1, max: 4 }),
  });
  const timing = fc.record({
    sustainSeconds: fc.constantFrom(0, 1, 3, 8),
    sustainSamples: fc.integer({ min: 1, max: 4 }),
    seconds: fc.constantFrom(0, 2, 5),
    samples: fc.integer({ min: 1, max: 3 }),
  });
  const row = (t: ReferenceTiming, clearMargin: number): ConditionTiming => ({
    ...DEFAULT_POLICY.conditions.default,
    sustainMs: (t.sustainSeconds ?? 0) * 1_000,
    minSamples: t.sustainSamples ?? 1,
    clearAfterMs: t.seconds * 1_000,
    clearSamples: t.samples,
    clearMargin,
  });

  it('raises, worsens and resolves at the same readings, whatever the policy says of each severity', () => {
    const kinds = new Set<string>();
    fc.assert(
      fc.property(
        fc.array(sample, { minLength: 1, maxLength: 25, size: 'max' }),
        fc.tuple(timing, timing, timing),
        fc.integer({ min: 0, max: 3 }),
        (samples, [low, medium, high], margin) => {
          const policy = policyWith(
            {},
            {
              conditions: {
                default: DEFAULT_POLICY.conditions.default,
                attributes: { bp: { high: row(high, margin), medium: row(medium, margin), low: row(low, margin) } },
              },
            },
          );
          const context = contextOf(policy);
          const next = player();
          let second = 20;
          let n = 0;
          const history: JudgedSample[] = [];
          const got: unknown[] = [];
          for (const { value, step, times } of samples)
            for (let i = 0; i < times; i++) {
              second = Math.max(0, second + step);
              history.push(judgedSample(value, second, n, margin));
              for (const { kind, direction } of next(context, second, value)) got.push(`${n} ${direction} ${kind}`);
              n++;
            }
          const expected = referenceEvents(history, (rank) => [low, low, medium, high][rank] ?? high);
          expect(got.sort()).toEqual(expected.map((e) => `${e.reading} ${e.direction} ${e.kind}`).sort());
          for (const { kind, direction } of expected) kinds.add(`${direction} ${kind}`);
        },
      ),
      { numRuns: 120 },
    );
    expect(kinds.size).toBeGreaterThanOrEqual(8);
  });
});

describe('the clear margin', () => {
  it('is that of the worst band so far: a worse episode must come further back', () => {
    const row = (clearMargin: number) => ({
      ...DEFAULT_POLICY.conditions.default,
      ...{ clearMargin, clearAfterMs: 0, clearSamples: 1 },
    });
    const policy = policyWith(
      {},
      {
        conditions: {
          default: row(0),
          attributes: { bp: { high: row(3), medium: row(2), low: row(1) } },
        },
      },
    );
    const next = player();
    const context = contextOf(policy);
    const told = [14, 12, 11, 17, 11, 10, 20, 10, 9].map((value, i) => said(next(context, i, value)));
    expect(told).toEqual([
      ['raised low'],
      [],
      ['resolved low'],
      ['raised medium'],
      [],
      ['resolved medium'],
      ['raised high'],
      [],
      ['resolved high'],
    ]);
  });
});

describe('changed in mid-episode', () => {
  const quick = { clearAfterMs: 0, clearSamples: 1 };

  it('limits: nothing happens by itself, and the next reading is judged by those in force', () => {
    const next = player();
    const before = contextOf(policyWith(quick));
    const wider = contextOf(policyWith(quick), {
      limits: compileThresholds([bp([0, 7], 1), bp([8, 16], 0), bp([17, 20], 1)]),
      thresholdVersion: 't2',
    });
    expect(said(next(before, 0, 14))).toEqual(['raised low']);
    const [event, ...others] = next(wider, 1, 14);
    expect(others).toEqual([]);
    expect(event).toMatchObject({ kind: 'resolved', thresholdVersion: 't2', range: { low: 8, high: 16 } });
    // And narrower again: a new episode, by the same value.
    expect(said(next(before, 2, 14))).toEqual(['raised low']);
    // Worse by the new limits alone.
    expect(said(next(contextOf(policyWith(quick), { limits: compileThresholds([bp([13, 20], 1)]) }), 3, 14))).toEqual([
      'worsened high',
    ]);
  });

  it('the age band, on a birthday', () => {
    const next = player();
    const limits = compileThresholds([
      limit('bp', [0, 17], [8, 12], 0),
      limit('bp', [0, 17], [13, 20], 1),
      limit('bp', [18, 100], [8, 16], 0),
      limit('bp', [18, 100], [17, 20], 1),
    ]);
    // START_US is 22:00 UTC: in Berlin the birthday begins an hour later.
    const context = contextOf(policyWith(quick), {
      ...{ limits, ageAt: createAges('Europe/Berlin') },
      patient: (id) => testPatient(id, { age: null, dateOfBirth: '2008-11-25' }),
    });
    expect(next(context, 3_599, 14)).toMatchObject([{ kind: 'raised', patient: { age: 17 } }]);
    expect(next(context, 3_600, 14)).toMatchObject([{ kind: 'resolved', patient: { age: 18 } }]);
    expect(next(context, 3_601, 14)).toEqual([]);
  });

  it('the policy: what is pending is due by the new row, from its first reading on', () => {
    const next = player();
    const slow = contextOf(policyWith({ ...quick, sustainMs: 60_000 }));
    expect(next(slow, 0, 14)).toEqual([]);
    expect(next(slow, 10, 14)).toEqual([]);
    const [event] = next(contextOf(policyWith({ ...quick, sustainMs: 10_000 }, { version: 'y2' })), 11, 14);
    expect(event).toMatchObject({ kind: 'raised', policyVersion: 'y2', since: formatMicros(START_US) });
  });
});
