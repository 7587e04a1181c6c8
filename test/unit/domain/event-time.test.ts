// Which time of a reading is believed.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createInstantReader, notBeforeOf } from '../../../src/domain/event-time.js';
import { formatMicros, parseMicros } from '../../../src/domain/time.js';
import { reading, START_US } from '../../helpers/readings.js';

const S = 1_000_000;
const at = (seconds: number) => formatMicros(START_US + seconds * S);
const timeOf = (recorded: number, read: number, notBefore: number | null) =>
  createInstantReader().timeOf(
    reading(1, 'p', {}, 0, {
      recordedAt: at(recorded),
      readAt: at(read),
      notBefore: notBefore === null ? null : at(notBefore),
    }),
    START_US + 1_000 * S,
  );

describe('event time', () => {
  it.each<[string, number, number, number | null, number, 'ahead' | 'behind' | null]>([
    ['an ordinary reading', 10, 10.2, 10, 10, null],
    ['a device clock 5 s ahead', 15, 10, 10, 15, null],
    ['a device clock further ahead', 15.000001, 10, 10, 15, 'ahead'],
    ['a clock an hour ahead', 3_610, 10, 10, 15, 'ahead'],
    ['a clock a minute slow', 10, 70.1, 70, 10, null],
    ['a clock more than a minute slow', 10, 71, 70.000001, 10, 'behind'],
    ['a zone two hours wrong', -7_190, 10.2, 10, -7_190, 'behind'],
    ['a first start', -9_999, 10, null, -9_999, null],
  ])('%s', (_, recorded, read, notBefore, seconds, clock) => {
    expect(timeOf(recorded, read, notBefore)).toEqual({
      eventUs: START_US + seconds * S,
      readUs: START_US + read * S,
      clock,
    });
  });

  it('takes the poll’s time for a date that no calendar has, and its own where that is none either', () => {
    const odd = { recordedAt: '2026-13-45T10:00:00.000000Z', notBefore: null };
    const now = START_US + 7 * S;
    const timeOfOdd = (more: object) => createInstantReader().timeOf(reading(1, 'p', {}, 0, { ...odd, ...more }), now);
    expect(timeOfOdd({ readAt: at(3) })).toEqual({
      eventUs: START_US + 3 * S,
      readUs: START_US + 3 * S,
      clock: 'ahead',
    });
    expect(timeOfOdd({ readAt: '2026-11-24T22:00:99.000000Z' }).eventUs).toBe(now);
  });

  it('reads every instant as parseMicros does, in any order', () => {
    const reader = createInstantReader();
    const instant = fc.integer({ min: 0, max: 4_102_444_800_000_000 }).map(formatMicros);
    fc.assert(
      fc.property(instant, (text) => reader.micros(text) === parseMicros(text)),
      { numRuns: 1_000 },
    );
    const near = fc.integer({ min: 0, max: 200 * S }).map((us) => formatMicros(START_US + us));
    fc.assert(
      fc.property(near, (text) => reader.micros(text) === parseMicros(text)),
      { numRuns: 1_000 },
    );
  });

  it('counts the age of an alert from the later of measured and not before', () => {
    const of = (recordedAt: string, notBefore: string | null) =>
      notBeforeOf(reading(1, 'p', {}, 0, { recordedAt, notBefore }));
    expect(of(at(5), at(4))).toBe(at(5));
    expect(of(at(5), at(6))).toBe(at(6));
    expect(of(at(5), null)).toBe(at(5));
  });
});
