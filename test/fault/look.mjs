// Does a chaos run add up? Rows, alerts and e-mails, each counted where a user would see them.
import * as duckdb from '@duckdb/node-api';
import { createKafka } from '../../dist/src/kafka/client.js';
import { topicName } from '../../dist/src/kafka/topics.js';
import { columnName } from '../../dist/src/lake/columns.js';
import { systemClock } from '../../dist/src/telemetry/clock.js';
import { createLogger } from '../../dist/src/telemetry/logger.js';
import { createMetrics } from '../../dist/src/telemetry/metrics.js';
import { createFollower } from '../../ops/local/demo/follower.mjs';
import { recomputeAlerts } from '../../ops/local/demo/recompute.mjs';
import { createTally } from '../../ops/local/demo/tally.mjs';

const SHOWN = 5;
const LABEL = 'POSSIBLE REPEAT';

/** Creates the topics too. Answers a function that answers {ok, terms: [{ok, text}]}. */
export async function createLook({ brokers, prefix, partitions, lakeFolder, ward, sns, policy, undo }) {
  const kafka = createKafka(
    { brokers: [brokers], clientId: 'chaos' },
    { log: createLogger({ level: 'error', write: () => undefined }), metrics: createMetrics(), clock: systemClock },
  );
  undo.push(() => kafka.close());
  await kafka.admin.ensureTopics(prefix, { partitions, replication: 1 });
  const attributes = ward.attributes.map((attribute) => ({ ...attribute, lakeColumn: columnName(attribute.name) }));
  const tally = createTally({ duckdb, lakeFolder, pool: ward.pool, attributes });
  const ageOf = new Map(ward.patients.map((patient) => [patient.patientid, patient.age]));
  const follower = createFollower({
    reader: await kafka.partitionReader(),
    queueTopic: topicName(prefix, 'doctors-queue'),
    deliveriesTopic: topicName(prefix, 'alert-deliveries'),
    partitions,
  });

  return async () => {
    const [rds, lake] = [await tally.rds(), await tally.lake()];
    await follower.advance();
    const { expected } = recomputeAlerts({
      rows: await tally.lakeRows(),
      ageOf: (patient) => ageOf.get(patient),
      thresholds: ward.limits,
      decimalsOf: ward.decimalsOf,
      ...policy,
    });
    const alerts = [...follower.events.values()];
    const got = alerts.map(describe);
    const toSend = follower.toSend();
    const decided = new Set(toSend.map((entry) => entry.record.eventId));
    const mails = mailsByEvent(sns.received);
    const acceptedIds = new Set(toSend.flatMap((entry) => entry.accepted.map(({ snsMessageId }) => snsMessageId)));
    const receivedIds = new Set(sns.received.map(({ id }) => id));
    const terms = [
      {
        ok: rds.rows === lake.rows && lake.rows === lake.distinctIds && lake.deadRows === 0,
        text: `${rds.rows} rows in RDS = ${lake.rows} in the lake = ${lake.distinctIds} distinct, ${lake.deadRows} dead`,
      },
      empty(
        `${got.length} alerts as recomputed: missing`,
        [...expected].filter((text) => !got.includes(text)),
      ),
      empty(
        'alerts not expected',
        got.filter((text) => !expected.has(text)),
      ),
      empty(
        'alerts twice',
        got.filter((text, i) => got.indexOf(text) !== i),
      ),
      empty('records unreadable', Array.from({ length: follower.unreadable() })),
      empty('alerts without a decision to send', alerts.filter(({ eventId }) => !decided.has(eventId)).map(describe)),
      empty(
        `${toSend.length} decisions to send: not accepted`,
        toSend
          .filter(({ accepted }) => accepted.length === 0)
          .map(({ record, states }) => `${record.eventId} ${states}`),
      ),
      empty(
        'accepted twice on alert-deliveries',
        toSend.filter(({ accepted }) => accepted.length > 1).map(({ record, states }) => `${record.eventId} ${states}`),
        (entries) => entries.length >= 0,
      ),
      empty(
        'accepted but never received',
        [...acceptedIds].filter((id) => !receivedIds.has(id)),
      ),
      empty(
        `${sns.received.length} e-mails: events without one`,
        alerts.filter(({ eventId }) => !mails.has(eventId)).map(describe),
      ),
      empty(
        'e-mails for no event',
        [...mails.keys()].filter((id) => !follower.events.has(id)),
      ),
      empty(
        'e-mailed twice without a label',
        [...mails].filter(([, bodies]) => bodies.filter((body) => !body.includes(LABEL)).length > 1).map(([id]) => id),
      ),
    ];
    return { ok: terms.every(({ ok }) => ok), terms };
  };
}

function mailsByEvent(received) {
  const found = new Map();
  for (const { body } of received) {
    const id = /^Event: +(\S+)$/m.exec(body)?.[1] ?? '(none)';
    found.set(id, [...(found.get(id) ?? []), body]);
  }
  return found;
}

function describe(event) {
  const row = event.readingId.slice(event.readingId.lastIndexOf(':') + 1);
  return `${event.kind} ${event.patient.id} ${event.attribute} ${event.direction} ${row}`;
}

function empty(what, items, ok = (all) => all.length === 0) {
  const shown = items.slice(0, SHOWN).join(' | ');
  return { ok: ok(items), text: `${what}: ${items.length}${items.length > 0 ? ` (${shown})` : ''}` };
}
