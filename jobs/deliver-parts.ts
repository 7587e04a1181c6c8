// What the parts of deliver share: what they stand on, and how they write to alert-deliveries.
import { type DeliveryFact, deliveryRecord } from '../src/domain/delivery.js';
import type { DeliveryRecord } from '../src/domain/events.js';
import { isSettled, type Ledger, type NewNotification, type NotificationRow, TOO_OLD } from '../src/domain/ledger.js';
import type { Limiter } from '../src/domain/limiter.js';
import type { AlertPublisher } from '../src/domain/notification.js';
import type { PolicySource } from '../src/domain/policy.js';
import type { Clock, Logger, Metrics, OnStep } from '../src/domain/ports.js';
import { isoOfMs } from '../src/domain/time.js';
import type { DeliveryLog } from '../src/kafka/delivery-log.js';
import type { DestinationGate } from './destination-gate.js';

export interface DeliverParts {
  readonly ledger: Ledger;
  readonly limiter: Limiter;
  readonly deliveries: DeliveryLog;
  readonly publisher: AlertPublisher;
  readonly gate: DestinationGate;
  /** For its limits and the fallback topic. */
  readonly policy: PolicySource;
  /** Adds the job of a row that deliver itself has made. */
  readonly enqueue: (row: NewNotification, generation: number) => Promise<void>;
  /** IANA name, for the times in the e-mails. */
  readonly timeZone: string;
  /** CONSOLE_URL, for the links in the e-mails. */
  readonly consoleUrl?: string | undefined;
  readonly leaseMs: number;
  /** COMBINED_AFTER_MS. */
  readonly combinedAfterMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly onStep: OnStep;
  /** A random text, new at each call. */
  readonly newToken: () => string;
  /** In [0, 1). */
  readonly random: () => number;
}

/** What the job's shell gives and hears. */
export interface DeliverContext {
  /** Aborted: claim nothing new. */
  readonly signal: AbortSignal;
  /** Called whenever something has moved: a job that is silent for long is stuck. */
  readonly moved: () => void;
}

/** Nothing happens to it any more by itself. */
export function isOver(row: NotificationRow): boolean {
  return isSettled(row.state) || (row.state === 'HELD' && row.reason === TOO_OLD);
}

export function recordOf(parts: DeliverParts, row: NotificationRow, fact: DeliveryFact): DeliveryRecord {
  return deliveryRecord(row, { attempt: row.attempt, ...fact }, isoOfMs(parts.clock.nowMs()));
}

export async function record(parts: DeliverParts, row: NotificationRow, fact: DeliveryFact) {
  const [place] = await parts.deliveries.append([recordOf(parts, row, fact)]);
  if (!place) throw new Error('an append that answered with no place');
  return place;
}

/** Recorded first: whoever rebuilds knows why nobody was told. */
export async function cancel(parts: DeliverParts, row: NotificationRow, reason: string): Promise<void> {
  await record(parts, row, { state: 'cancelled', reason });
  if (!(await parts.ledger.move(row.notificationId, { state: 'CANCELLED', reason }))) return;
  await parts.limiter.leave(row.destination, [row.notificationId]);
  parts.metrics.count('notifications_total', { kind: row.kind, outcome: 'cancelled', reason });
}

/** Those that are there, in the same order. */
export async function readAll(parts: DeliverParts, ids: readonly string[]): Promise<NotificationRow[]> {
  const rows = await Promise.all(ids.map((id) => parts.ledger.read(id)));
  return rows.filter((row): row is NotificationRow => row !== undefined);
}
