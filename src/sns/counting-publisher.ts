// Where no topic is set heartbeats end here: accepted, and seen by nobody. That they came so far is what counts.
import { COUNTED } from '../domain/heartbeat.js';
import type { AlertPublisher } from '../domain/notification.js';

export function countingHeartbeats(publisher: AlertPublisher): AlertPublisher {
  return {
    timeoutMs: publisher.timeoutMs,
    publish: async (message) =>
      message.destination === COUNTED ? { ok: true, messageId: COUNTED } : publisher.publish(message),
    close: () => publisher.close(),
  };
}
