// What a lake table is: its columns with their types, and where its rows lie. sql-dialect.ts has the types of the engines that read it.
import type { Micros } from '../domain/time.js';

/**
 * `int64` takes bigint (exact over the whole range), `count` takes safe integers and is the same on disk (offsets),
 * `timestamp` takes UTC microseconds. `string` is UTF-8, also for JSON: Hive reads Parquet's JSON type as binary.
 */
export type ColumnType = 'string' | 'bytes' | 'int32' | 'int64' | 'count' | 'timestamp' | 'double' | 'boolean';

export type ColumnValue = string | number | bigint | boolean | Uint8Array | null | undefined;

/** One column: drives row validation, Parquet schema, mapping and DDL alike. */
export interface Column<Row> {
  /** Lower-case snake: Hive folds case. */
  readonly name: string;
  readonly type: ColumnType;
  /** NULL is refused. */
  readonly required: boolean;
  readonly value: (row: Row) => ColumnValue;
}

export interface LakeTable<Row> {
  /** The first folder of its files' paths. */
  readonly name: string;
  readonly columns: readonly Column<Row>[];
  /** A required column that names a row: its first and last value are checked when a file is read back. */
  readonly key: string;
  /** The instant that decides on dt= and hr=. */
  readonly time: (row: Row) => Micros;
}

export const PARQUET_TYPES: Readonly<Record<ColumnType, string>> = {
  string: 'UTF8',
  bytes: 'BYTE_ARRAY',
  int32: 'INT32',
  int64: 'INT64',
  count: 'INT64',
  timestamp: 'TIMESTAMP_MICROS',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
};

/** The folders' columns, text in UTC: an INT would lose the leading zero of `hr=05`. */
export const PARTITION_COLUMNS = ['dt', 'hr'] as const;

const HOUR_US = 3_600_000_000;
const HOUR_MS = 3_600_000;

/** The UTC hour of an instant, counted from 1970: rows of one hour share a file. */
export function hourOf(us: Micros): number {
  return Math.floor(us / HOUR_US);
}

/** `dt=YYYY-MM-DD/hr=HH` of a UTC hour. */
export function hourFolder(hour: number): string {
  const iso = new Date(hour * HOUR_MS).toISOString();
  return `dt=${iso.slice(0, 10)}/hr=${iso.slice(11, 13)}`;
}
