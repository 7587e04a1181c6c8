// Rows that another one stands for: a resolved for the beginning that nobody could be told of, a digest for many. What stands for what is on alert-deliveries before it is sent.
import { RunLater } from '../queues/worker.js';
import { COVERED, type DeliveryFact } from '../src/domain/delivery.js';
import { isSettled, type NotificationRow } from '../src/domain/ledger.js';
import type { EpisodeView } from '../src/domain/notification.js';
import { type DeliverParts, isOver, readAll, recordOf } from './deliver-parts.js';

/** An alert and its end are told one after the other: only where telling was held up for so long are they told in one. */
export const COMBINED_AFTER_MS = 30_000;

/** Reason of a row that is by itself again: what stood for it has gone. */
const ALONE = 'alone';

/**
 * "Raised and recovered" in one: the resolved stands for all that were held up before it, if certainly nobody was told of any.
 * `before`: what it comes after. True: it stands for more than before.
 */
export async function combine(
  parts: DeliverParts,
  resolved: NotificationRow,
  before: readonly (NotificationRow | undefined)[],
): Promise<boolean> {
  const told = before.some((one) => !one || !(isUntold(one) || isCoveredBy(one, resolved)));
  const waiting = before.flatMap((one) => (one && isWaiting(one) ? [one] : []));
  if (told || !waiting.some((one) => one.now - one.createdAt >= parts.combinedAfterMs)) return false;
  const { outcome, ...more } = await parts.ledger.cover({ into: resolved.notificationId }, waiting);
  if (outcome !== 'covered' || !('covered' in more)) return false;
  await parts.onStep('deliver.covered');
  await parts.limiter.leave(resolved.destination, more.covered);
  return true;
}

/** From the other side: it waited for so long that its end is there. True: its end stands for it now. */
export async function combinedIntoEnd(parts: DeliverParts, row: NotificationRow, view: EpisodeView): Promise<boolean> {
  if (view.status !== 'closed' || row.now - row.createdAt < parts.combinedAfterMs || !isUntold(row)) return false;
  const end = view.told.find(({ kind, destination }) => kind === 'resolved' && destination === row.destination);
  const resolved = end && (await parts.ledger.read(end.notificationId));
  if (!resolved || !isWaiting(resolved) || !resolved.after.includes(row.notificationId)) return false;
  const before = await Promise.all(resolved.after.map((id) => parts.ledger.read(id)));
  return combine(parts, resolved, before);
}

function isWaiting(row: NotificationRow): boolean {
  return (row.state === 'PENDING' || row.state === 'HELD') && !isOver(row);
}

/** Certainly nobody has heard of it. */
function isUntold(row: NotificationRow): boolean {
  return row.state === 'CANCELLED' || row.state === 'DEAD' || (isWaiting(row) && !row.possibleRepeat);
}

/** Writes down what the row stands for, then (a digest) that it is to be sent. Repeatable; false: it stands for more by now. */
export async function recordCovers(parts: DeliverParts, row: NotificationRow): Promise<boolean> {
  const covered = (await readAll(parts, row.covers)).filter((one) => isCoveredBy(one, row));
  // Those that come with them: it may have come to stand for them just before it was covered itself.
  for (const one of covered) if (one.covers.length > 0 && !one.coversRecorded) await recordCovers(parts, one);
  const fact: DeliveryFact = { state: 'scheduled', reason: COVERED, coveredBy: row.notificationId };
  if (covered.length > 0) await parts.deliveries.append(covered.map((one) => recordOf(parts, one, fact)));
  const decided = recordOf(parts, row, { state: 'decided', reason: 'digest' });
  const [place] = row.kind === 'digest' ? await parts.deliveries.append([{ ...decided, due: decided.at }]) : [];
  await parts.onStep('deliver.covers-recorded');
  return parts.ledger.coversRecorded(row.notificationId, row.covers, place);
}

/** It shares that one's end. */
export function isCoveredBy(one: NotificationRow, by: Pick<NotificationRow, 'notificationId'>): boolean {
  return one.state === 'COVERED' && one.coveredBy === by.notificationId;
}

/** Accepted: so are those that it stands for, and those that they stand for. Call it before the row itself is SENT; repeatable. */
export async function acceptCovers(parts: DeliverParts, row: NotificationRow): Promise<void> {
  for (const [by, covered] of await standing(parts, row)) {
    if (covered.length === 0) continue;
    const fact = (one: NotificationRow): DeliveryFact => ({
      ...{ state: 'accepted', reason: COVERED, coveredBy: by.notificationId },
      possibleRepeat: one.possibleRepeat || row.possibleRepeat,
    });
    await parts.deliveries.append(covered.map((one) => recordOf(parts, one, fact(one))));
    await settle(parts, by, covered, 'SENT', COVERED);
  }
  if (row.covers.length > 0) await parts.onStep('deliver.covers-settled');
}

/** Given up: a person sees that, and drives all of them again with it. */
export async function buryCovers(parts: DeliverParts, row: NotificationRow, reason: string): Promise<void> {
  for (const [by, covered] of await standing(parts, row)) await settle(parts, by, covered, 'DEAD', reason);
}

type Standing = readonly [by: NotificationRow, covered: readonly NotificationRow[]];

/** What each stands for still: those within first, so that a repeat after a crash still finds its way to them. */
async function standing(parts: DeliverParts, row: NotificationRow): Promise<Standing[]> {
  const covered = (await readAll(parts, row.covers)).filter((one) => isCoveredBy(one, row));
  const within = await Promise.all(
    covered
      .filter((one) => one.covers.length > 0)
      .map(async (by): Promise<Standing> => {
        return [by, (await readAll(parts, by.covers)).filter((one) => isCoveredBy(one, by))];
      }),
  );
  return [...within, [row, covered]];
}

async function settle(
  parts: DeliverParts,
  by: NotificationRow,
  covered: readonly NotificationRow[],
  state: 'SENT' | 'DEAD',
  reason: string,
): Promise<void> {
  const ids = covered.map((one) => one.notificationId);
  await parts.ledger.settleCovered(by.notificationId, ids, state, reason);
  const outcome = state === 'SENT' ? 'accepted' : 'dead';
  for (const { kind } of covered) parts.metrics.count('notifications_total', { kind, outcome, reason });
}

/** The job of a row that another stands for: that one drives it, unless it has ended or gone. */
export async function followCover(parts: DeliverParts, row: NotificationRow): Promise<void> {
  const by = await parts.ledger.read(row.coveredBy);
  if (by && !isSettled(by.state)) return;
  if (by?.state === 'SENT')
    return acceptCovers(parts, { ...by, covers: [...new Set([...by.covers, row.notificationId])] });
  if (by?.state === 'DEAD') return settle(parts, by, [row], 'DEAD', by.reason);
  await parts.ledger.settleCovered(row.coveredBy, [row.notificationId], 'PENDING', ALONE);
  throw new RunLater(0);
}
