// Readings that stay away: which open episodes turn stale, and which patients of a ward that expects data are silent. Pure.
import { type EpisodeChange, type OpenEpisode, turnedStale } from './episode.js';
import type { OpenEpisodes } from './episode-book.js';
import { type EventMeasurement, type EventSubject, episodeEvent, measurementOf } from './episode-event.js';
import type { EvaluationContext, EvaluationTime } from './evaluate.js';
import { isLive } from './event-time.js';
import type { EpisodeEvent, EpisodeEventKind, EvaluationReason, Severity } from './events.js';
import { dataEpisodeId, readingId } from './identity.js';
import type { LastSeen, SeenBook, SeenChange } from './last-seen.js';
import { type Policy, timingOf } from './policy.js';
import type { Reading } from './reading.js';
import { silentForUs, type TickRow } from './ticks.js';
import { formatMicros, type Micros } from './time.js';

/** The attribute of a patient's silence: no vital sign can be called so. */
export const ABSENCE = '~data';
const ABSENCE_SEVERITY: Severity = 'medium';
/** A silence has two events: that it is one, and that it is over. */
const TOLD = 0;
const OVER = 1;
/** One who is in no version of the patients table any more is forgotten after this time. */
const FORGOTTEN_AFTER_US = 86_400_000_000;
const US_PER_MS = 1_000;
const US_PER_SECOND = 1_000_000;

/** All episodes and everyone expected to send, as they are after the newest tick. */
export interface Silences {
  readonly episodes: OpenEpisodes & { all(): Iterable<OpenEpisode> };
  readonly seen: SeenBook;
  readonly ticks: TickRow;
}

export interface Absence {
  readonly events: readonly EpisodeEvent[];
  readonly changes: readonly EpisodeChange[];
  readonly seenChanges: readonly SeenChange[];
}

/** Patients whose silence `judgeAbsence` may tell: to be looked up first. Whoever is told of already is not worth a question. */
export function silentPatients(silences: Silences, policy: Policy): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const { patientId } of staleEpisodes(silences, policy)) ids.add(patientId);
  for (const { patientId, seen, latestUs } of silences.seen.all())
    if (seen.told === null && isSilent(silences.ticks, latestUs, policy)) ids.add(patientId);
  return ids;
}

/** Each silence is told once. The changes go to the states together with the events, or not at all. */
export function judgeAbsence(silences: Silences, context: EvaluationContext, nowIso: string): Absence {
  const { ticks, seen: book } = silences;
  const { policy } = context;
  const about = { context, atUs: ticks.newestUs, nowIso };
  const events: EpisodeEvent[] = [];
  const changes: EpisodeChange[] = [];
  const seenChanges: SeenChange[] = [];
  /** Patients with an episode that turns stale now, and when its last reading came. */
  const turned = new Map<string, Micros>();

  for (const { state: before, ...key } of staleEpisodes(silences, policy)) {
    const state = turnedStale(before, true);
    changes.push({ ...key, state });
    const silence = silenceOf(state.lastSeen ?? ticks.newestUs, state.lastReading, ticks);
    const subject = { ...key, ...ofPatient(key.patientId, context, ticks.newestUs), state, reason: 'no-data' as const };
    const measured = { ...silence, unit: context.limits.unit(key.attribute) };
    events.push(
      episodeEvent('stale', { ...subject, message: noReadingFor(ticks, before.lastSeen) }, measured, context, nowIso),
    );
    turned.set(key.patientId, Math.max(state.lastSeen ?? 0, turned.get(key.patientId) ?? 0));
  }

  for (const { patientId, seen, latestUs } of book.all()) {
    const patient = context.patient(patientId);
    const unknownForLong = patient === undefined && silentForUs(ticks, seen.lastSeen) >= FORGOTTEN_AFTER_US;
    if (unknownForLong || (patient !== undefined && !isExpected(patient.ward, policy))) {
      seenChanges.push({ patientId, seen: null });
      const silence = silenceOf(ticks.newestUs, seen.reading, ticks);
      const over = absenceEvent('fresh', 'no-longer-expected', silence, { ...about, patientId, seen });
      if (over) events.push(over);
      continue;
    }
    if (seen.told !== null || patient === undefined || !isSilent(ticks, latestUs, policy)) continue;
    // One silence, one message: the episode had a value in the last reading.
    const byEpisode = ({ state }: OpenEpisode) => state.stale && (state.lastSeen ?? 0) >= seen.lastSeen;
    if ((turned.get(patientId) ?? 0) >= seen.lastSeen || silences.episodes.of(patientId).some(byEpisode)) continue;
    const episodeId = dataEpisodeId(patientId, seen.reading);
    const after: LastSeen = { ...seen, told: { since: ticks.newestUs, episodeId } };
    seenChanges.push({ patientId, seen: after });
    const silence = silenceOf(seen.lastSeen, seen.reading, ticks);
    const begun = absenceEvent('stale', 'no-data', silence, { ...about, patientId, seen: after });
    if (begun) events.push(begun);
  }
  return { events, changes, seenChanges };
}

/**
 * A reading of a patient, before it is evaluated: who is heard of is not silent. What is history says nothing of now. Answers
 * the end of a silence that was told, and what has to be written, if anything.
 */
export function heardOf(
  reading: Reading,
  book: SeenBook,
  context: EvaluationContext,
  time: EvaluationTime,
): { readonly event?: EpisodeEvent; readonly change?: SeenChange } {
  const { policy } = context;
  if (policy.expectDataWards.length === 0 && book.size === 0) return {};
  if (!isLive(reading, time.readUs, policy.alertMaxAgeMs)) return {};
  const { patientId } = reading;
  const before = book.of(patientId);
  const expected = isExpected(context.patient(patientId)?.ward, policy);
  const change = book.note(patientId, time.readUs, readingId(reading.source, reading.row), expected);
  if (!before?.told) return change ? { change } : {};
  const measured = {
    ...measurementOf(reading, time.eventUs, time.clock ?? null),
    ...{ value: null, unit: null, range: null },
  };
  const about = { patientId, seen: before, context, atUs: time.eventUs, nowIso: time.nowIso };
  const event = absenceEvent('fresh', 'data-back', measured, about);
  return { ...(event ? { event } : {}), ...(change ? { change } : {}) };
}

function* staleEpisodes({ episodes, ticks }: Silences, { conditions }: Policy): Iterable<OpenEpisode> {
  for (const open of episodes.all()) {
    const { stale, lastSeen, severity } = open.state;
    // Null: only history has raised it, and that says nothing of now.
    if (stale || lastSeen === null) continue;
    const { staleAfterMs } = timingOf(conditions, open.attribute, severity);
    if (silentForUs(ticks, lastSeen) >= staleAfterMs * US_PER_MS) yield open;
  }
}

function isSilent(ticks: TickRow, latestUs: Micros, { conditions }: Policy): boolean {
  const { staleAfterMs } = timingOf(conditions, ABSENCE, ABSENCE_SEVERITY);
  return silentForUs(ticks, latestUs) >= staleAfterMs * US_PER_MS;
}

function isExpected(ward: string | null | undefined, { expectDataWards }: Policy): boolean {
  return typeof ward === 'string' && expectDataWards.includes(ward);
}

interface AboutSilence {
  readonly patientId: string;
  readonly seen: LastSeen;
  readonly context: EvaluationContext;
  /** When it is said, in event time: as old is the patient then. */
  readonly atUs: Micros;
  readonly nowIso: string;
}

/** Undefined where no silence was told. */
function absenceEvent(
  kind: Extract<EpisodeEventKind, 'stale' | 'fresh'>,
  reason: EvaluationReason,
  measured: EventMeasurement,
  { patientId, seen, context, atUs, nowIso }: AboutSilence,
): EpisodeEvent | undefined {
  if (!seen.told) return undefined;
  const subject: EventSubject = {
    ...{ patientId, ...ofPatient(patientId, context, atUs), attribute: ABSENCE, direction: 'unclassified', reason },
    state: {
      episodeId: seen.told.episodeId,
      eventIndex: kind === 'stale' ? TOLD : OVER,
      severity: ABSENCE_SEVERITY,
      since: seen.lastSeen,
    },
    message: MESSAGES[reason] ?? '',
  };
  return episodeEvent(kind, subject, measured, context, nowIso);
}

const MESSAGES: Partial<Record<EvaluationReason, string>> = {
  'no-data': 'No reading of this patient arrives any more.',
  'data-back': 'Readings arrive again.',
  'no-longer-expected': 'Readings of this patient are no longer expected.',
};

function ofPatient(id: string, context: EvaluationContext, atUs: Micros): Pick<EventSubject, 'patient' | 'age'> {
  const patient = context.patient(id);
  return { patient, age: patient ? context.ageAt(patient, atUs) : null };
}

/** Measured: when the last reading came. Its age counts from the tick that proves the silence. */
function silenceOf(lastSeenUs: Micros, lastReading: string, ticks: TickRow): EventMeasurement {
  return {
    ...{ value: null, unit: null, range: null, vitals: {}, readingId: lastReading },
    measuredAt: formatMicros(lastSeenUs),
    notBefore: formatMicros(ticks.newestUs),
  };
}

function noReadingFor(ticks: TickRow, lastSeen: Micros | null): string {
  return `No reading for ${Math.round((ticks.newestUs - (lastSeen ?? ticks.newestUs)) / US_PER_SECOND)} s.`;
}
