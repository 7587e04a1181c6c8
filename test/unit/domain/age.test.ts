// Ages: exact on the birthday, which begins at midnight where the hospital is; impossible dates are none.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAges, dateOfText } from '../../../src/domain/age.js';
import { parseMicros } from '../../../src/domain/time.js';
import { testPatient } from '../../helpers/lookups.js';

const age = (zone: string, dateOfBirth: string, at: string) =>
  createAges(zone)(testPatient('p1', { age: 7, dateOfBirth }), parseMicros(at) ?? Number.NaN);

describe('by the date of birth', () => {
  it.each<[string, string, string, number | null]>([
    // 18 at midnight in Berlin: an hour before UTC's, in summer two.
    ['Europe/Berlin', '2008-11-25', '2026-11-24T22:59:59.999999Z', 17],
    ['Europe/Berlin', '2008-11-25', '2026-11-24T23:00:00Z', 18],
    ['Europe/Berlin', '2008-07-01', '2026-06-30T21:59:59Z', 17],
    ['Europe/Berlin', '2008-07-01', '2026-06-30T22:00:00Z', 18],
    ['UTC', '2008-11-25', '2026-11-24T23:59:59Z', 17],
    ['America/New_York', '2008-11-25', '2026-11-25T04:59:59Z', 17],
    ['America/New_York', '2008-11-25', '2026-11-25T05:00:00Z', 18],
    // Zones of half and quarter hours.
    ['Asia/Kolkata', '2008-11-25', '2026-11-24T18:29:59Z', 17],
    ['Asia/Kolkata', '2008-11-25', '2026-11-24T18:30:00Z', 18],
    ['Asia/Kathmandu', '2008-11-25', '2026-11-24T18:14:59Z', 17],
    ['Asia/Kathmandu', '2008-11-25', '2026-11-24T18:15:00Z', 18],
    // The night in which clocks change.
    ['Europe/Berlin', '2008-03-29', '2026-03-28T23:00:00Z', 18],
    ['Europe/Berlin', '2008-10-25', '2026-10-24T21:59:59Z', 17],
    ['Europe/Berlin', '2008-10-25', '2026-10-24T22:00:00Z', 18],
    // Leap days.
    ['UTC', '2008-02-29', '2026-02-28T23:59:59Z', 17],
    ['UTC', '2008-02-29', '2026-03-01T00:00:00Z', 18],
    ['UTC', '2008-02-29', '2028-02-29T00:00:00Z', 20],
    // The first day, a day before it, and beyond any life.
    ['UTC', '2026-11-24', '2026-11-24T00:00:00Z', 0],
    ['UTC', '2026-11-25', '2026-11-24T00:00:00Z', null],
    ['UTC', '1876-11-24', '2026-11-24T00:00:00Z', 150],
    ['UTC', '1875-11-24', '2026-11-24T00:00:00Z', null],
  ])('in %s someone born on %s is at %s: %s', (zone, born, at, years) => {
    expect(age(zone, born, at)).toBe(years);
  });

  it('at any moment the years whose anniversaries have passed, by the calendar of Intl', () => {
    const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/St_Johns', 'Asia/Kathmandu', 'Pacific/Chatham');
    const day = 86_400_000;
    const born = fc.integer({ min: Date.UTC(1900, 0, 1) / day, max: Date.UTC(2026, 0, 1) / day });
    const at = fc.integer({ min: Date.UTC(2026, 0, 2), max: Date.UTC(2030, 0, 1) });
    fc.assert(
      fc.property(zones, born, fc.array(at, { minLength: 1, maxLength: 5 }), (zone, bornDay, moments) => {
        const date = new Date(bornDay * day);
        const ages = createAges(zone);
        const patient = testPatient('p1', { dateOfBirth: date.toISOString().slice(0, 10) });
        for (const ms of moments) {
          const [year = 0, month = 0, dayOfMonth = 0] = new Intl.DateTimeFormat('sv-SE', { timeZone: zone })
            .format(ms)
            .split('-')
            .map(Number);
          const today = Date.UTC(year, month - 1, dayOfMonth);
          let years = 0;
          // Anniversaries one after the other; 29 February of another year is its 1 March.
          while (Date.UTC(date.getUTCFullYear() + years + 1, date.getUTCMonth(), date.getUTCDate()) <= today) years++;
          expect(ages(patient, ms * 1_000)).toBe(years);
        }
      }),
      { numRuns: 100 },
    );
  });
});

it('without a date of birth it is what the table says, whenever', () => {
  const ages = createAges('Europe/Berlin');
  expect(ages(testPatient('p1', { age: 7 }), 0)).toBe(7);
  expect(ages(testPatient('p1', { age: null }), 0)).toBeNull();
});

it.each<[string, string | null]>([
  ['1961-04-23', '1961-04-23'],
  ['1961-04-23 00:00:00.000000', '1961-04-23'],
  ['2000-02-29', '2000-02-29'],
  ['1900-02-29', null],
  ['1961-02-31', null],
  ['0000-00-00', null],
  ['1961-13-01', null],
  ['23.04.1961', null],
  ['', null],
])('reads the date %j as %j', (text, date) => {
  expect(dateOfText(text)).toBe(date);
});
