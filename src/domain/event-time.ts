// When a reading happened, as far as it can be believed: device clocks run ahead, run late, or are set to another zone.
import type { Reading } from './reading.js';
import { type Micros, parseMicros, remembering } from './time.js';

/** A device clock may run ahead of the poll by this much; beyond it, the poll's time stands in (data-path.md 4). */
export const FUTURE_TOLERANCE_US = 5_000_000;
/** Measured longer than this before the row can have been committed: the clock is wrong, or the zone is. */
export const SKEW_TOLERANCE_US = 60_000_000;

const MINUTE_PREFIX = 'YYYY-MM-DDThh:mm:'.length;
const US_PER_MS = 1_000;
const US_PER_SECOND = 1_000_000;
const ZERO = 48;

export interface ReadingTime {
  /** What durations count with: recordedAt, at most readAt + 5 s. */
  readonly eventUs: Micros;
  /** When the poller read it. */
  readonly readUs: Micros;
  /** `ahead`: recordedAt was too far in the future, or no date at all, and readAt stands in. `behind`: it lies far before notBefore. */
  readonly clock: ClockFlag | null;
}

/** How a row is flagged whose device clock can't be right. */
export type ClockFlag = 'ahead' | 'behind';

/** Null for a clock that may be right. `notBeforeUs`: null where the poller had not read before. */
export function clockFlag(recordedUs: Micros, readUs: Micros, notBeforeUs: Micros | null): ClockFlag | null {
  if (recordedUs > readUs + FUTURE_TOLERANCE_US) return 'ahead';
  return notBeforeUs !== null && notBeforeUs - recordedUs > SKEW_TOLERANCE_US ? 'behind' : null;
}

/** Reads the instants of a stream of readings: neighbours share their minute, so that only seconds are parsed anew. */
export interface InstantReader {
  /** Undefined where the text is no instant. Wants the fixed form of contracts.md. */
  micros(text: string): Micros | undefined;
  timeOf(reading: Reading, nowUs: Micros): ReadingTime;
}

export function createInstantReader(): InstantReader {
  let minute = '';
  let minuteUs: Micros | undefined;

  const micros = (text: string): Micros | undefined => {
    const prefix = text.slice(0, MINUTE_PREFIX);
    if (prefix !== minute) {
      minute = prefix;
      minuteUs = parseMicros(`${prefix}00Z`);
    }
    return minuteUs === undefined ? undefined : addSeconds(minuteUs, text);
  };

  const readAt = remembering(micros);

  const timeOf = (reading: Reading, nowUs: Micros): ReadingTime => {
    const readUs = readAt(reading.readAt) ?? nowUs;
    const recordedUs = micros(reading.recordedAt);
    if (recordedUs === undefined) return { eventUs: readUs, readUs, clock: 'ahead' };
    // The same form, so that text order is time order; parsed only where there may be something to flag.
    const early = reading.notBefore !== null && reading.recordedAt < reading.notBefore;
    const notBeforeUs = early ? (micros(reading.notBefore as string) ?? null) : null;
    const clock = clockFlag(recordedUs, readUs, notBeforeUs);
    return { eventUs: clock === 'ahead' ? readUs + FUTURE_TOLERANCE_US : recordedUs, readUs, clock };
  };

  return { micros, timeOf };
}

/** `text` is `YYYY-MM-DDThh:mm:ss.ffffffZ`. */
function addSeconds(minuteUs: Micros, text: string): Micros | undefined {
  const seconds = (text.charCodeAt(17) - ZERO) * 10 + (text.charCodeAt(18) - ZERO);
  if (seconds > 59) return undefined;
  let fraction = 0;
  for (let i = 20; i < 26; i++) fraction = fraction * 10 + (text.charCodeAt(i) - ZERO);
  return minuteUs + seconds * US_PER_SECOND + fraction;
}

/** The later of the two: what the age of an alert counts from (alerts.md). */
export function notBeforeOf(reading: Reading): string {
  const { recordedAt, notBefore } = reading;
  return notBefore !== null && notBefore > recordedAt ? notBefore : recordedAt;
}

/**
 * Whether a reading speaks of now: neither backfilled nor replayed, nor old when the poller read it. By `notBefore`, so that a
 * device's slow clock makes no history.
 */
export function isLive(reading: Reading, readUs: Micros, maxAgeMs: number): boolean {
  if (reading.mark !== undefined) return false;
  const committedUs = parseMicros(notBeforeOf(reading)) ?? readUs;
  return readUs - committedUs <= maxAgeMs * US_PER_MS;
}
