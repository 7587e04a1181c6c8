// What is looked at again later: reminders, escalations, ends of silences and acknowledgements, the summary after history.
import type { EpisodeView, Timer, TimerKind } from './notification.js';
import type { Route } from './policy.js';
import { isoOfMs } from './time.js';

/** After history was passed over: time for the rest of the backlog to end what has ended. */
export const SUMMARY_AFTER_MS = 60_000;
/** Reminders and escalations of round r have n = r × this + their own number, so that no two of an episode are alike. */
const ROUND = 1_000;

export function followUp(kind: TimerKind, n: number, episodeId: string, dueMs: number): Timer {
  return { timerId: `${episodeId}-${kind}-${n}`, kind, n, episodeId, due: isoOfMs(dueMs) };
}

/** `number`: of the reminder, from 1, or the level of the escalation, from 1. */
export function numbered(round: number, number: number): number {
  return round * ROUND + number;
}

/** The other way round: what a doctor is told ("reminder 2", "level 1"). */
export function ownNumber(n: number): number {
  return n % ROUND;
}

export function roundOf(n: number): number {
  return Math.floor(n / ROUND);
}

/** A new run of reminders and escalations from now on. `firstReminder`: 2 where the first one is sent at once. */
export function beginRound(
  { episodeId, round: before }: Pick<EpisodeView, 'episodeId' | 'round'>,
  route: Route,
  nowMs: number,
  firstReminder = 1,
): { readonly round: number; readonly timers: readonly Timer[] } {
  const round = before + 1;
  const escalation = route.escalation.map(({ afterMs }, i) =>
    followUp('escalated', numbered(round, i + 1), episodeId, nowMs + afterMs),
  );
  return { round, timers: [...escalation, ...nextReminder(round, episodeId, route, nowMs, firstReminder)] };
}

/** The reminder of that number, where the route has as many. */
export function nextReminder(
  round: number,
  episodeId: string,
  { reminder }: Route,
  nowMs: number,
  number: number,
): readonly Timer[] {
  if (reminder === null || number > reminder.most) return [];
  return [followUp('reminder', numbered(round, number), episodeId, nowMs + reminder.everyMs)];
}
