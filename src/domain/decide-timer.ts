// What follows when a timer is due: a reminder, an escalation, a summary, the end of a silence or of an acknowledgement, or nothing and why. Pure.
import type { AckEndedEvent } from './events.js';
import { beginRound, nextReminder, ownNumber, roundOf } from './follow-ups.js';
import { heldBy, hold } from './hold.js';
import type { Decision, EpisodeView, Timer } from './notification.js';
import { ackEndedEventId, DISPATCH } from './operator-events.js';
import { routeOf } from './routes.js';
import { isoOfMs } from './time.js';
import { type Circumstances, destinationsTold, heardOf, nothing, type Step, tell } from './told.js';

export interface DecideTimerInput extends Circumstances {
  readonly timer: Timer;
  readonly view: EpisodeView;
}

/** The view of an episode that nobody knows any more stays as it is. */
export function decideTimer(input: DecideTimerInput): { readonly decision: Decision; readonly next: EpisodeView } {
  const { decision, view } = follow(input);
  return { decision, next: { ...view, version: input.view.version + 1 } };
}

function follow({ timer, view, ...circumstances }: DecideTimerInput): Step {
  const { nowMs } = circumstances;
  if (view.status === 'none') return nothing('not-open', view, nowMs);
  if (view.status === 'closed') return nothing('resolved', view, nowMs);
  switch (timer.kind) {
    case 'reminder':
      return inRound(timer, view, circumstances) ?? reminder(timer, view, circumstances);
    case 'escalated':
      return inRound(timer, view, circumstances) ?? escalated(timer, view, circumstances);
    case 'summary':
      return summary(timer, view, circumstances);
    case 'silence-ended':
      return silenceEnded(timer, view, circumstances);
    case 'ack-expiry':
      return ackExpired(timer, view, nowMs);
  }
}

/** What stops both reminders and escalation. */
function inRound(timer: Timer, view: EpisodeView, circumstances: Circumstances): Step | undefined {
  const { nowMs } = circumstances;
  if (roundOf(timer.n) !== view.round) return nothing('superseded', view, nowMs);
  return stopped(view, circumstances);
}

function stopped(view: EpisodeView, circumstances: Circumstances): Step | undefined {
  const { nowMs } = circumstances;
  if (view.ack) return nothing('acknowledged', view, nowMs);
  const held = heldBy(view, circumstances);
  return held ? hold(view, held, nowMs) : undefined;
}

function reminder(timer: Timer, view: EpisodeView, { policy, nowMs }: Circumstances): Step {
  const route = routeOf(policy, view);
  const number = ownNumber(timer.n);
  // The reminder of an episode that flapping held back comes whatever the route says.
  const lasting = view.flapping && number === 1;
  if (!route || (!lasting && number > (route.reminder?.most ?? 0))) return nothing('not-routed', view, nowMs);
  const told = { ...view, reminders: view.reminders + 1 };
  const message = { reason: 'due', kind: 'reminder', n: timer.n, destinations: [route.topic], nowMs } as const;
  if (heardOf(view))
    return tell(told, {
      ...message,
      rest: { timers: nextReminder(view.round, view.episodeId, route, nowMs, number + 1) },
    });
  // The first that anybody hears of it: reminders and escalation begin here.
  const { round, timers } = beginRound(view, route, nowMs);
  return tell({ ...told, round, flapping: false }, { ...message, rest: { timers } });
}

function escalated(timer: Timer, view: EpisodeView, { policy, nowMs }: Circumstances): Step {
  const level = routeOf(policy, view)?.escalation[ownNumber(timer.n) - 1];
  if (!level) return nothing('not-routed', view, nowMs);
  return tell(view, { reason: 'due', kind: 'escalated', n: timer.n, destinations: [level.topic], nowMs });
}

/** The backlog has passed and the episode goes on. */
function summary(timer: Timer, view: EpisodeView, circumstances: Circumstances): Step {
  const { policy, nowMs } = circumstances;
  if (!view.historic) return nothing('told-already', view, nowMs);
  const live = { ...view, historic: false };
  const stop = stopped(live, circumstances);
  if (stop) return stop;
  const route = routeOf(policy, live);
  if (!route) return nothing('not-routed', live, nowMs);
  const { round, timers } = beginRound(live, route, nowMs);
  const destinations = [...new Set([route.topic, ...destinationsTold(live)])];
  return tell(
    { ...live, round },
    { reason: 'due', kind: 'summary', n: timer.n, destinations, nowMs, rest: { timers } },
  );
}

function silenceEnded(timer: Timer, view: EpisodeView, circumstances: Circumstances): Step {
  const { policy, nowMs } = circumstances;
  // Another silence has come to hold it, with a timer of its own, or it was told since.
  if (timer.due !== view.silencedUntil) return nothing('superseded', view, nowMs);
  const free = { ...view, silencedBy: null, silencedUntil: null };
  const stop = stopped(free, circumstances);
  if (stop) return stop;
  const route = routeOf(policy, free);
  if (!route) return nothing('not-routed', free, nowMs);
  const { round, timers } = beginRound(free, route, nowMs);
  const message = { reason: 'due', kind: 'silence-ended', n: timer.n, destinations: [route.topic], nowMs } as const;
  return tell({ ...free, round, flapping: false }, { ...message, rest: { timers } });
}

/** Says so on doctors-queue: what follows is decided where that event is folded. */
function ackExpired(timer: Timer, view: EpisodeView, nowMs: number): Step {
  const { ack, episodeId, patientId } = view;
  if (ack?.n !== timer.n) return nothing('superseded', view, nowMs);
  const eventId = ackEndedEventId(episodeId, ack.eventId);
  const event: AckEndedEvent = {
    ...{ v: 1, eventId, kind: 'ack-ended', by: DISPATCH, at: isoOfMs(nowMs), episodeId, patientId, reason: 'expired' },
  };
  return nothing('acknowledgement-ended', view, nowMs, { emits: [event] });
}
