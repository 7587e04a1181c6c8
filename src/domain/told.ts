// Who is told what of an episode, and what its view says afterwards.
import type { NotificationKind } from './events.js';
import { notificationId } from './identity.js';
import type { Decision, DecisionReason, EpisodeView, Send } from './notification.js';
import type { Policy } from './policy.js';
import type { Silence } from './silence.js';
import { isoOfMs } from './time.js';

/** A decision and the view after it; `version` and `offset` are still those of before. */
export interface Step {
  readonly decision: Decision;
  readonly view: EpisodeView;
}

/** What a decision depends on besides the episode. */
export interface Circumstances {
  /** All that have not ended. */
  readonly silences: readonly Silence[];
  readonly policy: Policy;
  readonly nowMs: number;
}

/** Sends nothing. `rest`: timers and events that follow nevertheless. */
export function nothing(
  reason: DecisionReason,
  view: EpisodeView,
  nowMs: number,
  rest: Partial<Pick<Decision, 'timers' | 'emits'>> = {},
): Step {
  return { decision: { reason, send: [], timers: [], emits: [], ...rest, at: isoOfMs(nowMs) }, view };
}

/** Who was told of the episode itself; a notice that its key is unstable names no end to wait for. */
export function destinationsTold(view: EpisodeView): readonly string[] {
  return [...new Set(ofEpisode(view).map(({ destination }) => destination))];
}

/** What a resolved to `destination` must not overtake. */
export function toldAt(view: EpisodeView, destination: string): readonly string[] {
  return ofEpisode(view).flatMap((one) => (one.destination === destination ? [one.notificationId] : []));
}

/** That its data stays away is not that it began. */
export function heardOf({ told }: EpisodeView): boolean {
  return told.some(({ kind }) => kind !== 'stale');
}

function ofEpisode(view: EpisodeView) {
  return view.told.filter(({ kind }) => kind !== 'unstable');
}

export interface Telling {
  readonly reason: DecisionReason;
  readonly kind: NotificationKind;
  readonly n: number;
  readonly destinations: readonly string[];
  readonly nowMs: number;
  readonly rest?: Partial<Pick<Decision, 'timers' | 'emits'>>;
}

/** After one of these the route's doctors know how the episode stands: nothing that was held back has to be told later. */
const UP_TO_DATE: readonly NotificationKind[] = [
  ...(['raised', 'worsened', 'unstable', 'reminder', 'summary', 'silence-ended'] as const),
];

/** A signal that is sent, and the view with it. */
export function tell(view: EpisodeView, { reason, kind, n, destinations, nowMs, rest }: Telling): Step {
  const send = destinations.map(
    (destination): Send => ({
      kind,
      n,
      destination,
      notificationId: notificationId(view.episodeId, kind, n, destination),
      after: kind === 'resolved' ? toldAt(view, destination) : [],
      severity: view.severity,
    }),
  );
  const at = isoOfMs(nowMs);
  const told = send.map(({ destination, notificationId: id }) => ({ destination, notificationId: id, kind }));
  return {
    decision: { reason, send, timers: [], emits: [], ...rest, at },
    view: {
      ...view,
      raisedAt: view.raisedAt ?? at,
      told: [...view.told, ...told],
      ...(UP_TO_DATE.includes(kind) ? { historic: false, silencedBy: null, silencedUntil: null } : {}),
    },
  };
}
