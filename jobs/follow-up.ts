// One job of follow-up: a timer whose time has come is decided on, with all that follows from it. What is due stands in the ledger, not in the job.
import { RunLater } from '../queues/worker.js';
import { decideTimer } from '../src/domain/decide-timer.js';
import { addTimerJob, carryOut, type DispatchParts } from './dispatch-outcome.js';
import type { SilenceExpiry } from './dispatch-silence.js';
import { foldDecision, nowOf } from './fold-decision.js';

/** Timers that are due so soon have a job: what Redis lost of the mailbox comes back in time. */
const JOBS_AHEAD_MS = 10_000;
/** One sweep looks at so many; the longest due first. */
const SWEEP_TIMERS = 500;

const STEPS = {
  decided: 'follow-up.decided',
  recorded: 'follow-up.recorded',
  ledger: 'follow-up.ledger',
  job: 'follow-up.job',
  emitted: 'follow-up.emitted',
} as const;

/** Resolves when the timer is done with; throws RunLater before its time. Repeatable from any point. */
export async function followUp(parts: DispatchParts, timerId: string): Promise<void> {
  const pending = await parts.ledger.timer(timerId);
  // Done, or from before Redis was emptied: then the rebuild has it.
  if (!pending) return;
  const { timer, untilMs } = pending;
  if (untilMs > 0) throw new RunLater(Math.ceil(untilMs));
  const { episodeId, kind, n } = timer;
  const dueMs = Math.min(pending.dueMs, pending.now);
  const policy = parts.policy.current();
  const outcome = await foldDecision(parts, {
    ...{ episodeId, id: timerId, offset: null, event: null },
    occasion: (_decision, { lastEventId }) => ({
      ...{ id: timerId, trigger: episodeId, episodeId, eventId: lastEventId, kind, n, timer: timerId },
    }),
    // Never before its own time, whichever clock is behind.
    decide: (look) =>
      decideTimer({
        ...{ timer, view: look.view, silences: look.silences, policy },
        nowMs: Math.max(nowOf(parts, look), dueMs),
      }),
  });
  await carryOut(parts, [outcome], STEPS);
  await parts.ledger.timerDone(timerId);
  await parts.onStep('follow-up.done');
}

/** Every timer that is due, or soon, gets a job where it has none; silences whose time is over end. Any replica may sweep at any time. */
export async function sweepFollowUps(
  { ledger, queues }: Pick<DispatchParts, 'ledger' | 'queues'>,
  expiry: SilenceExpiry,
): Promise<void> {
  const due = await ledger.timersDue(JOBS_AHEAD_MS, SWEEP_TIMERS);
  await Promise.all(due.map(({ timerId, untilMs }) => addTimerJob(queues, timerId, untilMs)));
  await expiry.look();
}
