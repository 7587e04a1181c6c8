// Dispatch's views: what is folded of doctors-queue and of the decisions that follow. Their truth is Kafka; Redis holds them.
import type { EpisodeEvent, SilenceEvent } from './events.js';
import type { Decision, EpisodeView, KeyView, Timer } from './notification.js';
import type { Silence } from './silence.js';

/** A decision as it is kept: with the version of the view that it made. */
export interface StoredDecision {
  readonly version: number;
  readonly decision: Decision;
  /** What holds the alert back after it, and what its timer waits for. */
  readonly silencedBy: string | null;
}

/** What names an episode's other view: how often such episodes began. */
export interface FlappingKey {
  readonly patientId: string;
  readonly attribute: string;
  readonly direction: string;
}

/** What a decision is made from. `now`: Redis's clock, ms. */
export interface Look {
  /** NO_EPISODE where nothing was folded yet. */
  readonly view: EpisodeView;
  readonly key: KeyView;
  readonly stored: StoredDecision | null;
  /** Those that have not ended, whether they have begun or not. */
  readonly silences: readonly Silence[];
  readonly now: number;
}

export interface FoldInput {
  readonly episodeId: string;
  /** The id of the event or of the timer: it is folded once. */
  readonly id: string;
  /** Of the event on doctors-queue; null for a timer. */
  readonly offset: number | null;
  /** Kept for the messages about it; null for what has no content of its own. */
  readonly event: EpisodeEvent | null;
  /** The views that the decision was made from. */
  readonly look: Pick<Look, 'view' | 'key'>;
  readonly decision: Decision;
  readonly next: EpisodeView;
  /** Undefined where it is not this one's to change. */
  readonly nextKey?: KeyView;
}

/** `stored`: folded before, with this decision. `conflict`: a view has moved on, look again. `below`: something later was folded, and this one never. */
export type FoldResult =
  | { readonly outcome: 'folded' | 'stored'; readonly stored: StoredDecision }
  | { readonly outcome: 'conflict' }
  | { readonly outcome: 'below' };

export interface PendingTimer {
  readonly timer: Timer;
  /** Its own, or earlier: when the silence that it waits for was ended. */
  readonly dueMs: number;
  /** From now; 0 when it is due. */
  readonly untilMs: number;
  readonly now: number;
}

/** Every method is one script that first checks the epoch, and may be repeated. */
export interface Views {
  /** `id`: of the event or timer to be decided on, or '' to have a look. */
  look(episodeId: string, id: string, key?: FlappingKey): Promise<Look>;
  fold(input: FoldInput): Promise<FoldResult>;
  /** The event as it was folded; undefined where it isn't known (any more). */
  event(episodeId: string, eventId: string): Promise<EpisodeEvent | undefined>;
  /** Ids of open episodes, those that began first first. */
  openEpisodes(from: number, limit: number): Promise<readonly string[]>;
  foldSilence(
    event: SilenceEvent,
    offset: number,
    decision: Decision,
  ): Promise<{ readonly outcome: 'folded' | 'stored' | 'below'; readonly decision: Decision }>;
  /** Those that have not ended. */
  silences(): Promise<{ readonly silences: readonly Silence[]; readonly now: number }>;
  /** Answers the ms until it is due, undefined where it went off before. `silencedBy`: due at once when that silence is over. */
  schedule(timer: Timer, silencedBy: string | null): Promise<number | undefined>;
  /** A silence is over: the ids of the timers that waited for its end, all due now. */
  release(silenceId: string): Promise<readonly string[]>;
  timer(timerId: string): Promise<PendingTimer | undefined>;
  /** What it decided is recorded and under way. */
  timerDone(timerId: string): Promise<void>;
  /** Pending timers that are due within `aheadMs`, the longest due first. */
  timersDue(aheadMs: number, limit: number): Promise<readonly { readonly timerId: string; readonly untilMs: number }[]>;
}

export interface RestoredEpisode {
  readonly episodeId: string;
  readonly view: EpisodeView;
  readonly events: readonly EpisodeEvent[];
  /** By id of event or timer. */
  readonly decisions: readonly (readonly [id: string, stored: StoredDecision])[];
}

/** Writes of the one replica that rebuilds. */
export interface ViewsRestore {
  /** First: open episodes, silences and timers are forgotten. */
  clearViews(): Promise<void>;
  /** Whatever is known of the episode gives way. */
  restoreEpisode(episode: RestoredEpisode): Promise<void>;
  restoreKey(key: FlappingKey, view: KeyView): Promise<void>;
  restoreSilence(event: SilenceEvent, offset: number, decision: Decision): Promise<void>;
  /** After the silences. */
  restoreTimer(timer: Timer, silencedBy: string | null): Promise<void>;
}
