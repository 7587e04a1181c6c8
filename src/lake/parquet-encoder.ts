// Columns in, the bytes of one Parquet file out: parquetjs-lite, handed a whole row group column by column.
import { createRequire } from 'node:module';
import { setImmediate } from 'node:timers/promises';
import type * as Parquetjs from 'parquetjs-lite';
import type { ColumnValues, Limits } from './column-values.js';
import { PARQUET_TYPES } from './table.js';
import type { ColumnData, KeyRange, TableBuffer } from './table-buffer.js';

/** What follows leans on the inside of exactly this version: another one is a decision of its own. */
const SUPPORTED_VERSION = '0.8.7';

const load = createRequire(import.meta.url);

/**
 * Its PLAIN encoder makes a Buffer of every string and a BigInt of every integer, at two thirds of the encoder's time, and
 * takes 98.6 for an INT32: our columns bring these bytes along. Anything else goes its old way.
 */
function passOurColumnsThrough(): void {
  const { version } = load('parquetjs-lite/package.json') as { version: string };
  if (version !== SUPPORTED_VERSION)
    throw new Error(
      `parquetjs-lite ${version} is installed, but src/lake/parquet-encoder.ts mends the inside of ${SUPPORTED_VERSION}: install that version, or revise the mends and their tests`,
    );
  const codec = load('parquetjs-lite/lib/codec') as { PLAIN: Parquetjs.Codec };
  const { PLAIN } = codec;
  codec.PLAIN = {
    ...PLAIN,
    encodeValues: (type, values, options) =>
      values instanceof EncodedColumn ? values.plain : PLAIN.encodeValues(type, values, options),
  };
}

/** A column that is PLAIN already. parquetjs-lite asks only how many values there are. */
class EncodedColumn {
  readonly length: number;
  readonly plain: Uint8Array;

  constructor(values: ColumnValues) {
    this.length = values.length;
    this.plain = values.plain();
  }
}

passOurColumnsThrough();
// CommonJS without named exports that Node could see.
const { ParquetSchema, ParquetWriter } = load('parquetjs-lite') as typeof Parquetjs;

/** One encoded file and what its commit record says of it. */
export interface EncodedFile {
  readonly bytes: Uint8Array;
  readonly rows: number;
  readonly keys: KeyRange;
}

/** Room for another implementation to be measured beside this one. */
export type ParquetEncoder = <Row>(buffer: TableBuffer<Row>) => Promise<EncodedFile>;

/** The footer says which layout of the table wrote it. */
const LAYOUT_KEY = 'wardwatch.layout';
export const LAYOUT = '1';

/**
 * Encodes all rows of the buffer as one row group of one page a column (v1 pages, Snappy: what Hive 2, Athena, Spark and
 * DuckDB all read). Throws on an empty buffer. Blocks for about 1 µs a row.
 */
export const encodeParquet: ParquetEncoder = async (buffer) => {
  const { rows, keys } = buffer;
  if (!keys) throw new Error(`${buffer.table.name}: a file without rows is never written`);
  // Encoding blocks: let heartbeats through between one file and the next.
  await setImmediate();
  const columns = buffer.columns();
  const limits = new Map(columns.map((column) => [column.name, limitsOf(column)]));
  const chunks: Uint8Array[] = [];
  const sink: Parquetjs.Sink = {
    write: (bytes, done) => {
      chunks.push(bytes);
      done();
    },
    end: (done) => done(),
  };
  const writer = await asErrors(
    ParquetWriter.openStream(new ParquetSchema(schemaOf(columns, limits)), sink, {
      useDataPageV2: false,
      pageIndex: false,
      rowGroupSize: rows,
    }),
  );
  writer.setMetadata(LAYOUT_KEY, LAYOUT);
  writer.rowBuffer = {
    rowCount: rows,
    pageRowCount: rows,
    columnData: Object.fromEntries(
      columns.map((column) => [column.name, pageOf(column, rows, limits.get(column.name))]),
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
  return { bytes: Buffer.concat(chunks), rows, keys };
};

/** Readers skip files by the footer's limits; parquetjs-lite refuses them for times before 1970. */
function limitsOf({ type, values }: ColumnData): Limits {
  const limits = values.limits();
  return limits && type === 'timestamp' && limits.min < 0n ? undefined : limits;
}

function schemaOf(
  columns: readonly ColumnData[],
  limits: ReadonlyMap<string, Limits>,
): Record<string, Parquetjs.FieldOptions> {
  return Object.fromEntries(
    columns.map(({ name, type, present }) => [
      name,
      {
        type: PARQUET_TYPES[type],
        optional: present !== undefined,
        compression: 'SNAPPY',
        ...(limits.get(name) ? {} : { statistics: false }),
      },
    ]),
  );
}

/** parquetjs-lite's own form of one column's pending page. */
function pageOf({ values, present }: ColumnData, rows: number, limits: Limits): object {
  return {
    values: new EncodedColumn(values),
    // Of a required column it asks only how many there are.
    dlevels: present ? new Levels(present) : { length: rows },
    rlevels: [],
    distinct_values: new Set(limits ? [limits.min, limits.max] : []),
    count: rows,
  };
}

/** parquetjs-lite maps levels through parseInt: these are numbers already. */
class Levels extends Uint8Array {
  override map(): this {
    return this;
  }
}

/** It throws strings. */
async function asErrors<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof Error ? error : new Error('parquetjs-lite refused what validation had let pass');
  }
}
