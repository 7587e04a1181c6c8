// The job that drives one notification: the more severe runs first.
import type { QueueRegistry } from '../queues/registry.js';
import type { NewNotification } from '../src/domain/ledger.js';
import { jobPriority } from '../src/domain/limiter.js';
import { jobId } from '../src/domain/notification.js';

/** Harmless where it is there already. */
export async function addDelivery(
  queues: Pick<QueueRegistry, 'add'>,
  row: Pick<NewNotification, 'notificationId' | 'severity' | 'kind'>,
  generation: number,
): Promise<void> {
  const { notificationId } = row;
  await queues.add(
    'deliver-alert',
    jobId(notificationId, generation),
    { v: 1, notificationId },
    { priority: jobPriority(row.severity, row.kind) },
  );
}
