// What a process sees in its own metrics of the conditions of technical alarms, told to all every few seconds. Dispatch opens and ends the alarms.
import type { Redis } from 'ioredis';
import { lastTickOf } from '../../queues/schedules.js';
import { CRON_OFF } from '../config/parsers.js';
import type { Settings } from '../config/settings.js';
import { createConditionWatch, type ReadMetric } from '../domain/alarm-conditions.js';
import type { Clock, Logger } from '../domain/ports.js';
import { alarmKeys, createConditions } from '../redis/alarm-book.js';
import { createScriptRunner } from '../redis/script-runner.js';

/** A few times within CONDITION_HOLDS_MS. */
const REPORT_EVERY_MS = 5_000;
/** An import takes a while. */
const IMPORT_GRACE_MS = 900_000;

export interface AlarmReportParts {
  /** A `command` connection. While Redis is away nothing is told, and connections.ts has logged it. */
  readonly redis: Redis;
  readonly settings: Pick<Settings, 'REDIS_PREFIX' | 'IMPORT_PATIENTS_CRON' | 'IMPORT_THRESHOLDS_CRON'>;
  readonly read: ReadMetric;
  readonly host: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends the reports. */
  readonly signal: AbortSignal;
}

/** Resolves when the signal comes. */
export async function reportAlarms({
  redis,
  settings,
  read,
  host,
  clock,
  log,
  signal,
}: AlarmReportParts): Promise<void> {
  const conditions = createConditions(createScriptRunner(redis), alarmKeys(settings.REDIS_PREFIX));
  const watch = createConditionWatch({ read, host, staleAfterSeconds: staleAfter(settings) });
  let failed = false;
  while (!signal.aborted) {
    try {
      await conditions.conditions(await watch.look(clock.nowMs()));
      failed = false;
    } catch (error) {
      if (!failed) log.warn('alarm.report-failed', { error: error instanceof Error ? error.name : typeof error });
      failed = true;
    }
    await clock.sleep(REPORT_EVERY_MS, signal);
  }
}

/** Two ticks in a row did not come, and the second has had its time. */
function staleAfter({ IMPORT_PATIENTS_CRON, IMPORT_THRESHOLDS_CRON }: AlarmReportParts['settings']) {
  const ticks = new Map(
    Object.entries({ patients: IMPORT_PATIENTS_CRON, thresholds: IMPORT_THRESHOLDS_CRON }).flatMap(([table, cron]) =>
      cron === CRON_OFF ? [] : [[table, lastTickOf(cron, `imports.${table}.cron`)] as const],
    ),
  );
  return (table: string, nowMs: number): number | undefined => {
    const lastTick = ticks.get(table);
    const newest = lastTick?.(nowMs - IMPORT_GRACE_MS);
    const before = newest === undefined ? undefined : lastTick?.(newest - 1);
    return before === undefined ? undefined : (nowMs - before) / 1_000;
  };
}
