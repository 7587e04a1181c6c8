// What the lake's readings say, as the hashes that a row of the table is compared by: for rows that Kafka no longer has.
import { parquetMetadata, parquetRead } from 'hyparquet';
import type { LakeStore } from '../domain/ports.js';
import { rowHash } from '../domain/row-hash.js';
import { formatMicros } from '../domain/time.js';
import { type LakeFileNow, lakeFiles } from './chain-reader.js';
import { columnName } from './columns.js';
import { readParquetInput } from './parquet-input.js';

const READINGS = 'vital_info';

/**
 * The hashes (rowHash) of those of `ids` that vital_info has, more than one where a row was added twice. `attributes`: names
 * that have a column. Throws LakeChainError, LakeFileMissingError, and the store's failures.
 */
export async function readingHashes(
  store: LakeStore,
  attributes: readonly string[],
  source: string,
  ids: ReadonlySet<string>,
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const found = new Map<string, Set<string>>();
  const wanted = [...ids].map(BigInt);
  for (const file of await lakeFiles(store)) {
    const [min, max] = [BigInt(file.minId), BigInt(file.maxId)];
    if (file.table !== READINGS || !wanted.some((id) => id >= min && id <= max)) continue;
    for (const row of await rowsOf(store, file, attributes)) {
      const id = String(row.row_id);
      if (row.source !== source || !ids.has(id)) continue;
      found.set(id, (found.get(id) ?? new Set<string>()).add(hashOf(row, attributes)));
    }
  }
  return found;
}

type Row = Readonly<Record<string, unknown>>;

function hashOf(row: Row, attributes: readonly string[]): string {
  // A sign that has a column by now may stand in `other` of this file.
  const values = attributes.map((name) => [name, row[columnName(name)]] as const).filter(([, value]) => value != null);
  return rowHash({
    patientId: row.patient_id,
    recordedAt: formatMicros(Number(row.recorded_at)),
    timeSource: row.time_source,
    values: Object.fromEntries(values),
    bad: objectOf(row.bad),
    other: objectOf(row.other),
  });
}

function objectOf(json: unknown): object {
  return typeof json === 'string' ? (JSON.parse(json) as object) : {};
}

async function rowsOf(store: LakeStore, listed: LakeFileNow, attributes: readonly string[]): Promise<readonly Row[]> {
  const file = await readParquetInput(store, listed);
  const metadata = parquetMetadata(file);
  const there = new Set(metadata.schema.map(({ name }) => name));
  const named = ['source', 'row_id', 'patient_id', 'recorded_at', 'time_source', 'bad', 'other'];
  const columns = [...named, ...attributes.map(columnName)].filter((name) => there.has(name));
  const rows: Row[] = [];
  await parquetRead({
    file,
    metadata,
    columns,
    rowFormat: 'object',
    utf8: false,
    // Its own would be a Date, cut to milliseconds.
    parsers: { timestampFromMicroseconds: (us: bigint) => us },
    onComplete: (found: Row[]) => {
      for (const row of found) rows.push(row);
    },
  });
  return rows;
}
