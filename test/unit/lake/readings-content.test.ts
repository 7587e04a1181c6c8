// What the lake says of a row is what Kafka said of it, to the last digit: the hashes are the same.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LakeStore } from '../../../src/domain/ports.js';
import { rowHash } from '../../../src/domain/row-hash.js';
import { diskFileOps } from '../../../src/lake/file-ops.js';
import { createFolderStore } from '../../../src/lake/folder-store.js';
import { readingHashes } from '../../../src/lake/readings-content.js';
import { reading } from '../../helpers/readings.js';
import { archiveMessages } from '../../helpers/small-lake.js';

let folder: string;
let store: LakeStore;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'wardwatch-content-'));
  store = createFolderStore(folder, diskFileOps);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('hashes rows as their messages, signs without a column, odd values and staged files included', async () => {
  const messages = [
    reading(1, 'p1', { heartBeat: 70.123, spo2: 97 }, 0, { other: { bed: '7', note: 'naïve "q" \n 😀', none: null } }),
    reading(2, '', {}, 3600, { bad: { heartBeat: "n/a'" } }),
    reading(3, 'p2', { heartBeat: 71 }, 7200, { timeSource: 'poll' }),
    reading(4, 'p2', { heartBeat: 71 }, 7200, { recordedAt: '2026-11-24T22:00:00.123456Z' }),
  ];
  const last = reading(9, 'p2', { spo2: 95.5 }, 7200);
  await archiveMessages(store, { attributes: ['heartBeat'], messages });
  await archiveMessages(store, { attributes: ['heartBeat', 'spo2'], messages: [last], dieAt: 'archive.after-record' });
  const all = [...messages, last];
  const ids = new Set([...all.map(({ row }) => row), '5']);
  const found = await readingHashes(store, ['heartBeat', 'spo2', 'bp'], all[0]?.source ?? '', ids);
  expect(found).toEqual(new Map(all.map((one) => [one.row, new Set([rowHash({ ...one })])])));
  expect(await readingHashes(store, ['heartBeat'], 'another', ids)).toEqual(new Map());
});
