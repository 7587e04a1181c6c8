// A time as a person says it: `03:12`, `2026-11-24 03:12`, or an instant of UTC.
import { type Micros, microsOfMs, parseMicros } from './time.js';
import { createWallReader, wallOf } from './zone.js';

const CLOCK = /^([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?$/;
const WALL = /^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2})(:\d{2})?$/;
const DAY_US = 86_400_000_000;
/** A clock that is a little ahead of ours: `03:12` at 03:11:50 means today. */
const AHEAD_US = 60_000_000;

/**
 * Microseconds of UTC; undefined where it is no time. A time of day is the last one that the wall clock of `zone` (IANA)
 * showed; a date and time without Z are that clock's too.
 */
export function saidTime(said: string, zone: string, nowMs: number): Micros | undefined {
  const text = said.trim();
  if (text.endsWith('Z')) return parseMicros(text);
  const read = createWallReader(zone);
  const instant = (wall: string) => {
    const utc = read(wall);
    return utc === undefined ? undefined : parseMicros(utc);
  };
  const dated = WALL.exec(text);
  if (dated) return instant(`${dated[1]} ${dated[2]}${dated[3] ?? ':00'}`);
  const clock = CLOCK.exec(text);
  if (!clock) return undefined;
  const nowUs = microsOfMs(nowMs);
  const at = `${(clock[1] ?? '').padStart(2, '0')}:${clock[2]}:${clock[3] ?? '00'}`;
  const onDayOf = (us: Micros) => instant(`${wallOf(zone, us).slice(0, 10)} ${at}`);
  const today = onDayOf(nowUs);
  return today !== undefined && today <= nowUs + AHEAD_US ? today : onDayOf(nowUs - DAY_US);
}
