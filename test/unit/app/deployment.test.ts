// Whose lake and topics these are: the first start writes it, looking writes nothing, another deployment or source is named.
import { expect, it } from 'vitest';
import { claimKafka, claimLake, type Deployment } from '../../../src/app/deployment.js';
import type { LakeStore, OutRecord } from '../../../src/domain/ports.js';
import { memoryKafka } from '../../helpers/memory-kafka.js';

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

it("of Kafka the first mark counts, also between positions; looking writes none, and topics that are not there are nobody's", async () => {
  const kafka = memoryKafka();
  const state = kafka.records('ww.vital-poll-state') as OutRecord[];
  const plainProducer = async () => ({
    send: async (records: readonly OutRecord[]) => {
      state.push(...records);
      return [];
    },
    close: async () => undefined,
  });
  const claim = (own: Deployment, write: boolean) => claimKafka({ ...kafka, plainProducer }, 'ww.', own, write);
  state.push({ topic: 'ww.vital-poll-state', partition: 0, key: 'rds-a', value: '{"v":1}' });
  expect(await claim(OURS, false)).toEqual([]);
  expect(state).toHaveLength(1);
  expect(await claim(OURS, true)).toEqual([]);
  expect(await claim(OURS, true)).toEqual([]);
  expect(state).toHaveLength(2);
  // Another that started at the same moment: it finds itself second.
  state.push({
    topic: 'ww.vital-poll-state',
    partition: 0,
    key: 'deployment:x',
    value: '{"v":1,"name":"n","source":"s"}',
  });
  expect(await claim(OURS, true)).toEqual([]);
  const refused = await claim({ ...OURS, source: 'rds-b' }, true);
  expect(refused.map(({ setting, what }) => [setting, what])).toEqual([
    ['KAFKA_PREFIX', 'ww.vital-poll-state in Kafka belongs to the source rds-a, and this is rds-b'],
  ]);
  const none = { ...kafka, plainProducer, admin: { partitionCount: async () => undefined } };
  expect(await claimKafka(none, 'ww.', { name: 'other', source: 'other' }, true)).toEqual([]);
});
