// Every schedule: one row each. node-cron ticks in UTC in every replica; the job's id is the tick, so one tick runs once however many replicas tick.
import { createTask, parse, schedule, validateDetailed } from 'node-cron';
import type { Clock, Logger } from '../src/domain/ports.js';
import type { QueueRegistry } from './registry.js';
import type { JobData, QueueName } from './table.js';

/** How often a replica looks whether the last tick was missed. */
const MAKE_UP_MS = 60_000;
/** The rarest schedules that make sense are yearly. */
const MAX_DAYS_BACK = 1_500;
const DAY_MS = 86_400_000;

interface ScheduleRow<N extends QueueName = QueueName> {
  readonly queue: N;
  readonly purpose: string;
  /** The setting with its cron expression. */
  readonly setting: string;
  /** The job of the tick at `tickMs`, UTC milliseconds. */
  readonly data: (tickMs: number) => JobData<N>;
}

export const SCHEDULES = {
  'import-patients': {
    queue: 'import-table',
    purpose: "Reads the hospital's patients anew.",
    setting: 'IMPORT_PATIENTS_CRON',
    data: (tickMs) => ({ v: 1, table: 'patients', tickMs }),
  },
  'import-thresholds': {
    queue: 'import-table',
    purpose: 'Reads the limits anew.',
    setting: 'IMPORT_THRESHOLDS_CRON',
    data: (tickMs) => ({ v: 1, table: 'thresholds', tickMs }),
  },
  audit: {
    queue: 'maintain-lake',
    purpose: 'Proves that every row is in the lake once and was compared once.',
    setting: 'AUDIT_CRON',
    data: (tickMs) => ({ v: 1, task: 'audit', tickMs }),
  },
} as const satisfies Record<string, ScheduleRow<'import-table'> | ScheduleRow<'maintain-lake'>>;

export type ScheduleName = keyof typeof SCHEDULES;
export const SCHEDULE_NAMES = Object.keys(SCHEDULES) as ScheduleName[];

/** Calls back at each tick of a cron expression, in UTC. */
export interface TickSource {
  every(cron: string, onTick: (tickMs: number) => void): { stop(): void };
}

/** The real ticks. A tick that the process slept through is made up by the scheduler, so node-cron need not warn of it. */
export const nodeCronTicks: TickSource = {
  every: (cron, onTick) => {
    const task = schedule(cron, ({ date }) => onTick(date.getTime()), {
      timezone: 'UTC',
      suppressMissedWarning: true,
      unref: true,
    });
    return { stop: () => void task.destroy() };
  },
};

export interface SchedulerParts {
  /** A schedule without an expression does not tick. */
  readonly crons: Readonly<Partial<Record<ScheduleName, string>>>;
  readonly registry: Pick<QueueRegistry, 'add'>;
  /**
   * The tick up to which a schedule's work is known to be done, UTC milliseconds. Finished jobs are kept two days; a
   * weekly tick's job is gone by the middle of the week, and without this it would be made up again.
   */
  readonly doneUpTo: (name: ScheduleName) => Promise<number | undefined>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly ticks?: TickSource;
}

export interface Scheduler {
  /** Begins to tick and makes up the last missed ticks now and every minute. Resolves after the first look; a Redis out of reach is no failure. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** @throws Error naming the setting whose cron expression is wrong */
export function createScheduler(parts: SchedulerParts): Scheduler {
  const { clock, log } = parts;
  const crons = SCHEDULE_NAMES.flatMap((name) => {
    const cron = parts.crons[name];
    return cron === undefined ? [] : [{ name, lastTick: lastTickOf(cron, SCHEDULES[name].setting), cron }];
  });
  const stopped = new AbortController();
  const tasks: { stop(): void }[] = [];
  let loop: Promise<void> = Promise.resolve();

  const add = async (name: ScheduleName, tickMs: number, why: 'tick' | 'missed') => {
    const row = SCHEDULES[name];
    try {
      await parts.registry.add(row.queue, `${name}-${tickMs}`, row.data(tickMs));
      log.debug('schedule.tick', { schedule: name, tickMs, why });
    } catch (error) {
      // The tick is not lost: the look of the next minute adds it.
      log.warn('schedule.tick-failed', {
        schedule: name,
        tickMs,
        error: error instanceof Error ? error.name : 'unknown',
      });
    }
  };
  const makeUp = async () => {
    for (const { name, lastTick } of crons) {
      const tickMs = lastTick(clock.nowMs());
      if (tickMs === undefined) continue;
      try {
        const done = await parts.doneUpTo(name);
        if (done !== undefined && done >= tickMs) continue;
      } catch (error) {
        log.warn('schedule.look-failed', { schedule: name, error: error instanceof Error ? error.name : 'unknown' });
        continue;
      }
      await add(name, tickMs, 'missed');
    }
  };

  return {
    start: async () => {
      for (const { name, cron } of crons)
        tasks.push((parts.ticks ?? nodeCronTicks).every(cron, (tickMs) => void add(name, tickMs, 'tick')));
      await makeUp();
      loop = (async () => {
        for (;;) {
          await clock.sleep(MAKE_UP_MS, stopped.signal);
          if (stopped.signal.aborted) return;
          await makeUp();
        }
      })();
    },
    stop: async () => {
      stopped.abort();
      for (const task of tasks) task.stop();
      await loop;
    },
  };
}

/** What is wrong with a cron expression, or undefined. */
export function cronProblem(cron: string): string | undefined {
  const { valid, errors } = validateDetailed(cron);
  return valid ? undefined : errors.map((error) => error.message).join('; ');
}

/**
 * A function from an instant to the newest tick at or before it, UTC milliseconds; undefined where there was none in the
 * last four years. Days are judged by node-cron itself, so that its rules hold (it wants day of month *and* of week).
 */
export function lastTickOf(cron: string, setting: string): (atMs: number) => number | undefined {
  const problem = cronProblem(cron);
  if (problem !== undefined) throw new Error(`${setting}: ${problem} (fields: [second] minute hour day month weekday)`);
  const { hour, minute, second } = parse(cron);
  const descending = (numbers: readonly number[]) => [...numbers].sort((a, b) => b - a);
  const [hours, minutes, seconds] = [descending(hour), descending(minute), descending(second)];
  const task = createTask(cron, () => undefined, { timezone: 'UTC' });
  const match = task.match.bind(task);
  void task.destroy();
  const first = (hours.at(-1) ?? 0) * 3_600_000 + (minutes.at(-1) ?? 0) * 60_000 + (seconds.at(-1) ?? 0) * 1_000;
  const latest = (belowMs: number): number | undefined => {
    for (const h of hours)
      for (const m of minutes)
        for (const s of seconds) {
          const ms = h * 3_600_000 + m * 60_000 + s * 1_000;
          if (ms <= belowMs) return ms;
        }
    return undefined;
  };
  return (atMs) => {
    const today = Math.floor(atMs / DAY_MS) * DAY_MS;
    for (let day = today; day > today - MAX_DAYS_BACK * DAY_MS; day -= DAY_MS) {
      if (!match(new Date(day + first))) continue;
      const time = latest(day === today ? atMs - today : DAY_MS);
      if (time !== undefined) return day + time;
    }
    return undefined;
  };
}
