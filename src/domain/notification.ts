// A notification: one destination of one thing that happened, from the decision to what the ledger knows of it.
import type { NotificationKind } from './events.js';

/** Why a notification is sent, or isn't: a closed set, also the metric label and `reason` on alert-deliveries. */
export const DECISION_REASONS = [
  'routed',
  'historic',
  'not-notified',
  'resolved-without-raised',
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
}

/** What follows from one event. Stored with the fold, so that a second pass repeats it instead of deciding again. */
export interface Decision {
  readonly reason: DecisionReason;
  readonly send: readonly Send[];
  /** When it was made; all its records on alert-deliveries carry it. */
  readonly at: string;
}

/** Who has been told of an episode: those who are told of its end too. */
export interface Told {
  readonly destination: string;
  readonly notificationId: string;
}

/** An episode as dispatch knows it: a fold over doctors-queue. `version` counts folds; `offset` is that of the last one. */
export interface EpisodeView {
  readonly version: number;
  readonly offset: number;
  readonly told: readonly Told[];
}

export const NO_EPISODE: EpisodeView = { version: 0, offset: -1, told: [] };

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
