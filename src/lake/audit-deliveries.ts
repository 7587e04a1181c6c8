// The audit's last term, in SQL: every event of an episode was decided about, and every decision to send came to an end.
import { type AuditTerm, auditTerm, type Found } from '../domain/audit.js';
import { decodeDoctorsQueue } from '../domain/doctors-queue.js';
import type { DeliveryRecord } from '../domain/events.js';
import { foundIn, insert, text } from './audit-sql.js';
import type { LakeSql } from './query.js';

/** A due timer is decided about, and a technical alarm opens, within this; a rebuild of the ledger fits in. */
const GRACE_US = 120_000_000;

export interface AuditedDeliveries {
  /** Ends of alert-deliveries, taken before those of doctors-queue: what was decided below them has its event below those. */
  readonly ends: readonly number[];
  /** Only notifications of events that are compared (`asked_event`); otherwise all. */
  readonly onlyAsked: boolean;
}

/** A record of alert-deliveries that is not in the lake yet. */
export interface TailRecord {
  readonly partition: number;
  readonly offset: number;
  readonly record: DeliveryRecord;
}

/** What has no end yet. `records`: how many there are about it; while that grows somebody is at work. */
export interface Unended {
  readonly events: number;
  readonly notifications: number;
  readonly records: number;
}

export interface DeliveriesAudit {
  /** The first offset of each partition that the lake does not hold. */
  readonly heldTo: readonly number[];
  /** What came since, from Kafka. */
  add(records: readonly TailRecord[]): Promise<void>;
  /** Adds everything up. `nowUs`: microseconds; timers that were due long before are late. */
  look(nowUs: number): Promise<Unended>;
  /** By the last look. */
  result(): Promise<{ readonly term: AuditTerm; readonly apart: Readonly<Record<string, Found>> }>;
}

/** Wants `cut` and `asked_event`. */
export async function beginDeliveries(lake: LakeSql, audited: AuditedDeliveries): Promise<DeliveriesAudit> {
  await lake.run('CREATE TABLE delivery_end (p INTEGER, o BIGINT)');
  await insert(
    lake,
    'delivery_end',
    audited.ends.map((end, p) => `(${p}, ${end})`),
  );
  await readDeadEvents(lake);
  await lake.run(RECORDS);
  await lake.run(OWED);
  await lake.run(views(audited.onlyAsked));
  const held = await lake.query(
    `SELECT p, max(o) + 1 AS next FROM (SELECT p, o FROM record
       UNION ALL SELECT kafka_partition, kafka_offset FROM delivery_dead) GROUP BY p`,
  );
  const next = new Map(held.rows.map((row) => [Number(row.p), Number(row.next)]));
  return {
    heldTo: audited.ends.map((_, p) => next.get(p) ?? 0),
    add: (records) => insert(lake, 'record', records.map(rowOf)),
    look: async (nowUs) => {
      await lake.run(STANDING);
      await lake.run(`CREATE OR REPLACE TABLE looked AS SELECT ${nowUs}::BIGINT AS now_us`);
      const { rows } = await lake.query(
        `SELECT (SELECT count(*) FROM undecided) AS events, (SELECT count(*) FROM sending WHERE ended = 'open') AS notifications,
           (SELECT coalesce(sum(records), 0) FROM sending WHERE ended = 'open') AS records`,
      );
      const [row] = rows;
      return {
        events: Number(row?.events),
        notifications: Number(row?.notifications),
        records: Number(row?.records),
      };
    },
    result: async () => ({ term: await deliveredTerm(lake), apart: await apart(lake) }),
  };
}

/** `dead_event`: events that dispatch could read and the lake could not (a date that no calendar has). */
async function readDeadEvents(lake: LakeSql): Promise<void> {
  await lake.run('CREATE TABLE dead_event (event_id VARCHAR)');
  const { rows } = await lake.query('SELECT base64(raw) AS raw FROM alert_dead WHERE raw IS NOT NULL');
  const ids = rows.flatMap(({ raw }) => {
    const decoded = decodeDoctorsQueue(Buffer.from(String(raw), 'base64'));
    return decoded.type === 'dead' ? [] : [`(${text(decoded.event.eventId)})`];
  });
  await insert(lake, 'dead_event', ids);
}

function rowOf({ partition, offset, record }: TailRecord): string {
  const texts = [record.notificationId, record.trigger, record.eventId, record.episodeId, record.kind];
  const micros = (instant: string | null) =>
    instant === null ? 'NULL' : `epoch_us(CAST(${text(instant)} AS TIMESTAMPTZ))`;
  const values = [
    partition,
    offset,
    ...texts.map(textOrNull),
    record.n,
    textOrNull(record.destination),
    text(record.state),
    textOrNull(record.reason),
    record.attempt,
    micros(record.due),
    textOrNull(record.snsMessageId),
    textOrNull(record.coveredBy),
    record.possibleRepeat,
    micros(record.at),
    textOrNull(record.timer),
  ];
  return `(${values.join(', ')})`;
}

function textOrNull(value: string | null | undefined): string {
  return value === null || value === undefined ? 'NULL' : text(value);
}

/** `record`: what is said of each notification; `timer`: the one that it sets, or that was due. All records of one trigger lie in one partition. Heartbeats are proofs of life: nobody waits for one. `timer` is taken as text: where a patient's id is half a character, DuckDB takes the whole for no JSON. */
const RECORDS = `
  CREATE TABLE record AS
  SELECT kafka_partition AS p, kafka_offset AS o, notification_id AS id, trigger_id, event_id, episode_id, kind, n, destination, state, reason,
    coalesce(attempt, 0) AS attempt, epoch_us("due") AS due_us, sns_message_id, covered_by, coalesce(possible_repeat, false) AS labelled, epoch_us("at") AS at_us,
    nullif(regexp_extract(body, '"timer":"([a-z0-9-]+)"', 1), '') AS timer
  FROM delivery WHERE kind <> 'heartbeat'`;

/** `owed`: events of which somebody has to be told, or it has to be decided that nobody is. `passed`: a person let dispatch pass over it. */
const OWED = `
  CREATE TABLE dispatch_passed AS
    SELECT CAST(json_extract_string(body, '$.partition') AS INTEGER) AS p, CAST(json_extract_string(body, '$.from') AS BIGINT) AS first_o,
      CAST(json_extract_string(body, '$.to') AS BIGINT) AS next_o
    FROM access_audit WHERE action = 'position-skip' AND json_extract_string(body, '$.reader') = 'dispatch';
  CREATE TABLE owed AS
    SELECT e.event_id, min(struct_pack(p := e.p, o := e.o)) AS place, any_value(e.says) AS says, any_value(e.kind) AS kind,
      bool_and(EXISTS (SELECT 1 FROM dispatch_passed s WHERE s.p = e.p AND e.o >= s.first_o AND e.o < s.next_o)) AS passed
    FROM asked_event e GROUP BY e.event_id`;

/**
 * \`standing\`: what the records of a notification add up to. Accepted is final; an outcome speaks for the attempt of its number;
 * one that another stands in for ends as that one does. Whoever drives a held or dead one again owes it another outcome.
 */
const STANDING = `
  CREATE OR REPLACE TABLE standing AS
  WITH RECURSIVE said AS (
    SELECT id, any_value(kind) AS kind, any_value(destination) AS destination, any_value(event_id) AS event_id, any_value(p) AS p, count(*) AS records,
      min(o) FILTER (state = 'decided') AS decided_o, bool_or(state IN ('attempt', 'accepted')) AS sent,
      bool_or(state = 'accepted' AND covered_by IS NULL) AS accepted,
      last(state ORDER BY attempt, o) FILTER (state IN ('attempt', 'failed', 'unknown', 'cancelled', 'held', 'dead')) AS outcome,
      last(reason ORDER BY attempt, o) FILTER (state IN ('attempt', 'failed', 'unknown', 'cancelled', 'held', 'dead')) AS reason,
      last(at_us ORDER BY attempt, o) FILTER (state IN ('attempt', 'failed', 'unknown', 'cancelled', 'held', 'dead')) AS at_us,
      max(o) FILTER (state IN ('attempt', 'failed', 'unknown', 'cancelled', 'held', 'dead')) AS outcome_o,
      last(covered_by ORDER BY o) FILTER (covered_by IS NOT NULL) AS cover, max(o) FILTER (covered_by IS NOT NULL) AS cover_o,
      max(o) FILTER (state = 'scheduled' AND covered_by IS NULL AND timer IS NULL) AS redriven_o
    FROM record GROUP BY id
  ), own AS (
    SELECT *, CASE WHEN accepted THEN 'accepted' WHEN cover IS NOT NULL AND coalesce(cover_o > outcome_o, true) THEN 'covered'
      WHEN outcome IN ('held', 'dead') AND coalesce(redriven_o > outcome_o, false) THEN 'open' WHEN outcome IN ('cancelled', 'held', 'dead') THEN outcome ELSE 'open' END AS own_end
    FROM said
  ), followed AS (
    SELECT id, id AS last_id, own_end, cover, reason, at_us, 0 AS depth FROM own
    UNION ALL
    SELECT f.id, c.id, c.own_end, c.cover, c.reason, c.at_us, f.depth + 1 FROM followed f JOIN own c ON c.id = f.cover
    WHERE f.own_end = 'covered' AND f.depth < 8
  ), last_one AS (
    SELECT id, arg_max(last_id, depth) AS last_id, arg_max(own_end, depth) AS own_end, arg_max(reason, depth) AS reason, arg_max(at_us, depth) AS at_us, max(depth) AS depth
    FROM followed GROUP BY id
  )
  SELECT o.id, o.kind, o.destination, o.event_id, o.p, o.records, o.decided_o, o.sent, l.last_id, l.reason, l.at_us,
    CASE WHEN l.own_end = 'accepted' AND l.depth > 0 THEN 'covered' WHEN l.own_end = 'covered' THEN 'open' ELSE l.own_end END AS ended
  FROM own o JOIN last_one l USING (id)`;

/**
 * `sending`: decided to be sent, and compared. `undecided`: events that nobody decided about.
 * `timer`: what was set for later. Follow-ups bear the id of the event that their message shows: they are no decision about it. `told`: messages that SNS accepted for a notification.
 * `alarm`: technical ones, from when to when; a deployment that has never had one has nobody who opens them. `unheard`: held or dead, and no alarm says so.
 */
function views(onlyAsked: boolean): string {
  const asked = onlyAsked ? 'event_id IN (SELECT event_id FROM owed)' : 'true';
  return `
    CREATE TABLE standing (id VARCHAR, kind VARCHAR, destination VARCHAR, event_id VARCHAR, p INTEGER, records BIGINT, decided_o BIGINT, sent BOOLEAN,
      last_id VARCHAR, reason VARCHAR, at_us BIGINT, ended VARCHAR);
    CREATE TABLE looked (now_us BIGINT);
    CREATE VIEW sending AS SELECT s.*, s.kind || ' ' || s.id || ' to ' || s.destination AS says
      FROM standing s JOIN delivery_end e USING (p)
      WHERE s.decided_o IS NOT NULL AND (s.decided_o < e.o OR s.event_id IN (SELECT event_id FROM owed)) AND ${asked};
    CREATE VIEW undecided AS SELECT * FROM owed w WHERE NOT w.passed AND NOT EXISTS (
      SELECT 1 FROM record r WHERE r.event_id = w.event_id AND r.timer IS NULL AND (
        (r.state IN ('decided', 'suppressed') AND r.kind = w.kind) OR (r.state = 'decided' AND (w.kind, r.kind) IN (('raised', 'unstable'), ('fresh', 'resolved')))));
    CREATE VIEW timer AS
      SELECT t.*, t.kind || ' ' || t.n || ' of ' || t.trigger_id || ', due ' || make_timestamp(t.due_us) || 'Z' AS says,
        t.timer IN (SELECT r.timer FROM record r WHERE r.timer IS NOT NULL AND r.state IN ('decided', 'suppressed')) AS decided,
        t.due_us + ${GRACE_US} < (SELECT now_us FROM looked) AS late
      FROM (SELECT timer, any_value(trigger_id) AS trigger_id, any_value(event_id) AS event_id, any_value(kind) AS kind, any_value(n) AS n, max(due_us) AS due_us
        FROM record WHERE state = 'scheduled' AND timer IS NOT NULL GROUP BY timer) t WHERE ${asked};
    CREATE VIEW alarm AS
      SELECT regexp_extract(trigger_id, '^technical:([a-z-]+):', 1) AS name, regexp_extract(trigger_id, '^technical:[a-z-]+:(.*):[0-9]{4}-[0-9TZ:.-]+$', 1) AS subject,
        min(at_us) FILTER (n = 0) AS opened_us, min(at_us) FILTER (n = 1) AS ended_us
      FROM record WHERE kind = 'technical' AND state IN ('decided', 'suppressed') GROUP BY trigger_id;
    CREATE VIEW unheard AS
      SELECT s.* FROM sending s WHERE s.ended IN ('held', 'dead') AND s.kind <> 'technical' AND s.at_us + ${GRACE_US} < (SELECT now_us FROM looked)
        AND EXISTS (SELECT 1 FROM alarm) AND NOT EXISTS (
          SELECT 1 FROM alarm a WHERE a.name IN ('notification-' || s.ended, CASE s.ended WHEN 'held' THEN 'notification-too-old' END) AND ends_with(s.destination, a.subject)
            AND a.opened_us <= s.at_us + ${GRACE_US} AND coalesce(a.ended_us >= s.at_us, true));
    CREATE VIEW told AS
      SELECT a.id, a.sns_message_id AS message, coalesce(bool_or(t.labelled), false) AS labelled
      FROM record a LEFT JOIN record t ON t.id = a.id AND t.attempt = a.attempt AND t.state = 'attempt'
      WHERE a.state = 'accepted' AND a.covered_by IS NULL GROUP BY a.id, a.sns_message_id
      UNION ALL
      SELECT DISTINCT c.id, c.covered_by, false FROM record c JOIN standing s ON s.id = c.covered_by AND s.ended = 'accepted';
    CREATE VIEW twice AS
      SELECT s.id, s.says, count(*) FILTER (NOT t.labelled) > 1 AS unlabelled FROM sending s JOIN told t USING (id) GROUP BY s.id, s.says HAVING count(*) > 1;`;
}

async function deliveredTerm(lake: LakeSql): Promise<AuditTerm> {
  const sums = await lake.query(
    `SELECT count(*) AS n, count_if(ended = 'accepted') AS accepted, count_if(ended = 'covered') AS covered, count_if(ended = 'cancelled') AS cancelled,
       count_if(ended IN ('held', 'dead')) AS stuck, (SELECT count(*) FROM owed) AS events FROM sending`,
  );
  const sum = (name: string) => String(sums.rows[0]?.[name] ?? 0);
  const says = `${sum('events')} events decided about; of ${sum('n')} decisions to send ${sum('accepted')} accepted, ${sum('covered')} covered, ${sum('cancelled')} cancelled, ${sum('stuck')} held or dead`;
  return auditTerm('delivered', says, {
    'events that nobody decided about': await foundIn(lake, 'SELECT says AS id, place AS k FROM undecided'),
    'decisions about events that are nowhere': await foundIn(lake, NOWHERE),
    'notifications sent that nobody decided': await foundIn(
      lake,
      "SELECT kind || ' ' || id AS id, id AS k FROM standing WHERE sent AND decided_o IS NULL",
    ),
    'notifications that never ended': await foundIn(
      lake,
      "SELECT says AS id, (p, decided_o) AS k FROM sending WHERE ended = 'open'",
    ),
    'notifications cancelled without a reason': await foundIn(
      lake,
      "SELECT says AS id, (p, decided_o) AS k FROM sending WHERE ended = 'cancelled' AND coalesce(reason, '') = ''",
    ),
    'notifications held or dead without a technical alarm': await foundIn(
      lake,
      'SELECT says AS id, (p, decided_o) AS k FROM unheard',
    ),
    'notifications sent twice without saying so': await foundIn(
      lake,
      'SELECT says AS id, id AS k FROM twice WHERE unlabelled',
    ),
    'timers that nobody decided about when they were due': await foundIn(
      lake,
      'SELECT says AS id, (due_us, trigger_id) AS k FROM timer WHERE NOT decided AND late',
    ),
  });
}

/** Ids of watch's events say so themselves. What the lake keeps as dead is somewhere. */
const NOWHERE = `
  SELECT r.event_id AS id, min((r.p, r.o)) AS k FROM record r JOIN delivery_end e ON e.p = r.p AND r.o < e.o
  WHERE r.state IN ('decided', 'suppressed') AND regexp_matches(r.event_id, '-(raised|worsened|resolved|stale|fresh)-[0-9]+$')
    AND r.event_id NOT IN (SELECT event_id FROM alert)
    AND r.event_id NOT IN (SELECT event_id FROM dead_event)
  GROUP BY r.event_id`;

async function apart(lake: LakeSql): Promise<Readonly<Record<string, Found>>> {
  const ended = (how: string) =>
    foundIn(
      lake,
      `SELECT says || ': ' || coalesce(reason, '') AS id, (p, decided_o) AS k FROM sending WHERE ended = ${text(how)}`,
    );
  return {
    'events that a person let dispatch pass over': await foundIn(
      lake,
      'SELECT says AS id, place AS k FROM owed WHERE passed',
    ),
    'notifications cancelled': await ended('cancelled'),
    'notifications held': await ended('held'),
    'notifications dead': await ended('dead'),
    'notifications that may have come twice, and say so': await foundIn(
      lake,
      'SELECT says AS id, id AS k FROM twice WHERE NOT unlabelled',
    ),
    'timers that are not due yet': await foundIn(
      lake,
      'SELECT says AS id, (due_us, trigger_id) AS k FROM timer WHERE NOT decided AND NOT late',
    ),
    'dead records of alert-deliveries': await foundIn(
      lake,
      "SELECT kafka_partition || '/' || kafka_offset AS id, (kafka_partition, kafka_offset) AS k FROM delivery_dead",
    ),
  };
}
