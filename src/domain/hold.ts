// A signal that a silence holds back: noted in the view, with a timer that looks again when the silence is over.
import type { EpisodeOperatorEvent } from './events.js';
import { followUp } from './follow-ups.js';
import type { EpisodeView, Timer } from './notification.js';
import type { Policy } from './policy.js';
import { type Held, type Silence, silenceFor } from './silence.js';
import { isoOfMs } from './time.js';
import { type Circumstances, nothing, type Step } from './told.js';

/** The silence that holds this episode's signals back now. */
export function heldBy(view: EpisodeView, { silences, policy, nowMs }: Circumstances): Held | undefined {
  return silenceFor(silences, view, policy, nowMs);
}

/** One timer for each silence and end: where that one is set already, none is added. */
export function hold(view: EpisodeView, held: Held, nowMs: number, emits: readonly EpisodeOperatorEvent[] = []): Step {
  const until = isoOfMs(held.untilMs);
  if (view.silencedBy === held.silenceId && view.silencedUntil === until)
    return nothing('silenced', view, nowMs, { emits });
  const timers: Timer[] = [followUp('silence-ended', view.signals, view.episodeId, held.untilMs)];
  const next = { ...view, silencedBy: held.silenceId, silencedUntil: until, signals: view.signals + 1 };
  return nothing('silenced', next, nowMs, { timers, emits });
}

export interface SilencedInput {
  /** New, or begun just now. */
  readonly silence: Silence;
  readonly view: EpisodeView;
  readonly policy: Policy;
  readonly nowMs: number;
}

/** What a new silence means for one open episode: it is told of again when the silence ends. Undefined: nothing. */
export function decideSilenced({ silence, view, policy, nowMs }: SilencedInput): Step | undefined {
  if (view.status !== 'open') return undefined;
  const held = heldBy(view, { silences: [silence], policy, nowMs });
  const already = view.silencedUntil !== null && view.silencedUntil > isoOfMs(nowMs);
  if (!held || already) return undefined;
  const { decision, view: next } = hold(view, held, nowMs);
  return { decision, view: { ...next, version: view.version + 1 } };
}
