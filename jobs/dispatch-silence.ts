// Silences: folded as they come; a new one is noted in the open alerts that it fits, and the end of one lets go what it held back.
import type { SilencedEvent, SilenceEvent } from '../src/domain/events.js';
import { decideSilenced } from '../src/domain/hold.js';
import type { Decision } from '../src/domain/notification.js';
import { operatorEventId, silenceTrigger } from '../src/domain/operator-events.js';
import type { Silence } from '../src/domain/silence.js';
import { isoOfMs, msOfIso } from '../src/domain/time.js';
import { addTimerJob, carryOut, DISPATCH_STEPS, type DispatchParts, type Outcome } from './dispatch-outcome.js';
import { foldIfAny, nowOf } from './fold-decision.js';

/** Open episodes looked at together, and at most: more than there are beds. */
const EPISODES_TOGETHER = 100;
const EPISODES_MOST = 1_000_000;
/** Until an end that was written should have been folded. */
const EXPIRED_AGAIN_AFTER_MS = 10_000;

export async function foldSilence(parts: DispatchParts, event: SilenceEvent, offset: number): Promise<Outcome> {
  const { eventId, kind, silenceId } = event;
  const at = isoOfMs(parts.clock.nowMs());
  const made: Decision = { reason: 'not-notified', send: [], timers: [], emits: [], at };
  const { outcome, decision } = await parts.ledger.foldSilence(event, offset, made);
  if (outcome === 'folded') parts.metrics.count('dispatch_decisions_total', { kind, reason: decision.reason });
  const on = { id: eventId, trigger: silenceTrigger(silenceId), episodeId: '', eventId, kind, n: 0, timer: null };
  const stored = { version: offset, decision, silencedBy: null };
  return { on, decision, silencedBy: null, fold: { id: eventId, stored, view: null, key: null } };
}

/** What follows once its own decision is recorded. Repeatable. */
export async function afterSilence(parts: DispatchParts, event: SilenceEvent): Promise<void> {
  if (event.kind === 'silence-ended') {
    const timers = await parts.ledger.release(event.silenceId);
    await Promise.all(timers.map((timerId) => addTimerJob(parts.queues, timerId, 0)));
    return;
  }
  const open = await parts.ledger.openEpisodes(0, EPISODES_MOST);
  for (let at = 0; at < open.length; at += EPISODES_TOGETHER) {
    const some = open.slice(at, at + EPISODES_TOGETHER);
    const outcomes = await Promise.all(some.map((episodeId) => hold(parts, event, episodeId)));
    const held = outcomes.filter((outcome) => outcome !== undefined);
    if (held.length > 0) await carryOut(parts, held, DISPATCH_STEPS);
  }
}

/** An alert that is open already is told again when the silence is over. */
function hold(parts: DispatchParts, event: SilencedEvent, episodeId: string): Promise<Outcome | undefined> {
  const { silenceId, matcher, startsAt, endsAt, reason, by } = event;
  const silence: Silence = { silenceId, matcher, startsAt, endsAt, reason, by };
  const policy = parts.policy.current();
  return foldIfAny(parts, {
    ...{ episodeId, id: event.eventId, offset: null, event: null },
    occasion: (_decision, { lastEventId }) => ({
      ...{ id: event.eventId, trigger: episodeId, episodeId, kind: event.kind, n: 0 },
      ...{ eventId: lastEventId, timer: null },
    }),
    decide: (look) => {
      // One that is announced holds what is open when it begins.
      const nowMs = Math.max(nowOf(parts, look), msOfIso(startsAt));
      const made = decideSilenced({ silence, view: look.view, policy, nowMs });
      return made && { decision: made.decision, next: made.view };
    },
  });
}

export interface SilenceExpiry {
  /** Writes the end of each silence whose time is over; every replica may. */
  look(): Promise<void>;
}

export function createSilenceExpiry(parts: Pick<DispatchParts, 'ledger' | 'operatorLog' | 'clock'>): SilenceExpiry {
  /** Monotonic ms of the last time, by silence. */
  const written = new Map<string, number>();
  return {
    look: async () => {
      const { silences, now } = await parts.ledger.silences();
      const lately = parts.clock.monotonicMs() - EXPIRED_AGAIN_AFTER_MS;
      const over = silences.filter(
        ({ silenceId, endsAt }) => msOfIso(endsAt) <= now && (written.get(silenceId) ?? lately) <= lately,
      );
      await parts.operatorLog.append(
        over.map(({ silenceId, endsAt }) => ({
          v: 1,
          // The same from every replica.
          eventId: operatorEventId(silenceTrigger(silenceId), 'silence-ended', 'dispatch', endsAt),
          kind: 'silence-ended',
          by: 'dispatch',
          at: endsAt,
          silenceId,
          reason: 'expired',
        })),
      );
      for (const [silenceId, ms] of written) if (ms <= lately) written.delete(silenceId);
      for (const { silenceId } of over) written.set(silenceId, parts.clock.monotonicMs());
    },
  };
}
