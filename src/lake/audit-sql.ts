// What both halves of the audit's SQL are made of: texts in statements, lists of what was found, and the lake's readings, read once.
import { type Found, LISTED } from '../domain/audit.js';
import { readingNamedBy } from '../domain/reading.js';
import { columnName } from './columns.js';
import type { LakeSql } from './query.js';
import { DUCKDB } from './sql-dialect.js';
import type { Sign } from './views.js';

const INSERTED_AT_ONCE = 1_000;

export function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** How many rows the relation has, and the column `id` of the first by `k`. */
export async function foundIn(lake: LakeSql, relation: string): Promise<Found> {
  const { rows } = await lake.query(
    `SELECT CAST(id AS VARCHAR) AS id, count(*) OVER () AS n FROM (${relation}) ORDER BY k LIMIT ${LISTED}`,
  );
  return { count: Number(rows[0]?.n ?? 0), first: rows.map(({ id }) => String(id)) };
}

/** Rows of constants; none is no statement. */
export async function insert(lake: LakeSql, table: string, rows: readonly string[]): Promise<void> {
  for (let i = 0; i < rows.length; i += INSERTED_AT_ONCE)
    await lake.run(`INSERT INTO ${table} VALUES ${rows.slice(i, i + INSERTED_AT_ONCE).join(', ')}`);
}

/**
 * `held`: every reading of the lake with its place in Kafka (p, o), instants in microseconds, and a column per sign.
 * `dead_row`: what dead records of vital-info are about, NULL where they don't say.
 */
export async function readHeld(lake: LakeSql, signs: readonly Sign[]): Promise<void> {
  const columns = signs.map(({ name }) => DUCKDB.quote(columnName(name)));
  await lake.run(
    `CREATE TABLE held AS SELECT kafka_partition AS p, kafka_offset AS o, source, row_id, patient_id, mark, bad,
       epoch_us(recorded_at) AS recorded_us, epoch_us(read_at) AS read_us, ${columns.join(', ')} FROM vital_info`,
  );
  await lake.run('CREATE TABLE dead_row (p INTEGER, o BIGINT, source VARCHAR, id HUGEINT)');
  const { rows } = await lake.query(
    'SELECT kafka_partition AS p, kafka_offset AS o, base64(raw) AS raw FROM vital_info_dead',
  );
  const named = rows.map(({ p, o, raw }) => {
    const row = typeof raw === 'string' ? readingNamedBy(Buffer.from(raw, 'base64')) : undefined;
    return `(${p}, ${o}, ${row ? text(row.source) : 'NULL'}, ${row ? row.row : 'NULL'})`;
  });
  await insert(lake, 'dead_row', named);
}
