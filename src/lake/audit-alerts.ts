// The audit's second half: an evaluator of its own, in SQL, says which alerts the lake's readings must have raised and ended.
// Written from the rules (contracts.md, alerts.md), not from the watcher's code, so that a mistake of the one shows in the other.
import type { Attribute } from '../domain/attributes.js';
import { type AuditTerm, auditTerm, type Found } from '../domain/audit.js';
import type { IdRange } from '../domain/gap-ledger.js';
import { versionOf } from '../domain/import-version.js';
import { createClasses } from './audit-limits.js';
import { foundIn, insert, text } from './audit-sql.js';
import { columnName } from './columns.js';
import type { LakeSql } from './query.js';
import { DUCKDB } from './sql-dialect.js';

/** A device clock may run ahead of the poller by this much. */
const AHEAD_US = 5_000_000;
const US_PER_MS = 1_000;
/** A hospital's table without patients is a version too, of which no lake can have a row. */
const NOBODY = versionOf('patients', []).version;

/** One partition at the moment of the audit. */
export interface PartitionCut {
  /** Offset of vital-info from which readings are not looked at. */
  readonly end: number;
  /** Where the watcher stands; what it has not evaluated yet is told apart. */
  readonly evaluated: number;
  /** The same of doctors-queue: everything that was written for readings below `evaluated` lies below it. */
  readonly events: number;
}

export interface AuditedAlerts {
  readonly attributes: readonly Attribute[];
  readonly partitions: readonly PartitionCut[];
  /** In force now: for context events of before they carried their timing. */
  readonly policy: { readonly version: string; readonly clearAfterMs: number; readonly clearSamples: number };
  /** Which of these patients are in the hospital's table now. */
  readonly knownPatients: (ids: readonly string[]) => Promise<ReadonlySet<string>>;
  /** Only alerts of readings of these ids are compared; null: all. */
  readonly ids: IdRange | null;
}

export interface AlertsAudit {
  readonly terms: readonly [evaluated: AuditTerm, alerts: AuditTerm];
  readonly apart: Readonly<Record<string, Found>>;
}

/** Wants `held` and `dead_row`. */
export async function auditAlerts(lake: LakeSql, audited: AuditedAlerts): Promise<AlertsAudit> {
  await lake.run('CREATE TABLE cut (p INTEGER, o BIGINT, done BIGINT, events BIGINT)');
  await insert(
    lake,
    'cut',
    audited.partitions.map(({ end, evaluated, events }, p) => `(${p}, ${end}, ${Math.min(end, evaluated)}, ${events})`),
  );
  await createReadings(lake, audited);
  await createSamples(lake, audited.attributes);
  await createClasses(lake, audited.attributes);
  await createUntold(lake, audited);
  await lake.run(EXPECTED);
  await lake.run(actual(audited.ids));
  return { terms: [await evaluatedTerm(lake), await alertsTerm(lake)], apart: await apart(lake) };
}

/** `reading`: what the watcher has evaluated, with the versions and the timing that were in force. Once each, however often it lies in the lake. */
async function createReadings(lake: LakeSql, { policy, attributes }: AuditedAlerts): Promise<void> {
  const known = text(policy.version);
  await lake.run(
    `CREATE TABLE context AS
     SELECT kafka_partition AS p, CAST(json_extract_string(body, '$.offset') AS BIGINT) AS o,
       threshold_version AS limits, patient_version AS people,
       ${US_PER_MS} * coalesce(CAST(json_extract_string(body, '$.clearAfterMs') AS BIGINT), CASE WHEN policy_version = ${known} THEN ${policy.clearAfterMs} END) AS clear_us,
       coalesce(CAST(json_extract_string(body, '$.clearSamples') AS BIGINT), CASE WHEN policy_version = ${known} THEN ${policy.clearSamples} END) AS clear_samples
     FROM alert WHERE kind = 'context'
     QUALIFY row_number() OVER (PARTITION BY p, o ORDER BY kafka_offset DESC) = 1`,
  );
  // What a person let the watcher pass over, since Kafka no longer had it.
  await lake.run(
    `CREATE TABLE passed_over AS
     SELECT CAST(json_extract_string(body, '$.partition') AS INTEGER) AS p, CAST(json_extract_string(body, '$.from') AS BIGINT) AS first_o,
       CAST(json_extract_string(body, '$.to') AS BIGINT) AS next_o
     FROM access_audit WHERE action = 'position-skip' AND json_extract_string(body, '$.reader') = 'watch'`,
  );
  const columns = attributes.map(({ name }) => `h.${DUCKDB.quote(columnName(name))}`);
  await lake.run(
    `CREATE TABLE placed AS
     SELECT DISTINCT ON (h.p, h.o) h.p, h.o, h.source, h.row_id, h.source || ':' || h.row_id AS reading, h.patient_id AS patient,
       least(h.recorded_us, h.read_us + ${AHEAD_US}) AS at_us, h.bad, cut.done, c.o AS context_o, c.limits, c.people, c.clear_us, c.clear_samples,
       EXISTS (SELECT 1 FROM passed_over s WHERE s.p = h.p AND h.o >= s.first_o AND h.o < s.next_o) AS passed, ${columns.join(', ')}
     FROM held h JOIN cut ON cut.p = h.p AND h.o < cut.o ASOF LEFT JOIN context c ON c.p = h.p AND h.o >= c.o`,
  );
  await lake.run('CREATE VIEW reading AS SELECT * FROM placed WHERE o < done AND context_o IS NOT NULL AND NOT passed');
  await lake.run(
    `CREATE TABLE person AS SELECT DISTINCT version AS people, patient_id AS patient, age FROM patient WHERE NOT deleted
     AND version IN (SELECT people FROM context)`,
  );
}

/** `sample`: one row a reading and sign, absent signs left out. `v` is NULL where the value could not be read. */
async function createSamples(lake: LakeSql, attributes: readonly Attribute[]): Promise<void> {
  const common = 'r.p, r.o, r.patient, r.at_us, r.limits, r.people, r.clear_us, r.clear_samples, r.reading';
  const of = ({ name }: Attribute) => {
    const bad = `coalesce(list_contains(json_keys(r.bad), ${text(name)}), false)`;
    const value = `r.${DUCKDB.quote(columnName(name))}`;
    return `SELECT ${common}, ${text(name)} AS sign, CASE WHEN ${bad} THEN NULL ELSE ${value} END AS v
      FROM reading r WHERE ${value} IS NOT NULL OR ${bad}`;
  };
  const names = attributes.map(({ name }) => text(name)).join(', ');
  // Signs that are not read any more can still have come as text that nobody could read.
  const others = `SELECT * FROM (SELECT ${common}, unnest(json_keys(r.bad)) AS sign, CAST(NULL AS DOUBLE) AS v FROM reading r WHERE r.bad IS NOT NULL)
    WHERE sign NOT IN (${names})`;
  await lake.run(
    `CREATE VIEW sample AS SELECT s.*, w.patient IS NOT NULL AS known, w.age
     FROM (${[...attributes.map(of), others].join(' UNION ALL ')}) s
     LEFT JOIN person w ON w.people = s.people AND w.patient = s.patient`,
  );
}

/** `untold`: patients of whom it can't be told from the lake what should have been raised, and why. */
async function createUntold(lake: LakeSql, { knownPatients }: AuditedAlerts): Promise<void> {
  await lake.run('CREATE TABLE untold (p INTEGER, patient VARCHAR, why VARCHAR)');
  await lake.run(
    `INSERT INTO untold SELECT DISTINCT p, patient, 'version' FROM reading
     WHERE clear_us IS NULL OR clear_samples IS NULL
       OR limits NOT IN (SELECT version FROM threshold WHERE NOT deleted)
       OR (people NOT IN ('', ${text(NOBODY)}) AND people NOT IN (SELECT people FROM person))`,
  );
  const strangers = await lake.query(
    'SELECT DISTINCT patient FROM reading r WHERE NOT EXISTS (SELECT 1 FROM person w WHERE w.people = r.people AND w.patient = r.patient)',
  );
  const ids = strangers.rows.map(({ patient }) => String(patient));
  const known = await knownPatients(ids);
  await lake.run('CREATE TABLE stranger (patient VARCHAR, in_source BOOLEAN)');
  await insert(
    lake,
    'stranger',
    ids.map((id) => `(${text(id)}, ${known.has(id)})`),
  );
  // Known elsewhere: the watcher may have found them by reading through, or not in time.
  await lake.run(
    `INSERT INTO untold SELECT DISTINCT r.p, r.patient, 'read-through' FROM reading r JOIN stranger s USING (patient)
     WHERE s.in_source OR EXISTS (SELECT 1 FROM patient w WHERE w.patient_id = r.patient)`,
  );
  await lake.run(
    `INSERT INTO untold SELECT DISTINCT a.kafka_partition, a.patient_id, 'dead' FROM alert a
     JOIN dead_row d ON a.reading_id = d.source || ':' || d.id WHERE a.kind IN ('raised', 'resolved')`,
  );
}

/**
 * An episode of a key (partition, patient, sign, direction) begins at an abnormal sample (A) while none is open, and ends at the
 * first of its calm samples (N) that comes long enough after the first calm one, and is at least the so-manieth in a row. Time
 * never runs backwards within an episode: each sample counts with the latest instant of the episode so far.
 *
 * A's and N's after each other make a cycle. Whether a cycle's calm ends the episode depends on what came before only by the
 * latest instant so far (`reached`), so cycles are folded one after the other, cut where the timing changes (a `stretch`).
 */
const EXPECTED = `
  CREATE TABLE key AS SELECT DISTINCT p, patient, sign, class AS direction FROM classed WHERE class <> 'normal';

  CREATE TABLE step AS
  WITH effect AS (
    SELECT k.p, k.patient, k.sign, k.direction, s.o, s.at_us, s.clear_us, s.clear_samples, s.reading, s.class = k.direction AS abnormal
    FROM key k JOIN classed s USING (p, patient, sign) WHERE s.class = k.direction OR s.class <> 'unclassified'
  ), begun AS (
    SELECT *, abnormal AND NOT coalesce(lag(abnormal) OVER by_key, false) AS begins FROM effect WINDOW by_key AS (PARTITION BY p, patient, sign, direction ORDER BY o)
  ), cycled AS (
    SELECT *, count_if(begins) OVER (PARTITION BY p, patient, sign, direction ORDER BY o) AS cycle FROM begun
  ), calm AS (
    SELECT *, NOT abnormal AND coalesce((clear_us, clear_samples) IS DISTINCT FROM lag((clear_us, clear_samples)) OVER run, true) AS retimed
    FROM cycled WHERE cycle > 0 WINDOW run AS (PARTITION BY p, patient, sign, direction, cycle, abnormal ORDER BY o)
  )
  SELECT *, count_if(retimed) OVER (PARTITION BY p, patient, sign, direction, cycle ORDER BY o) AS stretch,
    CASE WHEN NOT abnormal THEN count_if(NOT abnormal) OVER so_far END AS nth,
    CASE WHEN NOT abnormal THEN max(CASE WHEN NOT abnormal THEN at_us END) OVER so_far END AS latest_us
  FROM calm WINDOW so_far AS (PARTITION BY p, patient, sign, direction, cycle ORDER BY o);

  CREATE TABLE stretch AS
  WITH runs AS (
    SELECT p, patient, sign, direction, cycle, arg_min(reading, o) FILTER (abnormal) AS raised_by, max(at_us) FILTER (abnormal) AS alarm_us,
      arg_min(at_us, o) FILTER (NOT abnormal) AS calm_us
    FROM step GROUP BY ALL
  ), parts AS (
    SELECT p, patient, sign, direction, cycle, stretch, max(nth) AS nth, max(latest_us) AS latest_us, any_value(clear_us) AS clear_us,
      any_value(clear_samples) AS clear_samples
    FROM step WHERE NOT abnormal GROUP BY ALL
  )
  SELECT r.*, coalesce(s.stretch, 1) AS stretch, s.nth, s.latest_us, s.clear_us, s.clear_samples,
    row_number() OVER (PARTITION BY p, patient, sign, direction ORDER BY cycle, stretch) AS place
  FROM runs r LEFT JOIN parts s USING (p, patient, sign, direction, cycle) ORDER BY place;

  CREATE TABLE outcome AS
  WITH RECURSIVE told AS (
    SELECT s.*, true AS raised, alarm_us AS before_us, greatest(alarm_us, latest_us) AS reached,
      coalesce(nth >= clear_samples AND greatest(alarm_us, latest_us) - greatest(alarm_us, calm_us) >= clear_us, false) AS resolved,
      true AS was_open
    FROM stretch s WHERE place = 1
    UNION ALL
    SELECT * EXCLUDE (still_open, reached_before),
      greatest(before_us, latest_us, CASE WHEN still_open THEN reached_before END) AS reached,
      coalesce((still_open OR raised) AND nth >= clear_samples AND greatest(before_us, latest_us) - greatest(before_us, calm_us) >= clear_us, false) AS resolved,
      still_open OR raised AS was_open
    FROM (
      SELECT s.*, s.cycle <> t.cycle AND NOT (t.was_open AND NOT t.resolved) AS raised,
        CASE WHEN s.cycle = t.cycle THEN t.before_us WHEN t.was_open AND NOT t.resolved THEN greatest(t.reached, s.alarm_us) ELSE s.alarm_us END AS before_us,
        t.was_open AND NOT t.resolved AS still_open, t.reached AS reached_before
      FROM told t JOIN stretch s ON s.place = t.place + 1 AND s.p = t.p AND s.patient = t.patient AND s.sign = t.sign AND s.direction = t.direction
    )
  )
  SELECT * FROM told;

  CREATE TABLE expected AS
  SELECT p, patient, sign, direction, 'raised' AS kind, raised_by AS reading FROM outcome WHERE raised
  UNION ALL
  SELECT w.p, w.patient, w.sign, w.direction, 'resolved', arg_min(s.reading, s.o)
  FROM outcome w JOIN step s USING (p, patient, sign, direction, cycle, stretch)
  WHERE w.resolved AND NOT s.abnormal AND s.nth >= s.clear_samples
    AND greatest(w.before_us, s.latest_us) - greatest(w.before_us, w.calm_us) >= s.clear_us
  GROUP BY w.p, w.patient, w.sign, w.direction, w.cycle, w.stretch;`;

/** `told`: what was raised and resolved for the readings that are looked at. One that names no reading at all is among them. */
function actual(ids: IdRange | null): string {
  const asked = ids === null ? 'true' : `coalesce(r.row_id BETWEEN ${ids.from} AND ${ids.to}, true)`;
  return `
    CREATE TABLE asked_reading AS
      SELECT h.source || ':' || h.row_id AS reading, bool_or(h.o < coalesce(c.done, 0)) AS evaluated, min(h.row_id) AS row_id
      FROM held h LEFT JOIN cut c ON c.p = h.p GROUP BY reading;
    CREATE TABLE actual AS
      SELECT a.kafka_partition AS p, a.patient_id AS patient, a.attribute AS sign, a.direction, a.kind, a.reading_id AS reading, a.event_id
      FROM alert a JOIN cut ON cut.p = a.kafka_partition AND a.kafka_offset < cut.events
      LEFT JOIN asked_reading r ON r.reading = a.reading_id
      WHERE a.kind IN ('raised', 'resolved') AND coalesce(r.evaluated, true) AND ${asked};
    DELETE FROM expected WHERE reading NOT IN (SELECT reading FROM asked_reading r WHERE ${asked});`;
}

async function evaluatedTerm(lake: LakeSql): Promise<AuditTerm> {
  const { rows } = await lake.query('SELECT count(*) AS n FROM reading');
  return auditTerm('evaluated', `${rows[0]?.n} readings compared with the limits of their time`, {
    'readings that were never compared': await foundIn(
      lake,
      'SELECT reading AS id, (p, o) AS k FROM placed WHERE NOT passed AND NOT (o < done AND context_o IS NOT NULL)',
    ),
    'patients under limits, patients or timing that the lake does not have': await foundIn(
      lake,
      "SELECT DISTINCT patient AS id, patient AS k FROM untold WHERE why = 'version'",
    ),
  });
}

async function alertsTerm(lake: LakeSql): Promise<AuditTerm> {
  const told = 'NOT IN (SELECT (p, patient) FROM untold)';
  const id = "kind || ' ' || patient || ' ' || sign || ' ' || direction || ' ' || reading";
  const side = (table: string) =>
    `SELECT p, patient, sign, direction, kind, reading FROM ${table} WHERE (p, patient) ${told}`;
  const only = (a: string, b: string) =>
    `SELECT ${id} AS id, (p, reading, kind) AS k FROM (${side(a)} EXCEPT ${side(b)})`;
  const { rows } = await lake.query(
    "SELECT count(*) FILTER (kind = 'raised') AS raised, count(*) FILTER (kind = 'resolved') AS resolved FROM expected",
  );
  return auditTerm('alerts', `${rows[0]?.raised} raised and ${rows[0]?.resolved} resolved by the lake's readings`, {
    'alerts missing on doctors-queue': await foundIn(lake, only('expected', 'actual')),
    'alerts that no reading raised or ended': await foundIn(lake, only('actual', 'expected')),
    'alerts more than once': await foundIn(
      lake,
      `SELECT any_value(${id}) AS id, min(event_id) AS k FROM actual GROUP BY kind, p, patient, sign, direction, reading HAVING count(*) > 1`,
    ),
  });
}

async function apart(lake: LakeSql): Promise<Readonly<Record<string, Found>>> {
  const patients = (why: string) =>
    foundIn(lake, `SELECT DISTINCT patient AS id, patient AS k FROM untold WHERE why = ${text(why)}`);
  const kinds = (some: string) =>
    foundIn(lake, `SELECT event_id AS id, (kafka_partition, kafka_offset) AS k FROM alert WHERE kind IN (${some})`);
  return {
    'patients found by reading through, whose alerts are not compared': await patients('read-through'),
    'patients judged by a reading that the lake keeps as dead': await patients('dead'),
    'readings that a person let watch pass over': await foundIn(
      lake,
      'SELECT reading AS id, (p, o) AS k FROM placed WHERE passed',
    ),
    'stale and fresh': await kinds("'stale', 'fresh'"),
  };
}
