// Somebody looks after an episode, or does so no longer.
import type { AckEndedEvent, AcknowledgedEvent } from './events.js';
import { beginRound, followUp, numbered } from './follow-ups.js';
import { heldBy, hold } from './hold.js';
import type { EpisodeView } from './notification.js';
import { ackEndedEventId } from './operator-events.js';
import { routeOf } from './routes.js';
import { isoOfMs, msOfIso } from './time.js';
import { type Circumstances, nothing, type Step, tell } from './told.js';

/** The last one counts. It lasts as long as the policy lets it, whatever was asked for. */
export function acknowledged(view: EpisodeView, event: AcknowledgedEvent, { policy, nowMs }: Circumstances): Step {
  if (view.status !== 'open') return nothing('not-open', view, nowMs);
  const mostMs = msOfIso(event.at) + policy.acknowledgeExpiryMs[view.severity];
  const untilMs = event.until === null ? mostMs : Math.min(msOfIso(event.until), mostMs);
  const n = view.signals;
  const { by, at, eventId } = event;
  const ack = { by, at, until: isoOfMs(untilMs), eventId, n, eventIndex: view.eventIndex };
  const timers = [followUp('ack-expiry', n, view.episodeId, untilMs)];
  return nothing('acknowledged', { ...view, ack, signals: n + 1 }, nowMs, { timers });
}

/** Still open, and nobody looks after it: a reminder at once, then reminders and escalation anew. */
export function ackEnded(view: EpisodeView, event: AckEndedEvent, circumstances: Circumstances): Step {
  const { policy, nowMs } = circumstances;
  if (view.status !== 'open') return nothing('resolved', view, nowMs);
  const { ack } = view;
  // One that the system ended is named by its event's id; what a person withdraws is whatever there is.
  const ends =
    ack !== null && (event.reason === 'withdrawn' || event.eventId === ackEndedEventId(view.episodeId, ack.eventId));
  if (!ends) return nothing('superseded', view, nowMs);
  const free = { ...view, ack: null };
  const held = heldBy(free, circumstances);
  if (held) return hold(free, held, nowMs);
  const route = routeOf(policy, view);
  if (!route) return nothing('not-routed', free, nowMs);
  const { round, timers } = beginRound(free, route, nowMs, 2);
  return tell(
    { ...free, round, reminders: view.reminders + 1 },
    {
      reason: 'acknowledgement-ended',
      kind: 'reminder',
      n: numbered(round, 1),
      destinations: [route.topic],
      nowMs,
      rest: { timers },
    },
  );
}
