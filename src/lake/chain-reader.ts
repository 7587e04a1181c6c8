// Reads chains of commit records without owning them: for the tail, for `lake query`, for the audit.
import type { LakeStore } from '../domain/ports.js';
import {
  type CommitRecord,
  checkpointPath,
  decodeRecord,
  type LakeFile,
  logFolder,
  parseNames,
  recordPath,
} from './commit-record.js';
import { LakeChainError, LakeFileMissingError } from './errors.js';

const READS_AT_ONCE = 16;

/** What stands at the end of a chain. */
export interface Tail {
  /** The newest record, or the checkpoint where it has swallowed all. */
  readonly record: CommitRecord;
  readonly path: string;
}

/** Undefined where nothing was ever committed. Throws LakeChainError where the newest record doesn't follow the one before it. */
export async function readTail(store: LakeStore, topic: string, partition: number): Promise<Tail | undefined> {
  const { records, checkpoint } = await keysOf(store, topic, partition);
  const newest = records.at(-1);
  const before = records.at(-2);
  if (newest === undefined) {
    if (checkpoint === undefined) return undefined;
    const path = checkpointPath(topic, partition, checkpoint);
    return { record: await readRecord(store, path, undefined), path };
  }
  const path = recordPath(topic, partition, newest);
  const record = await readRecord(store, path, newest);
  if (before === undefined) {
    if (checkpoint !== undefined && newest !== checkpoint) throw broken(path, checkpoint);
    return { record, path };
  }
  const { next } = await readRecord(store, recordPath(topic, partition, before), before);
  if (next !== newest) throw broken(path, next);
  return { record, path };
}

/** All records of one chain in order, from the newest checkpoint on. Throws LakeChainError where one doesn't follow the one before it. */
export async function readChain(store: LakeStore, topic: string, partition: number): Promise<readonly CommitRecord[]> {
  const { records, checkpoint } = await keysOf(store, topic, partition);
  const paths = records.map((start) => ({
    path: recordPath(topic, partition, start),
    start: start as number | undefined,
  }));
  if (checkpoint !== undefined) paths.unshift({ path: checkpointPath(topic, partition, checkpoint), start: undefined });
  const chain = await inParallel(paths, ({ path, start }) => readRecord(store, path, start));
  for (let i = 1; i < chain.length; i++) {
    const expected = (chain[i - 1] as CommitRecord).next;
    if ((chain[i] as CommitRecord).start !== expected) throw broken((paths[i] as { path: string }).path, expected);
  }
  return chain;
}

/** The chains of a lake. */
export async function listChains(
  store: LakeStore,
): Promise<readonly { readonly topic: string; readonly partition: number }[]> {
  const chains = new Map<string, { topic: string; partition: number }>();
  for (const { path } of await store.list('_log')) {
    const [, topic, partition, name] = path.split('/');
    if (topic === undefined || name === undefined || !/^\d+$/.test(partition ?? '')) continue;
    chains.set(`${topic}/${partition}`, { topic, partition: Number(partition) });
  }
  return [...chains.values()];
}

/** A file of the lake as a reader finds it now. */
export interface LakeFileNow extends LakeFile {
  readonly table: string;
  /** Where its bytes lie: the final path or, between commit and publishing, the staged one. */
  readonly at: string;
}

/**
 * Every file of every table, exactly: what the commit records name, no more and no less. Throws LakeChainError on a broken
 * chain and LakeFileMissingError where a file is neither published nor staged.
 */
export async function lakeFiles(store: LakeStore): Promise<readonly LakeFileNow[]> {
  const chains = await listChains(store);
  const files = await Promise.all(
    chains.map(async ({ topic, partition }) => {
      const records = await readChain(store, topic, partition);
      // Records are published before they get a successor, so only the newest can have staged files.
      const settled = records.slice(0, -1).flatMap((record) => record.files);
      const newest = await Promise.all((records.at(-1)?.files ?? []).map((file) => locate(store, file)));
      return [...settled.map((file) => ({ file, at: file.path })), ...newest];
    }),
  );
  return files.flat().map(({ file, at }) => ({ ...file, at, table: file.path.slice(0, file.path.indexOf('/')) }));
}

async function locate(store: LakeStore, file: LakeFile): Promise<{ file: LakeFile; at: string }> {
  // Published between two looks: the last look finds it.
  for (const at of [file.path, file.staged, file.path]) if (await exists(store, at)) return { file, at };
  throw new LakeFileMissingError(`${file.path} is named by the commit log, but is neither published nor staged`);
}

async function exists(store: LakeStore, path: string): Promise<boolean> {
  const beside = await store.list(path.slice(0, path.lastIndexOf('/')));
  return beside.some((file) => file.path === path);
}

interface Keys {
  /** Ascending; without those that a checkpoint has swallowed (a zombie may have made one of these again). */
  readonly records: readonly number[];
  readonly checkpoint: number | undefined;
}

export async function keysOf(store: LakeStore, topic: string, partition: number): Promise<Keys> {
  const files = await store.list(logFolder(topic, partition));
  const { records, checkpoints } = parseNames(files.map(({ path }) => path));
  const checkpoint = checkpoints.at(-1);
  return { records: records.filter((start) => start >= (checkpoint ?? 0)), checkpoint };
}

/** `start`: what its name says; undefined for a checkpoint. */
async function readRecord(store: LakeStore, path: string, start: number | undefined): Promise<CommitRecord> {
  const bytes = await store.read(path);
  if (!bytes) throw new LakeChainError(`${path} was listed and is gone`);
  const record = decodeRecord(path, bytes);
  if (start !== undefined && record.start !== start)
    throw new LakeChainError(`${path} says that it starts at ${record.start}`);
  return record;
}

function broken(path: string, expected: number): LakeChainError {
  return new LakeChainError(`${path} doesn't follow the record before it, which ends at ${expected}`);
}

async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let i = 0; i < items.length; i += READS_AT_ONCE)
    results.push(...(await Promise.all(items.slice(i, i + READS_AT_ONCE).map(work))));
  return results;
}
