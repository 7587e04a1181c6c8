// Technical alarms in Redis: each method one script, checked against the epoch.
import {
  type Alarms,
  CONDITION_HOLDS_MS,
  type Conditions,
  keyOf,
  type OpenAlarm,
  parseKey,
} from '../domain/alarm-book.js';
import type { AlarmId } from '../domain/alarms.js';
import type { RunScript } from './script-runner.js';

const HOUR_MS = 3_600_000;
/** Longer than any alarm waits for its condition to stay away. */
const CONDITION_KEPT_MS = HOUR_MS;
/** A partition without heartbeats for so long is none of ours any more. */
const HEARTBEAT_KEPT_MS = 24 * HOUR_MS;

export interface AlarmKeys {
  readonly seen: string;
  readonly since: string;
  readonly open: string;
  readonly beats: string;
}

/** `prefix` is REDIS_PREFIX, with its braces. */
export function alarmKeys(prefix: string): AlarmKeys {
  return {
    seen: `${prefix}:alarms:seen`,
    since: `${prefix}:alarms:since`,
    open: `${prefix}:alarms:open`,
    beats: `${prefix}:heartbeats`,
  };
}

/** Without the epoch: for every process, whether it has the ledger or not. `run` as of script-runner.ts. */
export function createConditions(run: RunScript, keys: AlarmKeys): Conditions {
  return {
    conditions: async (holding) => {
      const [all, now] = (await run(
        'alarmConditions',
        [keys.seen, keys.since],
        [CONDITION_HOLDS_MS, CONDITION_KEPT_MS, ...holding.map(keyOf)],
      )) as readonly [readonly string[], string];
      const known = inGroups(all, 3).flatMap(([key = '', since, seen]) => {
        const alarm = parseKey(key);
        return alarm ? [{ ...alarm, sinceMs: Number(since), seenMs: Number(seen) }] : [];
      });
      return { known, nowMs: Number(now) };
    },
  };
}

/** `run` checks the epoch. */
export function createAlarms(run: RunScript, keys: AlarmKeys): Alarms {
  return {
    openAlarms: async () => {
      const all = (await run('alarmsOpen', [keys.open], [])) as readonly string[];
      return inGroups(all, 2).flatMap(([key = '', state = '']) => {
        const alarm = parseKey(key);
        return alarm ? [{ ...alarm, ...(JSON.parse(state) as OpenAlarm) }] : [];
      });
    },
    moveAlarm: async (alarm, expected, next) =>
      (await run('alarmMove', [keys.open], [keyOf(alarm), textOf(expected), textOf(next)])) === 1,
    heartbeatAccepted: async (partition, atMs) =>
      void (await run('heartbeatAccepted', [keys.beats], [partition, atMs])),
    heartbeats: async () => {
      const [all, now] = (await run('heartbeats', [keys.beats], [HEARTBEAT_KEPT_MS])) as readonly [
        readonly string[],
        string,
      ];
      const newestMs = new Map(inGroups(all, 2).map(([partition, ms]) => [Number(partition), Number(ms)]));
      return { newestMs, nowMs: Number(now) };
    },
  };
}

/** `run` under the epoch of the rebuild. */
export function restoreAlarmUnder(run: RunScript, keys: AlarmKeys) {
  return async (alarm: AlarmId, state: OpenAlarm): Promise<void> => {
    await run('restoreAlarm', [keys.open, keys.seen, keys.since], [keyOf(alarm), textOf(state)]);
  };
}

/** Members of one order, so that the same state is the same text. */
function textOf(alarm: OpenAlarm | undefined): string {
  return alarm ? JSON.stringify({ state: alarm.state, openedAt: alarm.openedAt }) : '';
}

function inGroups(all: readonly string[], size: number): (readonly string[])[] {
  const groups: (readonly string[])[] = [];
  for (let i = 0; i < all.length; i += size) groups.push(all.slice(i, i + size));
  return groups;
}
