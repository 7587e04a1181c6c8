// A lake that somebody or a disk has harmed: the file or record is named when a chain is taken, and nothing is overwritten.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createArchiveUpkeep } from '../../../jobs/archive-upkeep.js';
import type { LakeStore } from '../../../src/domain/ports.js';
import { examineChain } from '../../../src/lake/chain-exam.js';
import { foldChain } from '../../../src/lake/checkpoint.js';
import { LakeChainError, LakeFileDamagedError, LakeFileMissingError } from '../../../src/lake/errors.js';
import { diskFileOps } from '../../../src/lake/file-ops.js';
import { createFolderStore } from '../../../src/lake/folder-store.js';
import { beats, KEY, lastAt, openBeats } from '../../helpers/chain-bench.js';
import { recordingLogger, recordingMetrics } from '../../helpers/recorders.js';

let folder: string;
let store: LakeStore;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'wardwatch-damage-'));
  store = createFolderStore(folder, diskFileOps);
  const chain = await openBeats({ store });
  for (const start of [0, 10, 20, 30])
    await chain.commit({ start, next: start + 10, rows: beats(start, start + 1), last: lastAt(start + 9) });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const record = (start: number) => `_log/beats/3/${KEY(start)}.json`;
const file = (start: number) => `beat/dt=2026-11-24/hr=12/beats-3-${KEY(start)}.parquet`;
const read = async (at: string) => Buffer.from((await store.read(at)) ?? []);
const flip = async (at: string) => {
  const bytes = await read(at);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
  await store.write(at, bytes);
};
/** Every byte of the lake. */
const everything = async () => {
  const all = await Promise.all(['_log', '_staging', 'beat'].map((below) => store.list(below)));
  return Promise.all(all.flat().map(async ({ path }) => [path, (await read(path)).toString('base64')]));
};
const exam = () => examineChain(store, 'beats', 3);
const goOn = async () => {
  const chain = await openBeats({ store });
  const start = chain.tail()?.next ?? 0;
  return chain.commit({ start, next: start + 7, rows: beats(start), last: lastAt(start + 6) });
};

describe('A damaged lake', () => {
  const harms: [string, () => Promise<unknown>, string, new (m: string) => Error][] = [
    ['a flipped byte in the newest file', () => flip(file(30)), file(30), LakeFileDamagedError],
    [
      'a newest file that is cut short',
      async () => store.write(file(30), (await read(file(30))).subarray(0, 100)),
      file(30),
      LakeFileDamagedError,
    ],
    ['a newest file that is gone', () => store.delete(file(30)), file(30), LakeFileMissingError],
    [
      'a newest record that is torn',
      async () => store.write(record(30), (await read(record(30))).subarray(0, 100)),
      record(30),
      LakeChainError,
    ],
    ['a newest record that is gone', () => store.delete(record(30)), file(30), LakeChainError],
    ['a record in the middle that is gone', () => store.delete(record(20)), record(30), LakeChainError],
    [
      "another chain's record at the end",
      async () => {
        const foreign = (await read(record(30))).toString().replaceAll('beats-3', 'beats-4');
        const moved = foreign
          .replaceAll(KEY(30), KEY(40))
          .replace('"start":"30","next":"40"', '"start":"40","next":"50"');
        await store.write(record(40), Buffer.from(moved));
      },
      record(40),
      LakeChainError,
    ],
  ];
  it.each(harms)(
    'with %s stops whoever takes the chain, names it, and stays as it is',
    async (_, harm, named, kind) => {
      await harm();
      const before = await everything();
      const refusal = await goOn().catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(kind);
      expect((refusal as Error).message).toContain(named);
      // What was staged before the refusal is nobody's, and goes with the next commit.
      expect((await everything()).filter(([at]) => !at?.startsWith('_staging'))).toEqual(before);
    },
  );

  it('whose staged file was harmed before it was published is not published', async () => {
    const dying = await openBeats({
      store,
      onStep: (step) => {
        if (step === 'archive.after-record') throw new Error('killed');
      },
    });
    await expect(dying.commit({ start: 0, next: 50, rows: beats(40), last: lastAt(49) })).rejects.toThrow('killed');
    const [staged] = await store.list('_staging');
    await flip(staged?.path as string);
    await expect(openBeats({ store })).rejects.toThrow(staged?.path);
    expect((await store.list('beat')).map(({ path }) => path)).not.toContain(file(40));
  });

  it.each<[string, () => Promise<unknown>, string]>([
    ['a flipped byte in an older file', () => flip(file(10)), `${file(10)} has other bytes than were committed`],
    [
      'an older file cut short',
      async () => store.write(file(10), (await read(file(10))).subarray(0, 100)),
      `${file(10)} has 100 bytes, its record says`,
    ],
    ['an older file gone', () => store.delete(file(10)), `${file(10)} is named by the commit log and is gone`],
    ['an older record torn', async () => store.write(record(10), Buffer.from('{"v":1')), `${record(10)} is no JSON`],
    [
      'an older record gone',
      () => store.delete(record(10)),
      `${record(20)} doesn't follow the record before it, which ends at 10`,
    ],
    [
      'the first record gone',
      () => store.delete(record(0)),
      `${record(10)} starts at 10, but its chain at 0: records are missing`,
    ],
    [
      'a file that no record names',
      async () => store.write(file(15), await read(file(10))),
      `${file(15)} is named by no record: was ${record(15)} lost?`,
    ],
    [
      'a record of another cluster in between',
      async () => store.write(record(15), await read(record(10))),
      `${record(15)} says that it starts at 10`,
    ],
  ])('with %s goes on, and says so until it is mended', async (_, harm, named) => {
    expect(await exam()).toEqual([]);
    const whole = await everything();
    await harm();
    await goOn();
    const found = await exam();
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(named);

    const log = recordingLogger();
    const metrics = recordingMetrics();
    const stop = new AbortController();
    let looks = 0;
    const upkeep = createArchiveUpkeep({
      store,
      log,
      metrics,
      newToken: () => 't',
      onStep: () => undefined,
      clock: {
        nowMs: () => Date.UTC(2027, 0, 1),
        monotonicMs: () => 0,
        sleep: async () => {
          looks += 1;
          // A minute later somebody has put everything back.
          if (looks === 1) {
            expect(upkeep.damage()).toEqual(found);
            expect(await metrics.value('archive_damaged')).toBe(1);
            for (const { path } of await store.list('beat'))
              if (!whole.some(([at]) => at === path) && path === file(15)) await store.delete(path);
            await store.delete(record(15));
            for (const [at, bytes] of whole) await store.write(at as string, Buffer.from(bytes as string, 'base64'));
          } else if (looks === 3) stop.abort();
        },
      },
    });
    upkeep.took({ topic: 'beats', partition: 3 });
    await upkeep.run(stop.signal);
    expect(upkeep.damage()).toEqual([]);
    expect(log.lines.filter(({ event }) => event === 'archive.damaged').map(({ fields }) => fields.reason)).toEqual(
      found,
    );
    expect(await exam()).toEqual([]);
  });

  it('is not folded while something is wrong with it, so that what is left stays where it was', async () => {
    const chain = await openBeats({ store });
    for (let start = 40; start < 240; start += 10)
      await chain.commit({ start, next: start + 10, rows: beats(), last: lastAt(start + 9) });
    await flip(file(10));
    const run = async () => {
      const stop = new AbortController();
      const upkeep = createArchiveUpkeep({
        store,
        log: recordingLogger(),
        metrics: recordingMetrics(),
        newToken: () => 't',
        onStep: () => undefined,
        clock: { nowMs: () => Date.UTC(2027, 0, 1), monotonicMs: () => 0, sleep: async () => stop.abort() },
      });
      upkeep.took({ topic: 'beats', partition: 3 });
      await upkeep.run(stop.signal);
      return (await store.list('_log')).length;
    };
    expect(await run()).toBe(24);
    await flip(file(10));
    expect(await run()).toBe(2);
    expect(await exam()).toEqual([]);
    expect(
      await foldChain({
        store,
        topic: 'beats',
        partition: 3,
        token: 't',
        today: '2027-01-01',
        onStep: () => undefined,
      }),
    ).toBeUndefined();
  });
});
