// Records of the topic watch-state: open episodes by key, who was seen when, `next` (the position), and the owner's `token`.
import type { EpisodeChange, EpisodeKey, EpisodePhase, EpisodeState } from './episode.js';
import type { Direction, Severity } from './events.js';
import type { LastSeen, SeenChange } from './last-seen.js';
import { SEVERITY_RANK } from './severity.js';
import type { TickRow } from './ticks.js';
import { formatMicros, type Micros, parseMicros } from './time.js';

export const NEXT_KEY = 'next';
export const TOKEN_KEY = 'token';
const SEEN = 'seen';
const DIRECTIONS: readonly unknown[] = ['low', 'high', 'unclassified'] satisfies Direction[];
const PHASES: readonly unknown[] = ['pending', 'active', 'recovering'] satisfies EpisodePhase[];

/** A state that can't be read must not be taken for "no episode": the partition can't be owned until someone has looked. */
export class WatchStateError extends Error {
  override readonly name = 'WatchStateError';
}

export type WatchStateRecord =
  | { readonly type: 'episode'; readonly change: EpisodeChange }
  /** `ticks` is absent where none came yet. */
  | { readonly type: 'next'; readonly next: number; readonly ticks?: TickRow }
  | { readonly type: 'seen'; readonly change: SeenChange }
  /** A token of an owner, or what a later version keeps there. */
  | { readonly type: 'other' };

/** JSON array text, so that no patient id can look like another key, `next` or `token`. */
export function episodeKeyText(key: EpisodeKey): string {
  return JSON.stringify([key.patientId, key.attribute, key.direction]);
}

/** Null (a tombstone) for an episode that has ended. */
export function encodeEpisode(state: EpisodeState | null): string | null {
  if (state === null) return null;
  return JSON.stringify({
    v: 1,
    phase: state.phase,
    episodeId: state.episodeId,
    eventIndex: state.eventIndex,
    severity: state.severity,
    since: formatMicros(state.since),
    samples: state.samples,
    recoveringSince: state.recoveringSince === null ? null : formatMicros(state.recoveringSince),
    recoveringSamples: state.recoveringSamples,
    maxEventTime: formatMicros(state.maxEventTime),
    lastSeen: state.lastSeen === null ? null : formatMicros(state.lastSeen),
    lastReading: state.lastReading,
    stale: state.stale,
    ...(state.marked ? { marked: true } : {}),
  });
}

export function seenKeyText(patientId: string): string {
  return JSON.stringify([patientId, SEEN]);
}

/** Null (a tombstone) where nothing is expected any more. */
export function encodeSeen(seen: LastSeen | null): string | null {
  if (seen === null) return null;
  const { lastSeen, reading, told } = seen;
  return JSON.stringify({
    v: 1,
    lastSeen: formatMicros(lastSeen),
    reading,
    staleSince: told === null ? null : formatMicros(told.since),
    ...(told === null ? {} : { episodeId: told.episodeId }),
  });
}

/** `next`: the offset of vital-info after the last one evaluated; with the ticks that were read before it. */
export function encodeNext(next: number, ticks: TickRow | null = null): string {
  const row = ticks && { since: formatMicros(ticks.sinceUs), newest: formatMicros(ticks.newestUs) };
  return JSON.stringify({ v: 1, next: String(next), ...(row ? { ticks: row } : {}) });
}

/** Throws WatchStateError on anything but the records above. */
export function decodeWatchState(key: Buffer | string | null, value: Buffer | string | null): WatchStateRecord {
  if (key === null) throw new WatchStateError('watch-state: a record without key');
  const name = key.toString();
  if (name === TOKEN_KEY) return { type: 'other' };
  if (name === NEXT_KEY) return { type: 'next', ...decodeNext(value) };
  const parts = parse(name, 'key');
  if (!Array.isArray(parts) || !parts.every((part) => typeof part === 'string')) throw unreadable('key');
  if (parts.length === 2 && parts[1] === SEEN)
    return { type: 'seen', change: { patientId: parts[0] as string, seen: value === null ? null : decodeSeen(value) } };
  const [patientId, attribute, direction] = parts as [string, string, Direction];
  if (parts.length !== 3 || !DIRECTIONS.includes(direction)) throw unreadable('key');
  const state = value === null ? null : decodeEpisode(value);
  return { type: 'episode', change: { patientId, attribute, direction, state } };
}

function decodeNext(value: Buffer | string | null): { next: number; ticks?: TickRow } {
  const message = value === null ? null : parse(value.toString(), NEXT_KEY);
  if (!isObject(message) || message.v !== 1 || typeof message.next !== 'string') throw unreadable(NEXT_KEY);
  const next = Number(message.next);
  if (!Number.isSafeInteger(next) || next < 0) throw unreadable(NEXT_KEY);
  const { ticks } = message;
  if (!isObject(ticks)) return { next };
  return { next, ticks: { sinceUs: instant(ticks.since, NEXT_KEY), newestUs: instant(ticks.newest, NEXT_KEY) } };
}

function decodeEpisode(value: Buffer | string): EpisodeState {
  const m = parse(value.toString(), 'episode');
  if (!isObject(m) || m.v !== 1 || !PHASES.includes(m.phase)) throw unreadable('episode');
  const phase = m.phase as EpisodePhase;
  return {
    phase,
    episodeId: text(m.episodeId),
    eventIndex: phase === 'pending' && m.eventIndex === -1 ? -1 : count(m.eventIndex),
    severity: severity(m.severity),
    since: instant(m.since),
    samples: count(m.samples),
    recoveringSince: m.recoveringSince === null ? null : instant(m.recoveringSince),
    recoveringSamples: count(m.recoveringSamples),
    maxEventTime: instant(m.maxEventTime),
    // Records of the version before have neither: such an episode can go stale from its next reading on.
    lastSeen: m.lastSeen === null || m.lastSeen === undefined ? null : instant(m.lastSeen),
    lastReading: typeof m.lastReading === 'string' ? m.lastReading : '',
    stale: m.stale === true,
    ...(m.marked === true ? { marked: true as const } : {}),
  };
}

function decodeSeen(value: Buffer | string): LastSeen {
  const m = parse(value.toString(), SEEN);
  if (!isObject(m) || m.v !== 1) throw unreadable(SEEN);
  const told =
    m.staleSince === null
      ? null
      : { since: instant(m.staleSince, SEEN), episodeId: typeof m.episodeId === 'string' ? m.episodeId : '' };
  if (told?.episodeId === '') throw unreadable(SEEN);
  // Records of the version before name no reading.
  return { lastSeen: instant(m.lastSeen, SEEN), reading: typeof m.reading === 'string' ? m.reading : '', told };
}

function text(value: unknown): string {
  if (typeof value !== 'string' || value === '') throw unreadable('episode');
  return value;
}

function count(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw unreadable('episode');
  return value;
}

function severity(value: unknown): Severity {
  if (typeof value !== 'string' || !Object.hasOwn(SEVERITY_RANK, value)) throw unreadable('episode');
  return value as Severity;
}

function instant(value: unknown, what = 'episode'): Micros {
  const us = typeof value === 'string' ? parseMicros(value) : undefined;
  if (us === undefined) throw unreadable(what);
  return us;
}

function parse(json: string, what: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw unreadable(what);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unreadable(what: string): WatchStateError {
  return new WatchStateError(`watch-state: a record's ${what} can't be read: written by another version?`);
}
