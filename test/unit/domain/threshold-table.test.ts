// Judging one value: the hospital's table, NEWS2's decimals, and whatever else a table may hold, against a search of all rows.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ATTRIBUTES, type Attribute } from '../../../src/domain/attributes.js';
import type { ThresholdRow } from '../../../src/domain/threshold.js';
import { compileThresholds, MAX_AGE } from '../../../src/domain/threshold-table.js';
import { limit, SEED_LIMITS, TEMPERATURE_LIMITS } from '../../helpers/limits.js';

const seed = compileThresholds(SEED_LIMITS);

describe('the seed table', () => {
  it.each([
    [30, 0, 'low'],
    [30, 69, 'low'],
    [30, 69.4, 'low'],
    [30, 69.5, null],
    [30, 70, null],
    [30, 78.4, null],
    [30, 78.5, 'high'],
    [40, 79, 'high'],
    [41, 78, 'high'],
    [41, 66, null],
    [41, 65.5, null],
    [41, 65.4, 'low'],
    [0, 9999, 'high'],
    [100, 73, null],
    [40.9, 78, null],
  ])('age %d, heartBeat %d: %s', (age, value, direction) => {
    const judgement = seed.judge('heartBeat', age, value);
    expect(judgement.direction).toBe(direction);
    expect(judgement.verdict).toBe(direction === null ? 'normal' : 'abnormal');
    expect(judgement.range).toEqual(age < 41 ? { low: 70, high: 78 } : { low: 66, high: 73 });
    if (direction !== null) expect(judgement.reason).toBe('out-of-range');
  });

  it('says the message, severity and unit of the table', () => {
    expect(seed.judge('bp', 50, 181)).toMatchObject({ message: 'Higher BP than Normal', severity: 'high' });
    expect(seed.unit('bp')).toBe('mm[Hg]');
    expect(seed.unit('nothing')).toBeNull();
  });

  it.each([
    ['unknown-patient', 'heartBeat', undefined, 72, null],
    ['unknown-age', 'heartBeat', null, 72, null],
    ['unknown-age', 'heartBeat', -1, 72, null],
    ['unknown-age', 'heartBeat', Number.NaN, 72, null],
    ['no-threshold-for-attribute', 'spo2', 30, 97, null],
    ['no-threshold-for-attribute', 'glucose', 30, 5, null],
    ['unknown-patient', 'glucose', undefined, 5, null],
    ['unknown-age', 'spo2', null, 97, null],
    ['no-band-for-age', 'heartBeat', 101, 72, null],
    ['no-band-for-age', 'heartBeat', MAX_AGE + 1, 72, null],
    ['implausible-value', 'heartBeat', 30, -1, { low: 70, high: 78 }],
    ['implausible-value', 'heartBeat', 30, 10_000, { low: 70, high: 78 }],
    ['implausible-value', 'heartBeat', undefined, Number.POSITIVE_INFINITY, null],
    ['implausible-value', 'heartBeat', 30, Number.NaN, { low: 70, high: 78 }],
    ['implausible-value', 'glucose', 30, Number.POSITIVE_INFINITY, null],
  ] as const)('%s: %s at age %s, value %d', (reason, attribute, age, value, range) => {
    const judgement = seed.judge(attribute, age, value);
    expect(judgement).toMatchObject({ verdict: 'unclassified', direction: 'unclassified', reason, range });
    expect(judgement.severity).toBe('high');
    expect(judgement.message).not.toBe('');
  });

  it('knows the range of a value that cannot be read', () => {
    const normal = { low: 161, high: 220 };
    for (const [raw, reason] of [
      ['n/a', 'bad-value'],
      ['', 'bad-value'],
      ['0x20', 'bad-value'],
      ['-40.000', 'implausible-value'],
      [' 1e9 ', 'implausible-value'],
    ] as const) {
      expect(seed.judgeBad('bp', 30, raw), raw).toMatchObject({ reason, range: normal });
      for (const age of [null, undefined, 101])
        expect(seed.judgeBad('bp', age, raw)).toMatchObject({ reason, range: null });
      expect(seed.judgeBad('glucose', 30, raw)).toMatchObject({ reason, range: null });
    }
  });
});

describe('decimals', () => {
  const news = compileThresholds(TEMPERATURE_LIMITS);
  it.each([
    [36.04, 'low', 'low'],
    [36.05, 'high', null],
    [36.0999, 'high', null],
    [35.04, 'high', 'low'],
    [35.05, 'low', 'low'],
    [38.04, 'high', null],
    [38.05, 'low', 'high'],
    [39.05, 'medium', 'high'],
  ])('temperature %d: severity %s, %s', (value, severity, direction) => {
    expect(news.judge('bodyTemperature', 40, value)).toMatchObject({ severity, direction });
  });

  it('takes them from the limits where the attribute has no row in the table of attributes', () => {
    const table = compileThresholds([
      limit('ph', [0, 100], [6.8, 7.34], 1),
      limit('ph', [0, 100], [7.35, 7.45], 0, { unit: 'pH' }),
    ]);
    expect(table.judge('ph', 30, 7.344).direction).toBe('low');
    expect(table.judge('ph', 30, 7.345).verdict).toBe('normal');
    expect(table.unit('ph')).toBe('pH');
  });

  it('rounds limits between two grid points inwards', () => {
    const table = compileThresholds([
      limit('bodyTemperature', [0, 100], [10, 36.05], 1),
      limit('bodyTemperature', [0, 100], [36.06, 38], 0),
    ]);
    expect(table.judge('bodyTemperature', 30, 36.0).direction).toBe('low');
    expect(table.judge('bodyTemperature', 30, 36.05).verdict).toBe('normal');
  });
});

describe('direction, where the normal band is not one in the middle', () => {
  const at = (rows: readonly ThresholdRow[], value: number, age = 30) => {
    const { verdict, direction, reason, range } = compileThresholds(rows).judge('bp', age, value);
    return [verdict, direction, reason, range?.low ?? null];
  };
  const ages = [0, 100] as const;

  it('several normal bands: outside all of them, and between them', () => {
    const rows = [
      limit('bp', ages, [60, 70], 0),
      limit('bp', ages, [71, 74], 1),
      limit('bp', ages, [75, 80], 0),
      limit('bp', ages, [81, 90], 1),
      limit('bp', ages, [0, 59], 1),
    ];
    expect(at(rows, 10)).toEqual(['abnormal', 'low', 'out-of-range', 60]);
    expect(at(rows, 72)).toEqual(['abnormal', 'high', 'flagged', 60]);
    expect(at(rows, 85)).toEqual(['abnormal', 'high', 'out-of-range', 75]);
    expect(at(rows, 91)).toEqual(['unclassified', 'unclassified', 'no-band-for-value', 75]);
  });

  it('a flagged band inside the normal one, below and above its middle; a tie is high', () => {
    const inside = (low: number, high: number) => [limit('bp', ages, [100, 200], 0), limit('bp', ages, [low, high], 1)];
    expect(at(inside(110, 120), 115)).toEqual(['abnormal', 'low', 'flagged', 100]);
    expect(at(inside(180, 190), 185)).toEqual(['abnormal', 'high', 'flagged', 100]);
    expect(at(inside(140, 160), 150)).toEqual(['abnormal', 'high', 'flagged', 100]);
  });

  it('a flagged band over everything: each value by its own side', () => {
    const rows = [limit('bp', ages, [0, 9999], 1), limit('bp', ages, [60, 80], 0)];
    expect(at(rows, 10)).toEqual(['abnormal', 'low', 'out-of-range', 60]);
    expect(at(rows, 90)).toEqual(['abnormal', 'high', 'out-of-range', 60]);
    expect(at(rows, 70)[0]).toBe('abnormal');
  });

  it('no normal band at that age: by that of other ages, else by the order of bands', () => {
    const flagged = [limit('bp', [0, 40], [0, 99], 1), limit('bp', [0, 40], [200, 300], 1)];
    const rows = [...flagged, limit('bp', [41, 100], [120, 150], 0)];
    expect(at(rows, 50)).toEqual(['abnormal', 'low', 'flagged', null]);
    expect(at(rows, 250)).toEqual(['abnormal', 'high', 'flagged', null]);
    expect(at(flagged, 50)[1]).toBe('low');
    expect(at(flagged, 250)[1]).toBe('high');
    expect(at([limit('bp', ages, [0, 99], 1)], 50)[1]).toBe('high');
  });
});

describe('overlaps', () => {
  const judge = (rows: readonly ThresholdRow[], value: number) => compileThresholds(rows).judge('bp', 30, value);
  const ages = [0, 100] as const;

  it('shared limits: abnormal wins', () => {
    const rows = [limit('bp', ages, [0, 70], 1), limit('bp', ages, [70, 78], 0), limit('bp', ages, [78, 999], 1)];
    expect([70, 71, 77, 78].map((value) => judge(rows, value).direction)).toEqual(['low', null, null, 'high']);
  });

  it('the most severe wins; a tie does not depend on the order of rows', () => {
    const rows = [
      limit('bp', ages, [100, 200], 0),
      limit('bp', ages, [201, 400], 1, { severity: 'low', message: 'wide' }),
      limit('bp', ages, [250, 300], 1, { severity: 'medium', message: 'narrow' }),
      limit('bp', ages, [245, 310], 1, { severity: 'medium', message: 'a' }),
      limit('bp', ages, [245, 310], 1, { severity: 'medium', message: 'b' }),
    ];
    const seen = (order: readonly ThresholdRow[]) => [255, 270, 305, 350].map((value) => judge(order, value).message);
    expect(seen(rows)).toEqual(['narrow', 'narrow', 'a', 'wide']);
    expect(seen([...rows].reverse())).toEqual(seen(rows));
  });

  it('rows that are upside down or no numbers match nothing', () => {
    const rows = [
      limit('bp', ages, [200, 100], 1),
      limit('bp', [50, 10], [0, 500], 0),
      limit('bp', ages, [Number.NaN, 500], 0),
      limit('bp', ages, [0, 50], 0),
    ];
    expect(judge(rows, 150).reason).toBe('no-band-for-value');
    expect(compileThresholds(rows.slice(0, 3)).judge('bp', 30, 150).reason).toBe('no-threshold-for-attribute');
  });
});

describe('against a search of all rows', () => {
  const tenths: Attribute = {
    ...(ATTRIBUTES[0] as Attribute),
    name: 'x',
    decimals: 1,
    plausible: { low: 0, high: 40 },
  };
  const row = fc
    .record({
      age: fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 12 })),
      value: fc.tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 400 })),
      alert: fc.boolean(),
      severity: fc.constantFrom('high' as const, 'medium' as const, 'low' as const),
    })
    .map(({ age, value, alert, severity }) =>
      limit(
        'x',
        [Math.min(...age), Math.max(...age)],
        [Math.min(...value) / 10, Math.max(...value) / 10],
        alert ? 1 : 0,
        {
          severity,
        },
      ),
    );

  it('finds what covers the value: none, only normal, or the most severe flagged one', () => {
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 0, max: 13 }),
        fc.integer({ min: 0, max: 4_000 }),
        (rows, age, hundredths) => {
          const judgement = compileThresholds(rows, [tenths]).judge('x', age, hundredths / 100);
          const rounded = Math.floor((hundredths + 5) / 10);
          const ofAge = rows.filter((r) => r.lowAge <= age && r.highAge >= age);
          const hits = ofAge.filter(
            (r) => Math.round(r.lowValue * 10) <= rounded && rounded <= Math.round(r.highValue * 10),
          );
          const flagged = hits.filter((r) => r.alert).map((r) => r.severity);
          if (ofAge.length === 0) expect(judgement.reason).toBe('no-band-for-age');
          else if (hits.length === 0) expect(judgement.reason).toBe('no-band-for-value');
          else if (flagged.length === 0) expect(judgement.verdict).toBe('normal');
          else {
            expect(judgement.verdict).toBe('abnormal');
            expect(judgement.severity).toBe(['high', 'medium', 'low'].find((s) => flagged.includes(s as never)));
            const normal = ofAge.filter((r) => !r.alert);
            if (normal.length > 0 && normal.every((r) => rounded < Math.round(r.lowValue * 10)))
              expect(judgement.direction).toBe('low');
            if (normal.length > 0 && normal.every((r) => rounded > Math.round(r.highValue * 10)))
              expect(judgement.direction).toBe('high');
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});
