import { mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FileOps } from '../../../src/domain/ports.js';
import { LakePathError } from '../../../src/lake/errors.js';
import { diskFileOps } from '../../../src/lake/file-ops.js';
import { createFolderStore } from '../../../src/lake/folder-store.js';
import { faultyDisk } from '../../helpers/faulty-file-ops.js';
import { describeLakeStore, intercepted, type Trouble } from '../../helpers/lake-store-contract.js';

let parent: string;
beforeEach(async () => {
  parent = await mkdtemp(path.join(tmpdir(), 'wardwatch-lake-'));
});
afterEach(() => rm(parent, { recursive: true, force: true }));

describeLakeStore('The folder store', ['a full disk', 'wrong rights', 'a disk that fails'], async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'wardwatch-lake-'));
  const disk = faultyDisk();
  const trouble = (name: string, op: keyof FileOps, code: string): Trouble => ({
    name,
    codes: [code],
    fails: [],
    begin: async () => {
      disk.fail(op, code);
      return disk.heal;
    },
  });
  return {
    open: (intercept) => createFolderStore(path.join(folder, 'lake'), intercepted(disk.files, intercept)),
    troubles: [
      trouble('a full disk', 'writeFile', 'ENOSPC'),
      trouble('wrong rights', 'writeFile', 'EACCES'),
      trouble('a disk that fails', 'fsyncFile', 'EIO'),
    ],
    tearDown: () => rm(folder, { recursive: true, force: true }),
  };
});

/** Every name below the lake, hidden ones too. */
const everything = async () =>
  (await readdir(path.join(parent, 'lake'), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name);

describe('A failing disk', () => {
  const bytes = Buffer.from('{"v":1}');
  const faults: [keyof FileOps, string][] = [
    ['writeFile', 'ENOSPC'],
    ['fsyncFile', 'EIO'],
    ['link', 'EIO'],
    ['mkdir', 'EACCES'],
  ];

  it.each(faults)('%s with %s leaves no record, and the same call succeeds once it is healed', async (op, code) => {
    const disk = faultyDisk();
    const store = createFolderStore(path.join(parent, 'lake'), disk.files);
    if (op !== 'mkdir') await store.createExclusive('_log/a/0/0.json', bytes);
    const before = op === 'mkdir' ? [] : await everything();
    disk.fail(op, code);
    await expect(store.createExclusive('_log/a/0/1.json', bytes)).rejects.toMatchObject({ code });
    disk.heal();
    expect(await store.read('_log/a/0/1.json')).toBeUndefined();
    if (op !== 'mkdir') expect(await everything()).toEqual(before);
    expect(await store.createExclusive('_log/a/0/1.json', bytes)).toBe(true);
    expect(await store.read('_log/a/0/1.json')).toEqual(bytes);
  });

  it.each([...faults.filter(([op]) => op !== 'link'), ['rename', 'EIO'] as const])(
    '%s with %s leaves no staged file, half or whole',
    async (op, code) => {
      const disk = faultyDisk();
      const store = createFolderStore(path.join(parent, 'lake'), disk.files);
      if (op !== 'mkdir') await store.write('_staging/t/0', bytes);
      disk.fail(op as keyof FileOps, code);
      await expect(store.write('_staging/t/1', bytes)).rejects.toMatchObject({ code });
      disk.heal();
      expect(await store.read('_staging/t/1')).toBeUndefined();
      if (op !== 'mkdir') expect(await everything()).toEqual(['0']);
    },
  );

  it('whose folder sync fails after the record became visible reports failure, then "exists", which is durable', async () => {
    const disk = faultyDisk();
    const store = createFolderStore(path.join(parent, 'lake'), disk.files);
    await store.createExclusive('_log/a/0/0.json', bytes);
    disk.fail('fsyncFolder', 'EIO');
    await expect(store.createExclusive('_log/a/0/1.json', bytes)).rejects.toMatchObject({ code: 'EIO' });
    await expect(store.createExclusive('_log/a/0/1.json', bytes)).rejects.toMatchObject({ code: 'EIO' });
    disk.heal();
    expect(await store.createExclusive('_log/a/0/1.json', bytes)).toBe(false);
  });

  it('that fails to move a file leaves it staged', async () => {
    const disk = faultyDisk();
    const store = createFolderStore(path.join(parent, 'lake'), disk.files);
    await store.write('_staging/t/1', bytes);
    disk.fail('rename', 'EIO');
    await expect(store.publish('_staging/t/1', 'gap/dt=2026-01-01/hr=00/1.parquet')).rejects.toMatchObject({
      code: 'EIO',
    });
    disk.heal();
    await store.publish('_staging/t/1', 'gap/dt=2026-01-01/hr=00/1.parquet');
    expect(await readFile(path.join(parent, 'lake/gap/dt=2026-01-01/hr=00/1.parquet'))).toEqual(bytes);
  });
});

describe('The folder store', () => {
  it('syncs the file before it gets its name, and every folder that got a new entry', async () => {
    const calls: string[] = [];
    const files = Object.fromEntries(
      Object.entries(diskFileOps).map(([op, call]) => [
        op,
        (...args: string[]) => {
          const short = args
            .filter((arg) => typeof arg === 'string')
            .map((arg) => path.relative(parent, arg).replace(/\.tmp-.*/, 'TMP'));
          calls.push(`${op} ${short.join(' → ')}`);
          return (call as (...a: string[]) => unknown)(...args);
        },
      ]),
    ) as unknown as FileOps;
    await createFolderStore(path.join(parent, 'lake'), files).createExclusive('_log/x.json', Buffer.from('x'));
    expect(calls).toEqual([
      'mkdir lake',
      'fsyncFolder ',
      'mkdir lake/_log',
      'fsyncFolder lake',
      'writeFile lake/_log/TMP',
      'fsyncFile lake/_log/TMP',
      'link lake/_log/TMP → lake/_log/x.json',
      'unlink lake/_log/TMP',
      'fsyncFolder lake/_log',
    ]);
  });

  it('removes the folder of a token with its last file, and makes folders again that were removed behind its back', async () => {
    const store = createFolderStore(pathToFileURL(path.join(parent, 'lake')).href, diskFileOps);
    await store.write('_staging/t/1', Buffer.from('1'));
    await store.write('_staging/t/2', Buffer.from('2'));
    await store.publish('_staging/t/1', 'gap/dt=2026-01-01/hr=00/1.parquet');
    expect(await readdir(path.join(parent, 'lake/_staging'))).toEqual(['t']);
    await store.delete('_staging/t/2');
    expect(await readdir(path.join(parent, 'lake/_staging'))).toEqual([]);
    await rm(path.join(parent, 'lake/gap'), { recursive: true });
    await store.write('_staging/t/3', Buffer.from('3'));
    await store.publish('_staging/t/3', 'gap/dt=2026-01-01/hr=00/3.parquet');
    expect((await store.list('gap')).map((file) => file.path)).toEqual(['gap/dt=2026-01-01/hr=00/3.parquet']);
  });

  it('refuses other kinds of URL, and a lake whose parent folder is not there (an unmounted disk)', async () => {
    for (const url of ['s3://bucket/lake', 'hdfs://host/lake', '']) {
      expect(() => createFolderStore(url, diskFileOps)).toThrow(LakePathError);
    }
    const store = createFolderStore(path.join(parent, 'not/there'), diskFileOps);
    await expect(store.write('_staging/t/1', Buffer.from('1'))).rejects.toMatchObject({ code: 'ENOENT' });
    await symlink(parent, path.join(parent, 'link'));
    await createFolderStore(path.join(parent, 'link/lake'), diskFileOps).write('_staging/t/1', Buffer.from('1'));
  });
});

it('removes what a killed writer left half-written, and nothing of a living one', async () => {
  const store = createFolderStore(path.join(parent, 'lake'), diskFileOps);
  await store.write('_staging/living/whole', Buffer.from('w'));
  await store.createExclusive('_log/a/0/0.json', Buffer.from('{}'));
  const nowMs = Date.UTC(2026, 10, 24);
  const leave = async (name: string, minutesAgo: number) => {
    const file = path.join(parent, 'lake', name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, 'half');
    await utimes(file, nowMs / 1000, nowMs / 1000 - minutesAgo * 60);
  };
  await leave('_staging/dead/.tmp-1', 61);
  await leave('_staging/living/.tmp-2', 59);
  await leave('_log/a/0/.tmp-3', 600);
  await leave('_log/a/0/1.json', 600);
  expect(await store.removeLeftovers('_staging', nowMs)).toBe(1);
  expect(await store.removeLeftovers('_log', nowMs)).toBe(1);
  expect(await store.removeLeftovers('nowhere', nowMs)).toBe(0);
  expect((await everything()).sort()).toEqual(['.tmp-2', '0.json', '1.json', 'whole']);
  expect(await readdir(path.join(parent, 'lake', '_staging'))).toEqual(['living']);
});
