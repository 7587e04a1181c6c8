// What the records of alert-deliveries say of each notification, as rows of a rebuilt ledger: also which row stands for which.
import type { DeliveryHistory } from '../src/domain/delivery.js';
import type { DeliveryRecord, NotificationKind, Severity } from '../src/domain/events.js';
import { notificationId } from '../src/domain/identity.js';
import { type NotificationState, type RestoredNotification, TOO_OLD } from '../src/domain/ledger.js';
import { technicalSeverity } from '../src/domain/messages/technical.js';
import type { Send } from '../src/domain/notification.js';
import { isMoreSevere, UNCLASSIFIED_SEVERITY } from '../src/domain/severity.js';
import { msOfIso } from '../src/domain/time.js';

/** What was decided longer ago and never settled is not sent any more without a person. */
export const SENT_AT_MOST_AFTER_MS = 24 * 3_600_000;

export interface KnownNotification {
  readonly decided: DeliveryRecord;
  readonly partition: number;
  /** Of the decision, later of the last attempt. */
  readonly offset: number;
  readonly history: DeliveryHistory;
}

export interface RestoreContext {
  /** By notification, as it was decided; digests and fallbacks have none. */
  readonly sends: ReadonlyMap<string, Send>;
  readonly nowMs: number;
}

const STATES: Readonly<Record<DeliveryHistory['standing'], NotificationState>> = {
  accepted: 'SENT',
  cancelled: 'CANCELLED',
  dead: 'DEAD',
  held: 'HELD',
  'open-attempt': 'SENDING',
  unsent: 'PENDING',
};
/** What stands for a row decides about it only while it is open itself. */
const SHARES_END: ReadonlySet<NotificationState> = new Set(['PENDING', 'HELD']);

export function restoredRows(
  known: ReadonlyMap<string, KnownNotification>,
  context: RestoreContext,
): RestoredNotification[] {
  const states = new Map<string, NotificationState>();
  const stateOf = (one: KnownNotification): NotificationState => {
    const id = one.decided.notificationId;
    const have = states.get(id);
    if (have) return have;
    const own = STATES[one.history.standing];
    // Were two rows ever to stand for each other, each would be on its own.
    states.set(id, own);
    const state = SHARES_END.has(own) ? shared(own, one.history.coveredBy) : own;
    states.set(id, state);
    return state;
  };
  /** A covering row that was never decided covers nothing: its script ran, and Redis was lost before its record. */
  const shared = (own: NotificationState, coveredBy: string): NotificationState => {
    const by = known.get(coveredBy);
    if (!by) return own;
    const state = stateOf(by);
    if (state === 'SENT' || state === 'DEAD') return state;
    return state === 'CANCELLED' ? own : 'COVERED';
  };
  const covers = new Map<string, string[]>();
  for (const one of known.values()) {
    if (stateOf(one) !== 'COVERED') continue;
    const { coveredBy } = one.history;
    covers.set(coveredBy, [...(covers.get(coveredBy) ?? []), one.decided.notificationId]);
  }
  return [...known.values()].map((one) => {
    const { notificationId, kind, eventId } = one.decided;
    // The fallback of a digest shows what that digest stands for.
    const shown = kind === 'digest' ? eventId : notificationId;
    const mine = covers.get(shown) ?? [];
    return restored(one, stateOf(one), mine, severityOf(one, mine, context), context);
  });
}

function severityOf({ decided }: KnownNotification, covers: readonly string[], { sends }: RestoreContext): Severity {
  if (decided.kind === 'technical') return technicalSeverity(decided);
  const of = (id: string) => sends.get(id)?.severity ?? UNCLASSIFIED_SEVERITY;
  if (decided.kind !== 'digest') return of(decided.notificationId);
  return covers.map(of).reduce<Severity>((most, one) => (isMoreSevere(one, most) ? one : most), 'low');
}

function restored(
  { decided, history, partition, offset }: KnownNotification,
  state: NotificationState,
  covers: readonly string[],
  severity: Severity,
  { sends, nowMs }: RestoreContext,
): RestoredNotification {
  const ageMs = nowMs - msOfIso(decided.at);
  const open = state === 'PENDING' || state === 'HELD' || state === 'SENDING';
  const tooOld = open && ageMs > SENT_AT_MOST_AFTER_MS;
  return {
    notificationId: decided.notificationId,
    trigger: decided.trigger,
    eventId: decided.eventId,
    episodeId: decided.episodeId,
    kind: decided.kind as NotificationKind,
    n: decided.n,
    destination: decided.destination,
    severity,
    after: afterOf(decided, sends),
    logPartition: partition,
    logOffset: offset,
    state: tooOld ? 'HELD' : state,
    attempt: history.attempt,
    possibleRepeat: history.possibleRepeat,
    reason: tooOld ? TOO_OLD : 'rebuilt',
    coveredBy: history.coveredBy,
    covers,
    driven: !tooOld,
  };
}

/** The end of an alarm waits for its beginning. */
function afterOf(
  { notificationId: id, kind, n, trigger, destination }: DeliveryRecord,
  sends: RestoreContext['sends'],
) {
  if (kind === 'technical' && n > 0) return [notificationId(trigger, kind, 0, destination)];
  return sends.get(id)?.after ?? [];
}
