// Too many for a message each: digests of what waits for one topic. Each row goes into exactly one of them, or is told by itself.
import { notificationId } from '../src/domain/identity.js';
import type { NewNotification, NotificationRow } from '../src/domain/ledger.js';
import { splitAlerts } from '../src/domain/messages/alert-list.js';
import type { ListedAlert } from '../src/domain/messages/content.js';
import { isMoreSevere } from '../src/domain/severity.js';
import { listedAlert } from './deliver-content.js';
import { recordCovers } from './deliver-cover.js';
import { lastLook } from './deliver-look.js';
import { cancel, type DeliverContext, type DeliverParts, readAll } from './deliver-parts.js';

/** Rows looked at together. */
const TAKEN_TOGETHER = 500;
/** In one window: what is left then waits for the next one. */
const TAKEN_AT_MOST = 20_000;

/** Makes the digests of one window. A row of them that was made and not recorded is found by its own job, or the sweeper. */
export async function makeDigests(
  parts: DeliverParts,
  destination: string,
  windowMs: number,
  context: DeliverContext,
): Promise<void> {
  const { limiter } = parts;
  const name = digestNames(windowMs, destination);
  for (let taken = 0; taken < TAKEN_AT_MOST && !context.signal.aborted; ) {
    const ids = await limiter.pool(destination, TAKEN_TOGETHER);
    if (ids.length === 0) return;
    taken += ids.length;
    context.moved();
    const alerts = await wanted(parts, ids);
    const options = { timeZone: parts.timeZone, consoleUrl: parts.consoleUrl };
    for (const part of splitAlerts([...alerts.keys()], options)) {
      context.moved();
      await makeOne(
        parts,
        name,
        part.flatMap((alert) => alerts.get(alert) ?? []),
      );
    }
    // Whoever went into none of them asks again.
    await limiter.leave(destination, ids);
    // What has come meanwhile is for the next window: otherwise there would be many small ones.
    if (ids.length < TAKEN_TOGETHER) return;
  }
}

/** Of those that somebody still wants, with what a list says of each. */
async function wanted(parts: DeliverParts, ids: readonly string[]): Promise<Map<ListedAlert, NotificationRow>> {
  const found = new Map<ListedAlert, NotificationRow>();
  const look = async (row: NotificationRow): Promise<readonly [ListedAlert, NotificationRow] | undefined> => {
    const { verdict } = await lastLook(parts, row);
    if (verdict !== 'send') return void (await cancel(parts, row, verdict));
    const listed = await listedAlert(parts, row);
    return listed && [listed, row];
  };
  // One that is held is probing whether its topic has been mended.
  const rows = (await readAll(parts, ids)).filter(({ state }) => state === 'PENDING');
  for (const one of await Promise.all(rows.map(look))) if (one) found.set(...one);
  return found;
}

interface DigestNames {
  next(severity: NewNotification['severity']): NewNotification;
}

/** Numbers go on where an earlier one of the same window is found to be taken. */
function digestNames(windowMs: number, destination: string): DigestNames {
  const trigger = `digest:${windowMs}`;
  let n = -1;
  return {
    next: (severity) => {
      n += 1;
      const id = notificationId(trigger, 'digest', n, destination);
      return {
        ...{ notificationId: id, trigger, eventId: id, episodeId: '', kind: 'digest', n, destination, severity },
        // Where its decision lies is noted when it is recorded; before that it is not sent.
        ...{ after: [], logPartition: 0, logOffset: 0 },
      };
    },
  };
}

async function makeOne(parts: DeliverParts, names: DigestNames, rows: readonly NotificationRow[]): Promise<void> {
  const severity = rows.reduce(
    (most, row) => (isMoreSevere(row.severity, most) ? row.severity : most),
    'low' as NotificationRow['severity'],
  );
  for (;;) {
    const create = names.next(severity);
    const { outcome } = await parts.ledger.cover({ create }, rows);
    if (outcome === 'none') return;
    if (outcome === 'exists') continue;
    await parts.onStep('deliver.covered');
    const digest = await parts.ledger.read(create.notificationId);
    if (!digest) return;
    parts.log.info('deliver.digest', { notificationId: digest.notificationId, alerts: digest.covers.length });
    await recordCovers(parts, digest);
    await parts.enqueue(create, digest.generation);
    return;
  }
}
