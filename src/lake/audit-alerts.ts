// The audit's second half: an evaluator of its own, in SQL, says which alerts the lake's readings must have raised and ended.
// Written from the rules (contracts.md, alerts.md), not from the watcher's code, so that a mistake of the one shows in the other.
import { type AuditTerm, auditTerm, type Found } from '../domain/audit.js';
import type { IdRange } from '../domain/gap-ledger.js';
import { createExpected } from './audit-episodes.js';
import { createClasses } from './audit-limits.js';
import { createSamples, type EvaluatedReadings } from './audit-readings.js';
import { foundIn, insert, text } from './audit-sql.js';
import type { LakeSql } from './query.js';

/** One partition at the moment of the audit. */
export interface PartitionCut {
  /** Offset of vital-info from which readings are not looked at. */
  readonly end: number;
  /** Where the watcher stands; what it has not evaluated yet is told apart. */
  readonly evaluated: number;
  /** The same of doctors-queue: everything that was written for readings below `evaluated` lies below it. */
  readonly events: number;
}

export interface AuditedAlerts extends EvaluatedReadings {
  readonly partitions: readonly PartitionCut[];
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
  await createSamples(lake, audited);
  await createClasses(lake, audited.attributes);
  await createExpected(lake);
  await lake.run(actual(audited.ids));
  return { terms: [await evaluatedTerm(lake), await alertsTerm(lake)], apart: await apart(lake) };
}

/** `asked_event`: what was told of the readings that are looked at. One that names no reading at all is among them. */
function actual(ids: IdRange | null): string {
  const asked = ids === null ? 'true' : `coalesce(r.row_id BETWEEN ${ids.from} AND ${ids.to}, true)`;
  return `
    CREATE TABLE asked_reading AS
      SELECT h.source || ':' || h.row_id AS reading, bool_or(h.o < coalesce(c.done, 0)) AS evaluated, min(h.row_id) AS row_id
      FROM held h LEFT JOIN cut c ON c.p = h.p GROUP BY reading;
    CREATE TABLE asked_event AS
      SELECT a.kafka_partition AS p, a.kafka_offset AS o, a.patient_id AS patient, a.attribute AS sign, a.direction, a.kind, a.reading_id AS reading,
        a.event_id, coalesce(r.evaluated, true) AS evaluated, concat_ws(' ', a.kind, a.patient_id, a.attribute, a.direction, a.event_id) AS says
      FROM alert a JOIN cut ON cut.p = a.kafka_partition AND a.kafka_offset < cut.events
      LEFT JOIN asked_reading r ON r.reading = a.reading_id
      WHERE a.kind IN ('raised', 'worsened', 'resolved', 'stale', 'fresh') AND ${asked};
    CREATE VIEW actual AS SELECT * FROM asked_event WHERE kind IN ('raised', 'worsened', 'resolved') AND sign <> '~data' AND evaluated;
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
    "SELECT count(*) FILTER (kind = 'raised') AS raised, count(*) FILTER (kind = 'worsened') AS worsened, count(*) FILTER (kind = 'resolved') AS resolved FROM expected",
  );
  const [sum] = rows;
  const says = `${sum?.raised} raised, ${sum?.worsened} worsened and ${sum?.resolved} resolved by the lake's readings`;
  return auditTerm('alerts', says, {
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
