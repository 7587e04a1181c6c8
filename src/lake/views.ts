// Views over the lake's tables, the same for every engine: the original system's tables under their names, readings with their patient
// and limits, and what became of episodes and notifications.
import type { Attribute } from '../domain/attributes.js';
import { MAX_AGE } from '../domain/threshold-table.js';
import { columnName } from './columns.js';
import type { SqlDialect } from './sql-dialect.js';

/** What the views need to know of a vital sign. */
export type Sign = Pick<Attribute, 'name' | 'decimals'>;

export interface LakeView {
  readonly name: string;
  /** The statement behind it. */
  readonly select: string;
}

/** In an order in which each may use those before it. `signs`: those that vital_info has a column for. */
export function lakeViews(signs: readonly Sign[], dialect: SqlDialect): readonly LakeView[] {
  return [
    { name: 'patients_vital_info', select: readings(signs, dialect) },
    { name: 'patients_information', select: PATIENTS },
    { name: 'threshold_reference_table', select: LIMITS },
    { name: 'doctors_queue', select: alerts(signs, dialect) },
    { name: 'readings_with_limits', select: readingsWithLimits(signs, dialect) },
    { name: 'episodes', select: episodes(dialect) },
    { name: 'notifications', select: notifications(dialect) },
  ];
}

/** Readings as the hospital's table has them. */
function readings(signs: readonly Sign[], { quote, instant }: SqlDialect): string {
  const values = signs.map(({ name }) => `${columnName(name)} AS ${quote(name)}, `).join('');
  return `SELECT row_id AS id, patient_id AS customerId, ${values}${instant('recorded_at')} AS recorded_at, dt, hr
FROM vital_info`;
}

/** Each import that found a change wrote the whole table with one `imported_at`, and what it found deleted marked as such. */
function newest(table: string): string {
  return `FROM ${table} WHERE NOT deleted AND imported_at IN (SELECT MAX(imported_at) FROM ${table})`;
}

/** Completed years today, by the engine's own calendar; ISO dates are compared as text. */
function yearsToday(): string {
  const today = 'CAST(CURRENT_DATE AS STRING)';
  return `CAST(SUBSTR(${today}, 1, 4) AS INT) - CAST(SUBSTR(date_of_birth, 1, 4) AS INT)
    - CASE WHEN SUBSTR(${today}, 6, 5) < SUBSTR(date_of_birth, 6, 5) THEN 1 ELSE 0 END`;
}

const PATIENTS = `SELECT patient_id AS patientid, name AS patientname, address AS patientaddress, phone AS phone_number,
  ward AS admitted_ward, CASE WHEN date_of_birth IS NULL THEN age ELSE ${yearsToday()} END AS age, other_details
${newest('patient')}`;

const LIMITS = `SELECT attribute, low_age AS low_age_limit, high_age AS high_age_limit, low_value, high_value,
  CASE WHEN alert THEN 1 ELSE 0 END AS alert_flag, message AS alert_message, severity, unit
${newest('threshold')}`;

/** The original's queue: whom an alert concerns (as of today), and every sign of that reading as it came, unreadable ones too. */
function alerts(signs: readonly Sign[], { quote, instant, member }: SqlDialect): string {
  const vitals = signs.map(({ name }) => `${member('a.body', `vitals.${name}`)} AS ${quote(name)}, `).join('');
  return `SELECT a.patient_id AS customerId, p.patientname, p.age, p.patientaddress, p.phone_number, p.admitted_ward,
  ${vitals}a.attribute, a.value, a.kind, a.severity,
  ${instant('a.measured_at')} AS input_message_time, ${instant('a.at')} AS alert_generated_time,
  a.message AS alert_message, a.dt, a.hr
FROM alert a LEFT JOIN patients_information p ON p.patientid = a.patient_id
WHERE a.written_by = 'watch' AND a.episode_id IS NOT NULL`;
}

/**
 * One row for each value of each reading, as the watcher would judge it with today's patients and limits: rounded to the sign's
 * decimals, and of limits that overlap the most alarming. Rounded is the decimal text, so that 36.05 is 36.1 in every engine, and
 * then DOUBLE again, since a union of decimals of several scales loses digits. Values that can't be used are not here; they are
 * in vital_info's `bad`. Partitions are part of the window, so that a condition on dt reads only that day.
 */
function readingsWithLimits(signs: readonly Sign[], { instant }: SqlDialect): string {
  const values = signs.map(({ name, decimals }) => {
    const column = columnName(name);
    return `    SELECT source, row_id, patient_id, '${name}' AS attribute, ${column} AS value,
      CAST(ROUND(CAST(CAST(${column} AS STRING) AS DECIMAL(38, 6)), ${decimals}) AS DOUBLE) AS rounded, recorded_at, dt, hr
    FROM vital_info WHERE ${column} IS NOT NULL`;
  });
  return `SELECT source, id, customerId, patientname, age, patientaddress, phone_number, admitted_ward, attribute, value,
  CASE WHEN alert_flag IS NULL THEN 'unclassified' WHEN alert_flag = 1 THEN 'abnormal' ELSE 'normal' END AS verdict,
  alert_flag, alert_message, severity, low_value, high_value, ${instant('recorded_us')} AS recorded_at, dt, hr
FROM (
  SELECT r.source, r.row_id AS id, r.patient_id AS customerId, p.patientname, p.age, p.patientaddress, p.phone_number,
    p.admitted_ward, r.attribute, r.value, t.alert_flag, t.alert_message, t.severity, t.low_value, t.high_value,
    r.recorded_at AS recorded_us, r.dt, r.hr,
    ROW_NUMBER() OVER (PARTITION BY r.dt, r.hr, r.source, r.row_id, r.attribute ORDER BY t.alert_flag DESC,
      CASE WHEN t.alert_flag = 0 THEN 0 WHEN t.severity = 'high' THEN 1 WHEN t.severity = 'medium' THEN 2 ELSE 3 END,
      t.high_value - t.low_value, t.low_value, t.alert_message) AS place
  FROM (
${values.join('\n    UNION ALL\n')}
  ) r
  LEFT JOIN patients_information p ON p.patientid = r.patient_id
  LEFT JOIN threshold_reference_table t ON t.attribute = r.attribute
    AND p.age BETWEEN t.low_age_limit AND t.high_age_limit AND p.age BETWEEN 0 AND ${MAX_AGE}
    AND r.rounded BETWEEN t.low_value AND t.high_value
) judged
WHERE place = 1`;
}

/** One row an episode: from the reading that raised it to the one that ended it. `dt` is the day of its first event. */
function episodes({ instant, micros }: SqlDialect): string {
  return `SELECT episode_id, customerId, ward, attribute, direction, ${instant('raised_us')} AS raised_at,
  ${instant('resolved_us')} AS resolved_at, (${micros('resolved_us')} - ${micros('raised_us')}) / 1000000 AS seconds, dt
FROM (
  SELECT episode_id, MAX(patient_id) AS customerId, MAX(CASE WHEN kind = 'raised' THEN ward END) AS ward,
    MAX(attribute) AS attribute, MAX(direction) AS direction,
    MIN(CASE WHEN kind = 'raised' THEN measured_at END) AS raised_us,
    MIN(CASE WHEN kind = 'resolved' THEN measured_at END) AS resolved_us, MIN(dt) AS dt
  FROM alert WHERE written_by = 'watch' AND kind IN ('raised', 'worsened', 'resolved') GROUP BY episode_id
) e`;
}

/** One row a notification (timers are none until they have gone off), with how long it took from the measurement to SNS's acceptance. `dt` is the day it was decided. */
function notifications({ instant, micros }: SqlDialect): string {
  const state = (name: string) => `SUM(CASE WHEN state = '${name}' THEN 1 ELSE 0 END)`;
  const outcomes = ['accepted', 'cancelled', 'dead', 'held', 'suppressed'];
  return `SELECT d.notification_id, d.kind, d.episode_id, d.event_id, d.destination, d.outcome, d.attempts,
  ${instant('d.accepted_us')} AS accepted_at,
  (${micros('d.accepted_us')} - ${micros('a.measured_at')}) / 1000000 AS seconds, d.dt
FROM (
  SELECT notification_id, MAX(kind) AS kind, MAX(episode_id) AS episode_id, MAX(event_id) AS event_id,
    MAX(destination) AS destination, ${state('attempt')} AS attempts,
    CASE ${outcomes.map((name) => `WHEN ${state(name)} > 0 THEN '${name}'`).join(' ')} ELSE 'open' END AS outcome,
    MIN(CASE WHEN state = 'accepted' THEN delivery.at END) AS accepted_us, MIN(dt) AS dt
  FROM delivery WHERE state <> 'scheduled' OR destination <> '' GROUP BY notification_id
) d
LEFT JOIN alert a ON a.event_id = d.event_id AND a.written_by = 'watch'`;
}
