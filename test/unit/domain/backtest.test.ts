// The backtest: episodes as the watcher would have raised them, what changed between two sets of rules, and the page about it.
import { describe, expect, it } from 'vitest';
import { type BacktestEpisode, burdenOf, compareEpisodes, createReplay } from '../../../src/domain/backtest.js';
import { backtestPage } from '../../../src/domain/backtest-page.js';
import type { EvaluationContext } from '../../../src/domain/evaluate.js';
import { compileThresholds } from '../../../src/domain/threshold-table.js';
import { parseMicros } from '../../../src/domain/time.js';
import { SEED_LIMITS } from '../../helpers/limits.js';
import { policyWith } from '../../helpers/policies.js';
import { reading, START_US } from '../../helpers/readings.js';

const S = 1_000_000;
const NORMAL = 70;
const HIGH = 190;

function contextOf(clearAfterMs: number): EvaluationContext {
  const patient = { id: 'p1', name: 'N', address: null, phone: null, ward: '4B', age: 40, otherDetails: null };
  return {
    limits: compileThresholds(SEED_LIMITS),
    thresholdVersion: 't',
    patientVersion: 'p',
    policy: policyWith({ clearAfterMs, clearSamples: 2 }),
    privacy: 'ids',
    ageAt: ({ age }) => age,
    patient: (id) => (id === 'p1' ? (patient as never) : undefined),
  };
}

/** One value a second. */
function replayed(values: readonly number[], clearAfterMs: number): readonly BacktestEpisode[] {
  const replay = createReplay(contextOf(clearAfterMs));
  values.forEach((heartBeat, n) => {
    const one = reading(n, 'p1', { heartBeat });
    const eventUs = parseMicros(one.recordedAt) ?? 0;
    replay.take(one, { eventUs, readUs: eventUs, clock: null, nowIso: one.readAt });
  });
  return replay.episodes();
}

function episode(from: number, to: number | null, more: Partial<BacktestEpisode> = {}): BacktestEpisode {
  return {
    ...{ patientId: 'p1', ward: '4B', attribute: 'heartBeat', direction: 'high', severity: 'high', worsened: 0 },
    raisedUs: START_US + from * S,
    resolvedUs: to === null ? null : START_US + to * S,
    ...more,
  };
}

describe('createReplay', () => {
  it('keeps each episode from its first abnormal reading to the one that ended it, and one that is still open', () => {
    const values = [NORMAL, HIGH, HIGH, NORMAL, NORMAL, NORMAL, HIGH];
    expect(replayed(values, 2_000)).toMatchObject([
      {
        patientId: 'p1',
        ward: '4B',
        attribute: 'heartBeat',
        direction: 'high',
        raisedUs: START_US + S,
        resolvedUs: START_US + 5 * S,
      },
      { raisedUs: START_US + 6 * S, resolvedUs: null },
    ]);
    // A longer clear-after joins the two.
    expect(replayed(values, 10_000)).toHaveLength(1);
  });
});

describe('compareEpisodes', () => {
  it('tells same, earlier, later, new and gone apart; each episode counts once', () => {
    const inForce = [episode(0, 10), episode(100, 110), episode(200, 210), episode(300, 310)];
    const other = [
      episode(0, 20),
      episode(105, 130),
      episode(195, 205),
      episode(400, 410),
      // Of somebody else, or in the other direction: no match however they overlap.
      episode(300, 310, { patientId: 'p2' }),
      episode(300, 310, { direction: 'low' }),
    ];
    const found = compareEpisodes(inForce, other);
    expect(found.same).toBe(1);
    expect(found.later.map(({ byUs }) => byUs)).toEqual([5 * S]);
    expect(found.earlier.map(({ byUs }) => byUs)).toEqual([5 * S]);
    expect(found.gone).toEqual([inForce[3]]);
    expect(found.added).toEqual(other.slice(3));
  });

  it('takes an episode of the other side for one of ours only', () => {
    const found = compareEpisodes([episode(0, 10), episode(20, 30)], [episode(0, null)]);
    expect(found).toMatchObject({ same: 1, added: [], gone: [episode(20, 30)] });
  });
});

describe('burdenOf', () => {
  it('counts alarms a patient-day by ward, day and length; a ward without alarms is told too', () => {
    const days = {
      total: 4,
      byWard: new Map([
        ['4B', 2],
        ['ICU', 2],
      ]),
      byDay: new Map([['2026-11-24', 4]]),
    };
    const burden = burdenOf([episode(0, 5), episode(100, 700), episode(1_000, null)], days);
    expect(burden).toMatchObject({ alarms: 3, perPatientDay: 0.75 });
    expect(burden.byWard).toEqual([
      { name: '4B', alarms: 3, perPatientDay: 1.5 },
      { name: 'ICU', alarms: 0, perPatientDay: 0 },
    ]);
    expect(burden.byLength.map(({ alarms }) => alarms)).toEqual([1, 0, 0, 1, 0, 1]);
    expect(burdenOf([], { total: 0, byWard: new Map(), byDay: new Map() }).perPatientDay).toBe(0);
  });
});

describe('backtestPage', () => {
  it('says what both sides cost and is safe against anything in the data', () => {
    const days = { total: 1, byWard: new Map([['<b>4B', 1]]), byDay: new Map([['2026-11-24', 1]]) };
    const odd = episode(0, 10, { patientId: '<script>alert(1)</script>', ward: '<b>4B' });
    const page = backtestPage({
      ...{ period: '2026-11-24 to 2026-11-25 (UTC)', readings: 3_600, patientDays: 1 },
      names: { inForce: 'in force', other: '<i>.yaml' },
      ...{ inForce: burdenOf([odd], days), other: burdenOf([], days), comparison: compareEpisodes([odd], []) },
    });
    expect(page).toContain('3,600 readings');
    expect(page).toContain('Gone: raised by the rules in force only: 1');
    expect(page).not.toMatch(/<script|<b>|<i>|src=|href=/);
  });
});
