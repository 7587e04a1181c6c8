// Opens and ends technical alarms: every replica of dispatch may do so at any time, and repeat every step.
import type { QueueRegistry } from '../queues/registry.js';
import { type Alarms, type Conditions, judgeAlarms, type OpenAlarm } from '../src/domain/alarm-book.js';
import { ALARM_NAMES, ALARMS, type AlarmId, alarmTrigger } from '../src/domain/alarms.js';
import { decisionRecords, type Occasion } from '../src/domain/delivery.js';
import { notificationId } from '../src/domain/identity.js';
import { isSettled, type NotificationLedger, TOO_OLD } from '../src/domain/ledger.js';
import type { Decision, Send } from '../src/domain/notification.js';
import type { Clock, Logger, Metrics } from '../src/domain/ports.js';
import { isoOfMs } from '../src/domain/time.js';
import type { DeliveryLog } from '../src/kafka/delivery-log.js';
import { addDelivery } from './deliver-job.js';
import { newRows } from './dispatch-outcome.js';

const SECOND_MS = 1_000;
const UNSENT_MS = 60 * SECOND_MS;
/** Three in a row did not come. */
const HEARTBEAT_MISSING_MS = 180 * SECOND_MS;
/** Rows that a person has to look at, looked at in one turn. */
const TROUBLED_MOST = 1_000;

export interface AlarmKeeperParts {
  readonly ledger: Alarms & Conditions & Pick<NotificationLedger, 'open' | 'oldestUnsentMs' | 'troubled'>;
  readonly deliveries: Pick<DeliveryLog, 'append'>;
  readonly queues: Pick<QueueRegistry, 'add'>;
  /** SNS_OPERATORS_TOPIC_ARN. Undefined: alarms are recorded, logged and counted, and mailed to nobody. */
  readonly operatorsTopic: string | undefined;
  /** How many partitions have heartbeats. Throws while Kafka is away. */
  readonly partitions: () => Promise<number>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface AlarmKeeper {
  /** Throws what the ledger and Kafka throw; whatever was begun then is found, and carried on, by the next look of anybody. */
  look(): Promise<void>;
}

export function createAlarmKeeper(parts: AlarmKeeperParts): AlarmKeeper {
  const { ledger, log, metrics } = parts;
  const heartbeats = createHeartbeatWatch(parts);
  return {
    look: async () => {
      const condition = await heartbeats();
      const own = [...(await ledgerConditions(ledger)), ...condition];
      const { known, nowMs } = await ledger.conditions(own);
      const { opens, ends } = judgeAlarms(known, await ledger.openAlarms(), nowMs);
      for (const alarm of opens) {
        const opening: OpenAlarm = { state: 'opening', openedAt: isoOfMs(nowMs) };
        if (await ledger.moveAlarm(alarm, undefined, opening))
          log.error('alarm.open', { alarm: alarm.name, subject: alarm.subject });
      }
      for (const { name, subject, ...state } of ends)
        if (await ledger.moveAlarm({ name, subject }, state, { ...state, state: 'ending' }))
          log.info('alarm.ended', { alarm: name, subject, openedAt: state.openedAt });
      const open = await ledger.openAlarms();
      for (const { name, subject, ...state } of open) await carryOn(parts, { name, subject }, state);
      for (const name of ALARM_NAMES)
        metrics.gauge('alarm_open', open.filter((one) => one.name === name).length, { alarm: name });
    },
  };
}

/** Recorded, given its row and its job; then that is noted. */
async function carryOn(parts: AlarmKeeperParts, alarm: AlarmId, state: OpenAlarm): Promise<void> {
  if (state.state === 'open') return;
  await announce(parts, alarm, state.openedAt, state.state === 'opening' ? 0 : 1);
  await parts.ledger.moveAlarm(alarm, state, state.state === 'opening' ? { ...state, state: 'open' } : undefined);
}

/** `n`: 0 it opened, 1 it ended. The same records, row and job each time. */
async function announce(parts: AlarmKeeperParts, alarm: AlarmId, openedAt: string, n: number): Promise<void> {
  const { ledger, deliveries, queues, operatorsTopic, clock } = parts;
  const trigger = alarmTrigger(alarm, openedAt);
  const kind = 'technical' as const;
  const on: Occasion = { id: trigger, trigger, episodeId: '', eventId: '', kind, n, timer: null };
  const idOf = (which: number, destination: string) => notificationId(trigger, kind, which, destination);
  const { severity } = ALARMS[alarm.name];
  const send: Send[] =
    operatorsTopic === undefined
      ? []
      : [
          {
            ...{ kind, n, destination: operatorsTopic, notificationId: idOf(n, operatorsTopic), severity },
            after: n === 0 ? [] : [idOf(0, operatorsTopic)],
          },
        ];
  const at = isoOfMs(clock.nowMs());
  const decision: Decision = { reason: send.length > 0 ? 'alarm' : 'not-routed', send, timers: [], emits: [], at };
  const places = await deliveries.append(decisionRecords(on, decision));
  for (const row of newRows({ on, decision, places })) {
    const opened = await ledger.open(row);
    if (!isSettled(opened.state)) await addDelivery(queues, row, opened.generation);
  }
}

/** What the ledger itself shows. */
async function ledgerConditions(ledger: AlarmKeeperParts['ledger']): Promise<readonly AlarmId[]> {
  const found: AlarmId[] = [];
  if (((await ledger.oldestUnsentMs()) ?? 0) > UNSENT_MS) found.push({ name: 'unsent-high', subject: '' });
  for (const { state, reason, destination } of await ledger.troubled(TROUBLED_MOST)) {
    if (state === 'DEAD') found.push({ name: 'notification-dead', subject: destination });
    else if (reason === TOO_OLD) found.push({ name: 'notification-too-old', subject: '' });
    else found.push({ name: 'notification-held', subject: destination });
  }
  return found;
}

/**
 * Tells the age of the oldest partition's newest heartbeat; since we began, where none of it was ever heard. What Redis loses is
 * remembered here until the next one comes: otherwise each loss of Redis would be an alarm.
 */
function createHeartbeatWatch({ ledger, partitions, clock, metrics }: AlarmKeeperParts) {
  const beganMs = clock.monotonicMs();
  const newest = new Map<number, number>();
  let count: number | undefined;
  return async (): Promise<readonly AlarmId[]> => {
    count ??= await partitions().catch(() => undefined);
    const { newestMs, nowMs } = await ledger.heartbeats();
    for (const [partition, ms] of newestMs) newest.set(partition, Math.max(ms, newest.get(partition) ?? ms));
    const sinceBeganMs = clock.monotonicMs() - beganMs;
    const unheard = newest.size < (count ?? 1);
    const ageMs = Math.max(unheard ? sinceBeganMs : 0, ...[...newest.values()].map((ms) => nowMs - ms));
    metrics.gauge('heartbeat_age_seconds', ageMs / SECOND_MS);
    const missing = ageMs > HEARTBEAT_MISSING_MS && sinceBeganMs > HEARTBEAT_MISSING_MS;
    return missing ? [{ name: 'heartbeat-missing', subject: '' }] : [];
  };
}
