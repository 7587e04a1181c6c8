// What travels on doctors-queue and alert-deliveries (contracts.md): the alert's history and what became of each notification.

import type { ClockFlag } from './event-time.js';
import type { ConditionTable } from './policy.js';

export type Direction = 'low' | 'high' | 'unclassified';
export type Severity = 'high' | 'medium' | 'low';

/** Kinds from watch that carry an episode; `context` and `heartbeat` carry no patient. */
export type EpisodeEventKind = 'raised' | 'worsened' | 'resolved' | 'stale' | 'fresh';

/** Why a reading is abnormal or can't be judged: a closed set, also the metric label. */
export type EvaluationReason =
  | 'out-of-range'
  | 'flagged'
  | 'back-in-range'
  | 'no-data'
  | 'data-back'
  | 'no-longer-expected'
  | 'bad-value'
  | 'implausible-value'
  | 'unknown-patient'
  | 'unknown-age'
  | 'no-threshold-for-attribute'
  | 'no-band-for-age'
  | 'no-band-for-value';

export interface EventPatient {
  readonly id: string;
  readonly name: string | null;
  readonly age: number | null;
  readonly address: string | null;
  readonly phone: string | null;
  readonly ward: string | null;
}

/** An episode's event on doctors-queue, key = patientId, written by watch in its transaction. */
export interface EpisodeEvent {
  readonly v: 1;
  readonly eventId: string;
  readonly episodeId: string;
  readonly index: number;
  readonly kind: EpisodeEventKind;
  readonly by: 'watch';
  /** When it was evaluated. */
  readonly at: string;
  readonly patient: EventPatient;
  readonly attribute: string;
  readonly direction: Direction;
  readonly reason: EvaluationReason;
  /** The value as it came; null where it can't be read (the text is in `vitals`). */
  readonly value: number | null;
  readonly unit: string | null;
  /** The normal band for the patient's age; null where unknown. */
  readonly range: { readonly low: number; readonly high: number } | null;
  readonly severity: Severity;
  readonly message: string;
  /** Every sign of that reading: numbers, or the text of a bad one. */
  readonly vitals: Readonly<Record<string, number | string>>;
  readonly readingId: string;
  readonly since: string;
  readonly measuredAt: string;
  readonly evaluatedAt: string;
  /** The later of recordedAt and notBefore: what the age of an alert counts from (alerts.md). */
  readonly notBefore: string;
  /** Where the device's clock can't be right: `measuredAt` is not to be believed. */
  readonly clock?: ClockFlag;
  readonly thresholdVersion: string;
  readonly patientVersion: string;
  readonly policyVersion: string;
  /** Its reading was backfilled or replayed: history, whatever its age. */
  readonly mark?: 'backfill' | 'replayed';
}

/** First use of a new version of thresholds or patients in a partition: the audit needs it. */
export interface ContextEvent {
  readonly v: 1;
  readonly eventId: string;
  readonly kind: 'context';
  readonly by: 'watch';
  readonly at: string;
  readonly partition: number;
  readonly offset: string;
  readonly thresholdVersion: string;
  readonly patientVersion: string;
  readonly policyVersion: string;
  /** When episodes begin and end under that policy: its version says only that it is another. */
  readonly conditions: ConditionTable;
}

/** Once a minute and partition: proof of the whole way from RDS on. */
export interface HeartbeatEvent {
  readonly v: 1;
  readonly eventId: string;
  readonly kind: 'heartbeat';
  readonly by: 'watch';
  readonly at: string;
  readonly partition: number;
}

interface OperatorBase {
  readonly v: 1;
  readonly eventId: string;
  /** Who: an account, or `dispatch`. */
  readonly by: string;
  readonly at: string;
}

interface AboutEpisode extends OperatorBase {
  readonly episodeId: string;
  /** Also the key: in the same partition as the episode's other events. */
  readonly patientId: string;
}

/** Somebody has it in hand: no reminders, no escalation. `until` null: as long as the policy says. */
export interface AcknowledgedEvent extends AboutEpisode {
  readonly kind: 'acknowledged';
  readonly note: string;
  readonly until: string | null;
}

/** Its id comes from the acknowledgement that it ends, so that a repeat is the same event. */
export interface AckEndedEvent extends AboutEpisode {
  readonly kind: 'ack-ended';
  readonly reason: 'expired' | 'worsened' | 'withdrawn';
}

/** Everything that is there must fit; at least one is. */
export interface SilenceMatcher {
  readonly patientId?: string;
  readonly ward?: string;
  readonly attribute?: string;
}

/** Alerts that fit are held back. Key `silence:<id>`, as of its end. */
export interface SilencedEvent extends OperatorBase {
  readonly kind: 'silenced';
  readonly silenceId: string;
  readonly matcher: SilenceMatcher;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly reason: string;
}

export interface SilenceEndedEvent extends OperatorBase {
  readonly kind: 'silence-ended';
  readonly silenceId: string;
  readonly reason: 'expired' | 'withdrawn';
}

/** So many episodes of one patient, attribute and direction that they are told as one (flapping). */
export interface UnstableEvent extends AboutEpisode {
  readonly kind: 'unstable';
  readonly attribute: string;
  readonly direction: Direction;
  readonly episodes: number;
}

/** Whether an alert was of use, said by somebody afterwards. */
export interface RatedEvent extends AboutEpisode {
  readonly kind: 'rated';
  readonly rating: 'useful' | 'false' | 'not-actionable' | 'poor-details' | 'other';
  readonly note: string;
}

/** About an episode: its dispatcher folds them into the episode's view. */
export type EpisodeOperatorEvent = AcknowledgedEvent | AckEndedEvent | UnstableEvent | RatedEvent;
export type SilenceEvent = SilencedEvent | SilenceEndedEvent;
/** Events of doctors-queue that are not watch's. */
export type OperatorEvent = EpisodeOperatorEvent | SilenceEvent;

export type DoctorsQueueMessage = EpisodeEvent | ContextEvent | HeartbeatEvent | OperatorEvent;

export type DeliveryState =
  | 'decided'
  | 'scheduled'
  | 'suppressed'
  | 'attempt'
  | 'accepted'
  | 'failed'
  | 'unknown'
  | 'cancelled'
  | 'held'
  | 'dead';

export type NotificationKind =
  | 'raised'
  | 'worsened'
  | 'reminder'
  | 'escalated'
  | 'resolved'
  | 'stale'
  | 'digest'
  | 'unstable'
  | 'summary'
  | 'silence-ended'
  | 'technical'
  | 'heartbeat';

/** What a line of alert-deliveries is about: a notification; a timer that only ends an acknowledgement; an event that nobody is told of. */
export type DeliveryKind = NotificationKind | 'fresh' | 'ack-expiry' | OperatorEvent['kind'];

/** One line of a notification's history on alert-deliveries, key = trigger. */
export interface DeliveryRecord {
  readonly v: 1;
  readonly notificationId: string;
  readonly trigger: string;
  readonly eventId: string;
  readonly episodeId: string;
  readonly kind: DeliveryKind;
  readonly n: number;
  readonly destination: string;
  readonly state: DeliveryState;
  readonly reason: string;
  readonly attempt: number;
  readonly due: string | null;
  readonly snsMessageId: string | null;
  readonly coveredBy: string | null;
  readonly possibleRepeat: boolean;
  /** The timer that this record schedules, or whose time had come. */
  readonly timer: string | null;
  readonly at: string;
  /** On the first record of a decision: the decision and the views after it (delivery.ts), which a rebuild repeats. */
  readonly fold?: object;
}
