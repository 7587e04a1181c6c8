// One reading against its limits: which episodes begin, worsen, recover or end, and what the doctors' queue hears of it. Pure.
import { advance, begin, type EpisodeChange, type EpisodeState, type OpenEpisode } from './episode.js';
import type { OpenEpisodes } from './episode-book.js';
import { type ClockFlag, notBeforeOf } from './event-time.js';
import type { Direction, EpisodeEvent, EpisodeEventKind, EvaluationReason, EventPatient } from './events.js';
import { episodeId, readingId, watchEventId } from './identity.js';
import type { Patient } from './patient.js';
import { type Policy, timingOf } from './policy.js';
import type { Reading } from './reading.js';
import type { Judgement, ThresholdTable } from './threshold-table.js';
import { formatMicros, type Micros, parseMicros } from './time.js';

/** `ids` leaves name, address and phone out of events. */
export type Privacy = 'full' | 'ids';

/** What is in force while a batch is evaluated. */
export interface EvaluationContext {
  readonly limits: ThresholdTable;
  readonly thresholdVersion: string;
  readonly patientVersion: string;
  readonly policy: Policy;
  readonly privacy: Privacy;
  /** Undefined: not known. */
  patient(id: string): Patient | undefined;
}

/** When: `eventUs` and `clock` from event-time.ts, `nowIso` the evaluator's clock. */
export interface EvaluationTime {
  readonly eventUs: Micros;
  readonly nowIso: string;
  /** How the reading's clock is flagged. */
  readonly clock?: ClockFlag | null;
}

/** `changes` has one row per key and goes to the states together with the events, or not at all. */
export interface Evaluation {
  readonly events: readonly EpisodeEvent[];
  readonly changes: readonly EpisodeChange[];
  /** One per value that could not be judged. */
  readonly unclassified: readonly EvaluationReason[];
}

/** Texts of an event end here: a record has to fit into 1 MiB whatever a column holds. In UTF-16 units. */
export const MAX_TEXT = 4_000;

const NOTHING: Evaluation = { events: [], changes: [], unclassified: [] };
const DIRECTIONS: readonly Direction[] = ['low', 'high', 'unclassified'];

interface Draft {
  readonly reading: Reading;
  readonly patient: Patient | undefined;
  readonly open: readonly OpenEpisode[];
  readonly context: EvaluationContext;
  readonly time: EvaluationTime;
  readonly events: EpisodeEvent[];
  readonly changes: EpisodeChange[];
  readonly unclassified: EvaluationReason[];
}

/** Never throws on any reading that decodes. A normal reading of a patient without open episodes costs no allocation. */
export function evaluate(
  reading: Reading,
  states: OpenEpisodes,
  context: EvaluationContext,
  time: EvaluationTime,
): Evaluation {
  const { limits } = context;
  const patient = context.patient(reading.patientId);
  const age = patient === undefined ? undefined : patient.age;
  const open = states.of(reading.patientId);
  let draft: Draft | undefined;
  for (const attribute in reading.values) {
    const value = reading.values[attribute] as number;
    const judgement = limits.judge(attribute, age, value);
    if (judgement.verdict === 'normal' && open.length === 0) continue;
    // A sign both read and unreadable counts once, as unreadable.
    if (Object.hasOwn(reading.bad, attribute)) continue;
    draft ??= draftOf(reading, patient, open, context, time);
    judged(draft, attribute, value, judgement);
  }
  for (const attribute in reading.bad) {
    draft ??= draftOf(reading, patient, open, context, time);
    judged(draft, attribute, null, limits.judgeBad(attribute, age, reading.bad[attribute] ?? ''));
  }
  return draft ?? NOTHING;
}

function draftOf(
  reading: Reading,
  patient: Patient | undefined,
  open: readonly OpenEpisode[],
  context: EvaluationContext,
  time: EvaluationTime,
): Draft {
  return { reading, patient, open, context, time, events: [], changes: [], unclassified: [] };
}

/** The direction that alarms goes first; then those for which this value is a normal one. */
function judged(draft: Draft, attribute: string, value: number | null, judgement: Judgement): void {
  const { direction, verdict } = judgement;
  if (verdict === 'unclassified') draft.unclassified.push(judgement.reason);
  if (direction !== null) abnormal(draft, attribute, direction, value, judgement);
  // What can't be judged neither clears nor confirms a low or a high one.
  if (verdict === 'unclassified') return;
  for (const other of DIRECTIONS) {
    if (other !== direction) normal(draft, attribute, other, value, judgement);
  }
}

function abnormal(
  draft: Draft,
  attribute: string,
  direction: Direction,
  value: number | null,
  judgement: Judgement,
): void {
  const { reading, time, context } = draft;
  const before = find(draft.open, attribute, direction);
  const marked = reading.mark !== undefined;
  const next = before
    ? advance(
        before,
        judgement.severity,
        time.eventUs,
        timingOf(context.policy.conditions, attribute, before.severity),
        marked,
      )
    : begin(
        episodeId(reading.patientId, attribute, direction, readingId(reading.source, reading.row)),
        judgement.severity,
        time.eventUs,
        marked,
      );
  draft.changes.push({ patientId: reading.patientId, attribute, direction, state: next.state });
  if (next.emits === null || next.state === null) return;
  draft.events.push(
    eventOf(draft, next.emits, { attribute, direction, value, judgement, state: next.state }, judgement.message),
  );
}

function normal(
  draft: Draft,
  attribute: string,
  direction: Direction,
  value: number | null,
  judgement: Judgement,
): void {
  const before = find(draft.open, attribute, direction);
  if (!before) return;
  const timing = timingOf(draft.context.policy.conditions, attribute, before.severity);
  const { state, emits } = advance(before, 'normal', draft.time.eventUs, timing);
  draft.changes.push({ patientId: draft.reading.patientId, attribute, direction, state });
  if (emits === null) return;
  const ended = { ...before, eventIndex: before.eventIndex + 1 };
  const about = { attribute, direction, value, judgement: { ...judgement, reason: BACK }, state: ended };
  draft.events.push(eventOf(draft, emits, about, resolvedMessage(direction, judgement)));
}

const BACK: EvaluationReason = 'back-in-range';

/** A high episode may end by a low value: that one's message would read as if it had not ended. */
function resolvedMessage(direction: Direction, judgement: Judgement): string {
  if (direction === 'unclassified') return 'The values can be judged again.';
  if (judgement.verdict === 'normal') return judgement.message;
  return direction === 'high' ? 'No longer above the normal range.' : 'No longer below the normal range.';
}

function find(open: readonly OpenEpisode[], attribute: string, direction: Direction): EpisodeState | undefined {
  for (const episode of open) {
    if (episode.attribute === attribute && episode.direction === direction) return episode.state;
  }
  return undefined;
}

interface About {
  readonly attribute: string;
  readonly direction: Direction;
  readonly value: number | null;
  readonly judgement: Judgement;
  readonly state: EpisodeState;
}

function eventOf(draft: Draft, kind: EpisodeEventKind, about: About, message: string): EpisodeEvent {
  const { reading, context, time } = draft;
  const { state, judgement } = about;
  return {
    v: 1,
    eventId: watchEventId(state.episodeId, kind, state.eventIndex),
    episodeId: state.episodeId,
    index: state.eventIndex,
    kind,
    by: 'watch',
    at: time.nowIso,
    patient: eventPatient(reading.patientId, draft.patient, context.privacy),
    attribute: about.attribute,
    direction: about.direction,
    reason: judgement.reason,
    value: about.value !== null && Number.isFinite(about.value) ? about.value : null,
    unit: context.limits.unit(about.attribute),
    range: judgement.range,
    severity: state.severity,
    message: bounded(message),
    vitals: vitalsOf(reading),
    readingId: readingId(reading.source, reading.row),
    since: formatMicros(state.since),
    measuredAt: instantOr(reading.recordedAt, time.eventUs),
    evaluatedAt: time.nowIso,
    notBefore: instantOr(notBeforeOf(reading), time.eventUs),
    ...(time.clock ? { clock: time.clock } : {}),
    thresholdVersion: context.thresholdVersion,
    patientVersion: context.patientVersion,
    policyVersion: context.policy.version,
    ...(reading.mark === undefined ? {} : { mark: reading.mark }),
  };
}

/** A date that no calendar has would make the event unreadable for dispatch: a lost alert. */
function instantOr(text: string, otherwise: Micros): string {
  return parseMicros(text) === undefined ? formatMicros(otherwise) : text;
}

function eventPatient(id: string, patient: Patient | undefined, privacy: Privacy): EventPatient {
  const full = privacy === 'full' ? patient : undefined;
  return {
    id,
    name: boundedOrNull(full?.name),
    age: patient?.age ?? null,
    address: boundedOrNull(full?.address),
    phone: boundedOrNull(full?.phone),
    ward: boundedOrNull(patient?.ward),
  };
}

/** Numbers that JSON can't carry (1e999) travel as text. */
function vitalsOf(reading: Reading): Record<string, number | string> {
  const texts = Object.entries(reading.bad).map(([name, text]) => [name, bounded(text)] as const);
  const values = Object.entries(reading.values).map(
    ([name, value]) => [name, Number.isFinite(value) ? value : String(value)] as const,
  );
  return Object.fromEntries([...values, ...texts]);
}

function boundedOrNull(text: string | null | undefined): string | null {
  return text === null || text === undefined ? null : bounded(text);
}

/** Never cuts a surrogate pair in two. */
function bounded(text: string): string {
  if (text.length <= MAX_TEXT) return text;
  const last = text.charCodeAt(MAX_TEXT - 1);
  const opensPair = last >= 0xd800 && last <= 0xdbff;
  return text.slice(0, opensPair ? MAX_TEXT - 1 : MAX_TEXT);
}
