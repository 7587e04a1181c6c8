// Heartbeats: proofs of life that go the way of every alert, and are in nobody's way.

import type { HeartbeatEvent } from '../src/domain/events.js';
import { COUNTED, heartbeatTrigger } from '../src/domain/heartbeat.js';
import { notificationId } from '../src/domain/identity.js';
import type { Decision } from '../src/domain/notification.js';
import type { Outcome } from './dispatch-outcome.js';

/** The same decision each time. `topic`: SNS_HEARTBEAT_TOPIC_ARN; without one it is only counted, at the end of the same way. */
export function heartbeatOutcome(event: HeartbeatEvent, topic: string | undefined): Outcome {
  const trigger = heartbeatTrigger(event);
  const destination = topic ?? COUNTED;
  const kind = 'heartbeat' as const;
  const decision: Decision = {
    reason: 'heartbeat',
    send: [
      {
        kind,
        n: 0,
        destination,
        notificationId: notificationId(trigger, kind, 0, destination),
        after: [],
        severity: 'low',
      },
    ],
    timers: [],
    emits: [],
    at: event.at,
  };
  const { eventId } = event;
  return { on: { id: eventId, trigger, episodeId: '', eventId, kind, n: 0, timer: null }, decision, silencedBy: null };
}
