// An episode's event as doctors-queue carries it: texts bounded, instants real, names left out where privacy asks for it.
import type { EpisodeState } from './episode.js';
import type { ClockFlag } from './event-time.js';
import { notBeforeOf } from './event-time.js';
import type { Direction, EpisodeEvent, EpisodeEventKind, EvaluationReason, EventPatient } from './events.js';
import { readingId, watchEventId } from './identity.js';
import type { Patient } from './patient.js';
import type { Reading } from './reading.js';
import { formatMicros, type Micros, parseMicros } from './time.js';

/** `ids` leaves name, address and phone out of events. */
export type Privacy = 'full' | 'ids';

/** Texts of an event end here: a record has to fit into 1 MiB whatever a column holds. In UTF-16 units. */
export const MAX_TEXT = 4_000;

/** What events say of what was in force. */
export interface EventContext {
  readonly thresholdVersion: string;
  readonly patientVersion: string;
  readonly policy: { readonly version: string };
  readonly privacy: Privacy;
}

/** What an event is about; `state` as it is with this event. */
export interface EventSubject {
  readonly patientId: string;
  readonly patient: Patient | undefined;
  /** Whole years at that moment. */
  readonly age: number | null;
  readonly attribute: string;
  readonly direction: Direction;
  readonly state: Pick<EpisodeState, 'episodeId' | 'eventIndex' | 'severity' | 'since'>;
  readonly reason: EvaluationReason;
  readonly message: string;
}

/** What the event's moment says of the vital sign; all empty where data stays away. */
export interface EventMeasurement {
  readonly value: number | null;
  readonly unit: string | null;
  readonly range: EpisodeEvent['range'];
  readonly vitals: EpisodeEvent['vitals'];
  readonly readingId: string;
  readonly measuredAt: string;
  readonly notBefore: string;
  readonly clock?: ClockFlag | null;
  readonly mark?: Reading['mark'];
}

export function episodeEvent(
  kind: EpisodeEventKind,
  subject: EventSubject,
  measured: EventMeasurement,
  context: EventContext,
  nowIso: string,
): EpisodeEvent {
  const { state, attribute, direction, reason, message } = subject;
  const { value, unit, range, vitals, readingId: id, measuredAt, notBefore, clock, mark } = measured;
  return {
    v: 1,
    eventId: watchEventId(state.episodeId, kind, state.eventIndex),
    episodeId: state.episodeId,
    index: state.eventIndex,
    kind,
    by: 'watch',
    at: nowIso,
    patient: eventPatient(subject, context.privacy),
    attribute,
    direction,
    reason,
    value: value !== null && Number.isFinite(value) ? value : null,
    unit,
    range,
    severity: state.severity,
    message: bounded(message),
    vitals,
    readingId: id,
    since: formatMicros(state.since),
    measuredAt,
    evaluatedAt: nowIso,
    notBefore,
    ...(clock ? { clock } : {}),
    thresholdVersion: context.thresholdVersion,
    patientVersion: context.patientVersion,
    policyVersion: context.policy.version,
    ...(mark === undefined ? {} : { mark }),
  };
}

/** What an event says of the reading that it comes from, but for the value. `eventUs` stands in for a date that no calendar has. */
export function measurementOf(
  reading: Reading,
  eventUs: Micros,
  clock: ClockFlag | null,
): Omit<EventMeasurement, 'value' | 'unit' | 'range'> {
  return {
    vitals: vitalsOf(reading),
    readingId: readingId(reading.source, reading.row),
    measuredAt: instantOr(reading.recordedAt, eventUs),
    notBefore: instantOr(notBeforeOf(reading), eventUs),
    clock,
    mark: reading.mark,
  };
}

/** A date that no calendar has would make the event unreadable for dispatch: a lost alert. */
function instantOr(text: string, otherwise: Micros): string {
  return parseMicros(text) === undefined ? formatMicros(otherwise) : text;
}

function eventPatient({ patientId: id, patient, age }: EventSubject, privacy: Privacy): EventPatient {
  const full = privacy === 'full' ? patient : undefined;
  return {
    id,
    name: boundedOrNull(full?.name),
    age,
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
