// Files of a lake elsewhere as copies on this disk, for DuckDB: each fetched once, checked against the commit log, bounded in all.
import { randomUUID } from 'node:crypto';
import { lstat, mkdir, readdir, rename, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { LakeStore } from '../domain/ports.js';
import type { LakeFileNow } from './chain-reader.js';
import { LakeFileMissingError, LakeQueryError } from './errors.js';
import { sha256Of } from './file-sums.js';

const FETCHES_AT_ONCE = 4;
/** The copies are patient data. */
const OWNER_ONLY = 0o700;
const ANYBODY_ELSE = 0o077;
const MIB = 1_048_576;

export interface LocalCopies {
  /** Made where it is missing, for this user alone. */
  readonly folder: string;
  /** Of all copies together. */
  readonly maxBytes: number;
  /** For telling which copy has been unused for longest. */
  nowMs(): number;
}

/**
 * The path on this disk of each file, in their order; `dt` and `hr` stand in it as in the lake. A copy's name says its content,
 * so that one which is there is right, whatever becomes of the lake. Throws LakeQueryError where the files are more than the
 * copies may be, or another may look into the folder, and LakeFileMissingError where one is gone.
 */
export async function copyFiles(
  store: LakeStore,
  files: readonly LakeFileNow[],
  copies: LocalCopies,
): Promise<readonly string[]> {
  await ensurePrivate(copies.folder);
  const wanted = files.map((file) => ({ file, copy: copyOf(copies.folder, file) }));
  await makeRoom(copies, new Set(wanted.map(({ copy }) => copy)), sum(files.map(({ bytes }) => bytes)));
  for (let i = 0; i < wanted.length; i += FETCHES_AT_ONCE)
    await Promise.all(
      wanted.slice(i, i + FETCHES_AT_ONCE).map(({ file, copy }) => ensureCopy(store, file, copy, copies)),
    );
  return wanted.map(({ copy }) => copy);
}

function copyOf(folder: string, { path: name, sha256 }: LakeFileNow): string {
  return path.join(folder, path.dirname(name), `${sha256}.parquet`);
}

async function ensureCopy(store: LakeStore, file: LakeFileNow, copy: string, { nowMs }: LocalCopies): Promise<void> {
  const now = nowMs() / 1_000;
  if (await stat(copy).catch(ignoreMissing)) {
    await utimes(copy, now, now);
    return;
  }
  const bytes = await store.read(file.at);
  if (!bytes) throw new LakeFileMissingError(`${file.at} is named by the commit log, but is gone`);
  if (sha256Of(bytes) !== file.sha256)
    throw new LakeQueryError(`${file.at} is damaged: its content is not what the commit log says`);
  await mkdir(path.dirname(copy), { recursive: true, mode: OWNER_ONLY });
  // Somebody else may fetch it too, and must see it whole or not at all.
  const temporary = `${copy}.${randomUUID()}`;
  await writeFile(temporary, bytes, { mode: 0o600 });
  await utimes(temporary, now, now);
  await rename(temporary, copy);
}

/** Removes what has been unused for longest, but nothing of `wanted`, until all of `wanted` fits. */
async function makeRoom({ folder, maxBytes }: LocalCopies, wanted: ReadonlySet<string>, needs: number): Promise<void> {
  if (needs > maxBytes)
    throw new LakeQueryError(
      `this needs ${Math.ceil(needs / MIB)} MiB of files, and LAKE_CACHE_BYTES allows ${Math.floor(maxBytes / MIB)} MiB: raise it, or ask Hive or Spark`,
    );
  const others = (await copiesIn(folder)).filter((copy) => !wanted.has(copy.path));
  let used = needs + sum(others.map(({ bytes }) => bytes));
  for (const copy of others.sort((a, b) => a.usedMs - b.usedMs)) {
    if (used <= maxBytes) return;
    await unlink(copy.path).catch(ignoreMissing);
    used -= copy.bytes;
  }
}

async function copiesIn(folder: string): Promise<{ path: string; bytes: number; usedMs: number }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => {
        const file = path.join(entry.parentPath, entry.name);
        const stats = await stat(file).catch(ignoreMissing);
        return stats && { path: file, bytes: stats.size, usedMs: stats.mtimeMs };
      }),
  );
  return found.filter((copy) => copy !== undefined);
}

/** In a folder for all (/tmp), somebody else may have made one of that name. */
async function ensurePrivate(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: OWNER_ONLY });
  const { mode, uid } = await lstat(folder);
  const mine = process.getuid === undefined || uid === process.getuid();
  if (!mine || (mode & ANYBODY_ELSE) !== 0)
    throw new LakeQueryError(
      `LAKE_CACHE ${folder} must belong to this user alone (chmod 700): copies are patient data`,
    );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
