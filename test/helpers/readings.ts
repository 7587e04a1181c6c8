// Readings for tests, a second apart, as the poller writes them.
import type { Reading } from '../../src/domain/reading.js';
import { formatMicros } from '../../src/domain/time.js';

/** 2026-11-24T22:00:00Z */
export const START_US = Date.UTC(2026, 10, 24, 22) * 1_000;

/** Row `n` of source `rds`, measured `seconds` after START_US and read 100 ms later. */
export function reading(
  n: number,
  patientId: string,
  values: Readonly<Record<string, number>>,
  seconds = n,
  more: Partial<Reading> = {},
): Reading {
  const recordedUs = START_US + seconds * 1_000_000;
  return {
    v: 1,
    source: 'rds',
    row: String(n),
    patientId,
    recordedAt: formatMicros(recordedUs),
    timeSource: 'row',
    readAt: formatMicros(recordedUs + 100_000),
    notBefore: formatMicros(recordedUs - 100_000),
    values,
    bad: {},
    other: {},
    ...more,
  };
}
