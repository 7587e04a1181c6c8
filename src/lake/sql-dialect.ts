// Where the SQL of the engines that read the lake differs: one row an engine. Everything else in views.ts and queries.md is common to them.
import type { ColumnType } from './table.js';

export interface SqlDialect {
  readonly types: Readonly<Record<ColumnType, string>>;
  readonly quote: (identifier: string) => string;
  /** A `timestamp` column of a table as TIMESTAMP. */
  readonly instant: (column: string) => string;
  /** A `timestamp` column of a table as microseconds since 1970. */
  readonly micros: (column: string) => string;
  /** A member of a text column with a JSON object, as text; NULL where it is absent. */
  readonly member: (column: string, path: string) => string;
}

const HIVE_TYPES: SqlDialect['types'] = {
  string: 'STRING',
  bytes: 'BINARY',
  int32: 'INT',
  int64: 'BIGINT',
  count: 'BIGINT',
  timestamp: 'BIGINT',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
};

const backticks = (identifier: string) => `\`${identifier.replaceAll('`', '``')}\``;

/**
 * Hive 2 and 3 can't read Parquet's INT64 instants as TIMESTAMP (a class cast): their tables say BIGINT, their views convert.
 * DECIMAL keeps every microsecond, where a division of BIGINT would make a DOUBLE.
 */
const hive3: SqlDialect = {
  types: HIVE_TYPES,
  quote: backticks,
  instant: (column) => `CAST(CAST(${column} AS DECIMAL(20, 0)) / 1000000 AS TIMESTAMP)`,
  micros: (column) => column,
  member: (column, path) => `get_json_object(${column}, '$.${path}')`,
};

const spark: SqlDialect = {
  types: { ...HIVE_TYPES, timestamp: 'TIMESTAMP' },
  quote: backticks,
  instant: (column) => column,
  micros: (column) => `unix_micros(${column})`,
  member: hive3.member,
};

export const DUCKDB: SqlDialect = {
  types: {
    string: 'VARCHAR',
    bytes: 'BLOB',
    int32: 'INTEGER',
    int64: 'BIGINT',
    count: 'BIGINT',
    timestamp: 'TIMESTAMP',
    double: 'DOUBLE',
    boolean: 'BOOLEAN',
  },
  quote: (identifier) => `"${identifier.replaceAll('"', '""')}"`,
  instant: (column) => column,
  micros: (column) => `epoch_us(${column})`,
  member: (column, path) => `json_extract_string(${column}, '$.${path}')`,
};

/** Engines with a Hive metastore. */
export const HIVE_DIALECTS = { hive3, spark } as const;
export type HiveDialect = keyof typeof HIVE_DIALECTS;
