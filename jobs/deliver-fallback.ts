// A topic that refuses everything: what is held there is told at the policy's fallback topic, once.
import { notificationId } from '../src/domain/identity.js';
import type { NewNotification, NotificationRow } from '../src/domain/ledger.js';
import { type DeliverParts, readAll, record } from './deliver-parts.js';

/** Repeatable: the row there has an id of its own. The one that is held goes on being tried. */
export async function fallBack(parts: DeliverParts, row: NotificationRow): Promise<void> {
  const destination = parts.policy.current().fallbackTopic;
  if (destination === null || destination === row.destination || row.kind === 'heartbeat') return;
  if (row.fallbackFor !== '' || row.fallback !== '') return;
  const { trigger, eventId, episodeId, kind, n, severity } = row;
  const id = notificationId(trigger, kind, n, destination);
  const there = { ...row, notificationId: id, destination, attempt: 0 };
  const place = await record(parts, there, { state: 'decided', reason: 'fallback' });
  const before = await readAll(parts, row.after);
  const standIn: NewNotification = {
    ...{ notificationId: id, trigger, eventId, episodeId, kind, n, destination, severity },
    fallbackFor: row.notificationId,
    after: before.flatMap(({ fallback }) => (fallback === '' ? [] : [fallback])),
    logPartition: place.partition,
    logOffset: place.offset,
  };
  const { generation } = await parts.ledger.open(standIn);
  await parts.enqueue(standIn, generation);
  await parts.ledger.fallenBack(row.notificationId, id);
  parts.log.warn('deliver.fallback', { notificationId: row.notificationId, fallback: id, kind });
}
