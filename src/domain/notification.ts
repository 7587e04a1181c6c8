// A notification: one destination of one thing that happened, from the decision to what the ledger knows of it.
import type { Direction, EpisodeOperatorEvent, NotificationKind, Severity } from './events.js';

/** Why a notification is sent, or isn't: a closed set, also the metric label and `reason` on alert-deliveries. */
export const DECISION_REASONS = [
  // ── something is sent ──
  /** To whom the route, or what they were told before, says. */
  'routed',
  /** A key has become unstable: one notice for it. */
  'unstable',
  /** A reminder, an escalation, a summary or the end of a silence whose time had come. */
  'due',
  /** A technical alarm, to the people who run wardwatch. */
  'alarm',
  /** A heartbeat. */
  'heartbeat',
  /** Nobody looks after it any more: a reminder at once. */
  'acknowledgement-ended',
  // ── nothing is sent ──
  'historic',
  'silenced',
  'flapping',
  'acknowledged',
  'resolved',
  /** Fresh data, and what people say about an episode: nobody's news. */
  'not-notified',
  /** Nobody who could be told of the end. */
  'resolved-without-raised',
  /** The episode had ended, or was never seen to begin. */
  'not-open',
  /** A timer of before the episode became worse, or of an acknowledgement or silence that is gone. */
  'superseded',
  /** They were told of it meanwhile. */
  'told-already',
  /** No route with a topic, or the policy has no such level any more. */
  'not-routed',
  'already-folded',
] as const;
export type DecisionReason = (typeof DECISION_REASONS)[number];

/** One notification to send. `after`: those that must be settled first (a resolved never overtakes its raised). */
export interface Send {
  readonly kind: NotificationKind;
  readonly n: number;
  readonly destination: string;
  readonly notificationId: string;
  readonly after: readonly string[];
  readonly severity: Severity;
}

export const TIMER_KINDS = ['reminder', 'escalated', 'summary', 'silence-ended', 'ack-expiry'] as const;
export type TimerKind = (typeof TIMER_KINDS)[number];

/** Something to look at again later. `timerId` is a function of episode, kind and n, and a job's id: `[a-z0-9-]`. */
export interface Timer {
  readonly timerId: string;
  readonly kind: TimerKind;
  readonly n: number;
  readonly episodeId: string;
  readonly due: string;
}

/** What follows from one event or timer. Stored with the fold, so that a second pass repeats it instead of deciding again. */
export interface Decision {
  readonly reason: DecisionReason;
  readonly send: readonly Send[];
  readonly timers: readonly Timer[];
  /** To be written to doctors-queue; their ids are functions of what they say. */
  readonly emits: readonly EpisodeOperatorEvent[];
  /** When it was made; all its records on alert-deliveries carry it. */
  readonly at: string;
}

/** Who has been told of an episode: those who are told of its end too. */
export interface Told {
  readonly destination: string;
  readonly notificationId: string;
  readonly kind: NotificationKind;
}

/** Somebody looks after the episode: no reminders and no escalation until then. */
export interface Acknowledgement {
  readonly by: string;
  readonly at: string;
  /** The earlier of what was asked for and what the policy allows. */
  readonly until: string;
  /** Of the acknowledgement. */
  readonly eventId: string;
  /** Of its timer. */
  readonly n: number;
  /** The episode's newest event when it was made: what comes later it does not cover. */
  readonly eventIndex: number;
}

/** An episode as dispatch knows it: a fold over doctors-queue and the follow-ups' decisions. `version` counts folds; `offset` is that of the last folded event. */
export interface EpisodeView {
  readonly version: number;
  readonly offset: number;
  /** Empty while nothing is folded. */
  readonly episodeId: string;
  readonly status: 'none' | 'open' | 'closed';
  readonly patientId: string;
  readonly ward: string | null;
  readonly attribute: string;
  readonly direction: Direction;
  readonly severity: Severity;
  readonly eventIndex: number;
  /** The event whose content the next message shows. */
  readonly lastEventId: string;
  readonly since: string;
  /** When the first notification was decided. */
  readonly raisedAt: string | null;
  readonly told: readonly Told[];
  readonly ack: Acknowledgement | null;
  readonly stale: boolean;
  /** When the last stale notification was decided: a sensor that comes and goes is told once in a while. */
  readonly staleToldAt: string | null;
  /** Reminders sent so far. */
  readonly reminders: number;
  /** Numbers the timers and notifications that have no number of their own. */
  readonly signals: number;
  /** −1 before the first. Numbers the runs of reminders and escalations: each begins anew when the episode becomes worse or somebody's care of it ends. */
  readonly round: number;
  /** Its newest signal was held back by this silence. */
  readonly silencedBy: string | null;
  /** Until then at the latest. */
  readonly silencedUntil: string | null;
  /** Its newest signal was held back as history. */
  readonly historic: boolean;
  /** Its beginning was held back, or told as `unstable`, because its key flaps. */
  readonly flapping: boolean;
}

export const NO_EPISODE: EpisodeView = {
  version: 0,
  offset: -1,
  episodeId: '',
  status: 'none',
  patientId: '',
  ward: null,
  attribute: '',
  direction: 'unclassified',
  severity: 'high',
  eventIndex: -1,
  lastEventId: '',
  since: '',
  raisedAt: null,
  told: [],
  ack: null,
  stale: false,
  staleToldAt: null,
  reminders: 0,
  signals: 0,
  round: -1,
  silencedBy: null,
  silencedUntil: null,
  historic: false,
  flapping: false,
};

/** Patient, attribute and direction as dispatch knows them: how often episodes began of late. */
export interface KeyView {
  readonly version: number;
  /** Those that began within policy.flapping.withinMs, by event time; never more than policy.flapping.episodes. */
  readonly raised: readonly { readonly episodeId: string; readonly atMs: number }[];
  /** Since then each beginning is held back, until there was none for policy.flapping.withinMs. */
  readonly unstableSinceMs: number | null;
}

export const NO_KEY: KeyView = { version: 0, raised: [], unstableSinceMs: null };

/** The job that drives a notification. */
export function jobId(notificationId: string, generation: number): string {
  return `${notificationId}-${generation}`;
}

/** What is handed to SNS. */
export interface OutgoingMessage {
  readonly destination: string;
  readonly subject: string;
  readonly body: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** How a failed publish is treated (alerts.md, Delivery): `ambiguous` may have been accepted, all others certainly not. */
export const FAILURE_CLASSES = [
  'throttled',
  'definite-transport',
  'ambiguous',
  'identity',
  'configuration',
  'payload',
] as const;
export type FailureClass = (typeof FAILURE_CLASSES)[number];

export type PublishResult =
  | { readonly ok: true; readonly messageId: string }
  /** `code` is SNS's or the system's name of the error, for the log. */
  | { readonly ok: false; readonly failure: FailureClass; readonly code: string };

/** Publishes one message, at most once on the wire, within `timeoutMs`; never throws. */
export interface AlertPublisher {
  readonly timeoutMs: number;
  publish(message: OutgoingMessage): Promise<PublishResult>;
  close(): void;
}
