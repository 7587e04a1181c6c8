// Whose lake this is: the first start writes it, looking writes nothing, another deployment or source is named.
import { expect, it } from 'vitest';
import { claimLake, type Deployment } from '../../../src/app/deployment.js';
import type { LakeStore } from '../../../src/domain/ports.js';

function memoryLake() {
  const files = new Map<string, Uint8Array>();
  const store = {
    read: async (path: string) => files.get(path),
    createExclusive: async (path: string, bytes: Uint8Array) => {
      if (files.has(path)) return false;
      files.set(path, bytes);
      return true;
    },
  } as unknown as LakeStore;
  return { store, files };
}

const OURS: Deployment = { name: 'st-marys', source: 'rds-a' };

it('is claimed once, and looking claims nothing', async () => {
  const { store, files } = memoryLake();
  expect(await claimLake(store, OURS, false)).toEqual([]);
  expect(files.size).toBe(0);
  expect(await claimLake(store, OURS, true)).toEqual([]);
  expect(await claimLake(store, OURS, true)).toEqual([]);
  const [text] = [...files.values()].map((bytes) => Buffer.from(bytes).toString());
  expect(JSON.parse(text ?? '')).toEqual({ v: 1, ...OURS });
});

it('refuses another name, another source, both at once, and what is none of ours', async () => {
  const { store, files } = memoryLake();
  await claimLake(store, OURS, true);
  const name = await claimLake(store, { ...OURS, name: 'general' }, true);
  expect(name.map(({ setting, what }) => [setting, what])).toEqual([
    ['LAKE_URL', '_log/deployment.json in the lake belongs to the deployment st-marys, and this is general'],
  ]);
  const both = await claimLake(store, { name: 'general', source: 'rds-b' }, false);
  expect(both.map(({ mend }) => mend).join()).toContain('set WARDWATCH_SOURCE=rds-a if the same database has moved');
  expect(both).toHaveLength(2);
  files.set('_log/deployment.json', Buffer.from('{"v":2}'));
  expect((await claimLake(store, OURS, true))[0]?.what).toContain('is not one of ours');
});
