// What a message is about: one union for all kinds, so that whoever sends can't forget what a kind needs.
import type { EpisodeEvent, NotificationKind } from '../events.js';

/** Kinds that tell of one event of one episode. */
export type EventMessageKind = Exclude<NotificationKind, 'digest' | 'summary' | 'technical' | 'heartbeat'>;

/** One alert in a list. */
export interface ListedAlert {
  readonly kind: EventMessageKind;
  readonly event: EpisodeEvent;
}

/** `trigger` as on alert-deliveries (contracts.md): what technical and heartbeat messages say comes from it alone. */
export type MessageContent =
  | { readonly kind: EventMessageKind; readonly event: EpisodeEvent }
  /** A resolved that stands for what was never sent of its episode: `covered`, oldest first, at least one. */
  | { readonly kind: 'raised-and-recovered'; readonly covered: readonly ListedAlert[]; readonly resolved: EpisodeEvent }
  /** One part of `splitAlerts`. */
  | { readonly kind: 'digest' | 'summary'; readonly alerts: readonly ListedAlert[] }
  /** `n`: 0 when it opened, 1 when it ended. */
  | { readonly kind: 'technical'; readonly trigger: string; readonly n: number }
  | { readonly kind: 'heartbeat'; readonly trigger: string };

export interface MessageOptions {
  /** IANA name: the hospital's. */
  readonly timeZone: string;
  readonly sentMs: number;
  /** An earlier attempt may have reached the reader. */
  readonly possibleRepeat: boolean;
  /** After a message that SNS refused for its content: ASCII, short values, no attributes. */
  readonly safe: boolean;
  /** CONSOLE_URL: messages link to the episode there. */
  readonly consoleUrl?: string | undefined;
}
