import { describe, expect, it } from 'vitest';
import { createByteBudget } from '../../../jobs/archive-budget.js';
import {
  type ArchivePartition,
  createArchivePartition,
  MAX_FLUSH_FILES,
  MAX_FLUSH_ROWS,
} from '../../../jobs/archive-partition.js';
import type { Clock, ReceivedRecord } from '../../../src/domain/ports.js';
import { archivedTopics } from '../../../src/lake/archived-topics.js';
import type { Change } from '../../../src/lake/chain.js';
import { LakeRaceLostError } from '../../../src/lake/errors.js';
import { reading } from '../../helpers/readings.js';
import { recordingLogger, recordingMetrics } from '../../helpers/recorders.js';

const [TOPIC] = archivedTopics(['heartBeat']);
if (!TOPIC) throw new Error('no topic');
const ROW_BYTES = 500;
const turn = () => new Promise((resolve) => setImmediate(resolve));

function record(offset: number, value: string | null = JSON.stringify(reading(offset, 'p1', { heartBeat: 70 }))) {
  const text = value === null ? null : Buffer.from(value.padEnd(ROW_BYTES - 64));
  return { offset, timestamp: 1_795_557_600_000, key: Buffer.from('p1'), value: text, headers: {} } as ReceivedRecord;
}
const records = (from: number, count: number) => Array.from({ length: count }, (_, i) => record(from + i));

interface Commit extends Change {
  settle: (error?: Error) => Promise<void>;
}

/** Partitions over one budget, whose commits end when the test says so. */
function setUp(options: { flushRows?: number; flushAfterMs?: number; budgetRows?: number; partitions?: number } = {}) {
  let nowMs = 0;
  let beats = 0;
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: (_ms, signal) => new Promise((resolve) => signal?.addEventListener('abort', () => resolve())),
  };
  const log = recordingLogger();
  const metrics = recordingMetrics();
  const failures: unknown[] = [];
  const commits: Commit[] = [];
  const used: number[] = [];
  const budget = createByteBudget((options.budgetRows ?? 1_000) * ROW_BYTES, (bytes) => used.push(bytes));
  const works = Array.from({ length: options.partitions ?? 1 }, (_, partition): ArchivePartition => {
    let ours = true;
    return createArchivePartition({
      topic: TOPIC as NonNullable<typeof TOPIC>,
      ownership: {
        topic: 't',
        partition,
        isOurs: () => ours,
        fail: (error) => {
          ours = false;
          failures.push(error);
        },
        heartbeat: async () => {
          beats += 1;
        },
      },
      chain: {
        tail: () => undefined,
        commit: (change) =>
          new Promise((resolve, reject) => {
            const settle = async (error?: Error) => {
              if (error) reject(error);
              else resolve({ start: change.start, next: change.next, files: [] } as never);
              await turn();
            };
            commits.push({ ...change, settle });
          }),
      },
      expected: 10,
      flushRows: options.flushRows ?? 100,
      flushAfterMs: options.flushAfterMs ?? 1_000,
      budget,
      clock,
      log,
      metrics,
      onStep: () => undefined,
    });
  });
  const work = works[0] as ArchivePartition;
  const pass = (ms: number) => {
    nowMs += ms;
    for (const each of works) each.flushIfDue();
    return turn();
  };
  return { work, works, commits, failures, log, metrics, budget, used, pass, beats: () => beats };
}

describe('A partition of the archive', () => {
  it('makes no commit of more files than a bound, also of one fetch whose rows are of thousands of hours, and waits between', async () => {
    const { work, commits, pass } = setUp({ flushRows: 10_000, budgetRows: 100_000 });
    const count = 2 * MAX_FLUSH_FILES + 3;
    const ofHours = Array.from({ length: count }, (_, i) =>
      record(10 + i, JSON.stringify(reading(10 + i, 'p1', { heartBeat: 70 }, i * 3_600))),
    );
    const handled = work.handle(ofHours, 10 + count);
    await turn();
    expect(commits.map(({ next, rows }) => [next, rows.files])).toEqual([[10 + MAX_FLUSH_FILES, MAX_FLUSH_FILES]]);
    expect(commits[0]?.last?.offset).toBe(String(9 + MAX_FLUSH_FILES));
    await commits[0]?.settle();
    await handled;
    expect(commits).toHaveLength(2);
    await commits[1]?.settle();
    await pass(1_000);
    expect(commits.map(({ next, rows }) => [next, rows.rows])).toEqual([
      [10 + MAX_FLUSH_FILES, MAX_FLUSH_FILES],
      [10 + 2 * MAX_FLUSH_FILES, MAX_FLUSH_FILES],
      [10 + count, 3],
    ]);
    await commits[2]?.settle();
  });

  it('flushes by age on the wall clock, also when nothing new arrives, and each row only once', async () => {
    const { work, commits, pass } = setUp();
    await work.handle(records(10, 3), 13);
    await pass(999);
    expect(commits).toHaveLength(0);
    expect(work.waitingSinceMs()).toBe(0);
    await pass(1);
    expect(commits.map(({ start, next, rows }) => [start, next, rows.rows])).toEqual([[10, 13, 3]]);
    expect(commits[0]?.last).toMatchObject({ offset: '12', timestamp: '2026-11-24T22:00:00.000000Z' });
    await work.handle(records(13, 1), 14);
    // A slow commit is not crowded by a second one.
    await pass(5_000);
    expect(commits).toHaveLength(1);
    expect(work.waitingSinceMs()).toBe(0);
    await commits[0]?.settle();
    expect(work.waitingSinceMs()).toBe(1_000);
    await pass(1);
    expect(commits.map(({ next, rows }) => [next, rows.rows])).toEqual([
      [13, 3],
      [14, 1],
    ]);
    await commits[1]?.settle();
    expect(work.waitingSinceMs()).toBeUndefined();
    await pass(1_000_000);
    expect(commits).toHaveLength(2);
  });

  it('moves its position past ticks and markers without a row, now and then', async () => {
    const { work, commits, pass } = setUp();
    await work.handle([record(10, '{"v":1,"kind":"tick","partition":0,"at":"2026-11-24T22:00:00.000000Z"}')], 12);
    await work.handle([], 15);
    await pass(59_999);
    expect(commits).toHaveLength(0);
    expect(work.waitingSinceMs()).toBeUndefined();
    await pass(1);
    expect(commits.map(({ next, rows, last }) => [next, rows.rows, last?.offset])).toEqual([[15, 0, '10']]);
  });

  it('flushes by rows, and waits with heartbeats while a whole flush stands behind another', async () => {
    const { work, commits, beats } = setUp({ flushRows: 5 });
    await work.handle(records(10, 5), 15);
    await work.handle(records(15, 5), 20);
    expect(commits).toHaveLength(1);
    let done = false;
    const third = work.handle(records(20, 1), 21).then(() => {
      done = true;
    });
    await turn();
    expect(done).toBe(false);
    await commits[0]?.settle();
    await third;
    expect(beats()).toBe(1);
    work.flushIfDue();
    await turn();
    expect(commits.map(({ next, rows }) => [next, rows.rows])).toEqual([
      [15, 5],
      [21, 6],
    ]);
  });

  it('has one budget with its neighbours: pressure writes the biggest, a full one makes intake wait', async () => {
    const { works, commits, used, budget } = setUp({ partitions: 3, budgetRows: 20, flushRows: 1_000 });
    const [a, b, c] = works as [ArchivePartition, ArchivePartition, ArchivePartition];
    await a.handle(records(10, 2), 12);
    await b.handle(records(10, 7), 17);
    expect(commits).toHaveLength(0);
    await c.handle(records(10, 1), 11);
    await turn();
    expect(commits.map(({ rows }) => rows.rows)).toEqual([7]);
    await c.handle(records(11, 10), 21);
    await turn();
    expect(commits.map(({ rows }) => rows.rows)).toEqual([7, 11]);
    expect(budget.used()).toBe(20 * ROW_BYTES);
    let done = false;
    const waiting = a.handle(records(12, 1), 13).then(() => {
      done = true;
    });
    await turn();
    expect(done).toBe(false);
    await commits[1]?.settle();
    await waiting;
    expect(used.at(-1)).toBe(10 * ROW_BYTES);
    await commits[0]?.settle();
    for (const each of works) await each.release('lost');
    expect(budget.used()).toBe(0);
  });

  it('keeps what cannot be decoded, with its reason, and says so once it is published', async () => {
    const { work, commits, log, metrics, pass } = setUp();
    const tooBig = { ...reading(1, 'p', {}), row: '9223372036854775808' };
    const bad = ['{', '{"v":2}', null, '[]', JSON.stringify(tooBig), JSON.stringify({ ...reading(1, 'p\ud800', {}) })];
    const withHeaders = { ...record(16, '{'), headers: { a: Buffer.from([0, 255]), b: 'x', c: undefined } };
    await work.handle([...bad.map((value, i) => record(10 + i, value)), withHeaders, record(17)], 18);
    await pass(1_000);
    const [dead, alive] =
      commits[0]?.rows
        .filled()
        .map((buffer) => [buffer.table.name, buffer.rows])
        .sort() ?? [];
    expect([dead, alive]).toEqual([
      ['vital_info', 1],
      ['vital_info_dead', 7],
    ]);
    expect(log.lines.filter(({ event }) => event === 'archive.dead')).toEqual([]);
    await commits[0]?.settle();
    const said = log.lines.filter(({ event }) => event === 'archive.dead').map(({ fields }) => fields);
    expect(said.map(({ reason, records: n, firstOffset }) => [reason, n, firstOffset])).toEqual([
      ['not-json', 2, 10],
      ['unknown-version', 1, 11],
      ['empty', 1, 12],
      ['wrong-shape', 3, 13],
    ]);
    expect(await metrics.value('archive_rows_total', { topic: 'vital-info' })).toBe(1);
    expect(await metrics.value('archive_dead_rows_total', { topic: 'vital-info', reason: 'wrong-shape' })).toBe(3);
    expect(JSON.stringify(log.lines)).not.toContain('p1');
  });

  it('fails its ownership when a commit fails, commits nothing after it, and gives its memory back', async () => {
    for (const error of [new Error('EIO'), new LakeRaceLostError('another was first')]) {
      const { work, commits, failures, budget, log } = setUp({ flushRows: 5 });
      await work.handle(records(10, 5), 15);
      await work.handle(records(15, 5), 20);
      await commits[0]?.settle(error);
      expect(failures).toEqual([error]);
      await work.handle(records(20, 5), 25);
      work.flushIfDue();
      await work.release('failed');
      expect([commits.length, budget.used()]).toEqual([1, 0]);
      expect(log.lines.some(({ event }) => event === 'archive.race-lost')).toBe(error instanceof LakeRaceLostError);
    }
  });

  it('commits nothing that was queued behind a failure: it will be read again', async () => {
    const { work, commits, budget } = setUp({ flushRows: 1_000, budgetRows: 10 });
    await work.handle(records(10, 5), 15);
    await work.handle(records(15, 5), 20);
    await turn();
    expect(commits.map(({ next }) => next)).toEqual([15]);
    await commits[0]?.settle(new Error('EIO'));
    await work.release('failed');
    expect([commits.length, budget.used()]).toEqual([1, 0]);
  });

  it('flushes when it stops, and tells a commit under way to give up when its partition is lost', async () => {
    const stopping = setUp();
    await stopping.work.handle(records(10, 3), 13);
    const stopped = stopping.work.release('stop');
    await turn();
    expect(stopping.commits.map(({ next }) => next)).toEqual([13]);
    await stopping.commits[0]?.settle();
    await stopped;
    expect(stopping.budget.used()).toBe(0);

    const losing = setUp({ flushRows: 2 });
    await losing.work.handle(records(10, 2), 12);
    await losing.work.handle(records(12, 1), 13);
    expect(losing.commits[0]?.stillOurs?.()).toBe(true);
    const lost = losing.work.release('lost');
    expect(losing.commits[0]?.stillOurs?.()).toBe(false);
    await losing.commits[0]?.settle(new LakeRaceLostError('given up'));
    await lost;
    expect([losing.commits.length, losing.budget.used()]).toEqual([1, 0]);
  });

  it('bounds how many rows one file holds, so that encoding never outlasts a session', () => {
    expect(MAX_FLUSH_ROWS).toBeLessThanOrEqual(250_000);
  });
});
