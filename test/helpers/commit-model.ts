// The lake's commit protocol as programs for the model checker, and what must be true of the lake in every state, said without the protocol's code.
import type { LakeStore } from '../../src/domain/ports.js';
import { foldChain } from '../../src/lake/checkpoint.js';
import type { ParquetEncoder } from '../../src/lake/parquet-encoder.js';
import { buffered, lastAt, NOON, openBeats } from './chain-bench.js';
import { type Files, type Mutation, storeAtOnce } from './interleavings.js';

const HOUR_US = 3_600_000_000;

/** Files of the model are the first and last offset of their rows, as text. */
const encode: ParquetEncoder = async (buffer) => {
  const keys = buffer.keys;
  if (!keys) throw new Error('an empty buffer');
  return { bytes: Buffer.from(`${keys.first}-${keys.last}`), rows: buffer.rows, keys };
};

export interface ArchiverOptions {
  readonly name: string;
  /** Records of one commit, at most. */
  readonly take: number;
  /** Of the topic: its records are 0 up to here. */
  readonly end: number;
  /** How often it takes the partition, before it gives up. */
  readonly lives: number;
  /** From here on records belong to the next hour, so that a commit has two files. */
  readonly nextHourFrom?: number;
  /** Folds what it can when it has come to the end. */
  readonly folds?: boolean;
  /** Tokens of all its lives; otherwise each is another's. */
  readonly token?: string;
}

/** As jobs/archive does it: own the chain, commit from where it ends, and own it anew after any failure. */
export function archiver(options: ArchiverOptions): (store: LakeStore) => Promise<void> {
  const { name, take, end, nextHourFrom = end } = options;
  return async (store) => {
    for (let life = 0; life < options.lives; life++) {
      const token = options.token ?? `${name}${life}`;
      try {
        const chain = await openBeats({ store, encode, verify: async () => undefined, token });
        for (let next = chain.tail()?.next ?? 0; next < end; ) {
          const to = Math.min(next + take, end);
          const ids = Array.from({ length: to - next }, (_, i) => next + i);
          const rows = buffered(ids.map((id) => ({ id: BigInt(id), us: NOON + (id >= nextHourFrom ? HOUR_US : 0) })));
          next = (await chain.commit({ start: 0, next: to, rows, last: lastAt(to - 1) })).next;
        }
        if (options.folds) await fold(store, token);
        return;
      } catch {
        // Whatever it was: let go, take it anew.
      }
    }
  };
}

async function fold(store: LakeStore, token: string): Promise<void> {
  const parts = {
    store,
    topic: 'beats',
    partition: 3,
    token,
    today: '2027-01-01',
    onStep: () => undefined,
    atLeast: 1,
  };
  while (await foldChain({ ...parts, atMost: 2 }));
}

interface LogEntry {
  readonly start: string;
  readonly next: string;
  readonly origin: string;
  readonly files: readonly { readonly path: string; readonly staged: string }[];
}

/** What a reader of the log finds: the records from the origin to the end, or an error that says why it is no chain. */
function chainOf(files: Files): readonly LogEntry[] {
  const entries = [...files]
    .filter(([path]) => path.startsWith('_log/'))
    .map(([path, text]) => ({ name: path.split('/').at(-1) ?? '', entry: JSON.parse(text) as LogEntry }));
  const checkpoints = entries
    .filter(({ name }) => name.startsWith('checkpoint-'))
    .sort((a, b) => Number(a.entry.next) - Number(b.entry.next));
  const newest = checkpoints.at(-1);
  const from = Number(newest?.entry.next ?? 0);
  const chain = entries
    .filter(({ name, entry }) => !name.startsWith('checkpoint-') && Number(entry.start) >= from)
    .map(({ entry }) => entry)
    .sort((a, b) => Number(a.start) - Number(b.start));
  for (let entry = newest?.entry; entry; ) {
    chain.unshift(entry);
    const { start } = entry;
    entry = checkpoints.find((other) => other.entry.next === start)?.entry;
  }
  let at = '0';
  for (const { start, next } of chain) {
    if (start !== at) throw new Error(`a record starts at ${start}, the one before it ends at ${at}`);
    at = next;
  }
  return chain;
}

function idsOf(text: string): readonly number[] {
  const [first = 0, last = 0] = text.split('-').map(Number);
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

function expectOnce(what: string, ids: readonly number[], end: number): void {
  const sorted = [...ids].sort((a, b) => a - b);
  const whole = Array.from({ length: end }, (_, i) => i);
  if (sorted.join() !== whole.join()) throw new Error(`${what} has rows ${sorted.join()} of ${whole.join()}`);
}

const published = (files: Files) => [...files].filter(([path]) => path.startsWith('beat/'));

/** In every state a reader of the log sees each row below its end once, and one of the folders none twice and none uncommitted. */
export function checkState(files: Files): void {
  const chain = chainOf(files);
  const end = Number(chain.at(-1)?.next ?? 0);
  const seen = chain.flatMap((record) =>
    record.files.flatMap(({ path, staged }) => {
      const text = files.get(path) ?? files.get(staged);
      if (text === undefined) throw new Error(`${path} is neither published nor staged`);
      return idsOf(text);
    }),
  );
  expectOnce('the log', seen, end);
  const visible = published(files).flatMap(([, text]) => idsOf(text));
  if (new Set(visible).size !== visible.length) throw new Error(`the folders show rows twice: ${visible.join()}`);
  if (visible.some((id) => id >= end)) throw new Error(`the folders show ${visible.join()}, committed is up to ${end}`);
}

/** All crash in this state: an heir that nothing disturbs brings everything to its end, once. */
export async function checkHeir(files: Files, end: number): Promise<void> {
  const left = new Map(files);
  const store = storeAtOnce(left);
  await archiver({ name: 'heir', take: end, end, lives: 1 })(store);
  checkState(left);
  expectOnce(
    'the heir',
    published(left).flatMap(([, text]) => idsOf(text)),
    end,
  );
  // Whatever the dead had staged can never be committed any more.
  await archiver({ name: 'next', take: end, end, lives: 1 })(store);
  const staged = [...left.keys()].filter((path) => path.startsWith('_staging/'));
  if (staged.length > 0) throw new Error(`staged for nothing: ${staged.join()}`);
}

/** Every state is checked, and what an heir makes of it. */
export function checkAll(end: number): (files: Files) => Promise<void> {
  return async (files) => {
    checkState(files);
    await checkHeir(files, end);
  };
}

/** A writer's own staged files: nobody else reads or writes them, and they are taken away only when their key has been passed. */
export function isOwn(operation: string, path: string): boolean {
  return path.startsWith('_staging/') && (operation === 'read' || operation === 'write');
}

/** Where nobody folds, a record that is there stays as it is: reading it later gives the same. */
export function isOwnOrFixed(operation: string, path: string): boolean {
  return isOwn(operation, path) || (operation === 'read' && path.startsWith('_log/'));
}

/** Mistakes in the protocol, each as a store that makes it. The checker must find every one. */
export const MISTAKES = {
  'the exclusive create is a plain write': (store) => ({
    ...store,
    createExclusive: async (path, bytes) => {
      await store.write(path, bytes);
      return true;
    },
  }),
  "the token is not looked at: a record that is there is another's": (store) => ({
    ...store,
    read: async (path) => {
      const bytes = await store.read(path);
      if (!bytes || !path.startsWith('_log/')) return bytes;
      return Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(bytes).toString()), token: 'another' }));
    },
  }),
  'whoever made a record does not look once more before publishing': (store) => {
    let won = false;
    return {
      ...store,
      createExclusive: async (path, bytes) => {
        won = await store.createExclusive(path, bytes);
        return won;
      },
      list: async (folder) => {
        const blind = won && folder.startsWith('_log/');
        if (blind) won = false;
        return blind ? [] : store.list(folder);
      },
    };
  },
} as const satisfies Record<string, Mutation>;
