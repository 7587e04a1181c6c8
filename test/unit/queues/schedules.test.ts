// Ticks: one job a tick whoever ticks, missed ones made up, nothing run twice though finished jobs are forgotten after two days.
import { describe, expect, it } from 'vitest';
import { createScheduler, cronProblem, lastTickOf, nodeCronTicks, type TickSource } from '../../../queues/schedules.js';
import type { Clock } from '../../../src/domain/ports.js';
import { recordingLogger } from '../../helpers/recorders.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** A Thursday. */
const START = Date.UTC(2026, 0, 1, 12);

/** Time that a test moves: sleepers wake in order, and what they do is awaited before the next one. */
function fastClock(startMs: number) {
  let now = startMs;
  const sleepers = new Set<{ at: number; wake: () => void }>();
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  const clock: Clock = {
    nowMs: () => now,
    monotonicMs: () => now - startMs,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        const wake = () => {
          sleepers.delete(sleeper);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        const sleeper = { at: now + ms, wake };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', wake);
      }),
  };
  return {
    clock,
    /** Jumps: all who slept until then or earlier wake once. */
    jumpTo: async (ms: number) => {
      now = ms;
      for (const sleeper of [...sleepers]) {
        if (sleeper.at <= now) sleeper.wake();
      }
      await settle();
    },
  };
}

/** A queue that refuses ids it still holds, and forgets finished ones after two days, as the row in queues/table.ts says. */
function fakeQueue(now: () => number) {
  const held = new Map<string, number>();
  const ran: { id: string; tickMs: number }[] = [];
  return {
    ran,
    add: async (_queue: string, id: string, data: { tickMs: number }) => {
      const since = held.get(id);
      if (since !== undefined && now() - since < 2 * DAY) return;
      held.set(id, now());
      ran.push({ id, tickMs: data.tickMs });
    },
  };
}

describe('lastTickOf', () => {
  it.each([
    ['15 2 * * *', '2026-03-04T02:15:00.000Z', '2026-03-04T02:15:00.000Z'],
    ['15 2 * * *', '2026-03-04T02:14:59.999Z', '2026-03-03T02:15:00.000Z'],
    ['15 2 * * 0', '2026-03-04T12:00:00.000Z', '2026-03-01T02:15:00.000Z'],
    ['*/7 * * * * *', '2026-03-04T12:00:04.500Z', '2026-03-04T12:00:00.000Z'],
    ['*/7 * * * * *', '2026-03-04T12:00:58.000Z', '2026-03-04T12:00:56.000Z'],
    ['30 6,18 * * *', '2026-03-04T18:29:00.000Z', '2026-03-04T06:30:00.000Z'],
    ['30 6,18 * * *', '2026-03-04T05:00:00.000Z', '2026-03-03T18:30:00.000Z'],
    ['0 0 29 2 *', '2026-03-04T12:00:00.000Z', '2024-02-29T00:00:00.000Z'],
    ['0 3 13 * 5', '2026-03-14T12:00:00.000Z', '2026-03-13T03:00:00.000Z'],
  ])('%s at %s is %s', (cron, at, expected) => {
    const tick = lastTickOf(cron, 'X')(Date.parse(at));
    expect(tick && new Date(tick).toISOString()).toBe(expected);
  });

  it('has none where the day never comes, and names the setting that is wrong', () => {
    expect(lastTickOf('0 0 13 2 5', 'X')(START)).toBeUndefined();
    expect(() => lastTickOf('61 * * * *', 'IMPORT_PATIENTS_CRON')).toThrow(/IMPORT_PATIENTS_CRON.*minute/);
    expect(cronProblem('* * *')).toMatch(/fields/);
    expect(cronProblem('15 2 * * 0')).toBeUndefined();
  });
});

describe('scheduler', () => {
  it('runs a year of weekly and daily ticks once each, with two replicas of which one loses ticks', async () => {
    const { clock, jumpTo } = fastClock(START);
    const queue = fakeQueue(clock.nowMs);
    const listeners: { cron: string; onTick: (tickMs: number) => void; loses: boolean }[] = [];
    const ticksOf = (loses: boolean): TickSource => ({
      every: (cron, onTick) => {
        const row = { cron, onTick, loses };
        listeners.push(row);
        return { stop: () => void listeners.splice(listeners.indexOf(row), 1) };
      },
    });
    const crons = { 'import-patients': '15 2 * * 0', 'import-thresholds': '0 3 * * *' };
    const doneUpTo = async (name: string) =>
      queue.ran.filter((job) => job.id.startsWith(`${name}-`)).reduce((max, job) => Math.max(max, job.tickMs), 0);
    const replicas = [false, true].map((loses) =>
      createScheduler({
        crons,
        registry: queue as never,
        doneUpTo,
        clock,
        log: recordingLogger(),
        ticks: ticksOf(loses),
      }),
    );
    for (const replica of replicas) await replica.start();

    // Three hours at a time; the tick source of one replica is right but for a week in which nobody ticks.
    const weekly: number[] = [Date.UTC(2025, 11, 28, 2, 15)];
    const daily: number[] = [Date.UTC(2026, 0, 1, 3)];
    const tick = async (cron: string, tickMs: number) => {
      await jumpTo(tickMs);
      const lost = tickMs > START + 100 * DAY && tickMs < START + 107 * DAY;
      for (const row of listeners) if (row.cron === cron && !row.loses && !lost) row.onTick(tickMs);
    };
    for (let at = START + 3 * HOUR; at < START + 365 * DAY; at += 3 * HOUR) {
      const time = new Date(at);
      if (time.getUTCHours() === 3) {
        if (time.getUTCDay() === 0) {
          weekly.push(at - 45 * 60_000);
          await tick('15 2 * * 0', at - 45 * 60_000);
        }
        daily.push(at);
        await tick('0 3 * * *', at);
      }
      await jumpTo(at + 1);
    }
    await Promise.all(replicas.map((replica) => replica.stop()));

    const ticks = (name: string) => queue.ran.filter((job) => job.id.startsWith(name)).map((job) => job.tickMs);
    expect(ticks('import-patients')).toEqual(weekly);
    expect(ticks('import-thresholds')).toEqual(daily);
    expect(weekly.length).toBe(53);
    expect(daily.length).toBe(366);
    expect(listeners).toEqual([]);
    expect(queue.ran[0]?.id).toMatch(/^import-patients-\d{13}$/);
  }, 10_000);

  it('goes on when the queue is out of reach, and adds the tick a minute later', async () => {
    const { clock, jumpTo } = fastClock(START);
    const queue = fakeQueue(clock.nowMs);
    const log = recordingLogger();
    let away = true;
    const scheduler = createScheduler({
      crons: { 'import-patients': '0 3 * * *' },
      registry: {
        add: async (...job: unknown[]) => {
          if (away) throw new Error('Connection is closed.');
          return (queue.add as (...args: unknown[]) => Promise<void>)(...job);
        },
      } as never,
      doneUpTo: async () => undefined,
      clock,
      log,
      ticks: { every: () => ({ stop: () => undefined }) },
    });
    await scheduler.start();
    expect(log.lines.map((line) => line.event)).toContain('schedule.tick-failed');
    away = false;
    await jumpTo(START + 60_000);
    expect(queue.ran.map((job) => job.tickMs)).toEqual([Date.UTC(2026, 0, 1, 3)]);
    await scheduler.stop();
  });

  it('gets nominal ticks from node-cron', async () => {
    const ticks: number[] = [];
    await new Promise<void>((resolve) => {
      const task = nodeCronTicks.every('* * * * * *', (tickMs) => {
        ticks.push(tickMs);
        task.stop();
        resolve();
      });
    });
    expect((ticks[0] as number) % 1_000).toBe(0);
  });
});
