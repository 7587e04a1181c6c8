// When a reading happened, as far as it can be believed: device clocks run ahead, run late, or are set to another zone.
import type { Reading } from './reading.js';
import { type Micros, parseMicros, remembering } from './time.js';

/** A device clock may run ahead of the poll by this much; beyond it, the poll's time stands in (data-path.md 4). */
export const FUTURE_TOLERANCE_US = 5_000_000;
/** Measured longer than this before the row can have been committed: the clock is wrong, or the zone is. */
export const SKEW_TOLERANCE_US = 60_000_000;

const MINUTE_PREFIX = 'YYYY-MM-DDThh:mm:'.length;
const US_PER_SECOND = 1_000_000;
const ZERO = 48;

export interface ReadingTime {
  /** What durations count with: recordedAt, at most readAt + 5 s. */
  readonly eventUs: Micros;
  /** recordedAt was too far in the future, or no date at all. */
  readonly clamped: boolean;
  /** recordedAt lies far before notBefore. */
  readonly skewed: boolean;
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
    if (recordedUs === undefined) return { eventUs: readUs, clamped: true, skewed: false };
    const latest = readUs + FUTURE_TOLERANCE_US;
    const clamped = recordedUs > latest;
    // The same form, so that text order is time order; parsed only where there may be something to count.
    const early = reading.notBefore !== null && reading.recordedAt < reading.notBefore;
    const notBeforeUs = early ? (micros(reading.notBefore as string) ?? recordedUs) : recordedUs;
    return {
      eventUs: clamped ? latest : recordedUs,
      clamped,
      skewed: notBeforeUs - recordedUs > SKEW_TOLERANCE_US,
    };
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
