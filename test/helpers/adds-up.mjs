// Does a run under faults add up? Rows, retired ids, alerts and e-mails, each counted where a user would see them.

const SHOWN = 5;
/** What readings say; not that they stay away, nor what people do. */
const JUDGED = ['raised', 'worsened', 'resolved'];
const LABEL = 'POSSIBLE REPEAT';

/**
 * Answers a function that answers {ok, terms: [{ok, text}]}. `observer` as deployment.mjs's observe() answers it; `received()` answers what
 * readers got: {id, topic, body}.
 */
export function createLook({ observer, received }) {
  const { tally, follower, recompute } = observer;
  return async () => {
    const [rds, lake] = [await tally.rds(), await tally.lake()];
    const rows = {
      ok: rds.rows === lake.rows && lake.rows === lake.distinctIds && lake.deadRows === 0,
      text: `${rds.rows} rows in RDS = ${lake.rows} in the lake = ${lake.distinctIds} distinct, ${lake.deadRows} dead`,
    };
    // What is not in the lake yet would only make alerts look surplus.
    if (!rows.ok) return { ok: false, rds, lake, terms: [rows] };
    const gaps = await tally.retired();
    await follower.advance();
    const { expected } = await recompute();
    const alerts = [...follower.events.values()].filter(({ kind }) => JUDGED.includes(kind));
    const got = new Set(alerts.map(describe));
    const toSend = follower.toSend();
    const decided = new Set(toSend.map((entry) => entry.record.eventId));
    const mails = mailsByEvent(await received());
    const byThemselves = new Set(
      [...mails.values()].flatMap(([{ eventId }]) => (eventId === undefined ? [] : [eventId])),
    );
    const acceptedIds = new Set(
      toSend.flatMap((entry) =>
        entry.accepted.filter(({ coveredBy }) => !coveredBy).map(({ snsMessageId }) => snsMessageId),
      ),
    );
    const receivedIds = new Set([...mails.values()].flat().map(({ id }) => id));
    // In an e-mail of its own, or in one that stands for it.
    const reached = (entry) =>
      entry?.accepted.some(({ snsMessageId, coveredBy }) =>
        coveredBy ? reached(follower.notifications.get(coveredBy)) : receivedIds.has(snsMessageId),
      );
    const mailed = new Set([...byThemselves, ...toSend.filter(reached).map(({ record }) => record.eventId)]);
    const terms = [
      rows,
      {
        ok: gaps.ids === gaps.absent,
        text: `${gaps.absent} ids absent from RDS below its last = ${gaps.ids} retired in the lake`,
      },
      empty(
        `${got.size} alerts as recomputed: missing`,
        [...expected].filter((text) => !got.has(text)),
      ),
      empty(
        'alerts not expected',
        [...got].filter((text) => !expected.has(text)),
      ),
      empty('alerts twice', [...follower.repeated(), ...Array.from({ length: alerts.length - got.size })]),
      empty('records unreadable', Array.from({ length: follower.unreadable() })),
      empty('alerts without a decision to send', alerts.filter(({ eventId }) => !decided.has(eventId)).map(describe)),
      empty(
        `${toSend.length} decisions to send: not accepted`,
        toSend
          .filter((entry) => entry.accepted.length === 0 && !wasUnwanted(entry, toSend))
          .map(({ record, states }) => `${record.eventId} ${states}`),
      ),
      empty(
        'accepted but never received',
        [...acceptedIds].filter((id) => !receivedIds.has(id)),
      ),
      empty('events without an e-mail', alerts.filter(({ eventId }) => !mailed.has(eventId)).map(describe)),
      empty(
        'e-mails for no event',
        [...byThemselves].filter((id) => !follower.events.has(id)),
      ),
      empty(
        'e-mailed twice without a label',
        [...mails]
          .filter(([, all]) => all.filter(({ body }) => !body.includes(LABEL)).length > 1)
          .map(([once]) => once),
      ),
    ];
    return { ok: terms.every(({ ok }) => ok), rds, lake, alerts: got.size, terms };
  };
}

/**
 * A reminder or an escalation whose alert had ended before it was published, and the end for those who had been told of nothing else:
 * all that is left untold in a run under faults.
 */
function wasUnwanted({ record, outcome }, toSend) {
  if (outcome !== 'cancelled') return false;
  if (record.kind !== 'resolved') return ['reminder', 'escalated', 'stale'].includes(record.kind);
  const { episodeId, destination } = record;
  return !toSend.some(
    (one) => one.accepted.length > 0 && one.record.episodeId === episodeId && one.record.destination === destination,
  );
}

/** By topic and what it tells of, an event or a whole digest: in a run under faults each topic is told of it once. */
function mailsByEvent(received) {
  const found = new Map();
  for (const mail of received) {
    const listed = [...mail.body.matchAll(/^(?:\[\d+\]|Measured:|Reference:) .*$/gm)].join(' ');
    const eventId = mail.body.startsWith('DIGEST') ? undefined : (/^Event: +(\S+)$/m.exec(mail.body)?.[1] ?? '(none)');
    const once = `${mail.topic} ${eventId ?? listed}`;
    found.set(once, [...(found.get(once) ?? []), { ...mail, eventId }]);
  }
  return found;
}

function describe(event) {
  const row = event.readingId.slice(event.readingId.lastIndexOf(':') + 1);
  return `${event.kind} ${event.patient.id} ${event.attribute} ${event.direction} ${row}`;
}

function empty(what, items) {
  const shown = items.slice(0, SHOWN).join(' | ');
  return { ok: items.length === 0, text: `${what}: ${items.length}${items.length > 0 ? ` (${shown})` : ''}` };
}
