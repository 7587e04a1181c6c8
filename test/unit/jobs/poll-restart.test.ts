// The same server after a restart: its last rows are the ones that were read, or nothing more is read.
import { describe, expect, it } from 'vitest';
import { rowHash } from '../../../src/domain/row-hash.js';
import { world } from '../../helpers/memory-source.js';

const BEFORE = { uuid: 'server-1', startedAt: '2026-11-01T00:00:00.000000Z' };
const AFTER = { uuid: 'server-1', startedAt: '2026-11-20T00:00:00.000000Z' };

/** A poller that has read `ids`, whose server then comes back after `change`. */
async function restarted(
  ids: number[],
  change: (w: ReturnType<typeof world>) => void,
  options: Parameters<ReturnType<typeof world>['poller']>[0] = {},
) {
  const w = world();
  w.state.server = BEFORE;
  w.add(...ids);
  const poller = w.poller({ batchRows: 100_000, ...options });
  await poller.look();
  await poller.look();
  poller.forgetSession();
  w.state.server = AFTER;
  w.state.ms += 2_000;
  change(w);
  const problem = await poller.look().then(
    () => undefined,
    (error: { code: string; message: string }) => error,
  );
  return { w, poller, problem };
}

describe('comparison after a restart', () => {
  it('goes on where every row is as it was, with open gaps, deleted old rows and new ones beside them', async () => {
    const { w, problem } = await restarted([1, 2, 3, 5, 9], (world) => {
      world.rows.delete(1);
      world.add(4, 10);
    });
    expect(problem).toBeUndefined();
    expect(w.emitted()).toEqual([1, 2, 3, 5, 9, 4, 10]);
    expect(w.log.lines.find(({ event }) => event === 'poll.restart-compared')?.fields).toEqual({
      source: 'ward',
      compared: 4,
      unchecked: 0,
    });
    expect(w.position().server).toEqual(AFTER);
  });

  it('goes on where a column was added with a default, and stops all the same at what another column or a sent one says', async () => {
    const added = (w: ReturnType<typeof world>) => {
      w.state.other = { ...w.state.other, bed: 'none' };
    };
    expect((await restarted([1, 2, 3], added)).problem).toBeUndefined();
    const alsoChanged = await restarted([1, 2, 3], (w) => {
      added(w);
      w.state.values.set(2, 99);
    });
    expect(alsoChanged.problem?.message).toMatch(/1 say something else now \(2\)/);
    // A column that was there and empty when the row was sent is none that was added.
    const w = world();
    w.state.server = BEFORE;
    w.add(1);
    const poller = w.poller();
    await poller.look();
    w.state.other = { bed: null };
    w.add(2);
    await poller.look();
    poller.forgetSession();
    w.state.server = AFTER;
    w.state.other = { bed: 'none' };
    await expect(poller.look()).rejects.toThrow(/1 say something else now \(2\)/);
  });

  it.each([
    [
      'a row that says something else',
      (w: ReturnType<typeof world>) => w.state.values.set(2, 99),
      /1 say something else now \(2\)/,
    ],
    ['a row that is gone', (w: ReturnType<typeof world>) => w.rows.delete(2), /1 rows that were read are gone \(2\)/],
  ])('stops at %s, again and again, until it is as it was', async (_, change, words) => {
    const { w, poller, problem } = await restarted([1, 2, 3], (world) => {
      change(world);
      world.add(4);
    });
    expect(problem).toMatchObject({ name: 'SourceRefused', code: 'rows-differ' });
    expect(problem?.message).toMatch(words);
    expect(problem?.message).toMatch(/`wardwatch source reset`/);
    await expect(poller.look()).rejects.toMatchObject({ code: 'rows-differ' });
    // Whoever takes over finds the same.
    await expect(w.poller().look()).rejects.toMatchObject({ code: 'rows-differ' });
    expect(w.emitted()).toEqual([1, 2, 3]);
    expect(w.position().server).toEqual(BEFORE);
    w.rows.add(2);
    w.state.values.clear();
    await w.poller().look();
    expect(w.emitted()).toEqual([1, 2, 3, 4]);
  });

  it('stops at a row under an id that was given up: the server hands ids out again', async () => {
    const w = world();
    w.state.server = BEFORE;
    w.add(1, 3);
    const poller = w.poller();
    for (const ms of [0, 2_500, 200, 200]) {
      w.state.ms += ms;
      await poller.look();
    }
    expect(w.retired()).toMatchObject([{ from: '2', to: '2' }]);
    poller.forgetSession();
    w.state.server = AFTER;
    w.add(2);
    await expect(poller.look()).rejects.toThrow(/1 are there that were never read \(2\)/);
  });

  it('compares the last 10,000 ids and nothing before the first that counts', async () => {
    const ids = Array.from({ length: 10_500 }, (_, n) => n + 1);
    const far = await restarted(ids, (w) => w.state.values.set(500, 99));
    expect(far.problem).toBeUndefined();
    const near = await restarted(ids, (w) => w.state.values.set(501, 99));
    expect(near.problem).toMatchObject({ code: 'rows-differ' });
    const below = await restarted([1, 2, 3], (w) => w.state.values.set(2, 99), { start: 'end' });
    expect(below.problem).toBeUndefined();
  });

  it('compares with the lake what vital-info no longer has, while polling goes on, and stops where it differs', async () => {
    let hashes = new Map<string, Set<string>>();
    const asked: string[][] = [];
    let away = true;
    const lakeHashes = async (source: string, ids: ReadonlySet<string>) => {
      asked.push([source, ...ids]);
      if (away) throw new Error('the lake is away');
      return hashes;
    };
    const { w, poller, problem } = await restarted(
      [1, 2, 3, 4, 5],
      (world) => {
        for (const { value } of world.kafka.records('t.vital-info').filter(({ key }) => key !== null)) {
          const reading = JSON.parse(value as string) as Record<string, unknown>;
          hashes.set(String(reading.row), new Set([rowHash(reading)]));
        }
        world.kafka.deleteBefore('t.vital-info', 3);
        world.add(6);
      },
      { lakeHashes },
    );
    expect(problem).toBeUndefined();
    const waited = async (ms: number) => {
      w.state.ms += ms;
      await poller.look();
      await poller.look();
    };
    await waited(30_000);
    expect(asked).toEqual([['ward', '1', '2', '3']]);
    // Whoever takes over compares again.
    w.add(7);
    await waited(0);
    expect(w.position().server).toEqual(BEFORE);
    away = false;
    await waited(40_000);
    expect(asked).toHaveLength(2);
    w.add(8);
    await waited(0);
    expect(w.position().server).toEqual(AFTER);
    expect(await w.metrics.value('poll_restart_unchecked_rows')).toBe(0);

    const known = hashes;
    hashes = new Map([...known].map(([id, own]) => [id, id === '2' ? new Set(['another']) : own]));
    w.state.server = { ...AFTER, startedAt: '2026-11-22T00:00:00.000000Z' };
    poller.forgetSession();
    await poller.look();
    for (let tries = 0; tries < 3; tries += 1) {
      w.add(9 + tries);
      await expect(poller.look()).rejects.toThrow(/1 rows say something else than the lake's \(2\)/);
      poller.forgetSession();
    }
    expect(w.emitted()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(w.position().server).toEqual(AFTER);
  });

  it('leaves the rest to the lake where looking back in vital-info would take too long: polling is not held up', async () => {
    const w = world();
    w.state.server = BEFORE;
    w.add(1, 2, 3);
    await w.poller().look();
    const producer = await w.kafka.transactionalProducer('ticks');
    const tick = { topic: 't.vital-info', partition: 0, key: null, value: JSON.stringify({ v: 1, kind: 'tick' }) };
    await producer.transact(Array.from({ length: 40_000 }, () => tick));
    w.state.server = AFTER;
    w.state.values.set(2, 99);
    w.add(4);
    let passes = 0;
    const kafka = {
      ...w.kafka,
      partitionReader: async () => {
        const reader = await w.kafka.partitionReader();
        return {
          ...reader,
          read: async (...args: Parameters<typeof reader.read>) => {
            if (args[2].untilToken === undefined) {
              passes += 1;
              w.state.ms += 2_000;
            }
            return reader.read(...args);
          },
        };
      },
    };
    await w.poller({ kafka }).look();
    expect(passes).toBe(2);
    expect(await w.metrics.value('poll_restart_unchecked_rows')).toBe(3);
    expect(w.emitted()).toEqual([1, 2, 3, 4]);
    // With time enough the changed row is found.
    await expect(w.poller().look()).rejects.toThrow(/1 say something else now \(2\)/);
  });

  it('leaves to the audit what vital-info no longer has, and takes no record of another numbering for a witness', async () => {
    const old = await restarted([1, 2, 3, 4, 5], (w) => {
      w.kafka.deleteBefore('t.vital-info', 3);
      w.state.values.set(2, 99);
    });
    expect(old.problem).toBeUndefined();
    expect(await old.w.metrics.value('poll_restart_unchecked_rows')).toBe(3);
    expect(old.w.log.lines.find(({ event }) => event === 'poll.restart-unchecked')?.fields).toEqual({
      rows: 3,
      from: '1',
      to: '3',
    });
    const others = await restarted([1, 2, 3], (w) => {
      const foreign = (row: number) => ({
        topic: 't.vital-info',
        key: 'p',
        value: JSON.stringify({ v: 1, source: 'ward@2', row: String(row) }),
      });
      void w.kafka.transactionalProducer('x').then((producer) => producer.transact([foreign(2), foreign(3)]));
    });
    expect(others.problem).toBeUndefined();
  });
});

describe('row hash', () => {
  const reading = {
    patientId: 'p1',
    recordedAt: '2026-11-24T00:00:00.000000Z',
    timeSource: 'row',
    readAt: 'a',
    notBefore: null,
    values: { heartBeat: 72, bp: 120 },
    bad: {},
    other: { note: 'x' },
  };
  it('is of the row alone, whenever it was read, whatever columns of nothing were added', () => {
    const same = { ...reading, readAt: 'b', notBefore: 'c', mark: 'backfill', other: { extra: null, note: 'x' } };
    expect(rowHash(same)).toBe(rowHash(reading));
    expect(rowHash({ ...reading, values: { bp: 120, heartBeat: 72 } })).toBe(rowHash(reading));
    const polled = { ...reading, timeSource: 'poll' };
    expect(rowHash({ ...polled, recordedAt: 'another' })).toBe(rowHash(polled));
  });
  it.each([
    { patientId: 'p2' },
    { recordedAt: '2026-11-24T00:00:00.000001Z' },
    { values: { heartBeat: 72 } },
    { values: { heartBeat: 72, bp: 121 } },
    { bad: { bp: '120' } },
    { other: { note: '' } },
    { other: {} },
  ])('differs with %o', (change) => {
    expect(rowHash({ ...reading, ...change })).not.toBe(rowHash(reading));
  });
});
