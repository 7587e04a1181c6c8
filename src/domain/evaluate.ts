// One reading against its limits: which episodes begin, worsen, recover or end, and what the doctors' queue hears of it. Pure.

import type { AgeAt } from './age.js';
import {
  advance,
  begin,
  type EpisodeChange,
  type EpisodeState,
  type OpenEpisode,
  type Sample,
  sawReading,
  type TimingBySeverity,
  turnedStale,
} from './episode.js';
import type { OpenEpisodes } from './episode-book.js';
import { type EventSubject, episodeEvent, measurementOf, type Privacy } from './episode-event.js';
import { type ClockFlag, isLive } from './event-time.js';
import type { Direction, EpisodeEvent, EpisodeEventKind, EvaluationReason, Severity } from './events.js';
import { episodeId, readingId } from './identity.js';
import type { Patient } from './patient.js';
import { type Policy, timingOf } from './policy.js';
import type { Reading } from './reading.js';
import type { Judgement, ThresholdTable } from './threshold-table.js';
import type { Micros } from './time.js';

/** What is in force while a batch is evaluated. */
export interface EvaluationContext {
  readonly limits: ThresholdTable;
  readonly thresholdVersion: string;
  readonly patientVersion: string;
  readonly policy: Policy;
  readonly privacy: Privacy;
  readonly ageAt: AgeAt;
  /** Undefined: not known. */
  patient(id: string): Patient | undefined;
}

/** When: `eventUs`, `readUs` and `clock` from event-time.ts, `nowIso` the evaluator's clock. */
export interface EvaluationTime {
  readonly eventUs: Micros;
  readonly readUs: Micros;
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
  /** Pending episodes that a normal value has ended: nobody hears of them. */
  readonly transients: number;
}

const NOTHING: Evaluation = { events: [], changes: [], unclassified: [], transients: 0 };
const DIRECTIONS: readonly Direction[] = ['low', 'high', 'unclassified'];

interface Draft {
  readonly reading: Reading;
  readonly patient: Patient | undefined;
  readonly age: number | null | undefined;
  readonly open: readonly OpenEpisode[];
  readonly context: EvaluationContext;
  readonly time: EvaluationTime;
  /** History says nothing of whether data comes now. */
  readonly live: boolean;
  readonly events: EpisodeEvent[];
  readonly changes: EpisodeChange[];
  readonly unclassified: EvaluationReason[];
  transients: number;
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
  const age = patient && context.ageAt(patient, time.eventUs);
  const open = states.of(reading.patientId);
  let draft: Draft | undefined;
  for (const attribute in reading.values) {
    const value = reading.values[attribute] as number;
    const judgement = limits.judge(attribute, age, value);
    if (judgement.verdict === 'normal' && open.length === 0) continue;
    // A sign both read and unreadable counts once, as unreadable.
    if (Object.hasOwn(reading.bad, attribute)) continue;
    draft ??= draftOf(reading, patient, age, open, context, time);
    judged(draft, attribute, value, judgement);
  }
  for (const attribute in reading.bad) {
    draft ??= draftOf(reading, patient, age, open, context, time);
    judged(draft, attribute, null, limits.judgeBad(attribute, age, reading.bad[attribute] ?? ''));
  }
  return draft ?? NOTHING;
}

function draftOf(
  reading: Reading,
  patient: Patient | undefined,
  age: number | null | undefined,
  open: readonly OpenEpisode[],
  context: EvaluationContext,
  time: EvaluationTime,
): Draft {
  const live = isLive(reading, time.readUs, context.policy.alertMaxAgeMs);
  return { reading, patient, age, open, context, time, live, events: [], changes: [], unclassified: [], transients: 0 };
}

/** A value of the reading, as one key sees it. */
interface Seen {
  readonly attribute: string;
  readonly direction: Direction;
  readonly value: number | null;
  readonly judgement: Judgement;
}

/** The direction that alarms goes first; then those for which this value is a normal one. */
function judged(draft: Draft, attribute: string, value: number | null, judgement: Judgement): void {
  if (judgement.verdict === 'unclassified') draft.unclassified.push(judgement.reason);
  if (judgement.direction !== null)
    abnormal(draft, { attribute, direction: judgement.direction, value, judgement }, judgement.severity);
  for (const direction of DIRECTIONS) {
    if (direction !== judgement.direction) otherwise(draft, { attribute, direction, value, judgement });
  }
}

function abnormal(draft: Draft, seen: Seen, severity: Severity): void {
  const before = find(draft.open, seen);
  if (before) {
    goOn(draft, seen, before, severity);
    return;
  }
  const { reading, time } = draft;
  const id = episodeId(reading.patientId, seen.attribute, seen.direction, readingId(reading.source, reading.row));
  const next = begin(id, severity, time.eventUs, timingFor(draft, seen.attribute), reading.mark !== undefined);
  note(draft, seen, next.state);
  if (next.emits !== null && next.state !== null)
    tell(draft, next.emits, seen, next.state, seen.judgement.reason, seen.judgement.message);
}

/** A value that is not abnormal in this direction: normal for it, or neither here nor there. */
function otherwise(draft: Draft, seen: Seen): void {
  const before = find(draft.open, seen);
  if (before) goOn(draft, seen, before, isNormalFor(draft, seen, before) ? 'normal' : null);
}

/**
 * What can't be judged neither clears nor confirms a low or a high episode, nor does a normal value too close to the limit that
 * it has crossed. An abnormal one of the other direction clears it; a pending one ends by any normal value.
 */
function isNormalFor(draft: Draft, { attribute, direction, value, judgement }: Seen, before: EpisodeState): boolean {
  if (judgement.verdict === 'unclassified') return false;
  if (judgement.verdict === 'abnormal' || direction === 'unclassified' || before.phase === 'pending') return true;
  const { clearMargin } = timingOf(draft.context.policy.conditions, attribute, before.severity);
  if (clearMargin === 0 || value === null) return true;
  return draft.context.limits.depth(attribute, draft.age, value, direction) >= clearMargin;
}

/** An episode after a reading of its attribute; `sample` null: only its data goes on. */
function goOn(draft: Draft, seen: Seen, before: EpisodeState, sample: Sample | null): void {
  const { reading, time, live } = draft;
  const { judgement } = seen;
  let state = before;
  // A pending one that ends without a word of its own must not leave people with "stale".
  if (before.stale && (live || (before.phase === 'pending' && sample === 'normal'))) {
    state = turnedStale(before, false);
    tell(draft, 'fresh', seen, state, 'data-back', 'Readings arrive again.');
  }
  if (sample === null) {
    if (live || state !== before) note(draft, seen, state);
    return;
  }
  const next = advance(state, sample, time.eventUs, timingFor(draft, seen.attribute), reading.mark !== undefined);
  note(draft, seen, next.state);
  if (next.emits === null) {
    if (next.state === null) draft.transients++;
    return;
  }
  if (next.state !== null) {
    tell(draft, next.emits, seen, next.state, judgement.reason, judgement.message);
    return;
  }
  const ended = { ...state, eventIndex: state.eventIndex + 1 };
  tell(draft, next.emits, seen, ended, 'back-in-range', resolvedMessage(seen.direction, judgement));
}

function note(
  { reading, time, live, changes }: Draft,
  { attribute, direction }: Seen,
  state: EpisodeState | null,
): void {
  const id = readingId(reading.source, reading.row);
  const after = state !== null && live ? sawReading(state, time.readUs, id) : state;
  changes.push({ patientId: reading.patientId, attribute, direction, state: after });
}

function tell(
  draft: Draft,
  kind: EpisodeEventKind,
  { attribute, direction, value, judgement }: Seen,
  state: EpisodeState,
  reason: EvaluationReason,
  message: string,
): void {
  const { reading, patient, context, time } = draft;
  const subject: EventSubject = {
    ...{ patientId: reading.patientId, patient, age: draft.age ?? null },
    ...{ attribute, direction, state, reason, message },
  };
  const measured = {
    ...measurementOf(reading, time.eventUs, time.clock ?? null),
    ...{ value, unit: context.limits.unit(attribute), range: judgement.range },
  };
  draft.events.push(episodeEvent(kind, subject, measured, context, time.nowIso));
}

/** A high episode may end by a low value: that one's message would read as if it had not ended. */
function resolvedMessage(direction: Direction, judgement: Judgement): string {
  if (direction === 'unclassified') return 'The values can be judged again.';
  if (judgement.verdict === 'normal') return judgement.message;
  return direction === 'high' ? 'No longer above the normal range.' : 'No longer below the normal range.';
}

function find(open: readonly OpenEpisode[], { attribute, direction }: Seen): EpisodeState | undefined {
  for (const episode of open) {
    if (episode.attribute === attribute && episode.direction === direction) return episode.state;
  }
  return undefined;
}

function timingFor({ context }: Draft, attribute: string): TimingBySeverity {
  return (severity) => timingOf(context.policy.conditions, attribute, severity);
}
