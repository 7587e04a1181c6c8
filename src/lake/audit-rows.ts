// The audit's first half, in SQL: ids of the source against ids of the lake, and ids that were given up against both.
import { type AuditTerm, auditTerm, type Found } from '../domain/audit.js';
import type { IdRange } from '../domain/gap-ledger.js';
import type { IdSteps } from '../domain/id-steps.js';
import { foundIn, text } from './audit-sql.js';
import type { LakeSql } from './query.js';

export interface AuditedRows {
  /** Name of the source in readings, and in the records of gaps. */
  readonly readingSource: string;
  readonly source: string;
  readonly ids: IdRange;
  /** Which ids the server hands out: those between are nobody's. */
  readonly steps: IdSteps;
  /** Ids handed out before were another numbering's: gaps until then say nothing. Microseconds; null: never. */
  readonly numberedSinceUs: number | null;
}

export interface RowsAudit {
  readonly terms: readonly [rows: AuditTerm, gaps: AuditTerm];
  readonly apart: Readonly<Record<string, Found>>;
}

/** Wants `rds` (one column `id`) filled, and `held` and `dead_row`. */
export async function auditRows(lake: LakeSql, audited: AuditedRows): Promise<RowsAudit> {
  const { from, to } = audited.ids;
  const own = `source = ${text(audited.readingSource)}`;
  const since = audited.numberedSinceUs === null ? '' : ` AND epoch_us("at") >= ${audited.numberedSinceUs}`;
  await lake.run(
    `CREATE TABLE held_id AS SELECT CAST(row_id AS HUGEINT) AS id, count(*) AS n, bool_or(mark = 'replayed') AS replayed
     FROM held WHERE ${own} AND row_id BETWEEN ${from} AND ${to} GROUP BY row_id`,
  );
  await lake.run(
    `CREATE TABLE dead_id AS SELECT id, count(*) AS n FROM dead_row WHERE ${own} AND id BETWEEN ${from} AND ${to} GROUP BY id`,
  );
  await lake.run(
    `CREATE TABLE given_up AS SELECT greatest(CAST(first_id AS HUGEINT), ${from}) AS lo, least(CAST(last_id AS HUGEINT), ${to}) AS hi,
       coalesce(evidence = 'reset', false) AS by_person
     FROM gap WHERE source = ${text(audited.source)} AND first_id <= ${to} AND last_id >= ${from}${since}`,
  );
  await lake.run(
    'CREATE TABLE known_id AS SELECT id FROM rds UNION SELECT id FROM held_id UNION SELECT id FROM dead_id',
  );
  const sums = await lake.query(
    `SELECT (SELECT count(*) FROM rds) AS rds, (SELECT coalesce(sum(n), 0) FROM held_id) AS held,
       (SELECT count(*) FROM dead_id WHERE id NOT IN (SELECT id FROM held_id)) AS dead,
       (SELECT coalesce(sum(hi - lo + 1), 0) FROM given_up WHERE NOT by_person) AS retired,
       (SELECT count(*) FROM held_id WHERE id NOT IN (SELECT id FROM rds)) AS gone`,
  );
  const sum = (name: string) => String(sums.rows[0]?.[name] ?? 0);
  const missing = await foundIn(
    lake,
    'SELECT id, id AS k FROM rds WHERE id NOT IN (SELECT id FROM held_id) AND id NOT IN (SELECT id FROM dead_id)',
  );
  const twice = await foundIn(
    lake,
    `SELECT id, id AS k FROM held_id WHERE n > 1
     UNION SELECT d.id, d.id FROM dead_id d LEFT JOIN held_id h ON h.id = d.id WHERE NOT coalesce(h.replayed, h.id IS NULL AND d.n = 1)`,
  );
  const wronglyRetired = await foundIn(
    lake,
    'SELECT DISTINCT k.id, k.id AS k FROM known_id k JOIN given_up g ON k.id BETWEEN g.lo AND g.hi WHERE NOT g.by_person',
  );
  const unexplained = await foundIn(lake, holes(audited));
  return {
    terms: [
      auditTerm(
        'rows',
        `${sum('rds')} ids in RDS, ${sum('held')} rows in the lake (${sum('gone')} since deleted in RDS), ${sum('dead')} dead`,
        { 'ids of RDS that are not in the lake': missing, 'ids more than once': twice },
      ),
      auditTerm('gaps', `${sum('retired')} ids retired, none of them in RDS or the lake`, {
        'ids retired that are there': wronglyRetired,
        'ranges of ids that are nowhere and were never retired': unexplained,
      }),
    ],
    apart: {
      'ids since deleted in RDS': await foundIn(
        lake,
        'SELECT id, id AS k FROM known_id WHERE id NOT IN (SELECT id FROM rds)',
      ),
      'ranges of ids given up by a reset': await foundIn(
        lake,
        "SELECT lo || '–' || hi AS id, lo AS k FROM given_up WHERE by_person",
      ),
      'dead records without a readable id': await foundIn(
        lake,
        "SELECT p || '/' || o AS id, (p, o) AS k FROM dead_row WHERE id IS NULL",
      ),
      'dead records of ids beside this audit': await foundIn(
        lake,
        `SELECT p || '/' || o AS id, (p, o) AS k FROM dead_row WHERE id IS NOT NULL AND NOT (${own} AND id BETWEEN ${from} AND ${to})`,
      ),
      'rows replayed or backfilled': await foundIn(
        lake,
        `SELECT row_id AS id, row_id AS k FROM held WHERE ${own} AND mark IS NOT NULL AND row_id BETWEEN ${from} AND ${to}`,
      ),
      'rows of an earlier numbering or another source': await foundIn(
        lake,
        `SELECT source || ':' || row_id AS id, (source, row_id) AS k FROM held WHERE NOT (${own})`,
      ),
    },
  };
}

/** Ranges within [from, to] that neither a known id nor a given-up range covers. */
function holes({ ids: { from, to }, steps: { step, rest } }: AuditedRows): string {
  return `
    WITH covered AS (
      SELECT id AS lo, id AS hi FROM known_id
      UNION ALL SELECT lo, hi FROM given_up
      UNION ALL SELECT CAST(${from} AS HUGEINT) - 1, CAST(${from} AS HUGEINT) - 1
      UNION ALL SELECT CAST(${to} AS HUGEINT) + 1, CAST(${to} AS HUGEINT) + 1
    ), reached AS (
      SELECT lo, max(hi) OVER (ORDER BY lo, hi ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM covered
    )
    SELECT CASE WHEN before + 1 = lo - 1 THEN CAST(lo - 1 AS VARCHAR) ELSE (before + 1) || '–' || (lo - 1) END AS id, lo AS k
    FROM reached WHERE before IS NOT NULL AND lo > before + 1
      AND ((before + ${step} - ${rest}) // ${step}) * ${step} + ${rest} < lo`;
}
