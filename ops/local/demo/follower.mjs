// Reads doctors-queue and alert-deliveries as they grow, committed records only: what was alerted, and what became of it.

/** What may be recorded again by whoever repeats a step. */
const SAID_BEFORE = ['decided', 'suppressed', 'scheduled'];

/** `reader` is wardwatch's PartitionReader; topics carry their prefix. */
export function createFollower({ reader, queueTopic, deliveriesTopic, partitions }) {
  const positions = new Map();
  /** eventId → event, raised … resolved. */
  const events = new Map();
  /** notificationId → {record of the decision, states: [...], outcome: the last one that is none of SAID_BEFORE, accepted: [{snsMessageId, atMs}]} */
  const notifications = new Map();
  let unreadable = 0;
  /** Ids of events that stand on doctors-queue more than once. */
  const repeated = [];

  const each = async (topic, take) => {
    for (let partition = 0; partition < partitions; partition += 1) {
      const key = `${topic}/${partition}`;
      const { next } = await reader.read(topic, partition, { from: positions.get(key) ?? 0 }, (record) => {
        try {
          take(JSON.parse(record.value.toString('utf8')));
        } catch {
          unreadable += 1;
        }
      });
      positions.set(key, next);
    }
  };

  const takeEvent = (event) => {
    if (!event.episodeId) return;
    if (events.has(event.eventId)) repeated.push(event.eventId);
    events.set(event.eventId, event);
  };

  const takeDelivery = (record) => {
    // A sign of life is nobody's e-mail.
    if (record.kind === 'heartbeat') return;
    const entry = notifications.get(record.notificationId) ?? { record, states: [], accepted: [] };
    entry.states.push(record.state);
    // A decision that is recorded once more is no news.
    if (!SAID_BEFORE.includes(record.state)) entry.outcome = record.state;
    if (record.state === 'accepted')
      entry.accepted.push({
        snsMessageId: record.snsMessageId,
        coveredBy: record.coveredBy,
        atMs: Date.parse(record.at),
      });
    notifications.set(record.notificationId, entry);
  };

  return {
    events,
    notifications,
    unreadable: () => unreadable,
    repeated: () => repeated,
    /** Reads what has come since the last call. */
    advance: async () => {
      await each(queueTopic, takeEvent);
      await each(deliveriesTopic, takeDelivery);
    },
    /** Notifications that were decided to be sent: a timer has no destination before it has gone off. */
    toSend: () =>
      [...notifications.values()].filter(
        ({ record, states }) => record.destination !== '' && !states.includes('suppressed'),
      ),
    /** Events of which somebody decided that nobody is told, with the reason: {eventId: reason}. */
    suppressed: () =>
      Object.fromEntries(
        [...notifications.values()].flatMap(({ record }) =>
          record.state === 'suppressed' && events.get(record.eventId)?.kind === record.kind
            ? [[record.eventId, record.reason]]
            : [],
        ),
      ),
    /** Reminders and the like that go off before that time, and have not come to anything yet. */
    timersBefore: (ms) => {
      const all = [...notifications.values()];
      const same = (a, b) => a.trigger === b.trigger && a.kind === b.kind && a.n === b.n;
      return all.filter(
        ({ record, states }) =>
          record.destination === '' &&
          states.every((state) => state === 'scheduled') &&
          Date.parse(record.due) < ms &&
          !all.some((other) => other.record.destination !== '' && same(other.record, record)),
      );
    },
  };
}
