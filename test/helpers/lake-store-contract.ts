// What every LakeStore promises, as one suite: folder now, HDFS and S3 when they come.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LakeStore } from '../../src/domain/ports.js';
import { LakeFileMissingError, LakePathError } from '../../src/lake/errors.js';

const bytes = (text: string) => Buffer.from(text);
const RACES = 60;
const RACERS = 4;

/** `open` gives another client of the same, at first empty, lake at each call. */
export function describeLakeStore(
  name: string,
  setUp: () => Promise<{ open: () => LakeStore; tearDown: () => Promise<void> }>,
): void {
  describe(`${name} keeps the promises of LakeStore`, () => {
    let open: () => LakeStore;
    let store: LakeStore;
    let tearDown: () => Promise<void> = async () => undefined;
    beforeAll(async () => {
      ({ open, tearDown } = await setUp());
      store = open();
    });
    afterAll(() => tearDown());
    const textAt = async (path: string) => {
      const found = await store.read(path);
      return found && Buffer.from(found).toString();
    };

    it('answers undefined and an empty list where there is nothing, a whole empty lake included', async () => {
      expect(await store.read('_log/none.json')).toBeUndefined();
      expect(await store.list('_log')).toEqual([]);
      await store.delete('_log/none.json');
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
      expect(await open().list('_staging/t')).toHaveLength(2);
      for (const { path } of await store.list('_staging')) await store.delete(path);
      expect(await store.list('_staging')).toEqual([]);
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

    it('lets one of four racers create a file, each time, and the others see it whole', async () => {
      const racers = Array.from({ length: RACERS }, () => open());
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
  });
}
