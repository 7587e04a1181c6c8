// The lake in a Hive metastore: statements for its tables, views and partitions, made from the same table of columns as the files.
// Each can be run again: it makes what is missing and leaves alone what is there.

import type { LakeStore } from '../domain/ports.js';
import { type LakeFileNow, lakeFiles } from './chain-reader.js';
import { lakeTables } from './columns.js';
import { HIVE_DIALECTS, type HiveDialect } from './sql-dialect.js';
import { PARTITION_COLUMNS } from './table.js';
import { lakeViews, type Sign } from './views.js';

/** Hours a statement: small enough for any client's line, large enough that a year is a hundred statements. */
const HOURS_A_STATEMENT = 100;

export interface HiveLake {
  readonly dialect: HiveDialect;
  /** The vital signs that this deployment reads. */
  readonly signs: readonly Sign[];
}

/**
 * Empty external tables over the folders of `location`, a URI as Hive's own file systems read it. `replace`: drops the table first, which
 * takes a column that came later to the metastore; the files stay, since the tables say that they must not be purged.
 */
export function tableStatements({ dialect, signs }: HiveLake, location: string, replace = false): readonly string[] {
  const { types, quote } = HIVE_DIALECTS[dialect];
  const root = location.replace(/\/+$/, '');
  return lakeTables(signs.map(({ name }) => name)).flatMap(({ name, columns }) => [
    ...(replace ? [`DROP TABLE IF EXISTS ${name}`] : []),
    `CREATE EXTERNAL TABLE IF NOT EXISTS ${name} (
${columns.map((column) => `  ${quote(column.name)} ${types[column.type]}`).join(',\n')}
)
PARTITIONED BY (${PARTITION_COLUMNS.map((column) => `${quote(column)} STRING`).join(', ')})
STORED AS PARQUET
LOCATION '${sqlText(`${root}/${name}`)}'
TBLPROPERTIES ('external.table.purge' = 'false')`,
  ]);
}

/** Views keep nothing, so they are replaced: those of a newer version take their place. */
export function viewStatements({ dialect, signs }: HiveLake): readonly string[] {
  return lakeViews(signs, HIVE_DIALECTS[dialect]).map(
    ({ name, select }) => `CREATE OR REPLACE VIEW ${name} AS\n${select}`,
  );
}

/** Every folder that is there by now becomes a partition: the metastore lists the table's folders, which takes longer each day. */
export function repairStatements({ signs }: HiveLake): readonly string[] {
  return lakeTables(signs.map(({ name }) => name)).map(({ name }) => `MSCK REPAIR TABLE ${name}`);
}

/**
 * The same from the lake's own log: exactly the hours that have published rows, from the day `since` on. None is named before its folder
 * is there: adding a partition makes its folder, and it would be Hive's, where the archive could not write.
 */
export async function partitionStatements(
  store: LakeStore,
  { dialect, signs }: HiveLake,
  since?: string,
  hoursAStatement = HOURS_A_STATEMENT,
): Promise<readonly string[]> {
  const { quote } = HIVE_DIALECTS[dialect];
  const hours = hoursByTable(await lakeFiles(store));
  return lakeTables(signs.map(({ name }) => name)).flatMap(({ name }) => {
    const folders = [...(hours.get(name) ?? [])]
      .sort()
      .filter((folder) => since === undefined || folder >= `dt=${since}`);
    const statements: string[] = [];
    for (let i = 0; i < folders.length; i += hoursAStatement) {
      const specs = folders.slice(i, i + hoursAStatement).map((folder) => {
        const values = folder.split('/').map((part) => part.split('=') as [string, string]);
        return `  PARTITION (${values.map(([column, value]) => `${quote(column)} = '${sqlText(value)}'`).join(', ')})`;
      });
      statements.push(`ALTER TABLE ${name} ADD IF NOT EXISTS\n${specs.join('\n')}`);
    }
    return statements;
  });
}

function hoursByTable(files: readonly LakeFileNow[]): ReadonlyMap<string, ReadonlySet<string>> {
  const hours = new Map<string, Set<string>>();
  for (const { table, path, at } of files) {
    if (at !== path) continue;
    const folders = hours.get(table) ?? new Set();
    folders.add(path.slice(table.length + 1, path.lastIndexOf('/')));
    hours.set(table, folders);
  }
  return hours;
}

/** A literal of Hive and Spark, which take a backslash for an escape. */
function sqlText(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
}
