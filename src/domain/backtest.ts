// Backtest: readings of the past through the watcher's own evaluator, under the rules in force and under others, and what differs. Pure.
import { createEpisodeBook } from './episode-book.js';
import { type EvaluationContext, type EvaluationTime, evaluate } from './evaluate.js';
import type { Direction, Severity } from './events.js';
import type { Reading } from './reading.js';
import { type Micros, parseMicros } from './time.js';

/** One episode of a replay, from raised to resolved. */
export interface BacktestEpisode {
  readonly patientId: string;
  readonly ward: string;
  readonly attribute: string;
  readonly direction: Direction;
  /** When the reading that raised it was measured. */
  readonly raisedUs: Micros;
  /** Null: still open when the readings ended. */
  readonly resolvedUs: Micros | null;
  /** The most severe one. */
  readonly severity: Severity;
  readonly worsened: number;
}

export interface Replay {
  take(reading: Reading, time: EvaluationTime): void;
  /** In the order in which they were raised. */
  episodes(): readonly BacktestEpisode[];
}

/** Where the patients table names none. */
export const NO_WARD = '(no ward)';

type Open = { -readonly [K in keyof BacktestEpisode]: BacktestEpisode[K] };

/** Follows watch reading by reading, and keeps what it would have told dispatch. Without ticks nothing goes stale. */
export function createReplay(context: EvaluationContext): Replay {
  const book = createEpisodeBook();
  const open = new Map<string, Open>();
  const all: Open[] = [];
  return {
    take: (reading, time) => {
      const { changes, events } = evaluate(reading, book, context, time);
      for (const change of changes) book.apply(change);
      for (const event of events) {
        const known = open.get(event.episodeId);
        if (event.kind === 'raised') {
          const { attribute, direction, severity, patient } = event;
          const raisedUs = measuredUs(event.measuredAt);
          const begun: Open = {
            ...{ patientId: patient.id, ward: patient.ward ?? NO_WARD, attribute, direction, raisedUs },
            ...{ resolvedUs: null, severity, worsened: 0 },
          };
          open.set(event.episodeId, begun);
          all.push(begun);
        } else if (known && event.kind === 'worsened') {
          known.severity = event.severity;
          known.worsened += 1;
        } else if (known && event.kind === 'resolved') {
          known.resolvedUs = measuredUs(event.measuredAt);
          open.delete(event.episodeId);
        }
      }
    },
    episodes: () => all,
  };
}

function measuredUs(iso: string): Micros {
  return parseMicros(iso) ?? 0;
}

/** What became of the episodes in force under the other rules. */
export interface Comparison {
  readonly same: number;
  /** Only under the other rules. */
  readonly added: readonly BacktestEpisode[];
  /** Only under the rules in force. */
  readonly gone: readonly BacktestEpisode[];
  /** Under both, raised at another time by the other rules. */
  readonly earlier: readonly Moved[];
  readonly later: readonly Moved[];
}

export interface Moved {
  readonly inForce: BacktestEpisode;
  readonly other: BacktestEpisode;
  /** Positive. */
  readonly byUs: Micros;
}

/** Two episodes of one patient, attribute and direction are the same one where they overlap in time; each is taken once. */
export function compareEpisodes(inForce: readonly BacktestEpisode[], other: readonly BacktestEpisode[]): Comparison {
  const byKey = new Map<string, BacktestEpisode[]>();
  for (const episode of other) {
    const key = keyOf(episode);
    const list = byKey.get(key);
    if (list) list.push(episode);
    else byKey.set(key, [episode]);
  }
  const taken = new Set<BacktestEpisode>();
  const gone: BacktestEpisode[] = [];
  const earlier: Moved[] = [];
  const later: Moved[] = [];
  let same = 0;
  for (const episode of inForce) {
    const match = byKey.get(keyOf(episode))?.find((one) => !taken.has(one) && overlap(one, episode));
    if (!match) {
      gone.push(episode);
      continue;
    }
    taken.add(match);
    const byUs = match.raisedUs - episode.raisedUs;
    if (byUs === 0) same += 1;
    else (byUs < 0 ? earlier : later).push({ inForce: episode, other: match, byUs: Math.abs(byUs) });
  }
  return { same, added: other.filter((episode) => !taken.has(episode)), gone, earlier, later };
}

function keyOf({ patientId, attribute, direction }: BacktestEpisode): string {
  return JSON.stringify([patientId, attribute, direction]);
}

function overlap(one: BacktestEpisode, other: BacktestEpisode): boolean {
  const end = (episode: BacktestEpisode) => episode.resolvedUs ?? Number.POSITIVE_INFINITY;
  return one.raisedUs <= end(other) && other.raisedUs <= end(one);
}

/** How much a set of episodes asks of the people on the ward. */
export interface Burden {
  readonly alarms: number;
  /** Alarms a patient and day with data; 0 where there is none. */
  readonly perPatientDay: number;
  readonly byWard: readonly BurdenRow[];
  readonly byAttribute: readonly BurdenRow[];
  readonly bySeverity: readonly BurdenRow[];
  readonly byDay: readonly BurdenRow[];
  /** Ended episodes by length, a row per bound of LENGTHS, and those that stayed open. */
  readonly byLength: readonly BurdenRow[];
}

export interface BurdenRow {
  readonly name: string;
  readonly alarms: number;
  /** Null where patient-days are no measure of the row. */
  readonly perPatientDay: number | null;
}

/** Upper bounds, exclusive. */
const LENGTHS = [
  { name: 'under 10 s', belowS: 10 },
  { name: '10 s to 1 min', belowS: 60 },
  { name: '1 to 5 min', belowS: 300 },
  { name: '5 to 30 min', belowS: 1_800 },
  { name: '30 min and more', belowS: Number.POSITIVE_INFINITY },
] as const;
const STILL_OPEN = 'still open at the end';
const US_PER_S = 1_000_000;
const SEVERITIES: readonly Severity[] = ['high', 'medium', 'low'];

/** Days with at least one reading of a patient, by ward and by day (UTC). */
export interface PatientDays {
  readonly total: number;
  readonly byWard: ReadonlyMap<string, number>;
  readonly byDay: ReadonlyMap<string, number>;
}

export function burdenOf(episodes: readonly BacktestEpisode[], days: PatientDays): Burden {
  const count = (name: (episode: BacktestEpisode) => string): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const episode of episodes) counts.set(name(episode), (counts.get(name(episode)) ?? 0) + 1);
    return counts;
  };
  const rows = (names: Iterable<string>, counts: ReadonlyMap<string, number>, per: (name: string) => number | null) =>
    [...names].map((name): BurdenRow => {
      const alarms = counts.get(name) ?? 0;
      const patientDays = per(name);
      return { name, alarms, perPatientDay: patientDays === null ? null : ratio(alarms, patientDays) };
    });
  const wards = count(({ ward }) => ward);
  const attributes = count(({ attribute }) => attribute);
  const lengths = [...LENGTHS.map(({ name }) => name), STILL_OPEN];
  return {
    alarms: episodes.length,
    perPatientDay: ratio(episodes.length, days.total),
    byWard: rows([...days.byWard.keys()].sort(), wards, (ward) => days.byWard.get(ward) ?? 0),
    byAttribute: rows([...attributes.keys()].sort(), attributes, () => days.total),
    bySeverity: rows(
      SEVERITIES,
      count(({ severity }) => severity),
      () => days.total,
    ),
    byDay: rows([...days.byDay.keys()].sort(), count(dayOf), (day) => days.byDay.get(day) ?? 0),
    byLength: rows(lengths, count(lengthOf), () => null),
  };
}

function ratio(alarms: number, patientDays: number): number {
  return patientDays === 0 ? 0 : alarms / patientDays;
}

const US_PER_MS = 1_000;

/** YYYY-MM-DD, UTC, as the lake's folders are named. */
export function dayOf({ raisedUs }: Pick<BacktestEpisode, 'raisedUs'>): string {
  return new Date(raisedUs / US_PER_MS).toISOString().slice(0, 'YYYY-MM-DD'.length);
}

function lengthOf({ raisedUs, resolvedUs }: BacktestEpisode): string {
  if (resolvedUs === null) return STILL_OPEN;
  const seconds = (resolvedUs - raisedUs) / US_PER_S;
  return (LENGTHS.find(({ belowS }) => seconds < belowS) ?? LENGTHS[LENGTHS.length - 1] ?? { name: STILL_OPEN }).name;
}
