// Columns in, the bytes of one Parquet file out: parquetjs-lite, handed a whole row group column by column.
import { createRequire } from 'node:module';
import { setImmediate } from 'node:timers/promises';
import type * as Parquetjs from 'parquetjs-lite';
import { type LakeTable, PARQUET_TYPES } from './table.js';
import type { ColumnData, TableBuffer } from './table-buffer.js';

// CommonJS without named exports that Node could see.
const { ParquetSchema, ParquetWriter } = createRequire(import.meta.url)('parquetjs-lite') as typeof Parquetjs;

/** One encoded file and what its commit record says of it. Ids and instants as text. */
export interface EncodedFile {
  readonly bytes: Uint8Array;
  readonly rows: number;
  /** First and last row's key, for the read-back. */
  readonly firstId: string;
  readonly lastId: string;
  readonly minId: string;
  readonly maxId: string;
}

/** Room for another implementation to be measured beside this one. */
export type ParquetEncoder = <Row>(buffer: TableBuffer<Row>) => Promise<EncodedFile>;

/** The footer says which layout of the table wrote it. */
const LAYOUT_KEY = 'wardwatch.layout';
export const LAYOUT = '1';

/**
 * Encodes all rows of the buffer as one row group of one page a column (v1 pages, Snappy: what Hive 2, Athena, Spark and
 * DuckDB all read). Throws on an empty buffer. Blocks for about 2 µs a row.
 */
export const encodeParquet: ParquetEncoder = async (buffer) => {
  if (buffer.rows === 0) throw new Error(`${buffer.table.name}: a file without rows is never written`);
  // Encoding blocks: let heartbeats through between one file and the next.
  await setImmediate();
  const columns = buffer.columns();
  const keys = keysOf(buffer.table, columns);
  const chunks: Uint8Array[] = [];
  const sink: Parquetjs.Sink = {
    write: (bytes, done) => {
      chunks.push(bytes);
      done();
    },
    end: (done) => done(),
  };
  const limits = new Map(columns.map((column) => [column.name, limitsOf(column)]));
  const writer = await asErrors(
    ParquetWriter.openStream(new ParquetSchema(schemaOf(columns, limits)), sink, {
      useDataPageV2: false,
      pageIndex: false,
      rowGroupSize: buffer.rows,
    }),
  );
  writer.setMetadata(LAYOUT_KEY, LAYOUT);
  writer.rowBuffer = {
    rowCount: buffer.rows,
    pageRowCount: buffer.rows,
    columnData: Object.fromEntries(
      columns.map((column) => [column.name, chunkOf(column, buffer.rows, limits.get(column.name))]),
    ),
    pages: Object.fromEntries(columns.map((column) => [column.name, []])),
  };
  // It counts as distinct only the two limits that it was given: no number is better than a wrong one.
  const writeFooter = writer.envelopeWriter.writeFooter.bind(writer.envelopeWriter);
  writer.envelopeWriter.writeFooter = (metadata) => {
    for (const group of writer.envelopeWriter.rowGroups) {
      for (const { meta_data } of group.columns) if (meta_data.statistics) meta_data.statistics.distinct_count = null;
    }
    return writeFooter(metadata);
  };
  await asErrors(writer.close());
  return { bytes: Buffer.concat(chunks), rows: buffer.rows, ...keys };
};

type Limits = { readonly min: bigint; readonly max: bigint } | undefined;

/** Minimum and maximum go into the footer for 64-bit columns, by which readers skip files; parquetjs-lite refuses them for times before 1970. */
function limitsOf(column: ColumnData): Limits {
  const { values, type, filled } = column;
  if (filled === 0 || !(type === 'int64' || type === 'count' || type === 'timestamp')) return undefined;
  const [min, max] = extremes(values as ArrayLike<bigint | number>);
  return type === 'timestamp' && min < 0 ? undefined : { min: BigInt(min), max: BigInt(max) };
}

function extremes<T extends bigint | number | string>(values: ArrayLike<T>): [T, T] {
  let min = values[0] as T;
  let max = min;
  for (let i = 1; i < values.length; i++) {
    const value = values[i] as T;
    if (value < min) min = value;
    else if (value > max) max = value;
  }
  return [min, max];
}

function schemaOf(
  columns: readonly ColumnData[],
  limits: ReadonlyMap<string, Limits>,
): Record<string, Parquetjs.FieldOptions> {
  return Object.fromEntries(
    columns.map(({ name, type, required }) => [
      name,
      {
        type: PARQUET_TYPES[type],
        optional: !required,
        compression: 'SNAPPY',
        ...(limits.get(name) ? {} : { statistics: false }),
      },
    ]),
  );
}

/** parquetjs-lite's own form of one column's pending page. */
function chunkOf(column: ColumnData, rows: number, limits: Limits): object {
  return {
    values: column.values,
    // Of a required column it asks only how many there are.
    dlevels: column.present ? new Levels(column.present) : { length: rows },
    rlevels: [],
    distinct_values: new Set(limits ? [limits.min, limits.max] : []),
    count: rows,
  };
}

/** parquetjs-lite maps levels through parseInt, at a third of the encoder's time: these are numbers already. */
class Levels extends Uint8Array {
  override map(): this {
    return this;
  }
}

function keysOf<Row>(table: LakeTable<Row>, columns: readonly ColumnData[]): Omit<EncodedFile, 'bytes' | 'rows'> {
  const key = columns.find((column) => column.name === table.key);
  if (!key?.required) throw new Error(`${table.name}: the key ${table.key} is no required column`);
  const values = key.values as ArrayLike<bigint | number | string>;
  const [min, max] = extremes(values);
  const [first, last] = [values[0], values[key.filled - 1]];
  return { firstId: String(first), lastId: String(last), minId: String(min), maxId: String(max) };
}

/** It throws strings. */
async function asErrors<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof Error ? error : new Error(`parquetjs-lite refused what validation had let pass`);
  }
}
