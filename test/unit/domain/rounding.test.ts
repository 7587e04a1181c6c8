// Rounding to a decimal grid against exact decimal arithmetic on text.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decimalsOf, shiftDecimal, toGrid } from '../../../src/domain/rounding.js';

/** Half away from zero, on the digits of a plain decimal text. */
function roundText(text: string, decimals: number): number {
  const negative = text.startsWith('-');
  const [whole = '', fraction = ''] = text.replace('-', '').split('.');
  const padded = fraction.padEnd(decimals + 1, '0');
  let units = BigInt(whole + padded.slice(0, decimals));
  if (Number(padded[decimals]) >= 5) units += 1n;
  return Number(negative ? -units : units);
}

describe('toGrid', () => {
  it.each([
    [36.05, 1, 361],
    [36.04, 1, 360],
    [36.949999, 1, 369],
    [1.005, 2, 101],
    [8.345, 2, 835],
    [69.5, 0, 70],
    [69.49, 0, 69],
    [-0.5, 0, -1],
    [-36.05, 1, -361],
    [0.49999999999999994, 0, 0],
    [1e-7, 1, 0],
    [1e21, 1, 1e22],
    [123456789012.25, 1, 1234567890123],
  ])('%d with %d decimals is %d', (value, decimals, expected) => {
    expect(toGrid(value, decimals)).toBe(expected);
  });

  it('agrees with decimal text for every value a table can hold', () => {
    const value = fc.tuple(fc.integer({ min: -99_999, max: 99_999 }), fc.stringMatching(/^\d{1,6}$/));
    fc.assert(
      fc.property(value, fc.integer({ min: 0, max: 4 }), ([whole, fraction], decimals) => {
        const text = `${whole}.${fraction}`;
        expect(toGrid(Number(text), decimals) + 0).toBe(roundText(text, decimals) + 0);
      }),
      { numRuns: 1_000 },
    );
  });

  it('leaves what is no finite number as it is', () => {
    expect(toGrid(Number.NaN, 1)).toBeNaN();
    expect(toGrid(Number.POSITIVE_INFINITY, 1)).toBe(Number.POSITIVE_INFINITY);
    expect(shiftDecimal(Number.NEGATIVE_INFINITY, 2)).toBe(Number.NEGATIVE_INFINITY);
  });
});

it('counts the decimals of the shortest text', () => {
  expect([36, 36.1, 0.125, 1e-7, 1.5e-3, 1e21].map(decimalsOf)).toEqual([0, 1, 3, 7, 4, 0]);
});
