// SQL over the lake, exact: DuckDB reads the very files that the commit log names, whatever else lies in the folders.
import { fileURLToPath } from 'node:url';
import { ATTRIBUTES } from '../domain/attributes.js';
import type { LakeStore } from '../domain/ports.js';
import { type LakeFileNow, lakeFiles } from './chain-reader.js';
import { lakeTables } from './columns.js';
import { LakeQueryError } from './errors.js';
import { DUCKDB } from './sql-dialect.js';
import type { LakeTable } from './table.js';
import { lakeViews, type Sign } from './views.js';

/** BIGINT, TIMESTAMP and DECIMAL come as text: JavaScript's numbers can't hold them. */
export type LakeValue = string | number | boolean | null | readonly LakeValue[] | { readonly [key: string]: LakeValue };

export interface LakeResult {
  readonly columns: readonly string[];
  readonly rows: readonly Readonly<Record<string, LakeValue>>[];
}

/** Files move from staging to their place while a query starts. */
const ATTEMPTS = 3;

/** One in-memory database with a view for each table of the lake, as its files were when it was opened. */
export interface LakeSql {
  run(sql: string): Promise<void>;
  query(sql: string): Promise<LakeResult>;
  /** Into a table of one HUGEINT column. */
  appendIds(table: string, ids: Iterable<bigint>): Promise<void>;
}

/**
 * Runs one statement with a view for each table of the lake (a table without files has its columns and no rows; `dt` and
 * `hr` are text), and those of views.ts. `signs`: the vital signs that vital_info has a column for, whatever its files have.
 * Throws LakeQueryError where the lake is no local folder or DuckDB's binary is missing, and DuckDB's own error for wrong SQL.
 */
export async function lakeQuery(
  store: LakeStore,
  sql: string,
  signs: readonly Sign[] = ATTRIBUTES,
): Promise<LakeResult> {
  for (let attempt = 1; ; attempt++) {
    const files = await lakeFiles(store);
    try {
      return await withLakeSql(store, files, signs, (lake) => lake.query(sql));
    } catch (error) {
      const moved = files.some(({ at }) => at.startsWith('_staging/')) && attempt < ATTEMPTS;
      if (!moved) throw error;
    }
  }
}

/** Several statements over the same files. Throws as `lakeQuery`, and what `work` throws. */
export async function withLakeSql<T>(
  store: LakeStore,
  files: readonly LakeFileNow[],
  signs: readonly Sign[],
  work: (lake: LakeSql) => Promise<T>,
): Promise<T> {
  const duckdb = await loadDuckdb();
  const root = localRoot(store);
  const instance = await duckdb.DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    for (const table of lakeTables(signs.map(({ name }) => name)))
      await connection.run(
        viewOf(
          table,
          root,
          files.filter((file) => file.table === table.name),
        ),
      );
    for (const { name, select } of lakeViews(signs, DUCKDB)) await connection.run(`CREATE VIEW ${name} AS ${select}`);
    return await work({
      run: async (sql) => void (await connection.run(sql)),
      query: async (sql) => {
        const reader = await connection.runAndReadAll(sql);
        return {
          columns: reader.deduplicatedColumnNames(),
          rows: reader.getRowObjectsJson() as LakeResult['rows'],
        };
      },
      appendIds: async (table, ids) => {
        const appender = await connection.createAppender(table);
        for (const id of ids) {
          appender.appendHugeInt(id);
          appender.endRow();
        }
        appender.closeSync();
      },
    });
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

async function loadDuckdb(): Promise<typeof import('@duckdb/node-api')> {
  try {
    return await import('@duckdb/node-api');
  } catch (error) {
    throw new LakeQueryError(
      "lake query needs DuckDB, whose binary for this platform isn't installed: npm install @duckdb/node-api. Everything else works without it",
      { cause: error },
    );
  }
}

function localRoot(store: LakeStore): string {
  if (!store.url.startsWith('file:'))
    throw new LakeQueryError('lake query reads lakes in a local folder: use Hive, Spark or Athena for this LAKE_URL');
  return fileURLToPath(store.url);
}

/** The typed empty relation gives the view its columns: also those that no file has yet, and where there is no file. */
function viewOf(table: LakeTable<never>, root: string, files: readonly LakeFileNow[]): string {
  const typed = table.columns.map(({ name, type }) => `CAST(NULL AS ${DUCKDB.types[type]}) AS ${DUCKDB.quote(name)}`);
  const empty = `SELECT ${typed.join(', ')}, CAST(NULL AS VARCHAR) AS dt, CAST(NULL AS VARCHAR) AS hr WHERE false`;
  const view = `CREATE VIEW ${DUCKDB.quote(table.name)} AS`;
  if (files.length === 0) return `${view} ${empty}`;
  const read = (some: readonly LakeFileNow[], hive: boolean) =>
    `read_parquet([${some.map(({ at }) => text(globEscaped(`${root}/${at}`))).join(', ')}], union_by_name = true, hive_partitioning = ${hive}${hive ? ', hive_types_autocast = false' : ''})`;
  const published = files.filter(({ at, path }) => at === path);
  // Staged files lie outside the partition folders, whose names would say dt and hr.
  const staged = files.filter(({ at, path }) => at !== path);
  return [
    `${view} ${empty}`,
    ...(published.length > 0 ? [`SELECT * FROM ${read(published, true)}`] : []),
    ...staged.map((file) => {
      const [, dt = '', hr = ''] = file.path.split('/');
      return `SELECT *, ${text(dt.slice('dt='.length))} AS dt, ${text(hr.slice('hr='.length))} AS hr FROM ${read([file], false)}`;
    }),
  ].join(' UNION ALL BY NAME ');
}

function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** read_parquet takes its paths for patterns. */
function globEscaped(path: string): string {
  return path.replace(/[*?[]/g, '[$&]');
}
