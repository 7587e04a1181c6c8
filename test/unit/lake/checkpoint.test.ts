import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LakeStore } from '../../../src/domain/ports.js';
import { STEPS } from '../../../src/domain/steps.js';
import { lakeFiles, readChain, readTail } from '../../../src/lake/chain-reader.js';
import { type FoldParts, foldChain } from '../../../src/lake/checkpoint.js';
import { LakeChainError, LakeRaceLostError } from '../../../src/lake/errors.js';
import { diskFileOps } from '../../../src/lake/file-ops.js';
import { createFolderStore } from '../../../src/lake/folder-store.js';
import { beats, KEY, lastAt, openBeats } from '../../helpers/chain-bench.js';

let folder: string;
let store: LakeStore;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'wardwatch-fold-'));
  store = createFolderStore(folder, diskFileOps);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const DAYS = ['2026-11-22', '2026-11-22', '2026-11-23', '2026-11-23', '2026-11-24'];

/** Five records of two rows, of three days: 5–10, 10–15 … */
async function fill(): Promise<void> {
  const chain = await openBeats({ store });
  for (const [i, day] of DAYS.entries()) {
    const start = 5 + i * 5;
    const rows = beats(start, start + 1);
    const state = i === 1 ? { state: { skipped: 'here' } } : {};
    await chain.commit({ start, next: start + 5, rows, last: lastAt(start + 4, day), ...state });
  }
}
const fold = (parts: Partial<FoldParts> = {}) =>
  foldChain({
    store,
    topic: 'beats',
    partition: 3,
    token: 'folder',
    today: '2026-11-24',
    onStep: () => undefined,
    atLeast: 1,
    ...parts,
  });
const log = async () => (await store.list('_log')).map((file) => file.path.slice('_log/beats/3/'.length));
const named = async () => (await lakeFiles(store)).map(({ path, sha256 }) => `${path} ${sha256}`);
const IDS = [5, 6, 10, 11, 15, 16, 20, 21, 25, 26];
const ids = async () =>
  (await lakeFiles(store)).flatMap(({ minId, maxId }) => [Number(minId), Number(maxId)]).sort((a, b) => a - b);

describe('A checkpoint', () => {
  it('stands for the records of closed days, which then go; nothing changes for whoever reads the chain', async () => {
    await fill();
    const before = await named();
    const tail = await readTail(store, 'beats', 3);
    await fold();
    expect(await log()).toEqual([`${KEY(25)}.json`, `checkpoint-${KEY(25)}.json`]);
    const text = Buffer.from((await store.read(`_log/beats/3/checkpoint-${KEY(25)}.json`)) ?? []).toString();
    expect(JSON.parse(text)).toMatchObject({
      v: 1,
      token: 'folder',
      origin: '5',
      start: '5',
      next: '25',
      clusterId: 'c1',
      last: lastAt(24, '2026-11-23'),
      folded: { records: 4, states: [{ start: '10', state: { skipped: 'here' } }] },
    });
    expect(await named()).toEqual(before);
    expect(await readTail(store, 'beats', 3)).toEqual(tail);
    await (await openBeats({ store })).commit({ start: 0, next: 40, rows: beats(30), last: lastAt(39) });
    expect(await ids()).toEqual([...IDS, 30, 30]);
    expect((await readChain(store, 'beats', 3)).map(({ start, next }) => [start, next])).toEqual([
      [5, 25],
      [25, 30],
      [30, 40],
    ]);
  });

  it('never takes the newest record, however old, nor a chain of few; many are folded on the same day', async () => {
    await fill();
    expect(await fold({ atLeast: 5, today: '2027-01-01' })).toBeUndefined();
    expect(await fold({ atMost: 4, atLeast: 3, today: '2026-01-01' })).toMatchObject({ start: 5, next: 25 });
    expect(await fold({ today: '2027-01-01' })).toBeUndefined();
    expect(await log()).toEqual([`${KEY(25)}.json`, `checkpoint-${KEY(25)}.json`]);
  });

  it('goes on from the one before it, and one that a sleeper makes late changes nothing', async () => {
    await fill();
    const before = await named();
    const late = fold({
      today: '2026-11-24',
      onStep: async (step) => {
        if (step !== 'fold.before-checkpoint') return;
        // The sleeper has read four records and not yet looked again: others fold twice.
        await fold({ today: '2026-11-23' });
        await fold({ today: '2026-11-24' });
      },
    });
    expect(await late).toBeUndefined();
    expect(await log()).toEqual([`${KEY(25)}.json`, `checkpoint-${KEY(15)}.json`, `checkpoint-${KEY(25)}.json`]);
    expect(await named()).toEqual(before);
    // Again, and what it makes reaches over the end of another's: it alone counts.
    await (await openBeats({ store })).commit({ start: 0, next: 40, rows: beats(30), last: lastAt(39) });
    await (await openBeats({ store })).commit({ start: 0, next: 50, rows: beats(40), last: lastAt(49) });
    const more = await named();
    const over = await fold({
      today: '2027-01-01',
      onStep: async (step) => {
        if (step === 'fold.before-checkpoint') await fold({ atMost: 1 });
      },
    });
    expect(over).toMatchObject({ start: 25, next: 40 });
    expect((await log()).slice(1)).toEqual([15, 25, 30, 40].map((next) => `checkpoint-${KEY(next)}.json`));
    expect(await named()).toEqual(more);
    expect((await readChain(store, 'beats', 3)).map(({ start, next }) => [start, next])).toEqual([
      [5, 15],
      [15, 25],
      [25, 40],
      [40, 50],
    ]);
  });

  it.each(STEPS.fold)('whose writer dies at %s is made or finished by the next', async (step) => {
    await fill();
    const before = await named();
    const dies = fold({
      onStep: (at) => {
        if (at === step) throw new Error('killed');
      },
    });
    await expect(dies).rejects.toThrow('killed');
    expect(await named()).toEqual(before);
    await fold();
    expect(await log()).toEqual([`${KEY(25)}.json`, `checkpoint-${KEY(25)}.json`]);
    expect(await named()).toEqual(before);
  });

  it('refuses a sleeper that wakes long after its records were folded: what it wrote is taken back', async () => {
    for (const at of ['archive.before-record', 'archive.after-record']) {
      await rm(folder, { recursive: true, force: true });
      store = createFolderStore(folder, diskFileOps);
      let zombieRuns = false;
      const zombie = await openBeats({
        store,
        onStep: async (step) => {
          if (step !== at || zombieRuns) return;
          zombieRuns = true;
          if (at === 'archive.before-record') {
            await fill();
            await fold();
            return;
          }
          // It has won its key, and sleeps: an heir publishes for it, goes on, and folds it away.
          const heir = await openBeats({ store });
          for (const next of [15, 20]) await heir.commit({ start: 0, next, rows: beats(next - 5), last: lastAt(next) });
          await fold({ today: '2027-01-01' });
        },
      });
      const record = { start: 5, next: 10, rows: beats(5, 6), last: lastAt(9) };
      await expect(zombie.commit(record)).rejects.toThrow(LakeRaceLostError);
      expect((await log()).filter((name) => name === `${KEY(5)}.json`)).toEqual([]);
      expect(await store.list('_staging')).toEqual([]);
      expect(await ids()).toEqual(at === 'archive.before-record' ? IDS : [5, 6, 10, 10, 15, 15]);
      expect((await store.list('beat')).length).toBe((await lakeFiles(store)).length);
    }
  });

  it('is read whole by one whose listing is from before it: records that vanish meanwhile are looked for again', async () => {
    await fill();
    const before = await named();
    let folded = false;
    const slow: LakeStore = {
      ...store,
      read: async (file) => {
        if (!folded && file.includes(KEY(10))) {
          folded = true;
          await fold();
          // A zombie is just about to find out that it is one.
          await store.write(`_log/beats/3/${KEY(10)}.json`, Buffer.from('{}'));
        }
        return store.read(file);
      },
    };
    const read = async () => (await lakeFiles(slow)).map(({ path, sha256 }) => `${path} ${sha256}`);
    expect(await read()).toEqual(before);
    expect(folded).toBe(true);
    await fold();
    expect(await log()).toEqual([`${KEY(25)}.json`, `checkpoint-${KEY(25)}.json`]);
  });

  it('that does not read back, or is torn or lost, is named, and no record goes', async () => {
    await fill();
    const lying: LakeStore = {
      ...store,
      createExclusive: (file, bytes) => store.createExclusive(file, bytes.subarray(0, 100)),
    };
    const at = `_log/beats/3/checkpoint-${KEY(25)}.json`;
    await expect(fold({ store: lying })).rejects.toThrow(at);
    expect(await log()).toHaveLength(6);
    await expect(fold()).rejects.toThrow(`${at} is no JSON`);
    await expect(lakeFiles(store)).rejects.toThrow(at);
    expect(await log()).toHaveLength(6);
    await store.delete(at);
    await fold();
    await store.delete(at);
    await expect(openBeats({ store })).rejects.toThrow(
      new LakeChainError(`_log/beats/3/${KEY(25)}.json starts at 25, but its chain at 5: records are missing`),
    );
  });
});
