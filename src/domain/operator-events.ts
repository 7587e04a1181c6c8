// Events of doctors-queue that people or dispatch write: acknowledgements, silences, what follows from them. Decoded strictly.
import type { OperatorEvent, SilenceMatcher } from './events.js';
import { hashId } from './identity.js';
import { parseMicros } from './time.js';

/** Characters of a note, a reason or a matcher's text: more is not ours. */
export const OPERATOR_TEXT_MOST = 1_000;
/** `by` of what the system writes. */
export const DISPATCH = 'dispatch';
const ID = /^[a-z0-9-]{1,64}$/;
const RATINGS = ['useful', 'false', 'not-actionable', 'poor-details', 'other'];
const MATCHED = ['patientId', 'ward', 'attribute'] as const;

/** What an operator event is about: the episode, or `silence:<id>`. */
export function subjectOfOperator(event: OperatorEvent): string {
  return 'episodeId' in event ? event.episodeId : silenceTrigger(event.silenceId);
}

/** Key on doctors-queue, and trigger of what follows from it. */
export function silenceTrigger(silenceId: string): string {
  return `silence:${silenceId}`;
}

/** The key on doctors-queue: an episode's events all lie in its patient's partition. */
export function operatorKey(event: OperatorEvent): string {
  return 'patientId' in event ? event.patientId : silenceTrigger(event.silenceId);
}

/**
 * @param subject episode id, or `silence:<id>`
 * @param at what tells this event from others of the same author: the time, or the id of what it ends
 */
export function operatorEventId(subject: string, kind: OperatorEvent['kind'], by: string, at: string): string {
  return `${subject}-${kind}-${hashId(by, at)}`;
}

/** The end of an acknowledgement by the system is one event, however often it is written. */
export function ackEndedEventId(episodeId: string, acknowledgedEventId: string): string {
  return operatorEventId(episodeId, 'ack-ended', DISPATCH, acknowledgedEventId);
}

type Fields = Readonly<Record<string, unknown>>;

/** Undefined where the message is of none of these kinds; null where it is, and something in it is wrong. */
export function decodeOperatorEvent(m: Fields): OperatorEvent | null | undefined {
  if (typeof m.kind !== 'string' || !Object.hasOwn(SHAPES, m.kind)) return undefined;
  const shape = SHAPES[m.kind as OperatorEvent['kind']];
  const common = isText(m.eventId) && isText(m.by) && isTime(m.at);
  return common && shape(m) ? (m as unknown as OperatorEvent) : null;
}

/** One row a kind: what must hold beside what all have. */
const SHAPES: { readonly [K in OperatorEvent['kind']]: (m: Fields) => boolean } = {
  acknowledged: (m) => ofEpisode(m) && isText(m.note, true) && (m.until === null || isTime(m.until)),
  'ack-ended': (m) => ofEpisode(m) && ['expired', 'worsened', 'withdrawn'].includes(m.reason as string),
  silenced: (m) =>
    isId(m.silenceId) && isMatcher(m.matcher) && isTime(m.startsAt) && isTime(m.endsAt) && isText(m.reason),
  'silence-ended': (m) => isId(m.silenceId) && ['expired', 'withdrawn'].includes(m.reason as string),
  unstable: (m) =>
    ofEpisode(m) &&
    isText(m.attribute) &&
    ['low', 'high', 'unclassified'].includes(m.direction as string) &&
    Number.isSafeInteger(m.episodes),
  rated: (m) => ofEpisode(m) && RATINGS.includes(m.rating as string) && isText(m.note, true),
};

function ofEpisode(m: Fields): boolean {
  return isId(m.episodeId) && isText(m.patientId);
}

function isMatcher(matcher: unknown): matcher is SilenceMatcher {
  if (typeof matcher !== 'object' || matcher === null || Array.isArray(matcher)) return false;
  const entries = Object.entries(matcher);
  return (
    entries.length > 0 &&
    entries.every(([name, value]) => (MATCHED as readonly string[]).includes(name) && isText(value))
  );
}

function isId(value: unknown): boolean {
  return typeof value === 'string' && ID.test(value);
}

function isText(value: unknown, orEmpty = false): boolean {
  return typeof value === 'string' && value.length <= OPERATOR_TEXT_MOST && (orEmpty || value.length > 0);
}

function isTime(value: unknown): boolean {
  return typeof value === 'string' && parseMicros(value) !== undefined;
}
