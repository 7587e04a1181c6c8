// Writes one chain of commit records: stage, verify, record, publish, each step repeatable (data-path.md 3, a–e).
import type { LakeStore, Logger, OnStep } from '../domain/ports.js';
import type { Step } from '../domain/steps.js';
import { formatMicros } from '../domain/time.js';
import { keysOf, readTail } from './chain-reader.js';
import {
  type CommitRecord,
  decodeRecord,
  encodeRecord,
  keyOf,
  type LakeFile,
  type LastMessage,
  recordPath,
} from './commit-record.js';
import { LakeChainError, LakeRaceLostError, ParquetVerifyError } from './errors.js';
import { rollForward, sha256Of } from './file-sums.js';
import type { HourBuffers } from './hour-buffers.js';
import { LAYOUT, type ParquetEncoder } from './parquet-encoder.js';
import type { ParquetVerifier } from './parquet-verify.js';
import { hourFolder, hourOf } from './table.js';
import type { TableBuffer } from './table-buffer.js';

/** Where a writer's protocol has its named steps: the archive and the imports name theirs differently. */
export interface ChainSteps {
  readonly staged: Step;
  readonly verified?: Step;
  readonly beforeRecord: Step;
  readonly afterRecord: Step;
  readonly publishedOne?: Step;
  readonly published?: Step;
}

export interface ChainParts {
  readonly store: LakeStore;
  readonly encode: ParquetEncoder;
  /** Another implementation than `encode`'s: what it wrote is read back before it counts. */
  readonly verify: ParquetVerifier;
  /** Without prefix: `vital-info`, `import.patient`. */
  readonly topic: string;
  readonly partition: number;
  /** Whose offsets these are: a chain that another cluster (or source) began is refused. */
  readonly clusterId: string;
  /** New for each ownership: tells our record from another's when the answer to its creation was lost. */
  readonly token: string;
  readonly steps: ChainSteps;
  readonly onStep: OnStep;
  readonly log: Logger;
}

export interface Change {
  /** Where the chain starts, if this is its first record. */
  readonly start: number;
  /** Everything below is covered. */
  readonly next: number;
  readonly rows: HourBuffers;
  /** Null: as in the record before. */
  readonly last: LastMessage | null;
  readonly state?: unknown;
  /** Asked before the record is created: false gives up with LakeRaceLostError. */
  readonly stillOurs?: () => boolean;
}

/** One writer's hold on a chain. After any throw of `commit` it is unusable: open the chain anew. */
export interface Chain {
  /** The newest record; undefined while there is none. */
  tail(): CommitRecord | undefined;
  /**
   * Makes rows, `next` and `state` durable in one record, and publishes its files. Throws LakeRaceLostError when another
   * writer was first (nothing of ours stays), ParquetVerifyError, LakeChainError, or the store's failure: then the outcome
   * is unknown, and whoever opens the chain next finds it out.
   */
  commit(change: Change): Promise<CommitRecord>;
}

/**
 * Takes hold of a chain: reads its tail, publishes what a dead predecessor had committed but not yet published, and removes
 * what it had staged in vain. Throws LakeChainError on a broken chain or another cluster's, LakeFileMissingError or
 * LakeFileDamagedError when a file of the newest record is gone or has other bytes.
 */
export async function openChain(parts: ChainParts): Promise<Chain> {
  const { store, topic, partition, clusterId } = parts;
  const tail = await readTail(store, topic, partition);
  if (tail && tail.record.clusterId !== clusterId)
    throw new LakeChainError(
      `${tail.path} was written from cluster ${tail.record.clusterId}, this is ${clusterId}: another LAKE_URL, or the old cluster`,
    );
  for (const file of tail?.record.files ?? []) await rollForward(store, file);
  if (tail) await removeOrphans(parts, tail.record.next);
  let newest = tail?.record;
  let usable = true;
  /** What stood in our way was lost before we came, or never: one look is enough. */
  let looked = false;
  return {
    tail: () => newest,
    commit: async (change) => {
      // After a failure our record may be there all the same: another commit at its key would take it for its own.
      if (!usable)
        throw new LakeRaceLostError(`${topic}/${partition}: this hold on the chain has failed, open it anew`);
      usable = false;
      newest = await commit(parts, newest, change, looked);
      usable = true;
      looked = true;
      return newest;
    },
  };
}

async function commit(
  parts: ChainParts,
  before: CommitRecord | undefined,
  change: Change,
  looked: boolean,
): Promise<CommitRecord> {
  const { store, topic, partition, steps, onStep } = parts;
  const start = before?.next ?? change.start;
  if (change.next <= start)
    throw new LakeChainError(`${topic}/${partition}: a record from ${start} to ${change.next} covers nothing`);
  const files: LakeFile[] = [];
  for (const buffer of change.rows.filled()) files.push(await stage(parts, start, buffer));
  const record: CommitRecord = {
    v: 1,
    token: parts.token,
    origin: before?.origin ?? start,
    start,
    next: change.next,
    files,
    schema: LAYOUT,
    clusterId: parts.clusterId,
    last: change.last ?? before?.last ?? null,
    ...(change.state === undefined ? {} : { state: change.state }),
  };
  const discard = async (why: string): Promise<never> => {
    for (const file of files) await store.delete(file.staged);
    throw new LakeRaceLostError(`${recordPath(topic, partition, start)}: ${why}`);
  };
  await onStep(steps.beforeRecord);
  if (change.stillOurs && !change.stillOurs()) return discard('given up before its record was created');
  if (!looked && (await standsInTheWay(parts, record))) return discard('another writer was first');
  if (!(await createRecord(parts, record))) return discard('another writer was first');
  await onStep(steps.afterRecord);
  const zombie = await supersededBy(parts, record);
  if (zombie) {
    await store.delete(recordPath(topic, partition, start));
    return discard(zombie);
  }
  for (const file of files) {
    await store.publish(file.staged, file.path);
    if (steps.publishedOne) await onStep(steps.publishedOne);
  }
  if (steps.published) await onStep(steps.published);
  return record;
}

/** Writes one file under _staging, reads it back and has a second implementation look at it. */
async function stage(parts: ChainParts, start: number, buffer: TableBuffer<never>): Promise<LakeFile> {
  const { store, encode, topic, partition, token, steps, onStep } = parts;
  const { table } = buffer;
  const { min, max } = buffer.times;
  const folder = hourFolder(hourOf(min));
  const name = `${topic}-${partition}-${keyOf(start)}`;
  const staged = `_staging/${token}/${name}-${table.name}-${folder.replace('/', '-')}.parquet`;
  const { bytes, ...wrote } = await encode(buffer);
  const sha256 = sha256Of(bytes);
  await store.write(staged, bytes);
  await onStep(steps.staged);
  const back = await store.read(staged);
  if (!back || sha256Of(back) !== sha256) throw new ParquetVerifyError(`${staged}: other bytes than were written`);
  await parts.verify(
    staged,
    back,
    table.key,
    table.columns.map((column) => column.name),
    wrote,
  );
  if (steps.verified) await onStep(steps.verified);
  return {
    path: `${table.name}/${folder}/${name}.parquet`,
    staged,
    rows: wrote.rows,
    bytes: bytes.length,
    sha256,
    minId: wrote.keys.min,
    maxId: wrote.keys.max,
    minTime: formatMicros(min),
    maxTime: formatMicros(max),
  };
}

/** True: the record is ours. A lost answer looks like a failure, and the file then carries our token. */
async function createRecord(parts: ChainParts, record: CommitRecord): Promise<boolean> {
  const { store, topic, partition, log } = parts;
  const path = recordPath(topic, partition, record.start);
  const bytes = encodeRecord(record);
  try {
    if (await store.createExclusive(path, bytes)) return true;
  } catch (error) {
    log.warn('lake.record-answer-lost', { path });
    // Once more: "exists" is an answer, and a durable one. A second failure leaves it to whoever opens the chain next.
    if (await store.createExclusive(path, bytes).catch(() => Promise.reject(error))) return true;
  }
  const there = await store.read(path);
  return there !== undefined && decodeRecord(path, there).token === record.token;
}

/**
 * True: another writer has made this record, and published. A file without a record means that records were lost: it is not
 * overwritten, and LakeChainError names it.
 */
async function standsInTheWay({ store, topic, partition }: ChainParts, record: CommitRecord): Promise<boolean> {
  for (const { path } of record.files) {
    const beside = await store.list(path.slice(0, path.lastIndexOf('/')));
    if (!beside.some((file) => file.path === path)) continue;
    const { records, checkpoints } = await keysOf(store, topic, partition);
    if (records.some((start) => start >= record.start) || checkpoints.some((next) => next > record.start)) return true;
    const lost = recordPath(topic, partition, record.start);
    throw new LakeChainError(`${path} is there, but no record names it: was ${lost} deleted?`);
  }
  return false;
}

/** A writer that slept through its own succession finds a checkpoint over its key, or a later record that isn't its heir. */
async function supersededBy(parts: ChainParts, record: CommitRecord): Promise<string | undefined> {
  const { records, checkpoints } = await keysOf(parts.store, parts.topic, parts.partition);
  const checkpoint = checkpoints.at(-1);
  if (checkpoint !== undefined && checkpoint > record.start) return `a checkpoint up to ${checkpoint} covers it`;
  // Of two first records only one can begin the chain: where Kafka deletes old ones, two owners may begin at different offsets.
  const [first = record.start] = records;
  if (record.start === record.origin && (checkpoint !== undefined || first < record.start))
    return 'its chain has begun before';
  const heir = records.find((start) => start > record.start);
  return heir === undefined || heir === record.next ? undefined : `the record at ${heir} doesn't descend from it`;
}

/** Staged files of records that can never be created any more: their key has been passed. A live rival's key is the tail's `next`. */
async function removeOrphans({ store, topic, partition }: ChainParts, next: number): Promise<void> {
  const prefix = `${topic}-${partition}-`;
  for (const { path } of await store.list('_staging')) {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const key = name.startsWith(prefix) ? /^(\d{20})-/.exec(name.slice(prefix.length))?.[1] : undefined;
    if (key !== undefined && Number(key) < next) await store.delete(path);
  }
}
