// The last look before a notification is published: is there still anybody who wants it? Pure.
import type { NotificationKind } from './events.js';
import type { EpisodeView } from './notification.js';
import type { Silence } from './silence.js';
import { isoOfMs, microsOfMs, parseMicros } from './time.js';

export type StillWanted = 'send' | 'acknowledged' | 'silenced' | 'resolved';

/** Whose ends matter: by their own numbers events, or follow-ups of the newest one. */
const BY_EVENT: readonly NotificationKind[] = ['raised', 'worsened', 'stale', 'unstable'];
const FOLLOW_UPS: readonly NotificationKind[] = ['reminder', 'escalated', 'summary', 'silence-ended'];

/**
 * In doubt it is sent. A raised or worsened whose episode has ended is still sent (or covered by its resolved): the doctor must
 * hear of it. What was silenced meanwhile is cancelled only where the view says so: then a timer tells when the silence is over.
 */
export function stillWanted(
  row: { readonly kind: NotificationKind; readonly n: number },
  view: EpisodeView,
  silences: readonly Pick<Silence, 'silenceId' | 'startsAt'>[],
  nowMs: number,
): StillWanted {
  const followsUp = FOLLOW_UPS.includes(row.kind);
  if (view.status === 'none' || !(followsUp || BY_EVENT.includes(row.kind))) return 'send';
  if (view.status === 'closed') return followsUp || row.kind === 'stale' ? 'resolved' : 'send';
  if (view.ack !== null && (followsUp || row.n <= view.ack.eventIndex)) return 'acknowledged';
  const { silencedBy, silencedUntil } = view;
  const silence = silences.find(({ silenceId }) => silenceId === silencedBy);
  // One that is announced holds nothing back before it begins.
  const begun = silence !== undefined && (parseMicros(silence.startsAt) ?? 0) <= microsOfMs(nowMs);
  const holds = begun && silencedUntil !== null && silencedUntil > isoOfMs(nowMs);
  return holds ? 'silenced' : 'send';
}
