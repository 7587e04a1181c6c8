// Look, decide, fold: until the views that a decision was made from are still those that it is folded into.
import type { Occasion } from '../src/domain/delivery.js';
import type { EpisodeEvent } from '../src/domain/events.js';
import type { Decision, EpisodeView, KeyView } from '../src/domain/notification.js';
import { isoOfMs } from '../src/domain/time.js';
import type { FlappingKey, Look } from '../src/domain/views.js';
import type { DispatchParts, Outcome } from './dispatch-outcome.js';

/** One partition has one owner, and timers are few: a second try nearly always does. */
const FOLD_TRIES = 20;

export interface Folding {
  readonly episodeId: string;
  /** Of the event or timer. */
  readonly id: string;
  /** Null for a timer. */
  readonly offset: number | null;
  /** Kept for the messages about it. */
  readonly event: EpisodeEvent | null;
  readonly key?: FlappingKey;
  /** Pure. Undefined: there is nothing to decide, and nothing is folded. */
  readonly decide: (
    look: Look,
  ) => { readonly decision: Decision; readonly next: EpisodeView; readonly nextKey?: KeyView } | undefined;
  /** What the records are about. */
  readonly occasion: (decision: Decision, next: EpisodeView) => Occasion;
}

/** The earlier of two clocks: one that is fast must not turn live alerts into history. */
export function nowOf({ clock }: Pick<DispatchParts, 'clock'>, look: Pick<Look, 'now'>): number {
  return Math.min(clock.nowMs(), look.now);
}

/** As `foldDecision`, for what may turn out to be none. */
export async function foldIfAny(parts: DispatchParts, folding: Folding): Promise<Outcome | undefined> {
  const { ledger, metrics } = parts;
  const { episodeId, id, offset, event } = folding;
  for (let tries = 1; tries <= FOLD_TRIES; tries += 1) {
    const look = await ledger.look(episodeId, id, folding.key);
    const { view, key } = look;
    if (look.stored) {
      const { stored } = look;
      return outcome(folding.occasion(stored.decision, view), { id, stored, view, key: known(key) });
    }
    const made = folding.decide(look);
    if (!made) return undefined;
    const { decision, next } = made;
    const nextKey = made.nextKey === key ? undefined : made.nextKey;
    const on = folding.occasion(decision, next);
    const result = await ledger.fold({
      ...{ episodeId, id, offset, event, look, decision, next },
      ...(nextKey && { nextKey }),
    });
    if (result.outcome === 'conflict' || result.outcome === 'stored') continue;
    if (result.outcome === 'below') return below(parts, on, offset, view);
    metrics.count('dispatch_decisions_total', { kind: on.kind, reason: decision.reason });
    const { stored } = result;
    const after = { ...next, version: stored.version, offset: offset ?? view.offset };
    const keyAfter = nextKey ? { ...nextKey, version: key.version + 1 } : key;
    return outcome(on, { id, stored, view: after, key: known(keyAfter) });
  }
  throw new Error(`the view of an episode changed ${FOLD_TRIES} times under us`);
}

/** A second pass finds the first one's decision, and repeats it. */
export async function foldDecision(parts: DispatchParts, folding: Folding): Promise<Outcome> {
  const made = await foldIfAny(parts, folding);
  if (!made) throw new Error('a fold without a decision');
  return made;
}

/** Something later was folded, and this never: a zombie, or what a person rewound. Nobody is told by it. */
function below(parts: DispatchParts, on: Occasion, offset: number | null, view: EpisodeView): Outcome {
  parts.log.error('dispatch.below', { eventId: on.id, offset, folded: view.offset });
  parts.metrics.count('dispatch_decisions_total', { kind: on.kind, reason: 'already-folded' });
  const at = isoOfMs(parts.clock.nowMs());
  return { on, decision: { reason: 'already-folded', send: [], timers: [], emits: [], at }, silencedBy: null };
}

function outcome(on: Occasion, fold: NonNullable<Outcome['fold']>): Outcome {
  const { decision, silencedBy } = fold.stored;
  return { on, decision, silencedBy, fold };
}

function known(key: KeyView): KeyView | null {
  return key.version > 0 ? key : null;
}
