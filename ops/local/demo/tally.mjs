// Counts, each from its own place: rows in RDS, rows in the lake (DuckDB over the files as any reader finds them), e-mails at the inbox.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** `duckdb` is @duckdb/node-api; `lakeFolder` the lake on this disk. */
export function createTally({ duckdb, lakeFolder, pool, attributes }) {
  const filesOf = (table) => join(lakeFolder, table, '*', '*', '*.parquet');
  let connection;

  const query = async (sql) => {
    connection ??= await (await duckdb.DuckDBInstance.create(':memory:')).connect();
    const reader = await connection.runAndReadAll(sql);
    return reader.getRowObjectsJson();
  };

  return {
    /** Committed rows. */
    rds: async () => {
      const [[row]] = await pool.query('SELECT COUNT(*) AS n, COALESCE(MAX(id), 0) AS top FROM patients_vital_info');
      return { rows: Number(row.n), top: String(row.top) };
    },
    lake: async () => {
      const deadRows = existsSync(join(lakeFolder, 'vital_info_dead'))
        ? Number((await query(`SELECT COUNT(*) AS n FROM read_parquet('${filesOf('vital_info_dead')}')`))[0].n)
        : 0;
      if (!existsSync(join(lakeFolder, 'vital_info'))) return { rows: 0, distinctIds: 0, deadRows };
      const [row] = await query(
        `SELECT COUNT(*) AS n, COUNT(DISTINCT (source, row_id)) AS ids FROM read_parquet('${filesOf('vital_info')}', union_by_name = true)`,
      );
      return { rows: Number(row.n), distinctIds: Number(row.ids), deadRows };
    },
    /** Ids that were given up, by the lake; and those that RDS lacks below its last. */
    retired: async () => {
      const [[row]] = await pool.query('SELECT COALESCE(MAX(id), 0) - COUNT(*) AS absent FROM patients_vital_info');
      const ids = existsSync(join(lakeFolder, 'gap'))
        ? (
            await query(
              `SELECT CAST(SUM(last_id - first_id + 1) AS VARCHAR) AS n FROM read_parquet('${filesOf('gap')}')`,
            )
          )[0].n
        : 0;
      return { ids: Number(ids), absent: Number(row.absent) };
    },
    /** Every row that came from one partition, in Kafka's order, as recompute.mjs takes them. */
    lakeRows: async (partition) => {
      if (!existsSync(join(lakeFolder, 'vital_info'))) return [];
      const signs = attributes.map((attribute) => `"${attribute.lakeColumn}" AS "${attribute.name}"`).join(', ');
      const rows = await query(
        `SELECT CAST(row_id AS VARCHAR) AS id, patient_id AS patient, epoch_us(recorded_at) AS us, ${signs}
         FROM read_parquet('${filesOf('vital_info')}', union_by_name = true)
         WHERE kafka_partition = ${partition} ORDER BY kafka_offset`,
      );
      return rows.map((row) => ({
        id: row.id,
        patient: row.patient,
        recordedMs: Number(row.us) / 1000,
        values: Object.fromEntries(attributes.map(({ name }) => [name, row[name]])),
      }));
    },
  };
}
