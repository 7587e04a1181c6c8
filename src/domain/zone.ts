// From the wall clock of a database (DATETIME in RDS_TIMEZONE) to UTC.
import { formatMicros, type Micros, parseMicros } from './time.js';

const WALL = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?$/;
const MINUTE_CHARS = 'YYYY-MM-DD hh:mm'.length;
const SECOND_CHARS = 'YYYY-MM-DD hh:mm:ss'.length;
const MICROS_PER_MS = 1_000;
const MICROS_PER_S = 1_000_000;

/** Reads `YYYY-MM-DD hh:mm:ss[.ffffff]`; ISO 8601 UTC with six decimals, or undefined where it is no instant (0000-00-00). */
export type WallReader = (wall: string) => string | undefined;

/**
 * `timezone` is an IANA name. Where clocks go back a wall time occurs twice: the first is taken. Where they go forward it
 * doesn't occur: it is read as if they had not. Rows come in order of time, so the minute before is remembered.
 */
export function createWallReader(timezone: string): WallReader {
  const offsetUs = timezone === 'UTC' ? () => 0 : zoneOffset(timezone);
  let minute = '';
  /** The minute in UTC, `YYYY-MM-DDThh:mm`; empty: no instant. */
  let utcMinute = '';
  /** Zones whose offset then had seconds can't be read by the minute. */
  let secondsUs = 0;
  return (wall) => {
    if (wall.length < SECOND_CHARS || !WALL.test(wall)) return undefined;
    const key = wall.slice(0, MINUTE_CHARS);
    if (key !== minute) {
      minute = key;
      const wallUs = parseMicros(`${key}:00`);
      const offset = wallUs === undefined ? undefined : offsetUs(wallUs);
      const utcUs = wallUs === undefined || offset === undefined ? undefined : wallUs - offset;
      utcMinute = utcUs === undefined || !exists(key, wallUs) ? '' : formatMicros(utcUs).slice(0, MINUTE_CHARS);
      secondsUs = utcUs === undefined ? 0 : utcUs % 60_000_000;
    }
    if (utcMinute === '') return undefined;
    const text = `${utcMinute}${wall.slice(MINUTE_CHARS, SECOND_CHARS)}.${wall.slice(SECOND_CHARS + 1).padEnd(6, '0')}Z`;
    if (secondsUs === 0) return text;
    const us = parseMicros(text);
    return us === undefined ? undefined : formatMicros(us + secondsUs);
  };
}

/** JavaScript reads 31 February as 3 March; a server with ALLOW_INVALID_DATES stores it. */
function exists(minute: string, wallUs: number | undefined): boolean {
  return wallUs !== undefined && formatMicros(wallUs).slice(0, 10) === minute.slice(0, 10);
}

/** What a zone's wall clock shows at an instant, `YYYY-MM-DD hh:mm:ss.ffffff`. */
export function wallOf(timezone: string, utcUs: Micros): string {
  const wallUs = utcUs + (timezone === 'UTC' ? 0 : (clockAhead(timezone)(utcUs) ?? 0));
  return formatMicros(wallUs).replace('T', ' ').slice(0, -1);
}

/** Microseconds that the zone's wall clock is ahead of UTC when it shows `wallUs`. */
function zoneOffset(timezone: string): (wallUs: number) => number | undefined {
  const ahead = clockAhead(timezone);
  return (wallUs) => {
    // Offsets a day earlier and later bracket a change; the larger one gives the earlier instant.
    const before = ahead(wallUs - DAY_US);
    const after = ahead(wallUs + DAY_US);
    if (before === undefined || after === undefined) return undefined;
    for (const offset of before >= after ? [before, after] : [after, before])
      if (ahead(wallUs - offset) === offset) return offset;
    return before;
  };
}

/** Microseconds that the zone's wall clock is ahead of UTC at an instant of UTC. */
function clockAhead(timezone: string): (utcUs: number) => number | undefined {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone: timezone,
    calendar: 'iso8601',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
  return (utcUs) => {
    const parts: Record<string, string> = {};
    for (const { type, value } of format.formatToParts(Math.floor(utcUs / MICROS_PER_MS))) parts[type] = value;
    const { year = '', month, day, hour, minute, second } = parts;
    const wall = parseMicros(`${year.padStart(4, '0')}-${month}-${day} ${hour}:${minute}:${second}`);
    // The wall clock of the parts has whole seconds.
    return wall === undefined ? undefined : wall - Math.floor(utcUs / MICROS_PER_S) * MICROS_PER_S;
  };
}

const DAY_US = 86_400_000_000;
