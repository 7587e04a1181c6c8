// Rebuilds the ledger from Kafka: decisions and outcomes are repeated from alert-deliveries, never decided again; what the events say comes from doctors-queue.

import { fold, toldBefore } from '../src/domain/decision.js';
import { decodeDelivery, foldDelivery, NO_HISTORY } from '../src/domain/delivery.js';
import { decodeDoctorsQueue } from '../src/domain/doctors-queue.js';
import type { DeliveryRecord, EpisodeEvent, NotificationKind, Severity } from '../src/domain/events.js';
import type { LedgerRebuild } from '../src/domain/ledger.js';
import { type Decision, type DecisionReason, type EpisodeView, NO_EPISODE } from '../src/domain/notification.js';
import type { Clock, Logger, PartitionReader, ReceivedRecord } from '../src/domain/ports.js';
import { type KnownNotification, restoredRows } from './ledger-restore.js';

const HOUR_MS = 3_600_000;
/** How far back both topics are read: an episode that began earlier and still goes on is not known afterwards. */
export const REBUILD_WINDOW_MS = 168 * HOUR_MS;
const WRITES_TOGETHER = 200;

export interface RebuildParts {
  readonly reader: PartitionReader;
  readonly doctorsQueue: string;
  readonly alertDeliveries: string;
  /** By partition, the first offset at or after that time; a partition's end where there is none. */
  readonly offsetsAt: (topic: string, ms: number) => Promise<ReadonlyMap<number, number>>;
  /** For attempts without an outcome: their sender may still be alive. */
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

interface FoldedEvent {
  readonly event: EpisodeEvent;
  readonly offset: number;
  readonly decision: Decision;
  readonly next: EpisodeView;
}

/** Throws when a topic can't be read or another replica has begun to rebuild; nothing is usable before it has resolved. */
export async function rebuildLedger(parts: RebuildParts, into: LedgerRebuild, signal: AbortSignal): Promise<void> {
  const since = parts.clock.nowMs() - REBUILD_WINDOW_MS;
  const decisions = new Map<string, DeliveryRecord[]>();
  const known = new Map<string, KnownNotification>();
  await readAll(parts, parts.alertDeliveries, since, (received, partition) => {
    const record = decodeDelivery(received.value);
    noteDecision(decisions, record);
    noteHistory(known, record, partition, received.offset);
  });
  const after = new Map<string, readonly string[]>();
  const severities = new Map<string, Severity>();
  const views = new Map<string, EpisodeView>();
  const folds: FoldedEvent[] = [];
  await readAll(parts, parts.doctorsQueue, since, (received) => {
    const decoded = decodeDoctorsQueue(received.value);
    if (decoded.type !== 'episode') return;
    const { event } = decoded;
    severities.set(event.eventId, event.severity);
    const records = decisions.get(event.eventId);
    // Not decided yet: dispatch has not passed it, and will decide.
    if (!records) return;
    const view = views.get(event.episodeId) ?? NO_EPISODE;
    const decision = decisionOf(event, records, view);
    // A plain duplicate folds once.
    decisions.delete(event.eventId);
    for (const send of decision.send) after.set(send.notificationId, send.after);
    const next = fold(view, decision, received.offset);
    views.set(event.episodeId, next);
    folds.push({ event, offset: received.offset, decision, next });
  });
  // In the order of the topic: the last fold of an episode is the one that stays.
  for (const together of chunks(folds)) {
    if (signal.aborted) return;
    await Promise.all(together.map((one) => into.fold(one)));
  }
  const rows = restoredRows(known, { after, severities, nowMs: parts.clock.nowMs() });
  for (const together of chunks(rows)) {
    if (signal.aborted) return;
    await Promise.all(together.map((row) => into.restore(row, parts.leaseMs)));
  }
  const tooOld = rows.filter((row) => !row.driven).length;
  parts.log.warn('ledger.rebuild.read', { events: folds.length, notifications: rows.length, tooOld });
}

async function readAll(
  parts: RebuildParts,
  topic: string,
  sinceMs: number,
  onRecord: (record: ReceivedRecord, partition: number) => void,
): Promise<void> {
  for (const [partition, from] of await parts.offsetsAt(topic, sinceMs))
    await parts.reader.read(topic, partition, { from }, (record) => onRecord(record, partition));
}

/** The first decision on an event counts. All records of one carry its time, so that those of a later one are told apart. */
function noteDecision(decisions: Map<string, DeliveryRecord[]>, record: DeliveryRecord): void {
  if (record.state !== 'decided' && record.state !== 'suppressed') return;
  const have = decisions.get(record.eventId);
  if (!have) decisions.set(record.eventId, [record]);
  else if (have[0]?.at === record.at && !have.some((one) => one.notificationId === record.notificationId))
    have.push(record);
}

function noteHistory(
  known: Map<string, KnownNotification>,
  record: DeliveryRecord,
  partition: number,
  offset: number,
): void {
  if (record.state === 'suppressed') return;
  const have = known.get(record.notificationId) ?? { decided: record, partition, offset, history: NO_HISTORY };
  known.set(record.notificationId, {
    ...have,
    offset: record.state === 'attempt' ? offset : have.offset,
    history: foldDelivery(have.history, record),
  });
}

function decisionOf(event: EpisodeEvent, records: readonly DeliveryRecord[], view: EpisodeView): Decision {
  const [first] = records;
  return {
    reason: (first?.reason ?? 'routed') as DecisionReason,
    at: first?.at ?? '',
    timers: [],
    emits: [],
    send: records
      .filter((record) => record.state === 'decided')
      .map(({ kind, n, destination, notificationId }) => ({
        kind: kind as NotificationKind,
        n,
        destination,
        notificationId,
        after: kind === 'resolved' ? toldBefore(view, destination) : [],
        severity: event.severity,
      })),
  };
}

function* chunks<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let i = 0; i < all.length; i += WRITES_TOGETHER) yield all.slice(i, i + WRITES_TOGETHER);
}
