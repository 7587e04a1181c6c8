// Which readings the lake holds, asked of its files: against the list of what was written, whatever files and names it lies in.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LakeStore } from '../../../src/domain/ports.js';
import { diskFileOps } from '../../../src/lake/file-ops.js';
import { createFolderStore } from '../../../src/lake/folder-store.js';
import { chainsBehind, openReadingsHeld } from '../../../src/lake/readings-held.js';
import { reading } from '../../helpers/readings.js';
import { archiveMessages } from '../../helpers/small-lake.js';

let folder: string;
let store: LakeStore;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wardwatch-held-'));
  store = createFolderStore(join(folder, 'lake'), diskFileOps);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('knows ids by source over many files, also those that are committed and not yet published', async () => {
  const attributes = ['heartBeat'];
  const message = (n: number, source: string) => reading(n, 'p', { heartBeat: 72 }, n * 400, { source });
  const write = (ids: readonly number[], source: string, dieAt?: string) =>
    archiveMessages(store, { attributes, messages: ids.map((id) => message(id, source)), ...(dieAt ? { dieAt } : {}) });
  await write([5, 3, 9, 40], 'ward');
  await write([4, 10, 11], 'ward@2');
  await write([12, 2], 'ward', 'archive.after-record');
  const held = await openReadingsHeld(store);
  const asked = Array.from({ length: 45 }, (_, n) => String(n));
  const sorted = async (source: string, ids: readonly string[]) =>
    [...(await held.held(source, ids))].map(Number).sort((a, b) => a - b);
  expect(await sorted('ward', asked)).toEqual([2, 3, 5, 9, 12, 40]);
  expect(await sorted('ward', ['4', '10', '12'])).toEqual([5, 9, 12]);
  expect(await sorted('ward@2', asked)).toEqual([4, 10, 11]);
  expect(await sorted('elsewhere', asked)).toEqual([]);
  expect(await sorted('ward', [])).toEqual([]);
  expect(await held.dead()).toEqual([]);
});

it('says which chains do not reach an end yet', async () => {
  expect(await chainsBehind(store, 'vital-info', [9, 0, 1])).toEqual([{ partition: 2, at: 0, end: 1 }]);
  expect(await chainsBehind(store, 'vital-info', [10])).toEqual([{ partition: 0, at: 9, end: 10 }]);
});
