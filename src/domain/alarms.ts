// Technical alarms: what must be told to the people who run wardwatch, as a closed table. One message when it opens, one when it ends.
import type { Severity } from './events.js';

export interface AlarmRow {
  readonly severity: Severity;
  /** In subjects: what is wrong, ASCII. */
  readonly title: string;
  /** For patients and doctors. */
  readonly means: string;
  /** Where to look, what to do; runbook.md says more under the alarm's name. */
  readonly look: string;
  /** Its condition must hold for so long before it opens, and be away for so long before it ends: no flapping. */
  readonly opensAfterMs: number;
  readonly endsAfterMs: number;
  /** While one of these is open it explains this one too, which then waits. */
  readonly explainedBy: readonly string[];
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;

/** Of what moves by itself: long enough for a restart or a takeover. */
const MOVING = { opensAfterMs: 30 * SECOND_MS, endsAfterMs: MINUTE_MS } as const;
/** Of what stays until somebody mends it. */
const STANDING = { opensAfterMs: 0, endsAfterMs: MINUTE_MS } as const;

export const ALARMS = {
  'source-silent': {
    ...{ severity: 'high', title: 'no data from the source' },
    means:
      'No reading is judged: RDS does not answer the poller, or no poller runs. Nothing is lost, but nobody is alerted.',
    look: '`wardwatch doctor`; the role poll and its log; RDS.',
    ...MOVING,
    explainedBy: ['poll-lag'],
  },
  'poll-lag': {
    ...{ severity: 'high', title: 'readings are fetched late' },
    means: 'Alerts come late by as much as the poller is behind the end of the table.',
    look: 'poll_lag_seconds and the log of the role poll; load and locks of RDS; `wardwatch source status`.',
    ...MOVING,
    explainedBy: ['source-silent'],
  },
  'evidence-unclear': {
    ...{ severity: 'medium', title: 'skipped row ids can not be settled' },
    means: 'Nothing is lost, but skipped ids of RDS stay open, and the audit waits for them.',
    look: 'Another reader of information_schema.innodb_trx (a monitoring agent): let it look less often. /ready of the poller says which.',
    ...MOVING,
    explainedBy: [],
  },
  'consumer-lag': {
    ...{ severity: 'high', title: 'messages are handled late' },
    means: 'A group of workers is behind Kafka: watch or dispatch, and alerts come late; archive, and the lake does.',
    look: 'consumer_lag_seconds by group; whether its roles run and are ready; CPU.',
    ...MOVING,
    explainedBy: [],
  },
  'unsent-high': {
    ...{ severity: 'high', title: 'a notification of high severity is not sent' },
    means: 'A doctor has not been told of a high alert for more than a minute.',
    look: 'The role deliver and its log; SNS and the way to it; `wardwatch alerts list`.',
    opensAfterMs: 0,
    endsAfterMs: 30 * SECOND_MS,
    explainedBy: ['notification-held', 'sns-identity'],
  },
  'notification-held': {
    ...{ severity: 'high', title: 'a topic refuses notifications' },
    means:
      'Doctors of that topic are not told, unless a fallback topic is: its notifications are held and tried every 30 s.',
    look: 'Does the topic exist, may wardwatch publish to it, is its key usable? `wardwatch doctor` tries it.',
    opensAfterMs: 0,
    endsAfterMs: 30 * SECOND_MS,
    explainedBy: [],
  },
  'notification-too-old': {
    ...{ severity: 'high', title: 'notifications are held for their age' },
    means:
      'After a loss of Redis notifications older than 24 hours were found unsent. They are not sent without a person.',
    look: '`wardwatch alerts list` shows them, `wardwatch alerts redrive` sends them.',
    ...STANDING,
    explainedBy: [],
  },
  'notification-dead': {
    ...{ severity: 'high', title: 'a notification can not be sent' },
    means: 'SNS refused the content of a message, also as plain text: somebody was not told.',
    look: '`wardwatch alerts list` names it, `wardwatch alerts redrive` tries it again.',
    ...STANDING,
    explainedBy: [],
  },
  'sns-identity': {
    ...{ severity: 'high', title: 'SNS does not accept who we are' },
    means: "Nobody is told until the credentials, or this machine's clock, are right.",
    look: 'Role or key of the processes that deliver; their clocks.',
    opensAfterMs: 0,
    endsAfterMs: 2 * MINUTE_MS,
    explainedBy: [],
  },
  'subscription-none': {
    ...{ severity: 'high', title: 'nobody reads a topic' },
    means: 'Messages to the topic are accepted by SNS and reach nobody.',
    look: '`wardwatch topics status`; subscribe somebody and let them confirm.',
    ...STANDING,
    explainedBy: [],
  },
  'subscription-pending': {
    ...{ severity: 'low', title: 'a subscription is not confirmed' },
    means: 'Somebody who should be told has not followed the link in the mail from SNS, and is told nothing.',
    look: '`wardwatch topics status` names the address.',
    ...STANDING,
    explainedBy: [],
  },
  'subscription-unknown': {
    ...{ severity: 'low', title: 'subscriptions can not be looked at' },
    means: 'Whether anybody reads the topic is not known.',
    look: 'Allow sns:GetTopicAttributes and sns:ListSubscriptionsByTopic to the role maintain.',
    ...STANDING,
    explainedBy: [],
  },
  'thresholds-refused': {
    ...{ severity: 'high', title: 'new limits are refused' },
    means: 'The limits table in RDS is broken; readings are judged by its last good version.',
    look: '`wardwatch thresholds check` names every mistake.',
    ...STANDING,
    explainedBy: [],
  },
  'policy-refused': {
    ...{ severity: 'high', title: 'a changed policy.yaml is refused' },
    means: 'The file is broken; alerts go by its last good version until the process ends.',
    look: '`wardwatch policy check` names every mistake.',
    ...STANDING,
    explainedBy: [],
  },
  'lookup-stale': {
    ...{ severity: 'medium', title: 'patients or limits are not read anew' },
    means: 'Two imports in a row did not come: names, wards, ages or limits may be out of date.',
    look: 'The role import and its log; `wardwatch import patients`, `wardwatch import thresholds`.',
    ...STANDING,
    explainedBy: [],
  },
  'dead-rows': {
    ...{ severity: 'medium', title: 'records can not be decoded' },
    means: "What they say is not judged. They are kept in the lake's tables of dead records.",
    look: '`wardwatch dead list`; `wardwatch dead replay` after the cause is mended.',
    ...STANDING,
    explainedBy: [],
  },
  'device-clock': {
    ...{ severity: 'low', title: 'devices have wrong clocks' },
    means: 'Their readings are judged and alert as ever, but the times measured in messages and tables are wrong.',
    look: "Column `clock` of the lake's vital_info names the rows; RDS_TIMEZONE, where it is all of them.",
    ...STANDING,
    explainedBy: [],
  },
  'process-clock': {
    ...{ severity: 'medium', title: 'the clock of a machine is wrong' },
    means: 'Ages and delays are judged wrongly on it.',
    look: 'chrony or NTP of the machine.',
    ...MOVING,
    explainedBy: [],
  },
  'heartbeat-missing': {
    ...{ severity: 'high', title: 'no heartbeat through the whole chain' },
    means: 'A sign of life from RDS to SNS did not arrive for three minutes: an alert would not, either.',
    look: '`wardwatch doctor`; which role is not ready; consumer_lag_seconds.',
    opensAfterMs: 0,
    endsAfterMs: MINUTE_MS,
    explainedBy: ['source-silent', 'poll-lag', 'consumer-lag', 'unsent-high', 'notification-held', 'sns-identity'],
  },
  'audit-broken': {
    ...{ severity: 'high', title: 'the audit does not hold' },
    means: 'Rows, alerts or notifications do not add up: something was lost or doubled.',
    look: '`wardwatch audit` prints the equation and the offending ids.',
    ...STANDING,
    explainedBy: [],
  },
  'lake-damaged': {
    ...{ severity: 'medium', title: 'files of the lake are damaged' },
    means: 'Queries and the audit are wrong or fail for those hours; alerts are not touched.',
    look: '/ready of the role archive names the files; restore them.',
    ...STANDING,
    explainedBy: [],
  },
} as const satisfies Record<string, AlarmRow>;

export type AlarmName = keyof typeof ALARMS;
export const ALARM_NAMES = Object.keys(ALARMS) as AlarmName[];

/** One thing that is wrong. `subject` is what it is wrong with (a topic, a group, a machine), '' where there is only one; never a patient. */
export interface AlarmId {
  readonly name: AlarmName;
  readonly subject: string;
}

const TRIGGER = /^technical:([a-z-]+):(.*):(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)$/s;

/** What its two notifications are named by. `openedAt` ISO with six decimals. */
export function alarmTrigger({ name, subject }: AlarmId, openedAt: string): string {
  return `technical:${name}:${subject}:${openedAt}`;
}

/** Undefined where it is no trigger of an alarm of this version. */
export function parseAlarmTrigger(trigger: string): (AlarmId & { readonly openedAt: string }) | undefined {
  const [, name = '', subject = '', openedAt = ''] = TRIGGER.exec(trigger) ?? [];
  return Object.hasOwn(ALARMS, name) ? { name: name as AlarmName, subject, openedAt } : undefined;
}
