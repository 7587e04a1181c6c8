// Folds the older records of a chain into a checkpoint, so that taking a partition over and reading the log stay cheap (data-path.md 3).
import type { LakeStore, OnStep } from '../domain/ports.js';
import { keysOf, readChain, readUnfolded } from './chain-reader.js';
import { type CommitRecord, checkpointPath, encodeRecord, recordPath } from './commit-record.js';
import { LakeChainError } from './errors.js';
import { LAYOUT } from './parquet-encoder.js';

/** Records of one checkpoint at most: what is read and kept in memory for it. */
export const FOLD_RECORDS_MAX = 1_000;
/** Fewer records of closed days than this stay as they are. */
export const FOLD_RECORDS_MIN = 16;

export interface FoldParts {
  readonly store: LakeStore;
  readonly topic: string;
  readonly partition: number;
  /** Who folds: written into the checkpoint. */
  readonly token: string;
  /** `YYYY-MM-DD` in UTC: days before it are closed. */
  readonly today: string;
  readonly onStep: OnStep;
  /** FOLD_RECORDS_MIN and _MAX, unless a test says otherwise. */
  readonly atLeast?: number;
  readonly atMost?: number;
}

/**
 * Folds one run of records: those of closed days (by their last message's time), and whatever the day where FOLD_RECORDS_MAX have
 * come together. The newest record never is. Whoever does it, and however many at once: a checkpoint says the same as the records
 * it stands for. Undefined where there is nothing to fold; call it again until then. Throws LakeChainError on a broken chain.
 */
export async function foldChain(parts: FoldParts): Promise<CommitRecord | undefined> {
  const { store, topic, partition, onStep, atLeast = FOLD_RECORDS_MIN, atMost = FOLD_RECORDS_MAX } = parts;
  const before = await keysOf(store, topic, partition);
  // A predecessor died before it had deleted all that it had folded, or a zombie before it had taken its record back.
  if (before.passed.length > 0) await readChain(store, topic, partition);
  for (const start of before.passed) await store.delete(recordPath(topic, partition, start));
  if (before.records.length <= atLeast) return undefined;
  const records = (await readUnfolded(store, topic, partition, atMost + 1)).slice(0, -1);
  const run = records.length === atMost ? records : closed(records, parts.today);
  if (run.length < atLeast) return undefined;
  const checkpoint = fold(parts, run);
  // What was read is the chain's, whatever others fold from here on: then the two say the same.
  await onStep('fold.before-checkpoint');
  const path = checkpointPath(topic, partition, checkpoint.next);
  if (!(await store.createExclusive(path, encodeRecord(checkpoint)))) return undefined;
  // Read before anything that it stands for goes.
  const back = await store.read(path);
  if (!back || !Buffer.from(back).equals(encodeRecord(checkpoint)))
    throw new LakeChainError(`${path} doesn't read back as it was written: the records that it stands for stay`);
  await onStep('fold.after-checkpoint');
  for (const { start } of run) {
    await store.delete(recordPath(topic, partition, start));
    await onStep('fold.deleted-one');
  }
  return checkpoint;
}

/** The records before the first that reaches into `today`. A chain of no messages (an import's) has no days. */
function closed(records: readonly CommitRecord[], today: string): readonly CommitRecord[] {
  const open = records.findIndex(({ last }) => last === null || last.timestamp.slice(0, today.length) >= today);
  return open < 0 ? records : records.slice(0, open);
}

function fold({ topic, partition, token }: FoldParts, run: readonly CommitRecord[]): CommitRecord {
  const first = run[0] as CommitRecord;
  const newest = run.at(-1) as CommitRecord;
  let expected = first.start;
  for (const record of run) {
    if (record.start !== expected || record.origin !== first.origin || record.clusterId !== first.clusterId)
      throw new LakeChainError(
        `${recordPath(topic, partition, record.start)} doesn't follow the record before it, which ends at ${expected}`,
      );
    expected = record.next;
  }
  const states = run.filter(({ state }) => state !== undefined);
  return {
    v: 1,
    token,
    origin: first.origin,
    start: first.start,
    next: newest.next,
    files: run.flatMap(({ files }) => files),
    schema: LAYOUT,
    clusterId: first.clusterId,
    last: newest.last,
    folded: {
      records: run.length,
      states: states.map(({ start, state }) => ({ start: String(start), state })),
    },
  };
}
