// What the audit's evaluator evaluates: each reading with the limits, patients and timing of its time, and each of its signs as a sample.
import type { Attribute } from '../domain/attributes.js';
import type { IdRange } from '../domain/gap-ledger.js';
import { versionOf } from '../domain/import-version.js';
import { insert, text } from './audit-sql.js';
import { columnName } from './columns.js';
import type { LakeSql } from './query.js';
import { DUCKDB } from './sql-dialect.js';

/** A device clock may run ahead of the poller by this much. */
const AHEAD_US = 5_000_000;
const US_PER_MS = 1_000;
/** A hospital's table without patients is a version too, of which no lake can have a row. */
const NOBODY = versionOf('patients', []).version;
/** Whoever is older has a wrong date of birth. */
const OLDEST = 150;

export interface EvaluatedReadings {
  readonly attributes: readonly Attribute[];
  /** Of the hospital: an IANA name. */
  readonly timeZone: string;
  /** Which of these patients are in the hospital's table now. */
  readonly knownPatients: (ids: readonly string[]) => Promise<ReadonlySet<string>>;
  /** Only alerts of readings of these ids are compared; null: all. */
  readonly ids: IdRange | null;
}

/** Wants `cut`, `held` and `dead_row`. */
export async function createSamples(lake: LakeSql, evaluated: EvaluatedReadings): Promise<void> {
  await createReadings(lake, evaluated);
  await createRules(lake, evaluated.attributes);
  await lake.run(sampleView(evaluated));
  await createUntold(lake, evaluated);
}

/** `reading`: what the watcher has evaluated, with the versions and the policy that were in force. Once each, however often it lies in the lake. */
async function createReadings(lake: LakeSql, { attributes, ids }: EvaluatedReadings): Promise<void> {
  await lake.run(
    `CREATE TABLE context AS
     SELECT *, CASE WHEN conditions IS NOT NULL THEN dense_rank() OVER (ORDER BY conditions) END AS policy FROM (
       SELECT kafka_partition AS p, CAST(json_extract_string(body, '$.offset') AS BIGINT) AS o, threshold_version AS limits, patient_version AS people,
         CAST(json_extract(body, '$.conditions') AS VARCHAR) AS conditions
       FROM alert WHERE kind = 'context'
       QUALIFY row_number() OVER (PARTITION BY p, o ORDER BY kafka_offset DESC) = 1)`,
  );
  // What a person let the watcher pass over, since Kafka no longer had it.
  await lake.run(
    `CREATE TABLE passed_over AS
     SELECT CAST(json_extract_string(body, '$.partition') AS INTEGER) AS p, CAST(json_extract_string(body, '$.from') AS BIGINT) AS first_o,
       CAST(json_extract_string(body, '$.to') AS BIGINT) AS next_o
     FROM access_audit WHERE action = 'position-skip' AND json_extract_string(body, '$.reader') = 'watch'`,
  );
  const columns = attributes.map(({ name }) => `h.${DUCKDB.quote(columnName(name))}`);
  // An episode that is asked for may have begun long before: all readings of its patient are followed, and of no other.
  const asked =
    ids === null
      ? 'true'
      : `h.patient_id IN (SELECT patient_id FROM held WHERE row_id BETWEEN ${ids.from} AND ${ids.to})`;
  await lake.run(
    `CREATE TABLE placed AS
     SELECT DISTINCT ON (h.p, h.o) h.p, h.o, h.source, h.row_id, h.source || ':' || h.row_id AS reading, h.patient_id AS patient,
       least(h.recorded_us, h.read_us + ${AHEAD_US}) AS at_us, h.mark IS NOT NULL AS marked, h.bad, cut.done, c.o AS context_o, c.limits, c.people, c.policy,
       EXISTS (SELECT 1 FROM passed_over s WHERE s.p = h.p AND h.o >= s.first_o AND h.o < s.next_o) AS passed, ${columns.join(', ')}
     FROM held h JOIN cut ON cut.p = h.p AND h.o < cut.o ASOF LEFT JOIN context c ON c.p = h.p AND h.o >= c.o WHERE ${asked}`,
  );
  await lake.run('CREATE VIEW reading AS SELECT * FROM placed WHERE o < done AND context_o IS NOT NULL AND NOT passed');
  await lake.run(
    `CREATE TABLE person AS SELECT DISTINCT version AS people, patient_id AS patient, age, date_of_birth AS born FROM patient WHERE NOT deleted
     AND version IN (SELECT people FROM context)`,
  );
}

/** Of one severity of one sign under one policy. */
const TIMING = {
  sustain_us: `${US_PER_MS} * CAST(json_extract_string(timing, '$.sustainMs') AS BIGINT)`,
  least_samples: "CAST(json_extract_string(timing, '$.minSamples') AS BIGINT)",
  margin: "CAST(json_extract_string(timing, '$.clearMargin') AS DOUBLE)",
  clear_us: `${US_PER_MS} * CAST(json_extract_string(timing, '$.clearAfterMs') AS BIGINT)`,
  clear_samples: "CAST(json_extract_string(timing, '$.clearSamples') AS BIGINT)",
};

/**
 * `rule`: when episodes of a sign begin and end, by policy: lists with a place for each severity (1 low, 2 medium, 3 high). Rules
 * that say the same have the same number. `incomplete`: policies that don't say everything.
 */
async function createRules(lake: LakeSql, attributes: readonly Attribute[]): Promise<void> {
  const names = attributes.map(({ name }) => `(${text(name)})`).join(', ');
  const columns = Object.entries(TIMING);
  const lists = columns.map(([name]) => `list(${name} ORDER BY rank) AS ${name}`);
  const all = columns.map(([name]) => name).join(', ');
  await lake.run(
    `CREATE TABLE rule AS
     WITH ranks(rank, severity) AS (VALUES (1, 'low'), (2, 'medium'), (3, 'high')),
     policy AS (SELECT DISTINCT policy, conditions FROM context WHERE policy IS NOT NULL),
     asked(sign) AS (SELECT * FROM (VALUES ${names}) UNION SELECT DISTINCT unnest(json_keys(bad)) FROM reading WHERE bad IS NOT NULL),
     own AS (
       SELECT p.policy, a.key AS sign, r.rank, json_extract(a.value, '$.' || r.severity) AS timing
       FROM policy p, json_each(p.conditions, '$.attributes') a, ranks r
     ), said AS (
       SELECT p.policy, s.sign, r.rank, coalesce(o.timing, json_extract(p.conditions, '$.default')) AS timing
       FROM policy p CROSS JOIN asked s CROSS JOIN ranks r LEFT JOIN own o ON o.policy = p.policy AND o.sign = s.sign AND o.rank = r.rank
     ), timed AS (
       SELECT policy, sign, rank, ${columns.map(([name, sql]) => `${sql} AS ${name}`).join(', ')} FROM said
     )
     SELECT *, dense_rank() OVER (ORDER BY (${all})) AS rule FROM (SELECT policy, sign, ${lists.join(', ')} FROM timed GROUP BY policy, sign)`,
  );
  await lake.run(
    `CREATE TABLE incomplete AS SELECT DISTINCT policy FROM rule WHERE ${columns.map(([name]) => `list_count(${name}) < 3`).join(' OR ')}`,
  );
}

/** `sample`: one row a reading and sign, absent signs left out. `v` is NULL where the value could not be read. */
function sampleView({ attributes, timeZone }: EvaluatedReadings): string {
  const common = 'r.p, r.o, r.patient, r.at_us, r.marked, r.limits, r.people, r.policy, r.reading';
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
  return `CREATE VIEW sample AS SELECT s.*, w.patient IS NOT NULL AS known, ${ageSql(timeZone)} AS age
    FROM (${[...attributes.map(of), others].join(' UNION ALL ')}) s
    LEFT JOIN person w ON w.people = s.people AND w.patient = s.patient`;
}

/** Completed years on the day of the sample, as the hospital's wall calendar shows it; ISO dates are compared as text. */
function ageSql(timeZone: string): string {
  const day = `strftime(timezone(${text(timeZone)}, make_timestamptz(s.at_us)), '%Y-%m-%d')`;
  const turns = 'CAST(substr(day, 1, 4) AS INTEGER) - CAST(substr(w.born, 1, 4) AS INTEGER)';
  const years = `${turns} - CAST(substr(day, 6) < substr(w.born, 6) AS INTEGER)`.replaceAll('day', day);
  return `CASE WHEN w.born IS NULL THEN w.age WHEN ${years} BETWEEN 0 AND ${OLDEST} THEN ${years} END`;
}

/** `untold`: patients of whom it can't be told from the lake what should have been raised, and why. */
async function createUntold(lake: LakeSql, { knownPatients }: EvaluatedReadings): Promise<void> {
  await lake.run('CREATE TABLE untold (p INTEGER, patient VARCHAR, why VARCHAR)');
  await lake.run(
    `INSERT INTO untold SELECT DISTINCT p, patient, 'version' FROM reading
     WHERE policy IS NULL OR policy IN (SELECT policy FROM incomplete)
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
     JOIN dead_row d ON a.reading_id = d.source || ':' || d.id WHERE a.kind IN ('raised', 'worsened', 'resolved')`,
  );
}
