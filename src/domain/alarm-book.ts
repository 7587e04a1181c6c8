// Technical alarms: conditions by whoever sees them, and which alarms are open. What is lost of the former is said again; the truth of the latter is alert-deliveries.
import { ALARM_NAMES, ALARMS, type AlarmId, type AlarmName } from './alarms.js';

/** An alarm from its opening to its end; `opening` and `ending` until that is recorded and under way. */
export interface OpenAlarm {
  readonly state: 'opening' | 'open' | 'ending';
  /** ISO with six decimals: part of the trigger. */
  readonly openedAt: string;
}

/** ms by the ledger's clock. */
export interface KnownCondition extends AlarmId {
  readonly sinceMs: number;
  readonly seenMs: number;
}

/** Conditions are known to all processes, whether they have the ledger or not. */
export interface Conditions {
  /** Says that these hold now; answers all that are known. */
  conditions(
    holding: readonly AlarmId[],
  ): Promise<{ readonly known: readonly KnownCondition[]; readonly nowMs: number }>;
}

/** Every method is one script that first checks the epoch. */
export interface Alarms {
  openAlarms(): Promise<readonly (AlarmId & OpenAlarm)[]>;
  /** Undefined: not there. False: it is not as expected any more. */
  moveAlarm(alarm: AlarmId, expected: OpenAlarm | undefined, next: OpenAlarm | undefined): Promise<boolean>;
  heartbeatAccepted(partition: number, atMs: number): Promise<void>;
  /** The newest accepted heartbeat of each partition that was heard of lately. */
  heartbeats(): Promise<{ readonly newestMs: ReadonlyMap<number, number>; readonly nowMs: number }>;
}

/** A condition that nobody has reported for so long is away. Processes look every few seconds. */
export const CONDITION_HOLDS_MS = 20_000;

/** What to do about the alarms: pure. `opens` and `ends` are new; what is `opening` or `ending` goes on. */
export function judgeAlarms(
  known: readonly KnownCondition[],
  open: readonly (AlarmId & OpenAlarm)[],
  nowMs: number,
): { readonly opens: readonly AlarmId[]; readonly ends: readonly (AlarmId & OpenAlarm)[] } {
  const holds = ({ seenMs }: KnownCondition) => nowMs - seenMs <= CONDITION_HOLDS_MS;
  const openNow = new Set(open.map(keyOf));
  const due = known.filter(
    (one) => holds(one) && !openNow.has(keyOf(one)) && nowMs - one.sinceMs >= ALARMS[one.name].opensAfterMs,
  );
  const byKey = new Map(known.map((one) => [keyOf(one), one]));
  const ends = open.filter((alarm) => {
    const condition = byKey.get(keyOf(alarm));
    // One that nobody knows of any more: its condition is forgotten long after it was away.
    if (!condition) return alarm.state === 'open';
    return (
      alarm.state === 'open' &&
      !holds(condition) &&
      nowMs - condition.seenMs >= CONDITION_HOLDS_MS + ALARMS[alarm.name].endsAfterMs
    );
  });
  return { opens: unexplained(due, open), ends };
}

/**
 * Those that no other one accounts for, also none that opens now: after a pause everything is due at once. Of two that explain
 * each other the first of the table opens.
 */
function unexplained(due: readonly KnownCondition[], open: readonly AlarmId[]): AlarmId[] {
  const names = new Set<string>(open.map(({ name }) => name));
  const dueNames = new Set<string>(due.map(({ name }) => name));
  const explainers = ({ name }: AlarmId): readonly string[] => ALARMS[name].explainedBy;
  const inOrder = [...due].sort((a, b) => ALARM_NAMES.indexOf(a.name) - ALARM_NAMES.indexOf(b.name));
  const isFirst = (one: AlarmId) => !explainers(one).some((other) => dueNames.has(other));
  const opens: AlarmId[] = [];
  for (const one of [...inOrder.filter(isFirst), ...inOrder.filter((alarm) => !isFirst(alarm))]) {
    if (explainers(one).some((other) => names.has(other))) continue;
    opens.push(one);
    names.add(one.name);
  }
  return opens;
}

/** Also how the ledger names it. */
export function keyOf({ name, subject }: AlarmId): string {
  return `${name}:${subject}`;
}

/** Undefined for an alarm that this version does not know. */
export function parseKey(key: string): AlarmId | undefined {
  const at = key.indexOf(':');
  const name = key.slice(0, at);
  return Object.hasOwn(ALARMS, name) ? { name: name as AlarmName, subject: key.slice(at + 1) } : undefined;
}
