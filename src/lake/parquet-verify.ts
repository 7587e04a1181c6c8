// Reads a Parquet file back with a second implementation before it is published: what was written must be what is there.
import { parquetMetadata, parquetRead } from 'hyparquet';
import { ParquetVerifyError } from './errors.js';
import type { EncodedFile } from './parquet-encoder.js';
import { parquetInput } from './parquet-input.js';

/** Throws ParquetVerifyError unless footer, columns, row count, first and last key of `bytes` are those of `wrote`. */
export type ParquetVerifier = (
  name: string,
  bytes: Uint8Array,
  key: string,
  columns: readonly string[],
  wrote: Omit<EncodedFile, 'bytes'>,
) => Promise<void>;

export const verifyParquet: ParquetVerifier = async (name, bytes, key, columns, wrote) => {
  const found = await readKeys(name, bytes, key);
  const wrong = (what: string, is: unknown, expected: unknown) =>
    new ParquetVerifyError(`${name}: ${what} is ${is}, written was ${expected}`);
  if (found.rows !== wrote.rows) throw wrong('the row count', found.rows, wrote.rows);
  if (found.columns.join() !== columns.join()) throw wrong('the list of columns', found.columns, columns);
  if (found.keys !== wrote.rows) throw wrong(`the number of values of ${key}`, found.keys, wrote.rows);
  if (found.first !== wrote.keys.first) throw wrong(`the first ${key}`, found.first, wrote.keys.first);
  if (found.last !== wrote.keys.last) throw wrong(`the last ${key}`, found.last, wrote.keys.last);
};

interface Found {
  readonly rows: number;
  readonly columns: readonly string[];
  readonly keys: number;
  readonly first: string;
  readonly last: string;
}

async function readKeys(name: string, bytes: Uint8Array, key: string): Promise<Found> {
  const file = parquetInput(bytes);
  try {
    const metadata = parquetMetadata(file);
    let keys = 0;
    let first: unknown;
    let last: unknown;
    await parquetRead({
      file,
      metadata,
      columns: [key],
      onChunk: ({ columnData }) => {
        if (keys === 0) first = columnData[0];
        if (columnData.length > 0) last = columnData[columnData.length - 1];
        keys += columnData.length;
      },
    });
    return {
      rows: Number(metadata.num_rows),
      columns: metadata.schema.slice(1).map((element) => element.name),
      keys,
      first: String(first),
      last: String(last),
    };
  } catch (error) {
    throw new ParquetVerifyError(`${name}: can't be read back`, { cause: error });
  }
}
