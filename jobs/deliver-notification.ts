// One job of deliver-alert: what data-path.md 7 says of step 2 and 4, over injected parts. The ledger's row decides what is done.
import { RunLater } from '../queues/worker.js';
import type { NotificationRow } from '../src/domain/ledger.js';
import { combine, combinedIntoEnd, followCover, isCoveredBy, recordCovers } from './deliver-cover.js';
import { makeDigests } from './deliver-digest.js';
import { fallBack } from './deliver-fallback.js';
import { lastLook } from './deliver-look.js';
import { cancel, type DeliverContext, type DeliverParts, isOver, record } from './deliver-parts.js';
import { recover, send } from './deliver-send.js';

/** A claim: attempt record, publishing and outcome record have to fit in. */
export const LEASE_MS = 10_000;
const WAIT_FOR_RAISED_MIN_MS = 250;
const WAIT_FOR_RAISED_MAX_MS = 5_000;

/** Resolves when the notification is settled, or another drives it; throws RunLater while it isn't. Repeatable from any point. */
export async function deliverNotification(
  parts: DeliverParts,
  notificationId: string,
  context: DeliverContext,
): Promise<void> {
  const row = await parts.ledger.read(notificationId);
  if (!row) {
    // Never guessed: what is not in the ledger was settled long ago, or comes back with a rebuild.
    parts.log.warn('deliver.no-row', { notificationId });
    parts.metrics.count('notifications_total', { kind: 'unknown', outcome: 'missing', reason: 'no-row' });
    return;
  }
  if (isOver(row)) return;
  if (row.state === 'COVERED') return followCover(parts, row);
  if (row.state === 'SENDING') {
    if (row.leaseUntil > row.now) throw new RunLater(row.leaseUntil - row.now);
    await recover(parts, row);
    return;
  }
  if (row.due > row.now) throw new RunLater(row.due - row.now);
  if (row.covers.length > 0 && !row.coversRecorded) {
    await recordCovers(parts, row);
    return deliverNotification(parts, notificationId, context);
  }
  const turn = await whoseTurn(parts, row);
  if (turn === 'covers-more') return deliverNotification(parts, notificationId, context);
  if (turn === 'nobody') return;
  const { verdict, view } = await lastLook(parts, row);
  if (verdict !== 'send') return cancel(parts, row, verdict);
  if (await combinedIntoEnd(parts, row, view)) return;
  const waitMs = parts.gate.enter(row.destination);
  if (waitMs > 0) {
    if (row.state === 'PENDING') await record(parts, row, { state: 'held', reason: 'configuration' });
    await parts.ledger.move(row.notificationId, { state: 'HELD', reason: 'configuration', dueInMs: waitMs });
    await fallBack(parts, row);
    throw new RunLater(waitMs);
  }
  if (context.signal.aborted) throw new RunLater(0);
  const admission = await parts.limiter.admit(row, parts.policy.current().limits);
  if (admission.outcome === 'wait') throw new RunLater(admission.waitMs);
  if (admission.outcome === 'digest') {
    await makeDigests(parts, row.destination, admission.windowMs, context);
    throw new RunLater(0);
  }
  await send(parts, row, admission.slowed, context);
}

/** A resolved never overtakes its raised, and does not come where that never came; it stands for those that could not be told. */
async function whoseTurn(parts: DeliverParts, row: NotificationRow): Promise<'its' | 'covers-more' | 'nobody'> {
  if (row.after.length === 0) return 'its';
  const before = await Promise.all(row.after.map((id) => parts.ledger.read(id)));
  if (row.kind === 'resolved' && (await combine(parts, row, before))) return 'covers-more';
  const mine = (one: NotificationRow) => isCoveredBy(one, row);
  // A row that is gone was settled long ago.
  if (before.some((one) => one && !isOver(one) && !mine(one))) {
    const waitMs = Math.min(WAIT_FOR_RAISED_MAX_MS, Math.max(WAIT_FOR_RAISED_MIN_MS, (row.now - row.createdAt) / 4));
    throw new RunLater(Math.round(waitMs));
  }
  if (before.some((one) => !one || one.state === 'SENT' || mine(one))) return 'its';
  await cancel(parts, row, 'raised-not-delivered');
  return 'nobody';
}
