// Looks a chain over as it is found at a start: are its records whole and its files there, unchanged, and no others?
import type { LakeStore } from '../domain/ports.js';
import { readChain, readTail } from './chain-reader.js';
import { type CommitRecord, keyOf, type LakeFile, recordPath } from './commit-record.js';
import { LakeChainError } from './errors.js';
import { damageOf } from './file-sums.js';

/** Read again byte by byte, newest first; sizes are compared of all. */
export const EXAM_BYTES = 256 * 1024 * 1024;

/**
 * What is wrong with a chain, each line beginning with the path of the file or record; empty where nothing is. All records are
 * read; files are looked at as far back as no checkpoint stands for their records (about a day): the audit looks at the rest.
 * Throws the store's failures.
 */
export async function examineChain(
  store: LakeStore,
  topic: string,
  partition: number,
  bytesAtMost = EXAM_BYTES,
): Promise<readonly string[]> {
  let chain: readonly CommitRecord[];
  try {
    chain = await readChain(store, topic, partition);
  } catch (error) {
    if (error instanceof LakeChainError) return [error.message];
    throw error;
  }
  // The newest may not be published yet; whoever opened the chain has looked at it.
  const records = chain.slice(0, -1).filter(({ folded }) => folded === undefined);
  const files = records.flatMap((record) => record.files);
  const there = new Map<string, number>();
  for (const folder of new Set(files.map(({ path }) => folderOf(path))))
    for (const { path, bytes } of await store.list(folder)) there.set(path, bytes);
  return [
    ...(await unnamed(store, topic, partition, chain, [...there.keys()])),
    ...(await damaged(store, files, there, bytesAtMost)),
  ];
}

/** Files of this chain that no record names: a record was lost, or somebody put them there. */
async function unnamed(
  store: LakeStore,
  topic: string,
  partition: number,
  chain: readonly CommitRecord[],
  paths: readonly string[],
): Promise<readonly string[]> {
  const named = new Set(chain.flatMap(({ files }) => files.map(({ path }) => path)));
  // What is published now has its record by now.
  const next = (await readTail(store, topic, partition))?.record.next ?? 0;
  const end = chain.at(-1)?.next ?? 0;
  const prefix = `${topic}-${partition}-`;
  return paths
    .filter((path) => !named.has(path))
    .flatMap((path) => {
      const name = path.slice(path.lastIndexOf('/') + 1);
      if (!name.startsWith(prefix)) return [];
      const key = name.slice(prefix.length, -'.parquet'.length);
      const committedMeanwhile = key >= keyOf(end) && key < keyOf(next);
      return committedMeanwhile
        ? []
        : [`${path} is named by no record: was ${recordPath(topic, partition, Number(key))} lost?`];
    });
}

async function damaged(
  store: LakeStore,
  files: readonly LakeFile[],
  there: ReadonlyMap<string, number>,
  bytesAtMost: number,
): Promise<readonly string[]> {
  const found: string[] = [];
  let left = bytesAtMost;
  for (const file of [...files].reverse()) {
    const bytes = there.get(file.path);
    if (bytes === undefined) found.push(`${file.path} is named by the commit log and is gone`);
    else if (bytes !== file.bytes) found.push(`${file.path} has ${bytes} bytes, its record says ${file.bytes}`);
    else if (left >= bytes) {
      left -= bytes;
      const read = await store.read(file.path);
      const damage = read ? damageOf(file, read) : 'is gone';
      if (damage) found.push(`${file.path} ${damage}`);
    }
  }
  return found;
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}
