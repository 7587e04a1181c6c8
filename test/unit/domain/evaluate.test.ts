// Readings against limits: what the doctors' queue hears, row by row, and against a model that searches whole histories.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeDoctorsQueue } from '../../../src/domain/doctors-queue.js';
import type { EpisodeChange } from '../../../src/domain/episode.js';
import { createEpisodeBook } from '../../../src/domain/episode-book.js';
import { MAX_TEXT } from '../../../src/domain/episode-event.js';
import { type EvaluationContext, evaluate } from '../../../src/domain/evaluate.js';
import { createInstantReader } from '../../../src/domain/event-time.js';
import type { EpisodeEvent } from '../../../src/domain/events.js';
import { episodeId, watchEventId } from '../../../src/domain/identity.js';
import type { Patient } from '../../../src/domain/patient.js';
import type { Reading } from '../../../src/domain/reading.js';
import type { ThresholdRow } from '../../../src/domain/threshold.js';
import { compileThresholds } from '../../../src/domain/threshold-table.js';
import { formatMicros } from '../../../src/domain/time.js';
import { limit, SEED_LIMITS } from '../../helpers/limits.js';
import { policyWith } from '../../helpers/policies.js';
import { reading, START_US } from '../../helpers/readings.js';
import { type JudgedSample, referenceEvents } from '../../helpers/reference-episodes.js';
import { anyText } from '../../helpers/texts.js';

const NOW_US = START_US + 3_600_000_000;
const NOW_ISO = formatMicros(NOW_US);

const patient = (id: string, more: Partial<Patient> = {}): Patient => ({
  id,
  name: `Name of ${id}`,
  address: `Street of ${id}`,
  phone: '+49 1',
  ward: '4B',
  age: 30,
  otherDetails: 'allergies',
  ...more,
});

function contextOf(patients: readonly Patient[], more: Partial<EvaluationContext> = {}): EvaluationContext {
  const byId = new Map(patients.map((p) => [p.id, p]));
  return {
    limits: compileThresholds(SEED_LIMITS),
    thresholdVersion: 't1',
    patientVersion: 'p1',
    policy: policyWith({}, { version: 'y1' }),
    privacy: 'full',
    ageAt: ({ age }) => age,
    patient: (id) => byId.get(id),
    ...more,
  };
}

/** Evaluates in order, keeping the states; answers all events, changes and reasons. */
function play(readings: readonly Reading[], context: EvaluationContext) {
  const book = createEpisodeBook();
  const instants = createInstantReader();
  const events: EpisodeEvent[] = [];
  const changes: EpisodeChange[][] = [];
  const unclassified: string[] = [];
  for (const item of readings) {
    const result = evaluate(item, book, context, { ...instants.timeOf(item, NOW_US), nowIso: NOW_ISO });
    for (const change of result.changes) book.apply(change);
    events.push(...result.events);
    changes.push([...result.changes]);
    unclassified.push(...result.unclassified);
  }
  return { events, changes, unclassified, open: book.size };
}

const said = (events: readonly EpisodeEvent[]) =>
  events.map((e) => `${e.readingId} ${e.kind} ${e.attribute} ${e.direction} ${e.reason}`);

describe('events', () => {
  const context = contextOf([patient('p1')]);

  it('carry everything that a doctor is told', () => {
    const one = reading(7, 'p1', { heartBeat: 130, bp: 170 }, 5, { notBefore: formatMicros(START_US + 5_050_000) });
    const { events } = play([one], context);
    const id = episodeId('p1', 'heartBeat', 'high', 'rds:7');
    expect(events).toEqual([
      {
        v: 1,
        eventId: `${id}-raised-0`,
        episodeId: id,
        index: 0,
        kind: 'raised',
        by: 'watch',
        at: NOW_ISO,
        patient: { id: 'p1', name: 'Name of p1', age: 30, address: 'Street of p1', phone: '+49 1', ward: '4B' },
        attribute: 'heartBeat',
        direction: 'high',
        reason: 'out-of-range',
        value: 130,
        unit: '/min',
        range: { low: 70, high: 78 },
        severity: 'high',
        message: 'Higher Heart Rate than Normal',
        vitals: { heartBeat: 130, bp: 170 },
        readingId: 'rds:7',
        since: '2026-11-24T22:00:05.000000Z',
        measuredAt: '2026-11-24T22:00:05.000000Z',
        evaluatedAt: NOW_ISO,
        notBefore: '2026-11-24T22:00:05.050000Z',
        thresholdVersion: 't1',
        patientVersion: 'p1',
        policyVersion: 'y1',
      },
    ]);
  });

  it('leave name, address and phone out with PRIVACY=ids', () => {
    const { events } = play([reading(1, 'p1', { bp: 10 })], { ...context, privacy: 'ids' });
    expect(events[0]?.patient).toEqual({ id: 'p1', name: null, age: 30, address: null, phone: null, ward: '4B' });
    expect(JSON.stringify(events)).not.toMatch(/Name of|Street of|\+49/);
  });

  it('one per transition, numbered, with the range and the message of its own end', () => {
    const values = [72, 130, 131, 72, 71, 60, 72, 73];
    const seconds = [0, 1, 2, 10, 41, 42, 43, 73];
    const { events, open } = play(
      values.map((heartBeat, i) => reading(i, 'p1', { heartBeat }, seconds[i])),
      context,
    );
    expect(said(events)).toEqual([
      'rds:1 raised heartBeat high out-of-range',
      'rds:4 resolved heartBeat high back-in-range',
      'rds:5 raised heartBeat low out-of-range',
      'rds:7 resolved heartBeat low back-in-range',
    ]);
    expect(events.map((e) => [e.index, e.value, e.message, e.since.slice(17, 19)])).toEqual([
      [0, 130, 'Higher Heart Rate than Normal', '01'],
      [1, 71, 'Normal', '01'],
      [0, 60, 'Low Heart Rate than Normal', '42'],
      [1, 73, 'Normal', '42'],
    ]);
    expect(events[1]?.eventId).toBe(watchEventId(episodeId('p1', 'heartBeat', 'high', 'rds:1'), 'resolved', 1));
    expect(open).toBe(0);
  });

  it('of backfilled readings say so; the first live one of such an episode worsens it, since nobody was told', () => {
    const at = (n: number, heartBeat: number, mark?: Reading['mark']) =>
      reading(n, 'p1', { heartBeat }, n, mark ? { mark } : {});
    const { events } = play(
      [at(1, 130, 'backfill'), at(2, 131, 'replayed'), at(3, 132), at(4, 133), at(5, 134, 'backfill'), at(6, 135)],
      context,
    );
    expect(
      events.map(({ readingId, kind, index, severity, mark }) => [readingId, kind, index, severity, mark]),
    ).toEqual([
      ['rds:1', 'raised', 0, 'high', 'backfill'],
      ['rds:3', 'worsened', 1, 'high', undefined],
    ]);
    // And one that began live is not raised again by history.
    expect(said(play([at(1, 130), at(2, 131, 'backfill'), at(3, 132)], context).events)).toEqual([
      'rds:1 raised heartBeat high out-of-range',
    ]);
  });

  it('a low value is a normal one for a high episode: it opens its own first, and both clear on their own', () => {
    const values = [130, 60, 60, 130];
    const { events, open } = play(
      values.map((heartBeat, i) => reading(i, 'p1', { heartBeat }, i * 31)),
      context,
    );
    expect(said(events)).toEqual([
      'rds:0 raised heartBeat high out-of-range',
      'rds:1 raised heartBeat low out-of-range',
      'rds:2 resolved heartBeat high back-in-range',
      'rds:3 raised heartBeat high out-of-range',
    ]);
    expect(events[2]?.message).toBe('No longer above the normal range.');
    expect(open).toBe(2);
  });
});

describe('what cannot be judged', () => {
  const context = contextOf([patient('p1'), patient('ageless', { age: null }), patient('old', { age: 120 })]);

  it.each<[string, Reading, string[]]>([
    [
      'an unknown patient',
      reading(1, 'nobody', { heartBeat: 72, bp: 170 }),
      ['heartBeat unknown-patient', 'bp unknown-patient'],
    ],
    ['a patient without age', reading(1, 'ageless', { bp: 170 }), ['bp unknown-age']],
    ['an age without limits', reading(1, 'old', { bp: 170 }), ['bp no-band-for-age']],
    ['an attribute without limits', reading(1, 'p1', { spo2: 97, bp: 170 }), ['spo2 no-threshold-for-attribute']],
    ['an impossible value', reading(1, 'p1', { bp: -5 }), ['bp implausible-value']],
    ['a number beyond numbers', reading(1, 'p1', { bp: Number.POSITIVE_INFINITY }), ['bp implausible-value']],
    ['text in place of a number', reading(1, 'p1', { heartBeat: 72 }, 1, { bad: { bp: 'n/a' } }), ['bp bad-value']],
    ['both at once', reading(1, 'p1', { bp: 170 }, 1, { bad: { bp: '17O' } }), ['bp bad-value']],
  ])('%s is raised once, however often it comes', (_, one, expected) => {
    const again = { ...one, row: '2' };
    const { events, unclassified } = play([one, again], context);
    expect(events.map((e) => `${e.attribute} ${e.reason}`)).toEqual(expected);
    for (const event of events) {
      expect(event).toMatchObject({ kind: 'raised', direction: 'unclassified', severity: 'high', readingId: 'rds:1' });
      expect(decodeDoctorsQueue(JSON.stringify(event)).type).toBe('episode');
    }
    expect(unclassified).toHaveLength(expected.length * 2);
  });

  it('a value between the bands', () => {
    const gap = contextOf([patient('p1')], {
      limits: compileThresholds(SEED_LIMITS.filter((r) => r.highValue !== 69)),
    });
    expect(said(play([reading(1, 'p1', { heartBeat: 50 })], gap).events)).toEqual([
      'rds:1 raised heartBeat unclassified no-band-for-value',
    ]);
  });

  it('NULL is no reading: it raises nothing and clears nothing', () => {
    const rows = [reading(1, 'p1', { bp: 10 }, 0), reading(2, 'p1', {}, 40), reading(3, 'p1', {}, 80)];
    const { events, changes } = play(rows, context);
    expect(said(events)).toEqual(['rds:1 raised bp low out-of-range']);
    expect(changes.slice(1)).toEqual([[], []]);
  });

  it('neither clears nor confirms a low or a high one, and ends by values of either kind', () => {
    const bad = (n: number, s: number) => reading(n, 'p1', {}, s, { bad: { bp: '?' } });
    const rows = [
      reading(1, 'p1', { bp: 10 }, 0),
      reading(2, 'p1', { bp: 170 }, 1),
      bad(3, 2),
      bad(4, 40),
      reading(5, 'p1', { bp: 170 }, 41),
      reading(6, 'p1', { bp: 10 }, 71),
    ];
    const { events } = play(rows, context);
    expect(said(events)).toEqual([
      'rds:1 raised bp low out-of-range',
      'rds:3 raised bp unclassified bad-value',
      'rds:5 resolved bp low back-in-range',
      'rds:6 raised bp low out-of-range',
      'rds:6 resolved bp unclassified back-in-range',
    ]);
    expect(events.at(-1)?.message).toBe('The values can be judged again.');
  });
});

describe('hostile text', () => {
  it('arrives intact, and so long a text is cut between characters', () => {
    const name = `O'Brien "Bob"\n\r\u0000<b>{{x}}</b> ${'é'.repeat(100)}${'🫀'.repeat(100)}`;
    const context = contextOf([patient('p1', { name, address: `${'x'.repeat(MAX_TEXT - 1)}🫀` })]);
    const one = reading(1, 'p1', { bp: 10 }, 1, { bad: { heartBeat: `${'y'.repeat(2_000_000)}` } });
    const { events } = play([one], context);
    const text = JSON.stringify(events[0]);
    expect(text.length).toBeLessThan(20_000);
    const { patient: seen } = JSON.parse(text) as EpisodeEvent;
    expect(seen.name).toBe(name);
    expect(seen.address).toBe('x'.repeat(MAX_TEXT - 1));
  });

  it('a column called like a part of every object is a vital sign like others', () => {
    const values = JSON.parse('{"__proto__": 5, "constructor": 7, "toString": 9}') as Record<string, number>;
    const { events } = play([reading(1, 'p1', values)], contextOf([patient('p1')]));
    expect(events.map((e) => e.attribute)).toEqual(['__proto__', 'constructor', 'toString']);
    expect(JSON.stringify(events[0]?.vitals)).toBe('{"__proto__":5,"constructor":7,"toString":9}');
  });

  it('a date that no calendar has does not make the event unreadable', () => {
    const one = reading(1, 'p1', { bp: 10 }, 1, { recordedAt: '2026-99-99T99:99:99.999999Z' });
    const [event] = play([one], contextOf([patient('p1')])).events;
    expect(event?.measuredAt).toBe(one.readAt);
    expect(decodeDoctorsQueue(JSON.stringify(event)).type).toBe('episode');
  });
});

describe('against the model', () => {
  const x = (values: readonly [number, number], flag: 0 | 1, more: Partial<ThresholdRow> = {}) =>
    limit('bp', [0, 100], values, flag, more);
  const limits = [
    x([0, 4], 1, { severity: 'high' }),
    x([5, 7], 1, { severity: 'low' }),
    x([8, 12], 0),
    x([13, 15], 1, { severity: 'low' }),
    x([16, 18], 1, { severity: 'medium' }),
    x([19, 20], 1, { severity: 'high' }),
  ];
  const RANKS: [number, number][] = [
    [4, 3],
    [7, 1],
    [12, 0],
    [15, 1],
    [18, 2],
    [20, 3],
  ];
  /** 21 and 22 lie in no band, 23 can't be read, 24 is NULL. */
  const judged = (value: number): JudgedSample['judged'] => {
    if (value > 20) return 'unclassified';
    if (value < 8) return 'low';
    return value > 12 ? 'high' : 'normal';
  };
  const sample = fc.record({
    value: fc.oneof(
      { weight: 3, arbitrary: fc.integer({ min: 0, max: 24 }) },
      { weight: 3, arbitrary: fc.constant(10) },
    ),
    step: fc.oneof(
      { weight: 4, arbitrary: fc.integer({ min: 0, max: 3 }) },
      { weight: 1, arbitrary: fc.integer({ min: -6, max: 9 }) },
    ),
    who: fc.constantFrom('p1', 'p2'),
  });

  it('says the same for every history, with readings in any order of time', () => {
    const clearing = fc.record({
      seconds: fc.oneof(fc.constantFrom(0, 1), fc.integer({ min: 0, max: 8 })),
      samples: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 60, size: 'max' }), clearing, (samples, clear) => {
        let second = 20;
        const rows = samples.map(({ value, step, who }, n) => {
          second = Math.max(0, second + step);
          const more = value === 23 ? { bad: { bp: 'x' } } : {};
          return { value, second, row: reading(n, who, value < 23 ? { bp: value } : {}, second, more), who };
        });
        const context = contextOf([patient('p1'), patient('p2')], {
          limits: compileThresholds(limits),
          policy: policyWith({ clearAfterMs: clear.seconds * 1_000, clearSamples: clear.samples }),
        });
        const { events, changes, open } = play(
          rows.map(({ row }) => row),
          context,
        );
        let stillOpen = 0;
        for (const who of ['p1', 'p2']) {
          const history = rows.flatMap((r, n): JudgedSample[] => {
            if (r.who !== who || r.value === 24) return [];
            const rank = RANKS.find(([high]) => r.value <= high)?.[1] ?? 3;
            return [{ judged: judged(r.value), rank, second: r.second, reading: n }];
          });
          const expected = referenceEvents(history, clear);
          const got = events
            .filter((e) => e.patient.id === who)
            .map((e) => ({ reading: Number(e.readingId.slice(4)), kind: e.kind, direction: e.direction }))
            .sort((a, b) => a.reading - b.reading || a.direction.localeCompare(b.direction));
          expect(got).toEqual(expected);
          stillOpen += expected.filter((e) => e.kind === 'raised').length;
          stillOpen -= expected.filter((e) => e.kind === 'resolved').length;
        }
        expect(open).toBe(stillOpen);
        expect(new Set(events.map((e) => e.eventId)).size).toBe(events.length);
        for (const change of changes) expect(new Set(change.map((c) => c.direction)).size).toBe(change.length);
      }),
      { numRuns: 150 },
    );
  });

  it('every event of any reading that decodes is one that dispatch can read', () => {
    const text = fc.oneof(anyText(20), fc.constantFrom('heartBeat', 'bp', 'spo2', '__proto__'));
    const any = fc.record({
      values: fc.dictionary(text, fc.double(), { maxKeys: 3 }),
      bad: fc.dictionary(text, anyText(10), { maxKeys: 2 }),
      patientId: fc.constantFrom('p1', 'ageless', 'x'),
      recordedAt: fc.constantFrom(
        '2026-02-31T10:00:00.000000Z',
        '0000-00-00T00:00:00.000000Z',
        '2026-11-24T22:00:00.000000Z',
      ),
      notBefore: fc.constantFrom(null, '2026-00-00T00:00:00.000000Z', '2026-11-24T22:00:00.000000Z'),
    });
    const context = contextOf([patient('p1'), patient('ageless', { age: null })]);
    fc.assert(
      fc.property(fc.array(any, { maxLength: 5 }), (rows) => {
        const { events } = play(
          rows.map((row, n) => reading(n, row.patientId, {}, n, row)),
          context,
        );
        for (const event of events) expect(decodeDoctorsQueue(JSON.stringify(event)).type).toBe('episode');
      }),
      { numRuns: 60 },
    );
  });
});
