// Versions of a reference table in the lake: whoever read the table before another's import must not put his version on top.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ImportedVersion } from '../../../src/domain/import-lake.js';
import { entryOfPatient, patientOfEntry, versionOf } from '../../../src/domain/import-version.js';
import { diskFileOps } from '../../../src/lake/file-ops.js';
import { createFolderStore } from '../../../src/lake/folder-store.js';
import { createReferenceLake } from '../../../src/lake/reference-tables.js';
import { testPatient } from '../../helpers/lookups.js';
import { recordingLogger } from '../../helpers/recorders.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'wardwatch-reference-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('an import that slept through a faster one is refused, and the newest version stays', async () => {
  const store = createFolderStore(folder, diskFileOps);
  const lake = createReferenceLake({ store, source: 'ward', newToken: randomUUID, log: recordingLogger() });
  const importOf = async (before: ImportedVersion | undefined, ids: readonly string[], importedAt: number) => {
    const entries = ids.map((id) => entryOfPatient(testPatient(id)));
    const version = { ...versionOf('patients', entries), importedAt, source: 'rds', position: null };
    await lake.commit('patients', before, version, entries, [], () => undefined);
    return version;
  };
  const first = await importOf(undefined, ['a'], 1);
  const second = await importOf(first, ['a', 'b'], 2);
  await expect(importOf(first, ['a', 'stale'], 3)).rejects.toThrow('another import was faster');
  await expect(importOf(undefined, ['stale'], 4)).rejects.toThrow('another import was faster');
  expect(await lake.newest('patients')).toEqual(second);
  expect((await lake.read('patients')).map((entry) => patientOfEntry(entry).id)).toEqual(['a', 'b']);
});
