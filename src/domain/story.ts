// The answer to "why was this sent, or not": what alert-deliveries says about notifications, in sentences. Pure; names no patient.
import { type DeliveryHistory, type DeliveryStanding, foldDelivery, NO_HISTORY } from './delivery.js';
import type { DeliveryKind, DeliveryRecord, EpisodeEvent, OperatorEvent, SilenceMatcher } from './events.js';
import { reference } from './identity.js';
import { reasonInWords } from './reason-words.js';

/** How a sentence says an instant: in the hospital's zone for people, as it stands for programs. */
export type SayTime = (iso: string) => string;

/** One thing that happened, in the order of its time. */
export interface StoryLine {
  readonly at: string;
  /** `event`: on doctors-queue. `decision` and `delivery`: on alert-deliveries. */
  readonly what: 'event' | 'decision' | 'delivery';
  readonly kind: string;
  readonly n: number;
  /** Topic; empty where nobody is told. */
  readonly destination: string;
  readonly state: string;
  readonly reason: string;
  readonly says: string;
}

/** How a notification stands. `scheduled`: a reminder or the like whose time has not come. */
export type Verdict = 'accepted' | 'covered' | 'waiting' | 'held' | 'dead' | 'cancelled' | 'suppressed' | 'scheduled';

/** One notification, or the decision that there is none, with what became of it. */
export interface Outcome {
  readonly notificationId: string;
  readonly episodeId: string;
  /** First six of the episode, as e-mails show it; empty where it is about no episode. */
  readonly ref: string;
  readonly kind: DeliveryKind;
  readonly n: number;
  readonly destination: string;
  readonly verdict: Verdict;
  readonly reason: string;
  /** Of the first record. */
  readonly decidedAt: string;
  /** Of the record that decides the verdict. */
  readonly at: string;
  readonly snsMessageId: string | null;
  readonly coveredBy: string | null;
  readonly possibleRepeat: boolean;
  readonly says: string;
}

/** `raised`, `reminder 2`, `escalation level 1`, … */
export function titleOf(kind: string, n: number): string {
  switch (kind) {
    case 'reminder':
      return `reminder ${n}`;
    case 'escalated':
      return `escalation ${n}`;
    case 'silence-ended':
      return 'notice that the silence has ended';
    case 'summary':
      return 'summary of alerts from before';
    default:
      return kind;
  }
}

/** The name in an ARN; what is none stays as it is. */
export function topicOf(destination: string): string {
  return destination.slice(destination.lastIndexOf(':') + 1);
}

/** Records of one notification in the order of the log; a step that was repeated counts once. */
export function withoutRepeats(records: readonly DeliveryRecord[]): DeliveryRecord[] {
  const seen = new Set<string>();
  return records.filter((one) => {
    const key = [one.notificationId, one.state, one.attempt, one.reason, one.coveredBy, one.at].join(' ');
    return !seen.has(key) && seen.add(key) !== undefined;
  });
}

/** Each record as a sentence, repeats left out. */
export function deliveryLines(records: readonly DeliveryRecord[], time: SayTime): StoryLine[] {
  return withoutRepeats(records).map((record) => ({
    at: record.at,
    what: isDecision(record) ? 'decision' : 'delivery',
    kind: record.kind,
    n: record.n,
    destination: record.destination,
    state: record.state,
    reason: record.reason,
    says: sentence(record, time),
  }));
}

/** What doctors-queue says, an event a line. A plain repeat is told once. */
export function eventLines(events: readonly (EpisodeEvent | OperatorEvent)[], time: SayTime): StoryLine[] {
  const seen = new Set<string>();
  return events
    .filter(({ eventId }) => !seen.has(eventId) && seen.add(eventId) !== undefined)
    .map((event) => ({
      at: event.at,
      what: 'event',
      kind: event.kind,
      n: 'index' in event ? event.index : 0,
      destination: '',
      state: '',
      reason: 'reason' in event ? event.reason : '',
      says: eventSentence(event, time),
    }));
}

function eventSentence(event: EpisodeEvent | OperatorEvent, time: SayTime): string {
  switch (event.kind) {
    case 'raised':
    case 'worsened':
    case 'resolved':
    case 'stale':
    case 'fresh':
      return `${event.kind}: ${event.attribute} ${event.value ?? 'unreadable'}, normal ${event.range ? `${event.range.low} to ${event.range.high}` : 'unknown'}, severity ${event.severity} (${event.reason}, reading ${event.readingId})`;
    case 'acknowledged':
      return `acknowledged by ${event.by}${event.until === null ? '' : ` until ${time(event.until)}`}${event.note === '' ? '' : `: ${event.note}`}`;
    case 'ack-ended':
      return `the acknowledgement has ended: ${event.reason}`;
    case 'silenced':
      return `${event.by} silenced ${matcherInWords(event.matcher)} until ${time(event.endsAt)}: ${event.reason}`;
    case 'silence-ended':
      return `the silence has ended: ${event.reason}`;
    case 'unstable':
      return `unstable: ${event.episodes} alerts of ${event.attribute} in a short time`;
    case 'rated':
      return `rated ${event.rating} by ${event.by}${event.note === '' ? '' : `: ${event.note}`}`;
  }
}

/** `ward 4B and heartBeat`. */
export function matcherInWords({ patientId, ward, attribute }: SilenceMatcher): string {
  return [
    ...(patientId === undefined ? [] : [`patient ${patientId}`]),
    ...(ward === undefined ? [] : [`ward ${ward}`]),
    ...(attribute === undefined ? [] : [attribute]),
  ].join(' and ');
}

/**
 * In the order of their first records. `records`: of any notifications, those of each in the order of the log. `wanted`: only
 * those of which it takes a record.
 */
export function outcomesOf(
  records: readonly DeliveryRecord[],
  time: SayTime,
  wanted: (record: DeliveryRecord) => boolean = () => true,
): Outcome[] {
  const known = new Map<string, DeliveryRecord[]>();
  for (const record of withoutRepeats(records)) {
    // A timer is scheduled under the id that its decision, to send nothing or to send to somebody, goes on with.
    const key = record.destination === '' ? timerKey(record) : record.notificationId;
    const have = known.get(key);
    if (have) have.push(record);
    else known.set(key, [record]);
  }
  // A timer that came to something is told by what it came to.
  const decided = new Set([...known.values()].flatMap(([first]) => (first?.destination ? [timerKey(first)] : [])));
  return [...known.entries()]
    .filter(([key, some]) => !(decided.has(key) && some.every(({ state }) => state === 'scheduled')))
    .filter(([, some]) => some.some(wanted))
    .map(([, some]) => outcome(some, time));
}

function timerKey(record: DeliveryRecord): string {
  return `${record.trigger} ${record.kind} ${record.n}`;
}

function outcome(records: readonly DeliveryRecord[], time: SayTime): Outcome {
  const [first] = records as [DeliveryRecord];
  const history = records.reduce<DeliveryHistory>(foldDelivery, NO_HISTORY);
  const verdict = verdictOf(records, history.standing);
  const last = lastFor(records, verdict);
  return {
    notificationId: first.notificationId,
    episodeId: first.episodeId,
    ref: first.episodeId === '' ? '' : reference(first.episodeId),
    kind: first.kind,
    n: first.n,
    destination: first.destination,
    verdict,
    reason: last.reason,
    decidedAt: first.at,
    at: last.at,
    snsMessageId: last.snsMessageId,
    coveredBy: last.coveredBy ?? coveredBy(records),
    possibleRepeat: history.possibleRepeat,
    says: inShort(first, last, verdict, time),
  };
}

const VERDICTS: Readonly<Record<DeliveryStanding, Verdict>> = {
  accepted: 'accepted',
  cancelled: 'cancelled',
  dead: 'dead',
  held: 'held',
  'open-attempt': 'waiting',
  unsent: 'waiting',
};

function verdictOf(records: readonly DeliveryRecord[], standing: DeliveryStanding): Verdict {
  const states = new Set(records.map(({ state }) => state));
  if (standing === 'accepted')
    return records.some((one) => one.state === 'accepted' && one.coveredBy !== null) ? 'covered' : 'accepted';
  if (standing !== 'unsent') return VERDICTS[standing];
  if (states.has('suppressed')) return 'suppressed';
  if (states.has('decided') || coveredBy(records) !== null) return 'waiting';
  return states.has('scheduled') ? 'scheduled' : 'waiting';
}

const DECIDING: Readonly<Record<Verdict, readonly string[]>> = {
  accepted: ['accepted'],
  covered: ['accepted'],
  waiting: [],
  held: ['held'],
  dead: ['dead'],
  cancelled: ['cancelled'],
  suppressed: ['suppressed'],
  scheduled: ['scheduled'],
};

/** An outcome is what first settled it; while it waits, the newest record says how far it is. */
function lastFor(records: readonly DeliveryRecord[], verdict: Verdict): DeliveryRecord {
  const states = DECIDING[verdict];
  const settling = records.filter(({ state }) => states.includes(state));
  const found = verdict === 'held' || verdict === 'dead' ? settling.at(-1) : settling[0];
  return found ?? (records.at(-1) as DeliveryRecord);
}

function coveredBy(records: readonly DeliveryRecord[]): string | null {
  return records.findLast((one) => one.coveredBy !== null)?.coveredBy ?? null;
}

function isDecision({ state }: DeliveryRecord): boolean {
  return state === 'decided' || state === 'suppressed' || state === 'scheduled';
}

/** One record. */
function sentence(record: DeliveryRecord, time: SayTime): string {
  const what = titleOf(record.kind, record.n);
  const to = `${what} to ${topicOf(record.destination)}`;
  const why = reasonInWords(record.reason);
  switch (record.state) {
    case 'decided':
      return `decided: ${to}: ${why}`;
    case 'suppressed':
      return `decided: nobody is told of this ${what}: ${why}`;
    case 'scheduled':
      if (record.coveredBy !== null) return `${to} goes into another message, ${shortId(record.coveredBy)}`;
      return `${what} is due at ${record.due === null ? 'once' : time(record.due)}`;
    case 'attempt':
      return `${to}: attempt ${record.attempt}${repeated(record)}`;
    case 'accepted':
      if (record.coveredBy !== null)
        return `${to}: SNS accepted the message that it is in, ${shortId(record.coveredBy)}`;
      return `${to}: accepted by SNS as ${record.snsMessageId ?? '?'}${repeated(record)}`;
    case 'failed':
      return `${to}: attempt ${record.attempt} was not accepted: ${why}; it is tried again`;
    case 'unknown':
      return `${to}: whether attempt ${record.attempt} was accepted can't be learnt: ${why}; it is sent again, labelled`;
    case 'cancelled':
      return `${to}: not sent: ${why}`;
    case 'held':
      return `${to}: held back: ${why}`;
    case 'dead':
      return `${to}: given up: ${why}`;
  }
}

/** The verdict. */
function inShort(first: DeliveryRecord, last: DeliveryRecord, verdict: Verdict, time: SayTime): string {
  const what = titleOf(first.kind, first.n);
  const to = topicOf(first.destination);
  const why = reasonInWords(last.reason);
  switch (verdict) {
    case 'accepted':
      return `${what}: SNS accepted it for ${to} at ${time(last.at)}${repeated(last)}`;
    case 'covered':
      return `${what}: it was part of another message to ${to}, which SNS accepted at ${time(last.at)}`;
    case 'waiting':
      return `${what}: decided for ${to} and not yet accepted by SNS (${last.state}${last.state === 'decided' ? '' : `: ${why}`})`;
    case 'held':
      return `${what}: held back from ${to}: ${why}`;
    case 'dead':
      return `${what}: given up for ${to}: ${why}`;
    case 'cancelled':
      return `${what}: decided for ${to}, and not sent: ${why}`;
    case 'suppressed':
      return `${what}: nobody was told: ${why}`;
    case 'scheduled':
      return `${what}: to be decided at ${last.due === null ? 'any moment' : time(last.due)}`;
  }
}

function repeated(record: DeliveryRecord): string {
  return record.possibleRepeat ? ', labelled "possible repeat"' : '';
}

function shortId(notificationId: string): string {
  return notificationId.slice(0, 8);
}
