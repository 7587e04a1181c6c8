// Which readings the lake holds, asked without a query engine: the commit records name the files, their key ranges say which to open.
import { parquetRead } from 'hyparquet';
import type { LakeStore } from '../domain/ports.js';
import { readingNamedBy } from '../domain/reading.js';
import { type LakeFileNow, lakeFiles, readTail } from './chain-reader.js';
import { readParquetInput } from './parquet-input.js';

const READINGS = 'vital_info';
const DEAD = 'vital_info_dead';
/** Ids kept in memory between questions: neighbouring ranges lie in the same files. 32 MiB. */
const IDS_KEPT = 4_000_000;

/** A dead record of vital-info. */
export interface DeadRecord {
  readonly partition: number;
  readonly offset: number;
  /** Undefined: a tombstone. */
  readonly raw: Buffer | undefined;
}

/** The lake as it was when it was opened: what is archived later isn't in it. */
export interface ReadingsHeld {
  /** Those of `ids` (ascending, decimal text) that vital_info has a row of `source` for. */
  held(source: string, ids: readonly string[]): Promise<ReadonlySet<string>>;
  dead(): Promise<readonly DeadRecord[]>;
  /** Rows of `source` that dead records are about, as far as these still say. */
  deadRows(source: string): Promise<ReadonlySet<string>>;
}

/** Throws LakeChainError, LakeFileMissingError, and the store's failures. */
export async function openReadingsHeld(store: LakeStore): Promise<ReadingsHeld> {
  const files = await lakeFiles(store);
  const readings = files.filter(({ table }) => table === READINGS);
  const ranges = readings.map((file) => ({ file, min: BigInt(file.minId), max: BigInt(file.maxId) }));
  const kept = new Map<string, IdsBySource>();
  let idsKept = 0;
  let deadOnce: Promise<readonly DeadRecord[]> | undefined;

  const idsOf = async (file: LakeFileNow): Promise<IdsBySource> => {
    const known = kept.get(file.path);
    if (known) return known;
    const ids = await readIds(store, file);
    kept.set(file.path, ids);
    idsKept += file.rows;
    for (const [path, old] of kept) {
      if (idsKept <= IDS_KEPT || path === file.path) break;
      kept.delete(path);
      for (const { length } of old.values()) idsKept -= length;
    }
    return ids;
  };

  const dead = () => {
    deadOnce ??= readDead(
      store,
      files.filter(({ table }) => table === DEAD),
    );
    return deadOnce;
  };

  return {
    dead,
    held: async (source, ids) => {
      const first = ids[0];
      const last = ids.at(-1);
      if (first === undefined || last === undefined) return new Set();
      const [from, to] = [BigInt(first), BigInt(last)];
      const there = new Set<string>();
      for (const { file, min, max } of ranges) {
        if (max < from || min > to) continue;
        const own = (await idsOf(file)).get(source);
        if (!own) continue;
        for (let at = firstAtOrAbove(own, from); at < own.length && (own[at] as bigint) <= to; at += 1)
          there.add(String(own[at]));
      }
      return there;
    },
    deadRows: async (source) => {
      const rows = new Set<string>();
      for (const { raw } of await dead()) {
        const named = raw && readingNamedBy(raw);
        if (named?.source === source) rows.add(named.row);
      }
      return rows;
    },
  };
}

/** A chain that stands at `at`, below `end`. */
export interface ChainBehind {
  readonly partition: number;
  readonly at: number;
  readonly end: number;
}

/** Partitions of the topic whose chain does not reach `ends` yet, with where it stands. Throws LakeChainError. */
export async function chainsBehind(
  store: LakeStore,
  topic: string,
  ends: readonly number[],
): Promise<readonly ChainBehind[]> {
  const behind: ChainBehind[] = [];
  for (const [partition, end] of ends.entries()) {
    const at = end === 0 ? 0 : ((await readTail(store, topic, partition))?.record.next ?? 0);
    if (at < end) behind.push({ partition, at, end });
  }
  return behind;
}

/** Ascending. */
type IdsBySource = ReadonlyMap<string, BigInt64Array>;

async function readIds(store: LakeStore, file: LakeFileNow): Promise<IdsBySource> {
  const columns = await readColumns(store, file, ['source', 'row_id']);
  const sources = (columns.get('source') ?? []) as string[];
  const ids = (columns.get('row_id') ?? []) as bigint[];
  const bySource = new Map<string, bigint[]>();
  sources.forEach((source, n) => {
    const own = bySource.get(source);
    if (own) own.push(ids[n] as bigint);
    else bySource.set(source, [ids[n] as bigint]);
  });
  return new Map([...bySource].map(([source, own]) => [source, BigInt64Array.from(own).sort()]));
}

async function readDead(store: LakeStore, files: readonly LakeFileNow[]): Promise<readonly DeadRecord[]> {
  const records: DeadRecord[] = [];
  for (const file of files) {
    const columns = await readColumns(store, file, ['raw', 'kafka_partition', 'kafka_offset']);
    const raws = (columns.get('raw') ?? []) as (Uint8Array | null | undefined)[];
    const partitions = columns.get('kafka_partition') ?? [];
    const offsets = columns.get('kafka_offset') ?? [];
    raws.forEach((raw, n) => {
      records.push({
        partition: Number(partitions[n]),
        offset: Number(offsets[n]),
        raw: raw ? Buffer.from(raw) : undefined,
      });
    });
  }
  return records;
}

async function readColumns(
  store: LakeStore,
  file: LakeFileNow,
  names: string[],
): Promise<ReadonlyMap<string, unknown[]>> {
  const columns = new Map<string, unknown[]>(names.map((name) => [name, []]));
  await parquetRead({
    file: await readParquetInput(store, file),
    columns: names,
    utf8: false,
    onChunk: ({ columnName, columnData }) => {
      const column = columns.get(columnName);
      for (const value of columnData as ArrayLike<unknown> & Iterable<unknown>) column?.push(value);
    },
  });
  return columns;
}

function firstAtOrAbove(ascending: BigInt64Array, wanted: bigint): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] as bigint) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
