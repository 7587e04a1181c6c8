// How old a patient is at a moment: by the date of birth, exact on the birthday in the hospital's time zone, or what the table says.
import type { Patient } from './patient.js';
import type { Micros } from './time.js';
import { wallOf } from './zone.js';

/** Completed years; null: not known, or impossible. */
export type AgeAt = (patient: Patient, atUs: Micros) => number | null;

/** The oldest person on record lived 122 years; what lies above is a typing error, not an age. */
export const MAX_AGE_YEARS = 150;

const DATE = /^(\d{4})-(\d\d)-(\d\d)/;
const MONTHS = 100;
/** No zone of our days changes its date within a quarter of an hour. */
const QUARTER_US = 900_000_000;

/** `YYYY-MM-DD` of a date's text (a time of day behind it does not count); null where no calendar has it. */
export function dateOfText(text: string): string | null {
  const match = DATE.exec(text);
  if (!match) return null;
  const [date] = match;
  const ms = Date.parse(`${date}T00:00:00Z`);
  // JavaScript reads 31 February as 3 March.
  return Number.isNaN(ms) || new Date(ms).toISOString().slice(0, date.length) !== date ? null : date;
}

/** Whoever was born on 29 February is a year older on 1 March of other years. `timezone` is an IANA name. */
export function createAges(timezone: string): AgeAt {
  let quarter = Number.NaN;
  let day = '';
  const dayOf = (us: Micros): string => {
    const of = Math.floor(us / QUARTER_US);
    if (of !== quarter) {
      quarter = of;
      day = wallOf(timezone, of * QUARTER_US).slice(0, 'YYYY-MM-DD'.length);
    }
    return day;
  };
  return ({ dateOfBirth, age }, atUs) => {
    if (dateOfBirth === undefined) return age;
    const years = completedYears(dateOfBirth, dayOf(atUs));
    return years >= 0 && years <= MAX_AGE_YEARS ? years : null;
  };
}

function completedYears(born: string, day: string): number {
  const years = Number(day.slice(0, 4)) - Number(born.slice(0, 4));
  return monthDay(day) < monthDay(born) ? years - 1 : years;
}

function monthDay(date: string): number {
  return Number(date.slice(5, 7)) * MONTHS + Number(date.slice(8, 10));
}
