import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { instantOf } from '../../../src/lake/instant.js';

const iso = (ms: number, us: number) => `${new Date(ms).toISOString().slice(0, -1)}${String(us).padStart(3, '0')}Z`;

describe('instantOf', () => {
  it("agrees with JavaScript's own calendar from year 1690 to 2250, where microseconds are exact", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: Date.UTC(1690, 0, 1), max: Date.UTC(2250, 11, 31) }),
        fc.integer({ min: 0, max: 999 }),
        (ms, us) => instantOf(iso(ms, us)) === ms * 1000 + us,
      ),
      { numRuns: 2000 },
    );
    expect(instantOf('0000-03-01T00:00:00.000000Z')).toBe(Date.parse('0000-03-01T00:00:00Z') * 1000);
    expect(instantOf('9999-12-31T23:59:59.000000Z')).toBe(Date.parse('9999-12-31T23:59:59Z') * 1000);
    expect(instantOf('1970-01-01T00:00:00.000000Z')).toBe(0);
    expect(instantOf('1969-12-31T23:59:59.999999Z')).toBe(-1);
  });

  it('refuses what is no instant or has another form', () => {
    for (const text of [
      '2026-02-29T00:00:00.000000Z',
      '2100-02-29T00:00:00.000000Z',
      '2026-13-01T00:00:00.000000Z',
      '2026-00-01T00:00:00.000000Z',
      '2026-04-31T00:00:00.000000Z',
      '2026-01-00T00:00:00.000000Z',
      '2026-01-01T24:00:00.000000Z',
      '2026-01-01T00:60:00.000000Z',
      '2026-01-01T00:00:60.000000Z',
      '2026-01-01 00:00:00.000000Z',
      '2026-01-01T00:00:00.00000aZ',
      '2026-01-01T00:00:00.000Z',
      '2026-01-01T00:00:00.000000+',
      '',
    ])
      expect(instantOf(text), text).toBeUndefined();
    expect(instantOf('2024-02-29T00:00:00.000000Z')).toBe(Date.UTC(2024, 1, 29) * 1000);
  });
});
