// What a table of limits is told about itself.
import { describe, expect, it } from 'vitest';
import type { ThresholdRow } from '../../../src/domain/threshold.js';
import { checkThresholds } from '../../../src/domain/threshold-check.js';
import { limit, SEED_LIMITS, TEMPERATURE_LIMITS } from '../../helpers/limits.js';

const kinds = (rows: readonly ThresholdRow[], configured?: readonly string[]) =>
  checkThresholds(rows, configured ? { configured } : {}).map(({ kind, fatal }) => (fatal ? `${kind}!` : kind));
const ages = [0, 120] as const;
const whole = [limit('bp', ages, [0, 99], 1), limit('bp', ages, [100, 199], 0), limit('bp', ages, [200, 9999], 1)];

it('lets the seed table pass: no gap between whole numbers, only the oldest are not covered', () => {
  expect(checkThresholds(SEED_LIMITS)).toEqual([
    {
      kind: 'uncovered-ages',
      fatal: false,
      attribute: 'heartBeat',
      text: 'heartBeat: no limits for ages 101–120: its readings raise "unclassified"',
    },
    {
      kind: 'uncovered-ages',
      fatal: false,
      attribute: 'bp',
      text: 'bp: no limits for ages 101–120: its readings raise "unclassified"',
    },
  ]);
});

it('finds nothing in a whole table', () => {
  expect(checkThresholds(whole)).toEqual([]);
  expect(kinds(TEMPERATURE_LIMITS)).toEqual(['uncovered-ages']);
});

describe('refusals', () => {
  it.each<[string, readonly ThresholdRow[], readonly string[]]>([
    ['no rows', [], ['empty!']],
    ['values upside down', [...whole, limit('bp', ages, [90, 80], 1)], ['inverted-range!']],
    ['ages upside down', [...whole, limit('bp', [40, 30], [80, 90], 1)], ['inverted-range!']],
    ['no number', [...whole, limit('bp', ages, [Number.NaN, 90], 1)], ['bad-value!']],
    ['endless', [...whole, limit('bp', ages, [200, Number.POSITIVE_INFINITY], 1)], ['bad-value!']],
    ['nothing normal', whole.map((row) => ({ ...row, alert: true })), ['nothing-normal!', 'no-normal-band']],
    ['nothing abnormal', whole.map((row) => ({ ...row, alert: false })), ['nothing-abnormal!', 'nothing-abnormal']],
    ['no known attribute', whole.map((r) => ({ ...r, attribute: 'BP' })), ['unknown-attribute!', 'unknown-attribute']],
  ])('%s', (_, rows, expected) => {
    expect(kinds(rows)).toEqual(expected);
  });
});

describe('warnings', () => {
  it.each<[string, readonly ThresholdRow[], readonly string[]]>([
    ['a gap inside', [limit('bp', ages, [0, 99], 1), limit('bp', ages, [102, 9999], 0)], ['gap']],
    ['a gap below and above', [limit('bp', ages, [5, 99], 1), limit('bp', ages, [100, 300], 0)], ['gap', 'gap']],
    ['shared limits', [limit('bp', ages, [0, 100], 1), limit('bp', ages, [100, 9999], 0)], ['overlap']],
    [
      'ages between',
      [...whole.map((r) => ({ ...r, highAge: 40 })), ...whole.map((r) => ({ ...r, lowAge: 42 }))],
      ['uncovered-ages'],
    ],
    [
      'no normal band at an age',
      [...whole.map((r) => ({ ...r, lowAge: 10 })), limit('bp', [0, 9], [0, 9999], 1)],
      ['no-normal-band'],
    ],
    ['an attribute that never alarms', [...whole, limit('spo2', ages, [0, 100], 0)], ['nothing-abnormal']],
    [
      'an unknown attribute',
      [...whole, limit('glucose', ages, [0, 5], 0), limit('glucose', ages, [6, 9], 1)],
      ['unknown-attribute'],
    ],
    ['another unit', whole.map((row) => ({ ...row, unit: 'kPa' })), ['unit-differs']],
    ['the same unit, written otherwise', whole.map((row) => ({ ...row, unit: 'mmHg' })), []],
  ])('%s', (_, rows, expected) => {
    expect(kinds(rows)).toEqual(expected);
  });

  it('names attribute, ages and values for people', () => {
    const rows = [limit('bodyTemperature', ages, [10, 36], 1), limit('bodyTemperature', ages, [36.2, 50], 0)];
    expect(checkThresholds(rows).map(({ text }) => text)).toEqual([
      'bodyTemperature, ages 0–120: no limits for 36.1: its readings raise "unclassified"',
    ]);
    expect(checkThresholds([...whole, limit('BP ', ages, [0, 9], 0)]).map(({ text }) => text)[0]).toBe(
      'BP  is no known attribute; did you mean bp?',
    );
  });

  it('says which attribute is read without limits', () => {
    expect(kinds(whole, ['bp', 'spo2'])).toEqual(['missing-attribute']);
  });
});
