import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LakeStore } from '../../../src/domain/ports.js';
import { STEPS } from '../../../src/domain/steps.js';
import type { Chain, ChainParts } from '../../../src/lake/chain.js';
import { lakeFiles, listChains, readChain } from '../../../src/lake/chain-reader.js';
import { type CommitRecord, encodeRecord } from '../../../src/lake/commit-record.js';
import { LakeChainError, LakeFileMissingError, LakeRaceLostError } from '../../../src/lake/errors.js';
import { diskFileOps } from '../../../src/lake/file-ops.js';
import { createFolderStore } from '../../../src/lake/folder-store.js';
import { beats, buffered, KEY, lastAt, NOON, openBeats } from '../../helpers/chain-bench.js';

const DAY_US = 86_400_000_000;
let folder: string;
let store: LakeStore;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'wardwatch-chain-'));
  store = createFolderStore(folder, diskFileOps);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const open = (parts: Partial<ChainParts> = {}): Promise<Chain> => openBeats({ store, ...parts });
const last = lastAt;
const change = (next: number, ...ids: number[]) => ({ start: 5, next, rows: beats(...ids), last: last(next - 1) });
const paths = async (below: string) => (await store.list(below)).map((file) => file.path);
const json = async (file: string) => JSON.parse(Buffer.from((await store.read(file)) ?? []).toString());

describe('A chain', () => {
  it('starts where it is told, names its successor, and publishes one file a table and hour', async () => {
    const chain = await open();
    expect(chain.tail()).toBeUndefined();
    const rows = buffered([
      { id: 7n, us: NOON },
      { id: 9n, us: NOON + DAY_US },
      { id: 8n, us: NOON + 1 },
    ]);
    await chain.commit({ start: 5, next: 10, rows, last: last(9), state: { lastValue: '9' } });
    await chain.commit({ start: 5, next: 12, rows: beats(), last: null });
    expect(await json(`_log/beats/3/${KEY(5)}.json`)).toEqual({
      v: 1,
      token: expect.any(String),
      origin: '5',
      start: '5',
      next: '10',
      files: [
        {
          path: `beat/dt=2026-11-24/hr=12/beats-3-${KEY(5)}.parquet`,
          staged: expect.stringMatching(/^_staging\/token-\d+\//),
          rows: 2,
          bytes: expect.any(Number),
          sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
          minId: '7',
          maxId: '8',
          minTime: '2026-11-24T12:00:00.000000Z',
          maxTime: '2026-11-24T12:00:00.000001Z',
        },
        expect.objectContaining({ path: `beat/dt=2026-11-25/hr=12/beats-3-${KEY(5)}.parquet`, rows: 1, minId: '9' }),
      ],
      schema: '1',
      clusterId: 'c1',
      last: last(9),
      state: { lastValue: '9' },
    });
    expect(await paths('beat')).toHaveLength(2);
    expect(await paths('_staging')).toEqual([]);
    // A record without messages of its own keeps what is known of the last one.
    expect((await open()).tail()).toMatchObject({ start: 10, next: 12, files: [], last: last(9) });
    expect(await listChains(store)).toEqual([{ topic: 'beats', partition: 3 }]);
    await expect((await open()).commit(change(12))).rejects.toThrow('covers nothing');
  });

  it.each(STEPS.archive.slice(3))('that dies at %s is taken over: every row once', async (step) => {
    const dying = await open({
      onStep: (at) => {
        if (at === step) throw new Error('killed');
      },
    });
    await expect(dying.commit(change(10, 6, 7))).rejects.toThrow('killed');
    const reachable = await lakeFiles(store);
    const heir = await open();
    const next = heir.tail()?.next ?? 5;
    if (next === 5) await heir.commit(change(10, 6, 7));
    await heir.commit(change(15, 12));
    const files = await lakeFiles(store);
    expect(files.map(({ minId, maxId, at, path }) => [minId, maxId, at === path])).toEqual([
      ['6', '7', true],
      ['12', '12', true],
    ]);
    // A reader between the death and the take-over saw all or nothing.
    expect(reachable.map(({ rows }) => rows)).toEqual(next === 5 ? [] : [2]);
    expect((await paths('beat')).sort()).toEqual(files.map((file) => file.path).sort());
    // What was staged in vain goes with the next owner, once its key has been passed.
    await open();
    expect(await paths('_staging')).toEqual([]);
  });

  it('knows its own record when the answer was lost, also when it is asked again', async () => {
    let lose = 1;
    const deaf: LakeStore = {
      ...store,
      createExclusive: async (file, bytes) => {
        const won = await store.createExclusive(file, bytes);
        if (lose-- > 0) throw new Error('connection reset');
        return won;
      },
    };
    const chain = await open({ store: deaf });
    await chain.commit(change(10, 6));
    expect((await lakeFiles(store)).map(({ minId }) => minId)).toEqual(['6']);
    lose = 2;
    await expect(chain.commit(change(20, 11))).rejects.toThrow('connection reset');
    // Its record is there, so a later one at the same key would be taken for it.
    await expect(chain.commit(change(30, 12))).rejects.toThrow('open it anew');
    // Unknown to the writer, but it was there: the next owner goes on behind it, and its file is published.
    expect((await open()).tail()).toMatchObject({ start: 10, next: 20 });
    expect(await paths('beat')).toHaveLength(2);
  });

  it('has one winner among racing writers; the loser leaves nothing and finds the winner afterwards', async () => {
    for (let round = 0; round < 10; round++) {
      const writers = await Promise.all([open(), open(), open(), open()]);
      const next = (writers[0]?.tail()?.next ?? 5) + 10;
      const ends = await Promise.allSettled(writers.map((writer, i) => writer.commit(change(next + i, next - 5))));
      const won = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
      expect(won).toHaveLength(1);
      for (const end of ends) if (end.status === 'rejected') expect(end.reason).toBeInstanceOf(LakeRaceLostError);
      expect((await open()).tail()).toEqual(won[0]);
      expect(await paths('_staging')).toEqual([]);
    }
    expect(await readChain(store, 'beats', 3)).toHaveLength(10);
    expect(await paths('beat')).toHaveLength(10);
  });

  it('leaves alone what a living rival has staged for the next record', async () => {
    await (await open()).commit(change(10, 6));
    const rival = await open({
      onStep: async (step) => {
        if (step === 'archive.before-record') await open();
      },
    });
    await rival.commit(change(20, 11));
    expect((await lakeFiles(store)).map(({ minId, at, path }) => [minId, at === path])).toEqual([
      ['6', true],
      ['11', true],
    ]);
  });

  it('refuses a writer that slept through its own succession', async () => {
    const zombie = await open();
    const heir = await open();
    await heir.commit(change(10, 6));
    await heir.commit(change(20, 11));
    await expect(zombie.commit(change(12, 6))).rejects.toThrow(LakeRaceLostError);
    expect(await paths('beat')).toHaveLength(2);
  });

  it('begins once, also where two first owners found different beginnings of the topic', async () => {
    const [first, second] = await Promise.all([open(), open()]);
    await first.commit({ start: 0, next: 10, rows: beats(6), last: last(9) });
    await expect(second.commit({ start: 5, next: 20, rows: beats(6, 11), last: last(19) })).rejects.toThrow(
      LakeRaceLostError,
    );
    expect((await readChain(store, 'beats', 3)).map(({ start, next }) => [start, next])).toEqual([[0, 10]]);
    expect([(await paths('beat')).length, await paths('_staging')]).toEqual([1, []]);
  });

  it.each(['checkpoint', 'stranger'])('takes back a record that only a %s could have made room for', async (what) => {
    const heir = await open();
    await heir.commit(change(10, 6));
    await heir.commit(change(20, 11));
    const [first, tail] = await readChain(store, 'beats', 3);
    const asleep = await open({
      onStep: async (step) => {
        if (step !== 'archive.after-record') return;
        // Meanwhile the chain went on from the same key, and its closed records were folded away.
        const record = { ...tail, origin: '5', start: '25', next: '40', files: [] };
        if (what === 'stranger') await store.write(`_log/beats/3/${KEY(25)}.json`, Buffer.from(JSON.stringify(record)));
        else
          await store.write(
            `_log/beats/3/checkpoint-${KEY(25)}.json`,
            encodeRecord({
              ...(tail as CommitRecord),
              start: 5,
              next: 25,
              files: first?.files ?? [],
              folded: { records: 3, states: [] },
            }),
          );
      },
    });
    await expect(asleep.commit(change(30, 21))).rejects.toThrow(LakeRaceLostError);
    expect(await store.read(`_log/beats/3/${KEY(20)}.json`)).toBeUndefined();
    expect(await paths('_staging')).toEqual([]);
    expect(await paths('beat')).toHaveLength(2);
  });

  it('gives up before the record when its partition was lost meanwhile', async () => {
    const chain = await open();
    await expect(chain.commit({ ...change(10, 6), stillOurs: () => false })).rejects.toThrow(LakeRaceLostError);
    expect([await paths('_log'), await paths('_staging'), await paths('beat')]).toEqual([[], [], []]);
  });

  it('that is broken, torn or of another cluster is refused, and the record named', async () => {
    const chain = await open();
    for (const next of [10, 20, 30]) await chain.commit(change(next, next - 4));
    await expect(open({ clusterId: 'c2' })).rejects.toThrow(
      new LakeChainError(
        `_log/beats/3/${KEY(20)}.json was written from cluster c1, this is c2: another LAKE_URL, or the old cluster`,
      ),
    );
    const middle = `_log/beats/3/${KEY(10)}.json`;
    const bytes = (await store.read(middle)) as Uint8Array;
    await store.delete(middle);
    const said = `_log/beats/3/${KEY(20)}.json doesn't follow the record before it, which ends at 10`;
    await expect(readChain(store, 'beats', 3)).rejects.toThrow(said);
    await expect(open()).rejects.toThrow(said);
    for (const torn of [bytes.subarray(0, 50), Buffer.from('{"v":2}'), Buffer.from('')]) {
      await store.write(middle, torn);
      await expect(open()).rejects.toThrow(middle);
      await expect(lakeFiles(store)).rejects.toThrow(LakeChainError);
    }
    await store.write(middle, Buffer.from(Buffer.from(bytes).toString().replace('"start":"10"', '"start":"11"')));
    await expect(open()).rejects.toThrow(`${middle} says that it starts at 11`);
  });

  it('stops where a committed file is neither staged nor published, and names it', async () => {
    const chain = await open();
    await chain.commit(change(10, 6));
    const [file] = await paths('beat');
    await store.delete(file as string);
    await expect(open()).rejects.toThrow(file);
    await expect(open()).rejects.toThrow(LakeFileMissingError);
    await expect(lakeFiles(store)).rejects.toThrow(file);
  });

  it('refuses to publish what the disk gave back changed', async () => {
    const lying: LakeStore = {
      ...store,
      read: async (file) => {
        const bytes = await store.read(file);
        if (bytes && file.startsWith('_staging')) bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
        return bytes;
      },
    };
    const chain = await open({ store: lying });
    await expect(chain.commit(change(10, 6))).rejects.toThrow('other bytes than were written');
    expect([await paths('_log'), await paths('beat')]).toEqual([[], []]);
  });
});
