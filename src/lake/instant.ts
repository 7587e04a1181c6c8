// Reads the one form of instants that contracts.md allows, fast: the archive does this for every reading.
import type { Micros } from '../domain/time.js';

const ZERO = 48;
const DAYS_BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const DAYS_TO_1970 = 719_528;
const LENGTH = 27;

/** UTC microseconds of `YYYY-MM-DDThh:mm:ss.ffffffZ`; undefined where it is no instant (a 30th of February, a minute 99). */
export function instantOf(text: string): Micros | undefined {
  if (text.length !== LENGTH) return undefined;
  const year = two(text, 0) * 100 + two(text, 2);
  const month = two(text, 5);
  const day = two(text, 8);
  const hour = two(text, 11);
  const minute = two(text, 14);
  const second = two(text, 17);
  const micros = two(text, 20) * 10_000 + two(text, 22) * 100 + two(text, 24);
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const inMonth = DAYS_IN_MONTH[month - 1];
  // A character that is no digit makes NaN, and a comparison with NaN is false.
  const whole =
    inMonth !== undefined &&
    day >= 1 &&
    day <= (leap && month === 2 ? 29 : inMonth) &&
    hour <= 23 &&
    minute <= 59 &&
    second <= 59 &&
    micros <= 999_999;
  if (!whole || !punctuated(text)) return undefined;
  const before =
    year === 0 ? 0 : 1 + Math.floor((year - 1) / 4) - Math.floor((year - 1) / 100) + Math.floor((year - 1) / 400);
  const days = year * 365 + before + (DAYS_BEFORE_MONTH[month - 1] as number) + (leap && month > 2 ? 1 : 0) + day - 1;
  return (((days - DAYS_TO_1970) * 24 + hour) * 60 + minute) * 60_000_000 + second * 1_000_000 + micros;
}

function two(text: string, at: number): number {
  const tens = text.charCodeAt(at) - ZERO;
  const ones = text.charCodeAt(at + 1) - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

function punctuated(text: string): boolean {
  return (
    text[4] === '-' &&
    text[7] === '-' &&
    text[10] === 'T' &&
    text[13] === ':' &&
    text[16] === ':' &&
    text[19] === '.' &&
    text[26] === 'Z'
  );
}
