// From readings to e-mails, by the real evaluator and the real decisions: what must not become a flood, and what must not become history.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createEpisodeBook } from '../../../src/domain/episode-book.js';
import { evaluate } from '../../../src/domain/evaluate.js';
import { createInstantReader } from '../../../src/domain/event-time.js';
import type { Reading } from '../../../src/domain/reading.js';
import { compileThresholds } from '../../../src/domain/threshold-table.js';
import { formatMicros } from '../../../src/domain/time.js';
import { playDecisions } from '../../helpers/decision-play.js';
import { SEED_LIMITS } from '../../helpers/limits.js';
import { DEFAULT_POLICY } from '../../helpers/policies.js';
import { reading, START_US } from '../../helpers/readings.js';

const START_MS = START_US / 1_000;
const MINUTE = 60_000;
const HIGH = 130;
const NORMAL = 75;
const limits = compileThresholds(SEED_LIMITS);

interface Arrival {
  readonly reading: Reading;
  /** When it is evaluated and decided. */
  readonly atMs: number;
}

/** Each e-mail's kind and time, until `endMs`. */
function emails(arrivals: readonly Arrival[], endMs: number): { readonly kind: string; readonly atMs: number }[] {
  const book = createEpisodeBook();
  const instants = createInstantReader();
  const play = playDecisions(DEFAULT_POLICY, START_MS);
  const context = {
    ...{ limits, thresholdVersion: 't1', patientVersion: 'p1', policy: DEFAULT_POLICY, privacy: 'full' as const },
    ageAt: ({ age }: { age: number | null }) => age,
    patient: (id: string) => ({ id, name: id, address: null, phone: null, ward: '4B', age: 30, otherDetails: null }),
  };
  const sent: { kind: string; atMs: number }[] = [];
  const pass = (untilMs: number) => {
    play.until(untilMs);
    for (const line of play.said()) {
      const mails = line.match(/\S+>/g) ?? [];
      for (const mail of mails) sent.push({ kind: mail.slice(0, -1), atMs: untilMs });
    }
  };
  for (const { reading: one, atMs } of arrivals) {
    pass(atMs);
    const { eventUs, clock } = instants.timeOf(one, atMs * 1_000);
    const readUs = atMs * 1_000;
    const { events, changes } = evaluate(one, book, context, { eventUs, readUs, clock, nowIso: formatMicros(readUs) });
    for (const change of changes) book.apply(change);
    for (const event of events) play.event(event);
    if (events.length > 0) pass(atMs);
  }
  pass(endMs);
  return sent;
}

/** Measured and evaluated at once, every five seconds. */
function live(values: readonly number[]): Arrival[] {
  return values.map((heartBeat, i) => ({
    reading: reading(i, 'p1', { heartBeat }, i * 5),
    atMs: START_MS + i * 5_000 + 200,
  }));
}

describe('oscillation', () => {
  /** Three raised, one notice instead of the fourth, and the ends of those and of one that began before. */
  const MOST_IN_HALF_AN_HOUR = 8;

  test.each([30, 65, 120, 450, 599, 600, 601, 1_800, 3_600])(
    'around a limit with a period of %i s: few e-mails, however long it goes on',
    (seconds) => {
      const values = Array.from({ length: 2 * 720 }, (_, i) => ((i * 5) % seconds < seconds / 2 ? HIGH : NORMAL));
      const sent = emails(live(values), START_MS + 2 * 60 * MINUTE);
      expect(worstHalfHour(sent)).toBeLessThanOrEqual(MOST_IN_HALF_AN_HOUR);
      // A key that has become unstable is heard of no more.
      if (seconds < 590 && seconds > 60) expect(sent.length).toBeLessThanOrEqual(MOST_IN_HALF_AN_HOUR - 1);
    },
  );

  test('at any period, share and noise', () => {
    const anyOscillation = fc.record({
      period: fc.integer({ min: 2, max: 720 }),
      share: fc.double({ min: 0.02, max: 0.98, noNaN: true }),
      noise: fc.array(fc.nat({ max: 1_000 }), { maxLength: 40 }),
    });
    fc.assert(
      fc.property(anyOscillation, ({ period, share, noise }) => {
        const values = Array.from({ length: 1_000 }, (_, i) => (i % period < period * share ? HIGH : NORMAL));
        for (const i of noise) values[i] = values[i] === HIGH ? NORMAL : HIGH;
        const sent = emails(live(values), START_MS + 90 * MINUTE);
        const beginnings = sent.filter(({ kind }) => kind === 'raised' || kind === 'unstable');
        // Four and the next four are half an hour apart.
        expect(worstHalfHour(beginnings)).toBeLessThanOrEqual(4);
        expect(worstHalfHour(sent)).toBeLessThanOrEqual(MOST_IN_HALF_AN_HOUR + 2);
      }),
      { numRuns: 15 },
    );
  });
});

function worstHalfHour(sent: readonly { readonly atMs: number }[]): number {
  return Math.max(
    0,
    ...sent.map(({ atMs }) => sent.filter((other) => other.atMs >= atMs && other.atMs < atMs + 30 * MINUTE).length),
  );
}

describe('history', () => {
  test('a first start on a year-old table: no e-mail but one for each patient who still is out of range', () => {
    const yearUs = 365 * 86_400 * 1_000_000;
    const patients = ['p1', 'p2', 'p3', 'p4'];
    const arrivals = Array.from({ length: 1_500 }, (_, i): Arrival => {
      // An hour of bad values in every three; two patients end with good ones.
      const patient = patients[i % 4] as string;
      const heartBeat =
        Math.floor(i / 40) % 3 === 0 && !(i > 1_200 && i % 4 > 1) ? HIGH : i > 1_450 && i % 4 <= 1 ? HIGH : NORMAL;
      const recordedAt = formatMicros(START_US - yearUs + Math.floor((i / 1_500) * (yearUs - 3_600_000_000)));
      return {
        reading: {
          ...reading(i, patient, { heartBeat }),
          recordedAt,
          notBefore: null,
          readAt: formatMicros(START_US + i * 1_000),
        },
        atMs: START_MS + i,
      };
    });
    const sent = emails(arrivals, START_MS + 24 * 60 * MINUTE);
    expect(sent.map(({ kind }) => kind)).toEqual(['summary', 'summary']);
  });

  test('a device whose clock is slow or fast, or a wrong RDS_TIMEZONE: live alerts are sent, and their ends', () => {
    const hours = Array.from({ length: 29 }, (_, i) => i - 14);
    for (const offMs of [-20 * MINUTE, 20 * MINUTE, ...hours.map((h) => h * 60 * MINUTE)]) {
      const arrivals = live([NORMAL, HIGH, HIGH, ...Array.from({ length: 10 }, () => NORMAL)]).map((one) => {
        const recordedAt = formatMicros((one.atMs + offMs) * 1_000);
        const notBefore = formatMicros((one.atMs - 100) * 1_000);
        return { ...one, reading: { ...one.reading, recordedAt, notBefore, readAt: formatMicros(one.atMs * 1_000) } };
      });
      const sent = emails(arrivals, START_MS + 10 * MINUTE);
      expect(
        sent.map(({ kind }) => kind),
        `${offMs / MINUTE} min`,
      ).toEqual(['raised', 'resolved']);
    }
  });
});
