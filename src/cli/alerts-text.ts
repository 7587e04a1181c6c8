// The answers of the alerts' desk as a terminal shows them.
import type {
  AlertDetails,
  AlertList,
  Explanation,
  NotificationNow,
  OpenAlert,
  RecipientExplanation,
  SilenceInForce,
} from '../domain/alert-desk.js';
import { matcherInWords, type Outcome, type SayTime, titleOf, topicOf } from '../domain/story.js';
import { renderColumns } from './text-table.js';

const MARKS: Readonly<Record<Outcome['verdict'], string>> = {
  accepted: '✓',
  covered: '✓',
  waiting: '…',
  scheduled: '…',
  held: '✗',
  dead: '✗',
  cancelled: '·',
  suppressed: '·',
};

export function listText({ alerts, more, silences, stuck }: AlertList, time: SayTime): string {
  const parts = [
    alerts.length === 0
      ? 'no open alert'
      : renderColumns(
          ['ref', 'severity', 'ward', 'patient', 'attribute', 'since', 'state'],
          alerts.map((one) => [
            ...[one.ref, one.severity, one.ward ?? 'unknown', one.patientId],
            ...[`${one.attribute} ${one.direction}`, time(one.since), stateOf(one, time)],
          ]),
        ),
    ...(more ? ['! there are more: these are the oldest'] : []),
    ...(silences.length > 0 ? ['', 'silences', ...silences.map((one) => silenceText(one, time))] : []),
    ...(stuck.length > 0
      ? ['', 'notifications that a person has to look at (alerts redrive)', ...stuck.map(notificationText)]
      : []),
  ];
  return parts.join('\n');
}

function stateOf(alert: OpenAlert, time: SayTime): string {
  const { acknowledged, silencedBy } = alert;
  return [
    ...(acknowledged ? [`acknowledged by ${acknowledged.by} until ${time(acknowledged.until)}`] : []),
    ...(silencedBy ? ['silenced'] : []),
    ...(alert.stale ? ['no data'] : []),
    ...(alert.flapping ? ['unstable'] : []),
    ...(alert.historic ? ['from the past'] : []),
    ...(alert.told.length === 0 ? ['nobody was told'] : [`told ${alert.told.map(topicOf).join(', ')}`]),
    ...(alert.reminders > 0 ? [`${alert.reminders} reminders`] : []),
  ].join('; ');
}

export function silenceText(silence: SilenceInForce, time: SayTime): string {
  const earlier = (['high', 'medium', 'low'] as const).filter((one) => silence.endsFor[one] < silence.endsAt);
  return [
    `${silence.silenceId}  ${matcherInWords(silence.matcher)}, until ${time(silence.endsAt)}, by ${silence.by}: ${silence.reason}`,
    ...earlier.map((one) => `  the policy ends it for ${one} alerts at ${time(silence.endsFor[one])}`),
  ].join('\n');
}

function notificationText(one: NotificationNow): string {
  return `${one.notificationId}  ${one.state}  ${titleOf(one.kind, one.n)} to ${topicOf(one.destination)}: ${one.reason}${one.attempt > 0 ? `, ${one.attempt} attempts` : ''}`;
}

export function detailsText({ alert, event, notifications }: AlertDetails, time: SayTime): string {
  const row = (label: string, value: string | number | null | undefined) => `${label.padEnd(14)}${value ?? 'unknown'}`;
  return [
    row('alert', `${alert.ref} (${alert.episodeId}), ${alert.status}`),
    row('attribute', `${alert.attribute} ${alert.direction}, severity ${alert.severity}, since ${time(alert.since)}`),
    row('state', stateOf(alert, time)),
    row('patient', alert.patientId),
    ...(event
      ? [
          row('name', event.patient.name),
          row('age', event.patient.age),
          row('ward', event.patient.ward),
          row('address', event.patient.address),
          row('phone', event.patient.phone),
          row(
            'value',
            `${event.value ?? 'unreadable'}${event.unit ? ` ${event.unit}` : ''}, measured ${time(event.measuredAt)}`,
          ),
          row('normal', event.range ? `${event.range.low} to ${event.range.high}` : null),
          row('limits say', event.message),
        ]
      : ['! what it says is not kept any more']),
    ...(notifications.length > 0 ? ['', 'notifications', ...notifications.map(notificationText)] : []),
  ]
    .map(printable)
    .join('\n');
}

export function explanationText(
  { ref, episodeId, alert, lines, outcomes, source }: Explanation,
  time: SayTime,
): string {
  const what = alert
    ? `${alert.attribute} ${alert.direction} of patient ${alert.patientId}, ward ${alert.ward ?? 'unknown'}, ${alert.status}`
    : 'in no view any more';
  return [
    `${ref} (${episodeId}): ${what}`,
    ...(source === 'lake' ? ['from the lake: it is older than what was looked through in Kafka'] : []),
    '',
    ...lines.map((line) => `${time(line.at)}  ${line.what.padEnd(8)}  ${line.says}`),
    '',
    'In short',
    ...(outcomes.length === 0 ? ['  nothing is decided yet'] : outcomes.map((one) => `  ${outcomeText(one)}`)),
  ]
    .map(printable)
    .join('\n');
}

export function recipientText(answer: RecipientExplanation, time: SayTime): string {
  const { recipient, from, to, topics, theirs, nobody, elsewhere, alerts } = answer;
  const about = new Map(alerts.map((alert) => [alert.ref, alert]));
  const line = (one: Outcome) => {
    const alert = about.get(one.ref);
    const what = alert
      ? ` (${alert.attribute} ${alert.direction}, ward ${alert.ward ?? 'unknown'}, ${alert.severity})`
      : '';
    return `  ${one.ref}${what}  ${outcomeText(one)}`;
  };
  const section = (title: string, some: readonly Outcome[]) =>
    some.length === 0 ? [] : ['', title, ...some.map(line)];
  return [
    `${recipient}, ${time(from)} to ${time(to)}`,
    ...(topics.length === 0
      ? ['✗ reads none of the topics that alerts go to: wardwatch topics status shows who does']
      : topics.map(({ topic, confirmed }) =>
          confirmed === false
            ? `✗ ${topicOf(topic)}: subscribed and not confirmed, so SNS sends nothing there`
            : `  ${confirmed === null ? 'is' : 'reads'} ${topicOf(topic)}`,
        )),
    ...(theirs.length + nobody.length + elsewhere.length === 0 ? ['', 'nothing was decided or sent in that time'] : []),
    ...section('Theirs', theirs),
    ...section('Nobody was told', nobody),
    ...section('Went to topics that this recipient does not read', elsewhere),
  ]
    .map(printable)
    .join('\n');
}

function outcomeText(one: Outcome): string {
  return `${MARKS[one.verdict]} ${one.says}`;
}

/** Text of people and of the database is shown, not obeyed. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (found) => (found === '\n' ? '\n  ' : '\ufffd'));
}
