// The condition table of alerts.md for one patient, attribute and direction: from a state and a sample to the next state.
import type { Direction, EpisodeEventKind, Severity } from './events.js';
import type { ConditionTiming } from './policy.js';
import { isMoreSevere } from './severity.js';
import type { Micros } from './time.js';

/** `pending`: abnormal, but not yet for long enough: nobody has heard of it, and a normal reading ends it. */
export type EpisodePhase = 'pending' | 'active' | 'recovering';

/** An open or pending episode; none is "normal". Times are event time: the largest seen for this key so far. */
export interface EpisodeState {
  readonly phase: EpisodePhase;
  readonly episodeId: string;
  /** Index of the episode's newest event; -1: there was none yet (pending). */
  readonly eventIndex: number;
  /** The most severe band so far. */
  readonly severity: Severity;
  /** Event time of the first abnormal reading. */
  readonly since: Micros;
  /** Abnormal readings so far: all of those in a row while pending. */
  readonly samples: number;
  readonly recoveringSince: Micros | null;
  /** Normal readings in a row, 0 while active. */
  readonly recoveringSamples: number;
  readonly maxEventTime: Micros;
  /** When the poller read the newest live reading of the attribute, whatever its value; null: there was only history. */
  readonly lastSeen: Micros | null;
  /** The id of that reading; empty where `lastSeen` is null. */
  readonly lastReading: string;
  /** True while no reading came for stale-after. */
  readonly stale: boolean;
  /** Raised by a backfilled or replayed reading and not confirmed by a live one since: nobody has been told. Absent otherwise. */
  readonly marked?: true;
}

export interface EpisodeKey {
  readonly patientId: string;
  readonly attribute: string;
  readonly direction: Direction;
}

export interface OpenEpisode extends EpisodeKey {
  readonly state: EpisodeState;
}

/** `state` null: the episode has ended. */
export interface EpisodeChange extends EpisodeKey {
  readonly state: EpisodeState | null;
}

/** Which of the timings an episode asks for: the row of its severity. */
export type EpisodeTiming = Pick<ConditionTiming, 'sustainMs' | 'minSamples' | 'clearAfterMs' | 'clearSamples'>;

/** The timing for an episode whose most severe band so far is `severity`. */
export type TimingBySeverity = (severity: Severity) => EpisodeTiming;

/** A reading as one key sees it: normal, or how bad. What neither clears nor confirms is no sample. */
export type Sample = Severity | 'normal';

export interface Transition {
  /** Null: the episode has ended, or, without `emits`, was a passing one of which nobody has heard. */
  readonly state: EpisodeState | null;
  /** At most one event per transition. */
  readonly emits: Exclude<EpisodeEventKind, 'stale' | 'fresh'> | null;
}

const US_PER_MS = 1_000;

/** The first abnormal reading. `marked`: it was backfilled or replayed. */
export function begin(
  episodeId: string,
  severity: Severity,
  at: Micros,
  timing: TimingBySeverity,
  marked = false,
): Transition {
  const state: EpisodeState = {
    phase: 'pending',
    episodeId,
    eventIndex: -1,
    severity,
    since: at,
    samples: 1,
    recoveringSince: null,
    recoveringSamples: 0,
    maxEventTime: at,
    lastSeen: null,
    lastReading: '',
    stale: false,
  };
  return raiseWhenDue(state, timing, marked);
}

/** The next sample of an episode. `at` may lie before earlier samples: durations never run backwards. */
export function advance(
  state: EpisodeState,
  sample: Sample,
  at: Micros,
  timing: TimingBySeverity,
  marked = false,
): Transition {
  const now = Math.max(state.maxEventTime, at);
  if (state.phase !== 'pending')
    return sample === 'normal' ? recover(state, now, timing(state.severity)) : confirm(state, sample, now, marked);
  if (sample === 'normal') return { state: null, emits: null };
  const severity = isMoreSevere(sample, state.severity) ? sample : state.severity;
  return raiseWhenDue({ ...state, severity, samples: state.samples + 1, maxEventTime: now }, timing, marked);
}

/** A live reading of the attribute, which says nothing of the condition by itself: the data is not stale. */
export function sawReading(state: EpisodeState, readUs: Micros, readingId: string): EpisodeState {
  return { ...state, lastSeen: Math.max(readUs, state.lastSeen ?? readUs), lastReading: readingId };
}

/** Stale or fresh: the phase stays, and the episode has one event more. */
export function turnedStale(state: EpisodeState, stale: boolean): EpisodeState {
  return { ...state, stale, eventIndex: state.eventIndex + 1 };
}

/** Judged by the timing of the worst band since it began, this reading included: what is worse waits no longer. */
function raiseWhenDue(pending: EpisodeState, timing: TimingBySeverity, marked: boolean): Transition {
  const { sustainMs, minSamples } = timing(pending.severity);
  const due = pending.samples >= minSamples && pending.maxEventTime - pending.since >= sustainMs * US_PER_MS;
  if (!due) return { state: pending, emits: null };
  const state: EpisodeState = {
    ...pending,
    phase: 'active',
    eventIndex: pending.eventIndex + 1,
    ...(marked ? { marked } : {}),
  };
  return { state, emits: 'raised' };
}

/** The first live reading of an episode that only backfilled ones have raised worsens it: history has told nobody, and this is no history. */
function confirm(
  { marked: history, ...state }: EpisodeState,
  severity: Severity,
  now: Micros,
  marked: boolean,
): Transition {
  const severer = isMoreSevere(severity, state.severity);
  const worse = severer || (history === true && !marked);
  return {
    state: {
      ...state,
      ...(history && marked ? { marked: history } : {}),
      phase: 'active',
      eventIndex: worse ? state.eventIndex + 1 : state.eventIndex,
      severity: severer ? severity : state.severity,
      samples: state.samples + 1,
      recoveringSince: null,
      recoveringSamples: 0,
      maxEventTime: now,
    },
    emits: worse ? 'worsened' : null,
  };
}

function recover(state: EpisodeState, now: Micros, timing: EpisodeTiming): Transition {
  const recoveringSince = state.recoveringSince ?? now;
  const recoveringSamples = state.recoveringSamples + 1;
  const longEnough = now - recoveringSince >= timing.clearAfterMs * US_PER_MS;
  if (longEnough && recoveringSamples >= timing.clearSamples) return { state: null, emits: 'resolved' };
  return {
    state: { ...state, phase: 'recovering', recoveringSince, recoveringSamples, maxEventTime: now },
    emits: null,
  };
}
