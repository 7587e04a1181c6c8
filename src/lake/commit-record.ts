// One commit record of the lake's own log: its form, its name, and the checks on reading it (data-path.md 3).
import { z } from 'zod';
import { LakeChainError } from './errors.js';

/** One published file and what a reader may rely on. Ids, instants and offsets as in contracts.md: text. */
const LakeFileSchema = z.object({
  path: z.string(),
  staged: z.string(),
  rows: z.number().int().positive(),
  bytes: z.number().int().positive(),
  sha256: z.string().length(64),
  minId: z.string(),
  maxId: z.string(),
  minTime: z.string(),
  maxTime: z.string(),
});

const LastSchema = z.object({ offset: z.string(), timestamp: z.string(), hash: z.string() });

const OffsetSchema = z.string().regex(/^\d+$/);

/** In a checkpoint: how many records it stands for, and the writers' own states of those that had one. */
const FoldedSchema = z.object({
  records: z.number().int().positive(),
  states: z.array(z.object({ start: OffsetSchema, state: z.unknown() })),
});

const RecordSchema = z.object({
  v: z.literal(1),
  token: z.string(),
  origin: OffsetSchema,
  start: OffsetSchema,
  next: OffsetSchema,
  files: z.array(LakeFileSchema),
  schema: z.string(),
  clusterId: z.string(),
  last: LastSchema.nullable(),
  state: z.unknown().optional(),
  folded: FoldedSchema.optional(),
});

export type LakeFile = Readonly<z.infer<typeof LakeFileSchema>>;

/** The last message that a chain has taken: its successor re-reads it and stops if it is another. `timestamp` is ISO 8601. */
export type LastMessage = Readonly<z.infer<typeof LastSchema>>;

/**
 * A link of a chain: it covers the offsets from `start` up to, and without, `next`. `origin` is where the whole chain begins,
 * so that a lost beginning shows. `state` is the writer's own; `folded` makes it a checkpoint.
 */
export type CommitRecord = Readonly<Omit<z.infer<typeof RecordSchema>, 'origin' | 'start' | 'next' | 'files'>> & {
  readonly origin: number;
  readonly start: number;
  readonly next: number;
  readonly files: readonly LakeFile[];
};

const KEY_DIGITS = 20;
const RECORD_NAME = /^(\d{20})\.json$/;
const CHECKPOINT_NAME = /^checkpoint-(\d{20})\.json$/;

/** 20 digits, so that names sort as numbers do. */
export function keyOf(offset: number): string {
  return String(offset).padStart(KEY_DIGITS, '0');
}

export function logFolder(topic: string, partition: number): string {
  return `_log/${topic}/${partition}`;
}

export function recordPath(topic: string, partition: number, start: number): string {
  return `${logFolder(topic, partition)}/${keyOf(start)}.json`;
}

/** The keys in one chain's folder, ascending. A checkpoint is named by where it ends: it and those before it stand for every record below. Other names are nobody's business. */
export function parseNames(names: readonly string[]): { readonly records: number[]; readonly checkpoints: number[] } {
  const matching = (form: RegExp) =>
    names
      .map((name) => form.exec(name.slice(name.lastIndexOf('/') + 1))?.[1])
      .filter((key) => key !== undefined)
      .map(Number)
      .sort((a, b) => a - b);
  return { records: matching(RECORD_NAME), checkpoints: matching(CHECKPOINT_NAME) };
}

export function checkpointPath(topic: string, partition: number, next: number): string {
  return `${logFolder(topic, partition)}/checkpoint-${keyOf(next)}.json`;
}

export function encodeRecord(record: CommitRecord): Uint8Array {
  const { v, token, origin, start, next, ...rest } = record;
  const text = JSON.stringify({
    v,
    token,
    origin: String(origin),
    start: String(start),
    next: String(next),
    ...rest,
  });
  return Buffer.from(`${text}\n`);
}

/** Throws LakeChainError, naming the record, where the text is none. */
export function decodeRecord(path: string, bytes: Uint8Array): CommitRecord {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    throw new LakeChainError(`${path} is no JSON`);
  }
  const record = RecordSchema.safeParse(parsed);
  if (!record.success) {
    const fields = record.error.issues.map((issue) => issue.path.join('.')).join(', ');
    throw new LakeChainError(`${path} is no commit record of version 1 (${fields})`);
  }
  const origin = Number(record.data.origin);
  const start = Number(record.data.start);
  const next = Number(record.data.next);
  if (!Number.isSafeInteger(next) || next < start || start < origin)
    throw new LakeChainError(`${path} ends at ${record.data.next}, before it starts`);
  return { ...record.data, origin, start, next };
}
