import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { LakeStore } from '../../../src/domain/ports.js';
import type { LakeFileNow } from '../../../src/lake/chain-reader.js';
import { LakeFileMissingError, LakeQueryError } from '../../../src/lake/errors.js';
import { copyFiles } from '../../../src/lake/local-copies.js';

const MIB = 1_048_576;
let parent: string;
let nowMs: number;
const reads: string[] = [];
const contents = new Map<string, Buffer>();
const store = {
  read: async (at: string) => {
    reads.push(at);
    return contents.get(at);
  },
} as unknown as LakeStore;
const copies = () => ({ folder: path.join(parent, 'copies'), maxBytes: 3 * MIB, nowMs: () => nowMs });

beforeEach(async () => {
  parent = await mkdtemp(path.join(tmpdir(), 'wardwatch-copies-'));
  nowMs = Date.UTC(2026, 10, 24);
  reads.length = 0;
  contents.clear();
});
afterEach(() => rm(parent, { recursive: true, force: true }));

/** A file of one MiB, published unless `staged`. */
function file(name: string, staged?: string): LakeFileNow {
  const bytes = Buffer.alloc(MIB, name);
  const place = `vital_info/dt=2026-11-24/hr=05/${name}.parquet`;
  contents.set(staged ?? place, bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { path: place, at: staged ?? place, table: 'vital_info', bytes: MIB, sha256 } as LakeFileNow;
}
const onDisk = async () =>
  (await readdir(path.join(parent, 'copies'), { recursive: true })).filter((name) => name.endsWith('.parquet'));

it('fetches each file once, staged ones under their day and hour too, and for this user alone', async () => {
  const [a, b] = [file('a'), file('b', '_staging/t/b')];
  const first = await copyFiles(store, [a, b], copies());
  // Both at the same time: which read comes first is the disk's affair.
  expect(reads.toSorted()).toEqual(['_staging/t/b', a.at]);
  for (const copy of first) expect(copy).toMatch(/\/vital_info\/dt=2026-11-24\/hr=05\/[0-9a-f]{64}\.parquet$/);
  // Published since: the same content, so the same copy.
  expect(await copyFiles(store, [{ ...b, at: b.path }, a], copies())).toEqual([...first].reverse());
  expect(reads).toHaveLength(2);
  expect((await stat(path.join(parent, 'copies'))).mode & 0o777).toBe(0o700);
  expect((await stat(first[0] as string)).mode & 0o777).toBe(0o600);
});

it('never grows beyond its bound: what was unused for longest goes, nothing that is wanted now', async () => {
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => file(name));
  for (const one of [a, b, c]) {
    await copyFiles(store, [one as LakeFileNow], copies());
    nowMs += 1_000;
  }
  await copyFiles(store, [a as LakeFileNow], copies());
  nowMs += 1_000;
  const [copyOfD, copyOfA] = await copyFiles(store, [d, a] as LakeFileNow[], copies());
  const left = await onDisk();
  expect(left).toHaveLength(3);
  for (const kept of [copyOfD, copyOfA]) expect(left.some((name) => kept?.endsWith(name))).toBe(true);
  // b was the one that nobody had asked for since.
  reads.length = 0;
  await copyFiles(store, [c as LakeFileNow], copies());
  expect(reads).toEqual([]);
  await expect(copyFiles(store, [a, b, c, d] as LakeFileNow[], copies())).rejects.toThrow(
    'this needs 4 MiB of files, and LAKE_CACHE_BYTES allows 3 MiB: raise it, or ask Hive or Spark',
  );
  expect(await onDisk()).toHaveLength(3);
});

it('names a file that is damaged or gone, keeps no copy of it, and refuses a folder that others may look into', async () => {
  const [damaged, gone] = [file('damaged'), file('gone')];
  contents.get(damaged.at)?.writeUInt8(0, 77);
  await expect(copyFiles(store, [damaged], copies())).rejects.toThrow(/damaged\.parquet is damaged/);
  contents.delete(gone.at);
  await expect(copyFiles(store, [gone], copies())).rejects.toThrow(LakeFileMissingError);
  expect(await onDisk()).toEqual([]);
  await chmod(path.join(parent, 'copies'), 0o755);
  await expect(copyFiles(store, [], copies())).rejects.toThrow(LakeQueryError);
});
