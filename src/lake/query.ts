// SQL over the lake, exact: DuckDB reads the very files that the commit log names, whatever else lies in the folders.
import { fileURLToPath } from 'node:url';
import { ATTRIBUTES } from '../domain/attributes.js';
import type { LakeStore } from '../domain/ports.js';
import { type LakeFileNow, lakeFiles } from './chain-reader.js';
import { lakeTables } from './columns.js';
import { LakeQueryError } from './errors.js';
import { copyFiles, type LocalCopies } from './local-copies.js';
import { withSpillFolder } from './spill-folder.js';
import { DUCKDB } from './sql-dialect.js';
import type { LakeTable } from './table.js';
import { type LakeView, lakeViews, type Sign } from './views.js';

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
  /** Calls `take` for each chunk of the answer: how many rows, and a value by column and row, as DuckDB's binding has it. */
  stream(sql: string, take: (rows: number, at: (column: number, row: number) => unknown) => void): Promise<void>;
  /** Into a table of one HUGEINT column. */
  appendIds(table: string, ids: Iterable<bigint>): Promise<void>;
}

/** A file of the lake and where DuckDB finds it. */
interface LocalFile extends LakeFileNow {
  readonly local: string;
  /** Its folders say dt and hr; a staged file's don't. */
  readonly partitioned: boolean;
}

/**
 * Runs one statement with a view for each table of the lake (a table without files has its columns and no rows; `dt` and
 * `hr` are text), and those of views.ts. `signs`: the vital signs that vital_info has a column for, whatever its files have.
 * `copies`: where files of a lake that is no local folder are kept. Throws LakeQueryError where there are none or DuckDB's
 * binary is missing, and DuckDB's own error for wrong SQL.
 */
export async function lakeQuery(
  store: LakeStore,
  sql: string,
  signs: readonly Sign[] = ATTRIBUTES,
  copies?: LocalCopies,
): Promise<LakeResult> {
  const statements = reached(sql, lakeViews(signs, DUCKDB));
  for (let attempt = 1; ; attempt++) {
    const files = await lakeFiles(store);
    const needed = isLocal(store) ? files : files.filter(({ table }) => mentions(statements, table));
    try {
      return await withLakeSql(store, needed, signs, (lake) => lake.query(sql), copies);
    } catch (error) {
      const moved = files.some(({ at }) => at.startsWith('_staging/')) && attempt < ATTEMPTS;
      if (!moved) throw error;
    }
  }
}

/** Several statements over the same files, all of which are fetched first where the lake is elsewhere. Throws as `lakeQuery`, and what `work` throws. */
export async function withLakeSql<T>(
  store: LakeStore,
  files: readonly LakeFileNow[],
  signs: readonly Sign[],
  work: (lake: LakeSql) => Promise<T>,
  copies?: LocalCopies,
): Promise<T> {
  const duckdb = await loadDuckdb();
  const local = await localFiles(store, files, copies);
  return withSpillFolder((folder) => inMemory(duckdb, folder, local, signs, work));
}

async function inMemory<T>(
  duckdb: Duckdb,
  spillFolder: string,
  local: readonly LocalFile[],
  signs: readonly Sign[],
  work: (lake: LakeSql) => Promise<T>,
): Promise<T> {
  // Without this the rest of a large answer would lie in `.tmp` where the process was started, for everybody.
  const instance = await duckdb.DuckDBInstance.create(':memory:', { temp_directory: spillFolder });
  const connection = await instance.connect();
  try {
    for (const table of lakeTables(signs.map(({ name }) => name)))
      await connection.run(
        viewOf(
          table,
          local.filter((file) => file.table === table.name),
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
      stream: async (sql, take) => {
        const result = await connection.stream(sql);
        for (;;) {
          const chunk = await result.fetchChunk();
          if (!chunk || chunk.rowCount === 0) return;
          const columns = Array.from({ length: chunk.columnCount }, (_, i) => chunk.getColumnVector(i));
          take(chunk.rowCount, (column, row) => columns[column]?.getItem(row));
        }
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

type Duckdb = typeof import('@duckdb/node-api');

async function loadDuckdb(): Promise<Duckdb> {
  try {
    return await import('@duckdb/node-api');
  } catch (error) {
    throw new LakeQueryError(
      "lake query needs DuckDB, whose binary for this platform isn't installed: npm install @duckdb/node-api. Everything else works without it",
      { cause: error },
    );
  }
}

const isLocal = (store: LakeStore): boolean => store.url.startsWith('file:');

async function localFiles(
  store: LakeStore,
  files: readonly LakeFileNow[],
  copies: LocalCopies | undefined,
): Promise<readonly LocalFile[]> {
  if (isLocal(store)) {
    const root = fileURLToPath(store.url);
    return files.map((file) => ({ ...file, local: `${root}/${file.at}`, partitioned: file.at === file.path }));
  }
  if (!copies) throw new LakeQueryError('this lake is no local folder: use Hive, Spark or Athena for this LAKE_URL');
  const local = await copyFiles(store, files, copies);
  return files.map((file, i) => ({ ...file, local: local[i] as string, partitioned: true }));
}

/** The statement, and those of the views that it mentions, directly or through others. */
function reached(sql: string, views: readonly LakeView[]): string {
  // Each view may use those before it.
  return views.reduceRight((text, { name, select }) => (mentions(text, name) ? `${text}\n${select}` : text), sql);
}

/** A word of that name anywhere, in whatever case: too many are files fetched in vain, too few would be a wrong answer. */
function mentions(statement: string, name: string): boolean {
  // These two take a table's name as a value, which may be put together.
  if (/\bquery(_table)?\s*\(/i.test(statement)) return true;
  return new RegExp(`(?<![a-z0-9_])${name}(?![a-z0-9_])`, 'i').test(statement);
}

/** The typed empty relation gives the view its columns: also those that no file has yet, and where there is no file. */
function viewOf(table: LakeTable<never>, files: readonly LocalFile[]): string {
  const typed = table.columns.map(({ name, type }) => `CAST(NULL AS ${DUCKDB.types[type]}) AS ${DUCKDB.quote(name)}`);
  const empty = `SELECT ${typed.join(', ')}, CAST(NULL AS VARCHAR) AS dt, CAST(NULL AS VARCHAR) AS hr WHERE false`;
  const view = `CREATE VIEW ${DUCKDB.quote(table.name)} AS`;
  if (files.length === 0) return `${view} ${empty}`;
  const read = (some: readonly LocalFile[], hive: boolean) =>
    `read_parquet([${some.map(({ local }) => text(globEscaped(local))).join(', ')}], union_by_name = true, hive_partitioning = ${hive}${hive ? ', hive_types_autocast = false' : ''})`;
  const published = files.filter(({ partitioned }) => partitioned);
  // Staged files lie outside the partition folders, whose names would say dt and hr.
  const staged = files.filter(({ partitioned }) => !partitioned);
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
