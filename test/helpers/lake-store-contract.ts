// What every LakeStore promises, as one suite: the folder and HDFS pass the very same tests.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LakeStore } from '../../src/domain/ports.js';
import { LakeFileMissingError, LakePathError } from '../../src/lake/errors.js';

/** Stands between a store and its disk or service: carries the call out, or not, or loses its answer. */
export type Intercept = <T>(call: () => Promise<T>) => Promise<T>;

/** What may be wrong with the place, beyond single calls. */
export interface Trouble {
  readonly name: string;
  /** Node's codes of the errors that a store then throws. */
  readonly codes: readonly string[];
  /** What fails beside creating and writing; the rest goes on meanwhile. */
  readonly fails: readonly ('read' | 'list' | 'publish' | 'delete')[];
  /** Begins it. What it resolves with ends it. */
  begin(): Promise<() => Promise<void> | void>;
}

export interface LakeUnderTest {
  /** Another client of the same, at first empty, lake at each call. */
  readonly open: (intercept?: Intercept) => LakeStore;
  readonly troubles: readonly Trouble[];
  readonly tearDown: () => Promise<void>;
}

const RACES = 200;
const RACERS = 4;
/** More than two pages of the HDFS under test. */
const MANY_FILES = 250;
const TWO_HOURS_MS = 7_200_000;
const bytes = (text: string) => Buffer.from(text);

/** Every function of an adapter's innermost interface, with `intercept` round each call. */
export function intercepted<T extends object>(operations: T, intercept: Intercept | undefined): T {
  if (!intercept) return operations;
  return Object.fromEntries(
    Object.entries(operations).map(([name, call]) => [
      name,
      (...args: unknown[]) => intercept(async () => (call as (...a: unknown[]) => unknown)(...args)),
    ]),
  ) as T;
}

export function describeLakeStore(
  name: string,
  troubleNames: readonly string[],
  setUp: () => Promise<LakeUnderTest>,
): void {
  describe(`${name} keeps the promises of LakeStore`, () => {
    let lake: LakeUnderTest;
    let store: LakeStore;
    beforeAll(async () => {
      lake = await setUp();
      store = lake.open();
    });
    afterAll(() => lake?.tearDown());
    const textAt = async (path: string) => {
      const found = await store.read(path);
      return found && Buffer.from(found).toString();
    };
    const pathsIn = async (folder: string) => (await store.list(folder)).map(({ path }) => path);

    it('answers undefined and an empty list where there is nothing, a whole empty lake included', async () => {
      expect(await store.read('_log/none.json')).toBeUndefined();
      expect(await store.list('_log')).toEqual([]);
      await store.delete('_log/none.json');
      expect(await store.removeLeftovers('_staging', 0)).toBe(0);
    });

    it('writes whole files, replaces them, and lists them recursively, sorted, with sizes', async () => {
      await store.write('_staging/t/b.parquet', bytes('bb'));
      await store.write('_staging/t/a.parquet', bytes('first'));
      await store.write('_staging/t/a.parquet', bytes('a'));
      await store.write('_staging/s/c.parquet', bytes(''));
      expect(await store.list('_staging')).toEqual([
        { path: '_staging/s/c.parquet', bytes: 0 },
        { path: '_staging/t/a.parquet', bytes: 1 },
        { path: '_staging/t/b.parquet', bytes: 2 },
      ]);
      expect(await textAt('_staging/t/a.parquet')).toBe('a');
      expect(await textAt('_staging/s/c.parquet')).toBe('');
      expect(await lake.open().list('_staging/t')).toHaveLength(2);
      expect(await store.list('_staging/t/a.parquet')).toEqual([]);
      for (const { path } of await store.list('_staging')) await store.delete(path);
      expect(await store.list('_staging')).toEqual([]);
    });

    it('gives every byte back, of a file larger than one packet', async () => {
      const large = Buffer.alloc(5_000_003);
      for (let i = 0; i < large.length; i++) large[i] = (i * 31 + (i >> 8)) & 0xff;
      await store.write('_staging/t/large.parquet', large);
      const found = await store.read('_staging/t/large.parquet');
      expect(found && Buffer.compare(Buffer.from(found), large)).toBe(0);
      await store.delete('_staging/t/large.parquet');
    });

    it('publishes by moving, again without harm, over a leftover, and names what is missing', async () => {
      await store.write('_staging/t/x.parquet', bytes('x'));
      for (let i = 0; i < 3; i++)
        await store.publish('_staging/t/x.parquet', 'vital_info/dt=2026-11-24/hr=05/x.parquet');
      expect(await textAt('vital_info/dt=2026-11-24/hr=05/x.parquet')).toBe('x');
      expect(await store.list('_staging')).toEqual([]);
      await store.write('_staging/t/x.parquet', bytes('new'));
      await store.publish('_staging/t/x.parquet', 'vital_info/dt=2026-11-24/hr=05/x.parquet');
      expect(await textAt('vital_info/dt=2026-11-24/hr=05/x.parquet')).toBe('new');
      await expect(store.publish('_staging/t/no.parquet', 'vital_info/dt=2026-11-24/hr=05/no.parquet')).rejects.toThrow(
        LakeFileMissingError,
      );
    });

    it('lets one of four racers create a file, each of 200 times, and the others see it whole', async () => {
      const racers = Array.from({ length: RACERS }, () => lake.open());
      for (let race = 0; race < RACES; race++) {
        const path = `_log/race/0/${String(race).padStart(20, '0')}.json`;
        const won = await Promise.all(
          racers.map(async (racer, i) => {
            const mine = await racer.createExclusive(path, bytes(`racer ${i} `.repeat(500)));
            const there = Buffer.from((await racer.read(path)) ?? []).toString();
            return { mine, there };
          }),
        );
        const winners = won.flatMap(({ mine }, i) => (mine ? [i] : []));
        expect(winners).toHaveLength(1);
        for (const { there } of won) expect(there).toBe(`racer ${winners[0]} `.repeat(500));
      }
      expect(await store.list('_log/race')).toHaveLength(RACES);
      expect(await store.removeLeftovers('_log', Date.now() + TWO_HOURS_MS)).toBe(0);
    });

    it('lists a folder of many files whole, each once, sorted', async () => {
      const names = Array.from({ length: MANY_FILES }, (_, i) => `_log/many/${i % 2}/${i}.json`);
      await Promise.all(names.map((path) => store.createExclusive(path, bytes('{}'))));
      expect(await pathsIn('_log/many')).toEqual([...names].sort());
    });

    it('refuses paths that leave the lake or that HDFS could not hold', async () => {
      for (const path of [
        '',
        '/etc/passwd',
        '../x',
        'a/../../x',
        'a//b',
        'a/./b',
        'a/',
        'a:b',
        'a\\b',
        'a\nb',
        'a\0b',
      ]) {
        const refused = async (work: () => Promise<unknown>) =>
          expect(work(), JSON.stringify(path)).rejects.toThrow(LakePathError);
        await refused(() => store.write(path, bytes('')));
        await refused(() => store.createExclusive(path, bytes('')));
        await refused(() => store.read(path));
        await refused(() => store.list(path));
        await refused(() => store.delete(path));
        await refused(() => store.publish('_staging/a', path));
      }
    });

    it('holds names with spaces, quotes, percent signs, plus, hash and letters beyond ASCII', async () => {
      const path = `_staging/a b%20+#?&=;'"é🩺/x y.parquet`;
      await store.write(path, bytes('x'));
      expect(await pathsIn('_staging')).toEqual([path]);
      expect(await textAt(path)).toBe('x');
      await store.publish(path, `gap/dt=2026-11-24/hr=05/1+1 #%25.parquet`);
      expect(await pathsIn('gap')).toEqual(['gap/dt=2026-11-24/hr=05/1+1 #%25.parquet']);
    });

    describe.each(OPERATIONS)('$what', ({ prepare, run, settle }) => {
      it('that dies before or after any of its steps leaves all or nothing, and is done by whoever comes next', async () => {
        const calls = await countCalls(lake, prepare, run, 'dry');
        expect(calls).toBeGreaterThan(1);
        for (let at = 0; at < calls; at++) {
          for (const carriedOut of [false, true]) {
            const key = `crash-${at}-${carriedOut}`;
            await prepare(store, key);
            await expect(run(lake.open(dyingAt(at, carriedOut)), key), key).rejects.toThrow('killed');
            await settle(lake.open(), key);
          }
        }
        await nothingHalfWritten(store);
      });

      it('that loses the answer of any of its steps ends the same when it is repeated', async () => {
        const calls = await countCalls(lake, prepare, run, 'dry-again');
        for (let at = 0; at < calls; at++) {
          const key = `lost-${at}`;
          await prepare(store, key);
          const client = lake.open(losingAnswerOf(at));
          await run(client, key).catch((error: Error) => expect(error.message).toBe('answer lost'));
          await settle(client, key);
        }
        await nothingHalfWritten(store);
      });
    });

    it.each(troubleNames)('survives %s: fails by name, shows nothing half, goes on afterwards', async (troubleName) => {
      const trouble = lake.troubles.find((one) => one.name === troubleName);
      if (!trouble) throw new Error(`no trouble is called ${troubleName}`);
      const at = (file: string) => `${troubleName.replaceAll(' ', '-')}-${file}`;
      const [kept, record] = [`_log/${at('kept')}/0.json`, `_log/${at('kept')}/1.json`];
      const [staged, other] = [`_staging/t/${at('a')}`, `_staging/t/${at('b')}`];
      const doomed = `_staging/t/${at('c')}`;
      const published = `alert/dt=2026-11-24/hr=05/${at('a')}`;
      await store.createExclusive(kept, bytes('kept'));
      await store.write(staged, bytes('staged'));
      await store.write(doomed, bytes('doomed'));
      const end = await trouble.begin();
      try {
        const fails = async (work: Promise<unknown>) => {
          const error = await work.then(
            () => undefined,
            (thrown: unknown) => thrown,
          );
          expect(trouble.codes).toContain((error as { code?: unknown } | undefined)?.code);
        };
        await fails(store.createExclusive(record, bytes('one')));
        await fails(store.write(other, bytes('other')));
        const others = {
          read: async () => expect(await textAt(kept)).toBe('kept'),
          list: async () => expect(await pathsIn(`_log/${at('kept')}`)).toEqual([kept]),
          publish: () => store.publish(staged, published),
          delete: () => store.delete(doomed),
        };
        for (const [name, work] of Object.entries(others)) {
          if ((trouble.fails as readonly string[]).includes(name)) await fails(work());
          else await work();
        }
      } finally {
        await end();
      }
      // What had no answer may have been carried out after all, whole; then it is what a repetition finds.
      const there = await textAt(record);
      expect([undefined, 'one']).toContain(there);
      expect(await store.createExclusive(record, bytes('one'))).toBe(there === undefined);
      expect(await textAt(record)).toBe('one');
      await store.write(other, bytes('other'));
      await store.publish(staged, published);
      expect(await textAt(published)).toBe('staged');
      expect(await textAt(other)).toBe('other');
      for (const path of [other, doomed]) await store.delete(path);
      await nothingHalfWritten(store);
    });
  });
}

interface Operation {
  readonly what: string;
  prepare(store: LakeStore, key: string): Promise<void>;
  run(store: LakeStore, key: string): Promise<unknown>;
  /** Checks that all or nothing is there, then lets a successor repeat it and checks that it is done. */
  settle(store: LakeStore, key: string): Promise<void>;
}

const staged = (key: string) => `_staging/${key}/x`;
const final = (key: string) => `gap/dt=2026-01-01/hr=00/${key}`;
const record = (key: string) => `_log/${key}/0/0.json`;
const textOf = async (store: LakeStore, path: string) => {
  const found = await store.read(path);
  return found === undefined ? undefined : Buffer.from(found).toString();
};

const OPERATIONS: readonly Operation[] = [
  {
    what: 'write',
    prepare: async () => undefined,
    run: (store, key) => store.write(staged(key), bytes('whole')),
    settle: async (store, key) => {
      const there = await textOf(store, staged(key));
      expect([undefined, 'whole']).toContain(there);
      expect(await store.list(`_staging/${key}`)).toHaveLength(there === undefined ? 0 : 1);
      await store.write(staged(key), bytes('again'));
      expect(await textOf(store, staged(key))).toBe('again');
      await store.delete(staged(key));
    },
  },
  {
    what: 'createExclusive',
    prepare: async () => undefined,
    run: (store, key) => store.createExclusive(record(key), bytes('first')),
    settle: async (store, key) => {
      const there = await textOf(store, record(key));
      expect([undefined, 'first']).toContain(there);
      // Another's attempt: it wins only where nothing was there, and nobody ever sees a mixture.
      expect(await store.createExclusive(record(key), bytes('second'))).toBe(there === undefined);
      expect(await textOf(store, record(key))).toBe(there ?? 'second');
    },
  },
  {
    what: 'publish',
    prepare: (store, key) => store.write(staged(key), bytes('rows')),
    run: (store, key) => store.publish(staged(key), final(key)),
    settle: async (store, key) => {
      const copies = [await textOf(store, staged(key)), await textOf(store, final(key))];
      expect(copies.filter((copy) => copy !== undefined)).toEqual(['rows']);
      for (let i = 0; i < 2; i++) await store.publish(staged(key), final(key));
      expect(await textOf(store, staged(key))).toBeUndefined();
      expect(await textOf(store, final(key))).toBe('rows');
    },
  },
  {
    what: 'delete',
    prepare: (store, key) => store.write(staged(key), bytes('rows')),
    run: (store, key) => store.delete(staged(key)),
    settle: async (store, key) => {
      expect([undefined, 'rows']).toContain(await textOf(store, staged(key)));
      for (let i = 0; i < 2; i++) await store.delete(staged(key));
      expect(await textOf(store, staged(key))).toBeUndefined();
    },
  },
];

async function countCalls(
  lake: LakeUnderTest,
  prepare: Operation['prepare'],
  run: Operation['run'],
  key: string,
): Promise<number> {
  let calls = 0;
  await prepare(lake.open(), key);
  await run(
    lake.open((call) => {
      calls += 1;
      return call();
    }),
    key,
  );
  return calls;
}

/** A process that is killed at its n-th call: nothing comes after it. */
export function dyingAt(at: number, carriedOut: boolean): Intercept {
  let calls = 0;
  return async (call) => {
    const mine = calls++;
    if (mine < at) return call();
    if (mine === at && carriedOut) await call();
    throw new Error('killed');
  };
}

/** The n-th call is carried out, and nobody hears of it. */
export function losingAnswerOf(at: number): Intercept {
  let calls = 0;
  return async (call) => {
    const mine = calls++;
    const answer = await call();
    if (mine === at) throw new Error('answer lost');
    return answer;
  };
}

/** What dead writers left is hidden, and goes when its time has come; then there is nothing more of it. */
async function nothingHalfWritten(store: LakeStore): Promise<void> {
  for (const folder of ['_staging', '_log', 'gap', 'alert']) {
    await store.removeLeftovers(folder, Date.now() + TWO_HOURS_MS);
    expect(await store.removeLeftovers(folder, Date.now() + TWO_HOURS_MS)).toBe(0);
    for (const { path } of await store.list(folder)) expect(path).not.toMatch(/\.tmp-/);
  }
}
