import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ParquetVerifyError, TableRowError } from '../../../src/lake/errors.js';
import { type EncodedFile, encodeParquet } from '../../../src/lake/parquet-encoder.js';
import { parquetInput } from '../../../src/lake/parquet-input.js';
import { verifyParquet } from '../../../src/lake/parquet-verify.js';
import type { Column, ColumnType, ColumnValue, LakeTable } from '../../../src/lake/table.js';
import { TableBuffer } from '../../../src/lake/table-buffer.js';

type Row = Readonly<Record<string, ColumnValue>>;

const ALL_TYPES: readonly ColumnType[] = [
  'string',
  'bytes',
  'int32',
  'int64',
  'count',
  'timestamp',
  'double',
  'boolean',
];
const required = (name: string, type: ColumnType): Column<Row> => ({
  name,
  type,
  required: true,
  value: (r) => r[name],
});
const optional = (name: string, type: ColumnType): Column<Row> => ({
  name,
  type,
  required: false,
  value: (r) => r[name],
});
const TABLE: LakeTable<Row> = {
  name: 'everything',
  columns: [required('id', 'int64'), ...ALL_TYPES.map((type) => optional(`o_${type}`, type))],
  key: 'id',
  time: () => 0,
};
const COLUMN_NAMES = TABLE.columns.map(({ name }) => name);

const long = `${'O\'Brien "the 2nd"\r\n\t\u0001\\N '.repeat(10)}${'é😀'.repeat(25)}`;
/** Edge values, and between them every pattern of NULLs that the run-length encoder treats differently. */
const EDGES: readonly Row[] = [
  { id: -(2n ** 63n), o_string: '', o_bytes: Buffer.alloc(0), o_int32: -(2 ** 31), o_int64: 2n ** 63n - 1n },
  {
    id: 2n ** 53n + 1n,
    o_string: long,
    o_bytes: Buffer.from([0, 255, 10]),
    o_int32: 2 ** 31 - 1,
    o_int64: -(2n ** 63n),
  },
  { id: 0n, o_string: 'null', o_count: Number.MAX_SAFE_INTEGER, o_timestamp: 1_795_000_000_123_457, o_double: 5e-324 },
  { id: 1n, o_string: '\\N', o_count: -Number.MAX_SAFE_INTEGER, o_timestamp: -1, o_double: -0, o_boolean: false },
  { id: 2n },
  { id: 2n ** 63n - 1n, o_string: '0', o_count: 0, o_timestamp: 0, o_double: 98.6, o_boolean: true, o_int32: 0 },
];
const PATTERN: readonly Row[] = Array.from({ length: 333 }, (_, i): Row => {
  const some = i % 7 < 3 || (i > 100 && i < 140) ? null : i;
  return {
    id: BigInt(i) + 2n ** 60n,
    o_double: some,
    o_string: some === null ? undefined : `v${i}`,
    o_boolean: i % 3 === 0,
  };
});

const fill = (rows: readonly Row[], table = TABLE): TableBuffer<Row> => {
  const buffer = new TableBuffer(table);
  for (const row of rows) buffer.append(row);
  return buffer;
};
const expected = (rows: readonly Row[]) =>
  rows.map((row) => Object.fromEntries(COLUMN_NAMES.map((name) => [name, row[name] ?? null])));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'wardwatch-parquet-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** As hyparquet reads it, with instants in microseconds and bytes as bytes. */
async function readByHyparquet(file: EncodedFile): Promise<Record<string, unknown>[]> {
  const rows = await parquetReadObjects({
    file: parquetInput(file.bytes),
    utf8: false,
    parsers: { timestampFromMicroseconds: (us: bigint) => Number(us) as never },
  });
  return rows.map((row) =>
    Object.fromEntries(
      COLUMN_NAMES.map((name) => {
        const value = row[name] as unknown;
        const type = TABLE.columns.find((column) => column.name === name)?.type;
        if (value === undefined || value === null) return [name, null];
        return [name, type === 'count' ? Number(value) : value instanceof Uint8Array ? Buffer.from(value) : value];
      }),
    ),
  );
}

async function readByDuckdb(file: EncodedFile): Promise<Record<string, unknown>[]> {
  const at = path.join(folder, 'file.parquet');
  await writeFile(at, file.bytes);
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    const reader = await connection.runAndReadAll(
      `SELECT id, o_string, o_bytes, o_int32, o_int64, o_count, epoch_us(o_timestamp) AS o_timestamp, o_double, o_boolean FROM read_parquet('${at}')`,
    );
    return reader.getRowObjectsJS().map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, value]) => {
          const narrow = (name === 'o_count' || name === 'o_timestamp') && value !== null;
          return [name, narrow ? Number(value) : value instanceof Uint8Array ? Buffer.from(value) : value];
        }),
      ),
    );
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

describe('A Parquet file', () => {
  it.each([
    ['edge values', EDGES],
    ['patterns of NULLs', PATTERN],
    ['both, twice', [...EDGES, ...PATTERN, ...EDGES, ...PATTERN]],
    ['one row', EDGES.slice(1, 2)],
  ])('with %s reads back the same by two other implementations', async (_, rows) => {
    const file = await encodeParquet(fill(rows));
    expect(file.rows).toBe(rows.length);
    expect(await readByHyparquet(file)).toEqual(expected(rows));
    expect(await readByDuckdb(file)).toEqual(expected(rows));
    await verifyParquet('f', file.bytes, 'id', COLUMN_NAMES, file);
  });

  it('has v1 pages, Snappy, microseconds, exact limits and no invented count of distinct values', async () => {
    const file = await encodeParquet(fill(EDGES.slice(1).filter((row) => row.o_timestamp !== -1)));
    const metadata = parquetMetadata(parquetInput(file.bytes));
    expect(metadata.schema.find(({ name }) => name === 'o_timestamp')).toMatchObject({
      type: 'INT64',
      converted_type: 'TIMESTAMP_MICROS',
    });
    const columns = metadata.row_groups[0]?.columns.map((column) => column.meta_data);
    expect(new Set(columns?.map((column) => column?.codec))).toEqual(new Set(['SNAPPY']));
    const id = columns?.[0]?.statistics;
    expect([id?.min_value, id?.max_value, id?.distinct_count]).toEqual([0n, 2n ** 63n - 1n, undefined]);
    expect(file.keys).toEqual({
      first: String(2n ** 53n + 1n),
      last: String(2n ** 63n - 1n),
      min: '0',
      max: String(2n ** 63n - 1n),
    });
    // A page header begins with its type: 0 is a v1 data page, 3 (6 in zigzag) a v2 one.
    for (const column of columns ?? [])
      expect([...file.bytes.subarray(Number(column?.data_page_offset)).subarray(0, 2)]).toEqual([0x15, 0]);
  });

  it('reads back the same for any rows', async () => {
    const maybe = <T>(some: fc.Arbitrary<T>) => fc.option(some, { nil: null });
    const character = fc.integer({ min: 0, max: 0x10ffff }).filter((code) => code < 0xd800 || code > 0xdfff);
    const text = fc.array(character, { maxLength: 40 }).map((codes) => String.fromCodePoint(...codes));
    const safe = fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER });
    const row: fc.Arbitrary<Row> = fc.record({
      id: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      o_string: maybe(text),
      o_bytes: maybe(fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes))),
      o_int32: maybe(fc.integer()),
      o_int64: maybe(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
      o_count: maybe(safe),
      o_timestamp: maybe(safe),
      o_double: maybe(fc.double({ noNaN: true, noDefaultInfinity: true })),
      o_boolean: maybe(fc.boolean()),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 30 }), async (rows) => {
        const file = await encodeParquet(fill(rows));
        return isDeepStrictEqual(await readByHyparquet(file), expected(rows));
      }),
      { numRuns: 20 },
    );
  });

  it('without rows is never written', async () => {
    await expect(encodeParquet(fill([]))).rejects.toThrow('without rows');
  });
});

describe('A buffer', () => {
  const bad: [ColumnType, ColumnValue][] = [
    ['string', 5],
    ['string', 'half \ud83d'],
    ['bytes', 'text'],
    ['int32', 98.6],
    ['int32', 2 ** 31],
    ['int64', 5],
    ['int64', 2n ** 63n],
    ['int64', -(2n ** 63n) - 1n],
    ['count', 2 ** 53],
    ['count', 0.5],
    ['timestamp', Number.NaN],
    ['timestamp', '2026-01-01'],
    ['double', Number.NaN],
    ['double', Number.POSITIVE_INFINITY],
    ['double', '72'],
    ['boolean', 'false'],
    ['boolean', 0],
  ];

  it.each(bad)('refuses for %s the value %s, and keeps nothing of its row', (type, value) => {
    const buffer = fill([{ id: 1n, o_string: 'before' }]);
    expect(() => buffer.append({ id: 2n, o_string: 'x', [`o_${type}`]: value })).toThrow(TableRowError);
    buffer.append({ id: 3n, o_string: 'after' });
    expect(buffer.rows).toBe(2);
    expect(buffer.columns().map(({ values }) => values.length)).toEqual([2, 2, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('refuses NULL in a required column without quoting the row', () => {
    expect(() => fill([{ o_string: 'Mrs Planted' }])).toThrow('everything.id: NULL in a required column');
  });
});

describe('verifyParquet', () => {
  it('refuses every single flipped or missing piece that it looks at', async () => {
    const file = await encodeParquet(fill(PATTERN));
    const verify = (bytes: Uint8Array, wrote: Partial<EncodedFile> = {}, columns = COLUMN_NAMES) =>
      verifyParquet('f', bytes, 'id', columns, { ...file, ...wrote });
    await expect(verify(file.bytes.subarray(0, file.bytes.length - 1))).rejects.toThrow(ParquetVerifyError);
    await expect(verify(file.bytes.subarray(1))).rejects.toThrow(ParquetVerifyError);
    await expect(verify(new Uint8Array(0))).rejects.toThrow(ParquetVerifyError);
    await expect(verify(file.bytes, { rows: 332 })).rejects.toThrow('row count');
    await expect(verify(file.bytes, { keys: { ...file.keys, first: '5' } })).rejects.toThrow('first id');
    await expect(verify(file.bytes, { keys: { ...file.keys, last: '5' } })).rejects.toThrow('last id');
    await expect(verify(file.bytes, {}, COLUMN_NAMES.slice(1))).rejects.toThrow('list of columns');
    const torn = Buffer.from(file.bytes);
    torn.fill(0, 40, 400);
    await expect(verify(torn)).rejects.toThrow(ParquetVerifyError);
  });
});
