// alert-deliveries: what is written for each notification, and what its history adds up to.
import type { DeliveryKind, DeliveryRecord, DeliveryState, EpisodeEvent } from './events.js';
import { notificationId } from './identity.js';
import type { Decision, EpisodeView, KeyView, Send } from './notification.js';
import type { StoredDecision } from './views.js';

/** What names a notification on each of its records. */
export type DeliverySubject = Pick<
  DeliveryRecord,
  'notificationId' | 'trigger' | 'eventId' | 'episodeId' | 'kind' | 'n' | 'destination'
>;

/** The variable part of a record. */
export interface DeliveryFact {
  readonly state: DeliveryState;
  readonly reason: string;
  readonly attempt?: number;
  readonly snsMessageId?: string;
  readonly possibleRepeat?: boolean;
  readonly due?: string;
  /** The notification that stands for this one. */
  readonly coveredBy?: string;
  readonly timer?: string | null;
  readonly fold?: RecordedFold;
}

export function deliveryRecord(subject: DeliverySubject, fact: DeliveryFact, at: string): DeliveryRecord {
  return {
    v: 1,
    notificationId: subject.notificationId,
    trigger: subject.trigger,
    eventId: subject.eventId,
    episodeId: subject.episodeId,
    kind: subject.kind,
    n: subject.n,
    destination: subject.destination,
    state: fact.state,
    reason: fact.reason,
    attempt: fact.attempt ?? 0,
    due: fact.due ?? null,
    snsMessageId: fact.snsMessageId ?? null,
    coveredBy: fact.coveredBy ?? null,
    possibleRepeat: fact.possibleRepeat ?? false,
    timer: fact.timer ?? null,
    at,
    ...(fact.fold && { fold: fact.fold }),
  };
}

/** What was decided on: an event, or a timer whose time had come. */
export interface Occasion {
  /** Of the event or timer. */
  readonly id: string;
  /** Episode id, or `silence:<id>`. */
  readonly trigger: string;
  /** '' where it is about no episode. */
  readonly episodeId: string;
  /** The event whose content a message about it shows. */
  readonly eventId: string;
  readonly kind: DeliveryKind;
  readonly n: number;
  readonly timer: string | null;
}

/** What a rebuild repeats: the decision, and the views as they were when it was recorded, never older than it. */
export interface RecordedFold {
  /** Of the event or timer. */
  readonly id: string;
  readonly stored: StoredDecision;
  readonly view: EpisodeView | null;
  readonly key: KeyView | null;
}

/** Every decision is recorded, also the one to send nothing, and every timer that it sets. A second pass makes the same records. */
export function decisionRecords(on: Occasion, decision: Decision, fold?: RecordedFold): DeliveryRecord[] {
  const { reason, at } = decision;
  const { timer, trigger, episodeId, eventId } = on;
  const about = { trigger, episodeId, eventId };
  const none = { ...about, kind: on.kind, n: on.n, destination: '' };
  const first = fold ? { fold } : {};
  const told =
    decision.send.length === 0
      ? [deliveryRecord({ ...none, notificationId: noneId(on) }, { state: 'suppressed', reason, timer, ...first }, at)]
      : decision.send.map((send, i) =>
          deliveryRecord(subjectOf(on, send), { state: 'decided', reason, due: at, timer, ...(i === 0 && first) }, at),
        );
  const scheduled = decision.timers.map((next) =>
    deliveryRecord(
      {
        ...about,
        kind: next.kind,
        n: next.n,
        destination: '',
        notificationId: notificationId(trigger, next.kind, next.n, ''),
      },
      { state: 'scheduled', reason, due: next.due, timer: next.timerId },
      at,
    ),
  );
  return [...told, ...scheduled];
}

/** Its number tells a notification from others of its kind; what people say has none, but an id of its own. */
function noneId({ id, trigger, kind, n, timer }: Occasion): string {
  return isNumbered(kind) || timer !== null ? notificationId(trigger, kind, n, '') : notificationId(id, kind, n, '');
}

function isNumbered(kind: DeliveryKind): boolean {
  return kind === 'raised' || kind === 'worsened' || kind === 'resolved' || kind === 'stale' || kind === 'fresh';
}

/** Of watch's event. */
export function occasionOf({ eventId, episodeId, kind, index }: EpisodeEvent): Occasion {
  return { id: eventId, trigger: episodeId, episodeId, eventId, kind, n: index, timer: null };
}

/** What an occasion and one of its sends say about a notification. */
export function subjectOf(
  on: Pick<Occasion, 'trigger' | 'eventId' | 'episodeId'>,
  send: Send,
): DeliverySubject & Pick<Send, 'kind'> {
  return {
    notificationId: send.notificationId,
    trigger: on.trigger,
    eventId: on.eventId,
    episodeId: on.episodeId,
    kind: send.kind,
    n: send.n,
    destination: send.destination,
  };
}

/** Throws where the value is none of ours: only this project writes alert-deliveries. */
export function decodeDelivery(value: Buffer | null): DeliveryRecord {
  const record = JSON.parse(value?.toString('utf8') ?? 'null') as DeliveryRecord | null;
  if (record?.v !== 1 || typeof record.notificationId !== 'string')
    throw new Error('not a delivery record of version 1');
  return record;
}

/** What a notification's records add up to. `unsent`: to be sent (again); `open-attempt`: the last attempt has no outcome. */
export type DeliveryStanding = 'accepted' | 'cancelled' | 'dead' | 'held' | 'open-attempt' | 'unsent';

export interface DeliveryHistory {
  readonly standing: DeliveryStanding;
  /** The highest attempt seen. */
  readonly attempt: number;
  /** Some attempt may have been accepted: whatever is sent now says so. */
  readonly possibleRepeat: boolean;
  /** The notification that stands for it, unless it was sent by itself since; '' otherwise. */
  readonly coveredBy: string;
}

export const NO_HISTORY: DeliveryHistory = { standing: 'unsent', attempt: 0, possibleRepeat: false, coveredBy: '' };

/** Reason of `scheduled` records: a person has asked for another try. */
export const REDRIVEN = 'redriven';
/** Reason of records of notifications that another one stands for. */
export const COVERED = 'covered';

/**
 * Folds the next record of one notification. `accepted` is final. An outcome speaks for the attempt of its number: one that
 * comes after a later attempt began (a replica that slept) leaves the standing to that attempt. An attempt that began while
 * an earlier one had no outcome may repeat it.
 */
export function foldDelivery(history: DeliveryHistory, record: DeliveryRecord): DeliveryHistory {
  if (history.standing === 'accepted') return history;
  if (record.state === 'scheduled') return foldScheduled(history, record);
  if (record.state === 'decided' || record.state === 'suppressed') return history;
  const attempt = Math.max(history.attempt, record.attempt);
  const overtook = record.state === 'attempt' && history.standing === 'open-attempt';
  const possibleRepeat = history.possibleRepeat || record.possibleRepeat || record.state === 'unknown' || overtook;
  const overtaken = record.attempt < history.attempt && record.state !== 'accepted';
  const coveredBy = record.state === 'attempt' ? '' : (record.coveredBy ?? history.coveredBy);
  return { standing: overtaken ? history.standing : STANDING[record.state], attempt, possibleRepeat, coveredBy };
}

/** Another one stands for it from here on; or a person has asked for what was given up, which changes nothing of what is under way. */
function foldScheduled(history: DeliveryHistory, record: DeliveryRecord): DeliveryHistory {
  const given = history.standing === 'dead' || history.standing === 'held';
  const standing = given ? 'unsent' : history.standing;
  if (record.reason === COVERED) return { ...history, standing, coveredBy: record.coveredBy ?? '' };
  return record.reason === REDRIVEN ? { ...history, standing, coveredBy: given ? '' : history.coveredBy } : history;
}

const STANDING: Readonly<Record<DeliveryState, DeliveryStanding>> = {
  decided: 'unsent',
  scheduled: 'unsent',
  suppressed: 'unsent',
  attempt: 'open-attempt',
  accepted: 'accepted',
  failed: 'unsent',
  unknown: 'unsent',
  cancelled: 'cancelled',
  held: 'held',
  dead: 'dead',
};
