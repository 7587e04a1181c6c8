// Reads chains of commit records without owning them: for the tail, for `lake query`, for the audit.
import type { LakeStore } from '../domain/ports.js';
import {
  type CommitRecord,
  checkpointPath,
  decodeRecord,
  keyOf,
  type LakeFile,
  logFolder,
  parseNames,
  recordPath,
} from './commit-record.js';
import { LakeChainError, LakeFileMissingError } from './errors.js';
import { goneText, placesOf } from './file-sums.js';

const READS_AT_ONCE = 16;

/** What stands at the end of a chain. */
export interface Tail {
  /** The newest record, or the checkpoint where it has swallowed all. */
  readonly record: CommitRecord;
  readonly path: string;
}

/** Undefined where nothing was ever committed. Throws LakeChainError where the newest record doesn't follow the one before it. */
export function readTail(store: LakeStore, topic: string, partition: number): Promise<Tail | undefined> {
  return settled(store, topic, partition, async ({ records, checkpoints }) => {
    const links = [
      ...checkpoints.slice(-1).map((next) => checkpointLink(topic, partition, next)),
      ...records.slice(-2).map((start) => recordLink(topic, partition, start)),
    ].slice(-2);
    const read = await readLinks(store, topic, partition, links);
    const [newest, before] = [read.at(-1), read.at(-2)];
    if (!newest) return undefined;
    if (before) follow(newest, before.record.next);
    else if (newest.record.folded === undefined) follow(newest, newest.record.origin);
    return { record: newest.record, path: newest.path };
  });
}

/**
 * All of one chain in order: its checkpoints, then the records that no checkpoint stands for yet. Throws LakeChainError, naming the
 * record, where one is torn or missing, is another chain's, or doesn't follow the one before it.
 */
export function readChain(store: LakeStore, topic: string, partition: number): Promise<readonly CommitRecord[]> {
  return settled(store, topic, partition, async ({ records, checkpoints }) => {
    const folded = await readLinks(
      store,
      topic,
      partition,
      checkpoints.map((next) => checkpointLink(topic, partition, next)),
    );
    const rest = await readLinks(
      store,
      topic,
      partition,
      records.map((start) => recordLink(topic, partition, start)),
    );
    const chain = [...descent(folded), ...rest];
    let expected = chain[0]?.record.origin ?? 0;
    for (const link of chain) {
      follow(link, expected);
      expected = link.record.next;
    }
    return chain.map(({ record }) => record);
  });
}

/** The records that no checkpoint stands for yet, oldest first; at most `limit` of them. Not checked against each other. */
export function readUnfolded(
  store: LakeStore,
  topic: string,
  partition: number,
  limit: number,
): Promise<readonly CommitRecord[]> {
  return settled(store, topic, partition, async ({ records }) => {
    const links = records.slice(0, limit).map((start) => recordLink(topic, partition, start));
    return (await readLinks(store, topic, partition, links)).map(({ record }) => record);
  });
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
      const published = records.slice(0, -1).flatMap((record) => record.files);
      const newest = await Promise.all((records.at(-1)?.files ?? []).map((file) => locate(store, file)));
      return [...published.map((file) => ({ file, at: file.path })), ...newest];
    }),
  );
  return files.flat().map(({ file, at }) => fileAt(file, at));
}

/** The first folder of a file's path is its table. */
export function fileAt(file: LakeFile, at: string): LakeFileNow {
  return { ...file, at, table: file.path.slice(0, file.path.indexOf('/')) };
}

async function locate(store: LakeStore, file: LakeFile): Promise<{ file: LakeFile; at: string }> {
  for (const at of placesOf(file)) if (await exists(store, at)) return { file, at };
  throw new LakeFileMissingError(goneText(file));
}

async function exists(store: LakeStore, path: string): Promise<boolean> {
  const beside = await store.list(path.slice(0, path.lastIndexOf('/')));
  return beside.some((file) => file.path === path);
}

interface Keys {
  /** Ascending; without those that a checkpoint stands for (a zombie may have made one of these again). */
  readonly records: readonly number[];
  /** Those that are left out of `records`. */
  readonly passed: readonly number[];
  /** Ascending. */
  readonly checkpoints: readonly number[];
}

export async function keysOf(store: LakeStore, topic: string, partition: number): Promise<Keys> {
  const files = await store.list(logFolder(topic, partition));
  const { records, checkpoints } = parseNames(files.map(({ path }) => path));
  const passed = checkpoints.at(-1) ?? 0;
  return {
    records: records.filter((start) => start >= passed),
    passed: records.filter((start) => start < passed),
    checkpoints,
  };
}

/**
 * Between a listing and the reading of what it named, records may be folded away, and a zombie may put one of its own in such a
 * place for a moment. Both need a new checkpoint: what was read counts if there is none.
 */
async function settled<T>(
  store: LakeStore,
  topic: string,
  partition: number,
  read: (keys: Keys) => Promise<T>,
): Promise<T> {
  for (let keys = await keysOf(store, topic, partition); ; ) {
    const outcome = await read(keys).then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    const after = await keysOf(store, topic, partition);
    if (after.checkpoints.at(-1) === keys.checkpoints.at(-1)) {
      if ('error' in outcome) throw outcome.error;
      return outcome.value;
    }
    keys = after;
  }
}

/** Of one link: its path, and what its name says. */
interface Name {
  readonly path: string;
  readonly start?: number;
  readonly next?: number;
}

interface Link {
  readonly path: string;
  readonly record: CommitRecord;
}

function recordLink(topic: string, partition: number, start: number): Name {
  return { path: recordPath(topic, partition, start), start };
}

function checkpointLink(topic: string, partition: number, next: number): Name {
  return { path: checkpointPath(topic, partition, next), next };
}

/** From the newest checkpoint back to the origin. A sleeper may have made one that overlaps others: all say the same, and it is passed over. */
function descent(checkpoints: readonly Link[]): readonly Link[] {
  const byEnd = new Map(checkpoints.map((link) => [link.record.next, link]));
  const chain: Link[] = [];
  for (let link = checkpoints.at(-1); link; ) {
    chain.unshift(link);
    const { start, origin } = link.record;
    link = start === origin ? undefined : byEnd.get(start);
  }
  return chain;
}

function follow({ path, record }: Link, expected: number): void {
  if (record.start === expected) return;
  if (expected === record.origin)
    throw new LakeChainError(`${path} starts at ${record.start}, but its chain at ${expected}: records are missing`);
  throw new LakeChainError(`${path} doesn't follow the record before it, which ends at ${expected}`);
}

async function readLinks(
  store: LakeStore,
  topic: string,
  partition: number,
  names: readonly Name[],
): Promise<readonly Link[]> {
  const links: Link[] = [];
  for (let i = 0; i < names.length; i += READS_AT_ONCE) {
    const some = names.slice(i, i + READS_AT_ONCE);
    links.push(...(await Promise.all(some.map((name) => readLink(store, topic, partition, name)))));
  }
  return links;
}

async function readLink(store: LakeStore, topic: string, partition: number, name: Name): Promise<Link> {
  const { path } = name;
  const bytes = await store.read(path);
  if (!bytes) throw new LakeChainError(`${path} was listed and is gone`);
  const record = decodeRecord(path, bytes);
  if (name.start !== undefined && record.start !== name.start)
    throw new LakeChainError(`${path} says that it starts at ${record.start}`);
  if (name.next !== undefined && record.next !== name.next)
    throw new LakeChainError(`${path} says that it ends at ${record.next}`);
  if ((name.next !== undefined) !== (record.folded !== undefined))
    throw new LakeChainError(`${path} is a record under a checkpoint's name, or the other way round`);
  const stranger = record.files.find((file) => !isOfChain(file, topic, partition, record));
  if (stranger) throw new LakeChainError(`${path} names ${stranger.path}: it is another chain's`);
  return { path, record };
}

/** Files are called by their chain and the key of their record. */
function isOfChain({ path }: LakeFile, topic: string, partition: number, { start, next }: CommitRecord): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const prefix = `${topic}-${partition}-`;
  const key = name.slice(prefix.length, -'.parquet'.length);
  return name.startsWith(prefix) && key >= keyOf(start) && key < keyOf(next);
}
