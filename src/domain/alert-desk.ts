// The alerts as people ask for them and act on them: one service behind the command line and the console's API. Types only.
import type { DeliveryKind, Direction, EpisodeEvent, Severity, SilenceMatcher } from './events.js';
import type { Outcome, StoryLine } from './story.js';

/** Who asks, for the record: every call is one on access-audit before it is answered. */
export interface Asker {
  readonly user: string;
  readonly via: 'command-line' | 'console';
}

export interface OpenAlert {
  /** As e-mails show it. */
  readonly ref: string;
  readonly episodeId: string;
  readonly status: 'open' | 'closed';
  readonly patientId: string;
  readonly ward: string | null;
  readonly attribute: string;
  readonly direction: Direction;
  readonly severity: Severity;
  readonly since: string;
  readonly stale: boolean;
  readonly acknowledged: { readonly by: string; readonly at: string; readonly until: string } | null;
  /** The silence that held its newest signal back. */
  readonly silencedBy: string | null;
  readonly flapping: boolean;
  readonly historic: boolean;
  readonly reminders: number;
  /** Topics that were told of it. */
  readonly told: readonly string[];
}

export interface SilenceInForce {
  readonly silenceId: string;
  readonly matcher: SilenceMatcher;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly reason: string;
  readonly by: string;
  /** When alerts of each severity are told again: the policy's cap may come before `endsAt`. */
  readonly endsFor: Readonly<Record<Severity, string>>;
}

export interface AlertFilter {
  readonly ward?: string;
  readonly patientId?: string;
  readonly severity?: Severity;
}

/** A notification in the ledger. */
export interface NotificationNow {
  readonly notificationId: string;
  readonly episodeId: string;
  readonly kind: DeliveryKind;
  readonly n: number;
  readonly destination: string;
  readonly state: string;
  readonly reason: string;
  readonly attempt: number;
  readonly possibleRepeat: boolean;
}

export interface AlertList {
  readonly alerts: readonly OpenAlert[];
  /** There are more open alerts than were looked at. */
  readonly more: boolean;
  readonly silences: readonly SilenceInForce[];
  /** HELD and DEAD: a person has to look at them. */
  readonly stuck: readonly NotificationNow[];
}

/** Of the patient more than the id: for the eyes of whoever asked, never for a log. */
export interface AlertDetails {
  readonly alert: OpenAlert;
  /** What the next message would show; null where it is not kept any more. */
  readonly event: EpisodeEvent | null;
  readonly notifications: readonly NotificationNow[];
}

export interface Explanation {
  readonly episodeId: string;
  readonly ref: string;
  /** Null: the episode is in no view any more. */
  readonly alert: OpenAlert | null;
  readonly lines: readonly StoryLine[];
  readonly outcomes: readonly Outcome[];
  /** Kafka, or what is older: the lake. */
  readonly source: 'kafka' | 'lake';
}

export interface RecipientQuestion {
  /** A topic's ARN or name, or an address that is subscribed to one. */
  readonly recipient: string;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface RecipientTopic {
  readonly topic: string;
  /** Null: the recipient is the topic itself. */
  readonly confirmed: boolean | null;
}

export interface RecipientExplanation {
  readonly recipient: string;
  readonly from: string;
  readonly to: string;
  /** What the recipient reads by the policy and SNS of today. */
  readonly topics: readonly RecipientTopic[];
  /** Sent to the recipient, or to be. */
  readonly theirs: readonly Outcome[];
  /** Nobody was told. */
  readonly nobody: readonly Outcome[];
  /** Sent to topics that the recipient does not read. */
  readonly elsewhere: readonly Outcome[];
  /** What these are about, as far as it is in a view still. */
  readonly alerts: readonly OpenAlert[];
  readonly source: 'kafka' | 'lake';
}

/** `inForce`: dispatch has taken it. False: it stands on doctors-queue, and waits for a worker with the role dispatch. */
export interface Done {
  readonly eventId: string;
  readonly inForce: boolean;
}

export interface Redriven {
  readonly notificationId: string;
  /** False: it was neither HELD nor DEAD any more. */
  readonly redriven: boolean;
}

export const REFUSALS = [
  'no-such-alert',
  'several-alerts',
  'not-open',
  'no-such-silence',
  'too-long',
  'no-matcher',
  'no-reason',
  'no-such-notification',
] as const;

/** What was asked for can't be done; the message is for the person who asked. */
export class DeskRefused extends Error {
  override readonly name = 'DeskRefused';
  readonly code: (typeof REFUSALS)[number];
  constructor(code: (typeof REFUSALS)[number], message: string) {
    super(message);
    this.code = code;
  }
}

/** Redis is not the one that the views were built in, or they are being rebuilt: ask again in a while. */
export class DeskNotReady extends Error {
  override readonly name = 'DeskNotReady';
}

/** `alert`: an episode's id, or its reference. Every method throws DeskRefused and DeskNotReady, and what Kafka and Redis throw. */
export interface AlertDesk {
  list(asker: Asker, filter: AlertFilter): Promise<AlertList>;
  show(asker: Asker, alert: string): Promise<AlertDetails>;
  why(asker: Asker, alert: string): Promise<Explanation>;
  whyRecipient(asker: Asker, question: RecipientQuestion): Promise<RecipientExplanation>;
  /** `forMs`: ends then, while the alert is still open; by default after what the policy says for its severity. */
  acknowledge(
    asker: Asker,
    request: { readonly alert: string; readonly note: string; readonly forMs?: number },
  ): Promise<Done>;
  silence(
    asker: Asker,
    request: { readonly matcher: SilenceMatcher; readonly forMs: number; readonly reason: string },
  ): Promise<Done & { readonly silence: SilenceInForce }>;
  unsilence(asker: Asker, silenceId: string): Promise<Done>;
  /** By their ids, or all that are in a state. */
  redrive(asker: Asker, which: readonly string[] | 'HELD' | 'DEAD'): Promise<readonly Redriven[]>;
}
