// The condition table of alerts.md for one patient, attribute and direction: from a state and a sample to the next state.
import type { Direction, EpisodeEventKind, Severity } from './events.js';
import type { ConditionTiming } from './policy.js';
import { isMoreSevere } from './severity.js';
import type { Micros } from './time.js';

export type EpisodePhase = 'active' | 'recovering';

/** An open episode; none is "normal". Times are event time: the largest seen for this key so far. */
export interface EpisodeState {
  readonly phase: EpisodePhase;
  readonly episodeId: string;
  /** Index of the episode's newest event: 0 = raised. */
  readonly eventIndex: number;
  /** The most severe band so far. */
  readonly severity: Severity;
  /** Event time of the first abnormal reading. */
  readonly since: Micros;
  /** Abnormal readings so far. */
  readonly samples: number;
  readonly recoveringSince: Micros | null;
  /** Normal readings in a row, 0 while active. */
  readonly recoveringSamples: number;
  readonly maxEventTime: Micros;
  /** True while no reading came for stale-after. */
  readonly stale: boolean;
  /** Every abnormal reading so far was backfilled or replayed: nobody has been told. Absent otherwise. */
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

/** When an episode ends: milliseconds of event time since the first normal reading in a row, and how many of them. */
export type ClearTiming = Pick<ConditionTiming, 'clearAfterMs' | 'clearSamples'>;

/** A reading as one key sees it: normal, or how bad. What neither clears nor confirms is no sample. */
export type Sample = Severity | 'normal';

export interface Transition {
  readonly state: EpisodeState | null;
  /** At most one event per transition. */
  readonly emits: Exclude<EpisodeEventKind, 'stale' | 'fresh'> | null;
}

const US_PER_MS = 1_000;

/** The first abnormal reading: sustain is 0, so it raises at once. `marked`: it was backfilled or replayed. */
export function begin(episodeId: string, severity: Severity, at: Micros, marked = false): Transition {
  const state: EpisodeState = {
    phase: 'active',
    episodeId,
    eventIndex: 0,
    severity,
    since: at,
    samples: 1,
    recoveringSince: null,
    recoveringSamples: 0,
    maxEventTime: at,
    stale: false,
    ...(marked ? { marked } : {}),
  };
  return { state, emits: 'raised' };
}

/** The next sample of an open episode. `at` may lie before earlier samples: durations never run backwards. */
export function advance(
  state: EpisodeState,
  sample: Sample,
  at: Micros,
  timing: ClearTiming,
  marked = false,
): Transition {
  const now = Math.max(state.maxEventTime, at);
  return sample === 'normal' ? recover(state, now, timing) : confirm(state, sample, now, marked);
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

function recover(state: EpisodeState, now: Micros, timing: ClearTiming): Transition {
  const recoveringSince = state.recoveringSince ?? now;
  const recoveringSamples = state.recoveringSamples + 1;
  const longEnough = now - recoveringSince >= timing.clearAfterMs * US_PER_MS;
  if (longEnough && recoveringSamples >= timing.clearSamples) return { state: null, emits: 'resolved' };
  return {
    state: { ...state, phase: 'recovering', recoveringSince, recoveringSamples, maxEventTime: now },
    emits: null,
  };
}
