// Seeded 25 minutes of a ward: readings and what watch says of them, acknowledgements, silences, other routes. Every input has a millisecond of its own.
import { seededRandom } from '../../ops/local/demo/random.mjs';
import { createEpisodeBook } from '../../src/domain/episode-book.js';
import { type EvaluationContext, evaluate } from '../../src/domain/evaluate.js';
import type { EpisodeEvent, SilenceMatcher } from '../../src/domain/events.js';
import { watchEventId } from '../../src/domain/identity.js';
import type { Policy, Route } from '../../src/domain/policy.js';
import { compileThresholds } from '../../src/domain/threshold-table.js';
import { formatMicros } from '../../src/domain/time.js';
import { limit } from './limits.js';
import { policyWith } from './policies.js';
import { reading, START_US } from './readings.js';
import { type JudgedSample, type ReferenceEvent, referenceEvents } from './reference-episodes.js';

/** All durations are whole slots: what follows from one input never falls on another one's millisecond. */
export const SLOT_MS = 10_000;
const SLOTS = 150;
export const START_MS = START_US / 1_000;
const MINUTE = 60_000;
const PATIENTS = ['p1', 'p2', 'p3'] as const;
const WARDS: Readonly<Record<string, string>> = { p1: '4B', p2: '4B', p3: 'ICU' };

const LIMITS = compileThresholds([
  limit('bodyTemperature', [0, 120], [36.1, 38], 0),
  limit('bodyTemperature', [0, 120], [35.1, 36], 1, { severity: 'low' }),
  limit('bodyTemperature', [0, 120], [10, 35], 1, { severity: 'high' }),
  limit('bodyTemperature', [0, 120], [38.1, 39], 1, { severity: 'low' }),
  limit('bodyTemperature', [0, 120], [39.1, 40], 1, { severity: 'medium' }),
  limit('bodyTemperature', [0, 120], [40.1, 50], 1, { severity: 'high' }),
]);
/** Temperature, and how it is judged by these limits. */
const VALUES = [
  [37, 'normal', 0],
  [38.5, 'high', 1],
  [39.5, 'high', 2],
  [41, 'high', 3],
  [35.5, 'low', 1],
  [34, 'low', 3],
] as const;

const route = (name: string, rest: Partial<Route>): Route => ({
  ...{ name, match: {}, topic: name, escalation: [], reminder: null },
  ...rest,
});
const ROUTES: readonly (readonly Route[])[] = [
  [
    route('icu', {
      match: { wards: ['ICU'] },
      escalation: [{ afterMs: 2 * MINUTE, topic: 'senior' }],
      reminder: { everyMs: MINUTE, most: 3 },
    }),
    route('high', {
      match: { severities: ['high'] },
      escalation: [
        { afterMs: 3 * MINUTE, topic: 'senior' },
        { afterMs: 7 * MINUTE, topic: 'head' },
      ],
    }),
    route('ward', { reminder: { everyMs: 4 * MINUTE, most: 2 } }),
  ],
  [route('all', { escalation: [{ afterMs: 5 * MINUTE, topic: 'head' }], reminder: { everyMs: 2 * MINUTE, most: 1 } })],
  [route('plain', {})],
];

const BASE = policyWith(
  {},
  {
    acknowledgeExpiryMs: { high: 5 * MINUTE, medium: 10 * MINUTE, low: 20 * MINUTE },
    silenceMostMs: { high: 4 * MINUTE, medium: 8 * MINUTE, low: 15 * MINUTE },
    flapping: { episodes: 3, withinMs: 10 * MINUTE },
  },
);
export const POLICIES: readonly Policy[] = ROUTES.map((routes, i) => ({ ...BASE, version: `y${i}`, routes }));

export type DayInput = { readonly atMs: number } & (
  | { readonly type: 'event'; readonly event: EpisodeEvent }
  | { readonly type: 'acknowledge'; readonly episodeId: string; readonly forMs: number | null }
  | { readonly type: 'withdraw'; readonly episodeId: string }
  | { readonly type: 'silence'; readonly silenceId: string; readonly matcher: SilenceMatcher; readonly forMs: number }
  | { readonly type: 'unsilence'; readonly silenceId: string }
  | { readonly type: 'policy'; readonly policy: Policy }
);

export interface Day {
  readonly inputs: readonly DayInput[];
  readonly endMs: number;
  /** What watch said, and what it had to say: `reading kind direction`, by patient. Null where history was read again. */
  readonly episodes: { readonly said: readonly string[]; readonly expected: readonly string[] } | null;
}

export function alertsDay(seed: number): Day {
  const { next: random, chance } = seededRandom(seed);
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;
  const replays = chance(0.25);
  const inputs: DayInput[] = [];
  const book = createEpisodeBook();
  const histories = PATIENTS.map((): JudgedSample[] => []);
  const heard: string[] = [];
  const silences: string[] = [];
  const state = PATIENTS.map(() => 0);
  let row = 0;
  let tick = 0;
  let slot = 0;
  const nowMs = () => START_MS + slot * SLOT_MS + tick++;
  const context = contextOf();

  const judge = (i: number) => {
    if (chance(0.15)) state[i] = chance(0.5) ? 0 : Math.floor(random() * VALUES.length);
    const [value, judged, rank] = VALUES[state[i] as number] as (typeof VALUES)[number];
    const patientId = PATIENTS[i] as string;
    const atMs = nowMs();
    row += 1;
    const eventUs = atMs * 1_000;
    const iso = formatMicros(eventUs);
    const one = {
      ...reading(row, patientId, { bodyTemperature: value }),
      ...{ recordedAt: iso, readAt: iso, notBefore: iso },
      ...(replays && slot % 50 > 35 ? ({ mark: 'replayed' } as const) : {}),
    };
    histories[i]?.push({ judged, rank, second: slot * 10 + tick / 1_000, reading: row });
    const { events, changes } = evaluate(one, book, context, { eventUs, readUs: eventUs, clock: null, nowIso: iso });
    for (const change of changes) book.apply(change);
    for (const [k, event] of events.entries()) {
      inputs.push({ type: 'event', atMs: k === 0 ? atMs : nowMs(), event });
      // The reference tells of values, not of data that stays away.
      if (event.kind !== 'fresh') heard.push(`${patientId} ${row} ${event.kind} ${event.direction}`);
    }
  };
  const dataAway = (i: number) => {
    const patientId = PATIENTS[i] as string;
    const open = pick(book.of(patientId));
    const last = inputs.findLast((one) => one.type === 'event' && one.event.episodeId === open?.state.episodeId);
    if (!open || last?.type !== 'event') return;
    const atMs = nowMs();
    const kind = open.state.stale ? 'fresh' : 'stale';
    const index = open.state.eventIndex + 1;
    book.apply({ ...open, state: { ...open.state, eventIndex: index, stale: kind === 'stale' } });
    const { mark, ...event } = last.event;
    const at = formatMicros(atMs * 1_000);
    const eventId = watchEventId(open.state.episodeId, kind, index);
    inputs.push({
      type: 'event',
      atMs,
      event: { ...event, eventId, kind, index, at, evaluatedAt: at, notBefore: at },
    });
  };
  /** One of the newest events'. */
  const anyEpisode = () => {
    const input = inputs[inputs.length - 1 - Math.floor(random() * 6)];
    return input?.type === 'event' ? input.event.episodeId : undefined;
  };
  const slots = (most: number) => (1 + Math.floor(random() * most)) * SLOT_MS;

  for (slot = 0; slot < SLOTS; slot += 1) {
    for (let i = 0; i < PATIENTS.length; i += 1) {
      if (chance(0.5)) judge(i);
      if (chance(0.03)) dataAway(i);
    }
    const episodeId = anyEpisode();
    if (episodeId && chance(0.08))
      inputs.push({ type: 'acknowledge', atMs: nowMs(), episodeId, forMs: chance(0.5) ? null : slots(60) });
    if (episodeId && chance(0.03)) inputs.push({ type: 'withdraw', atMs: nowMs(), episodeId });
    if (chance(0.02)) {
      const silenceId = `s${silences.length}`;
      silences.push(silenceId);
      const matcher = pick([{ ward: '4B' }, { patientId: 'p3' }, { attribute: 'bodyTemperature', ward: 'ICU' }]);
      inputs.push({ type: 'silence', atMs: nowMs(), silenceId, matcher, forMs: slots(90) });
    }
    const silenceId = silences.at(-1);
    if (silenceId && chance(0.01)) {
      silences.pop();
      inputs.push({ type: 'unsilence', atMs: nowMs(), silenceId });
    }
    if (chance(0.01)) inputs.push({ type: 'policy', atMs: nowMs(), policy: pick(POLICIES) });
  }
  const expected = histories.flatMap((history, i) =>
    referenceEvents(history, { seconds: 30, samples: 2 }).map((one) => `${PATIENTS[i]} ${named(one)}`),
  );
  return {
    inputs,
    endMs: START_MS + SLOTS * SLOT_MS + 60 * MINUTE,
    episodes: replays ? null : { said: heard.sort(), expected: expected.sort() },
  };
}

function named({ reading: row, kind, direction }: ReferenceEvent): string {
  return `${row} ${kind} ${direction}`;
}

function contextOf(): EvaluationContext {
  return {
    ...{ limits: LIMITS, thresholdVersion: 't1', patientVersion: 'p1', policy: BASE, privacy: 'full' },
    ageAt: ({ age }) => age,
    patient: (id) => ({
      id,
      name: id,
      address: null,
      phone: null,
      ward: WARDS[id] ?? null,
      age: 40,
      otherDetails: null,
    }),
  };
}
