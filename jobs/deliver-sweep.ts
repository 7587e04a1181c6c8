// The sweeper: every row of the ledger that should have moved and has no live job gets one. What Redis or a crash lost of the mailbox comes back.
import type { QueueRegistry } from '../queues/registry.js';
import { type DueRow, isSettled, type Ledger } from '../src/domain/ledger.js';
import { jobId } from '../src/domain/notification.js';
import type { Logger, Metrics } from '../src/domain/ports.js';
import { addDelivery } from './deliver-job.js';

/** One sweep looks at so many; the longest overdue first. */
const SWEEP_ROWS = 200;
/** After a look, until the next at the same row. */
const LOOK_AGAIN_MS = 10_000;
const LIVE: ReadonlySet<string> = new Set([
  'waiting',
  'active',
  'delayed',
  'prioritized',
  'waiting-children',
  'paused',
]);
const OPEN_STATES = ['PENDING', 'SENDING', 'HELD', 'COVERED'] as const;

export interface SweepParts {
  readonly ledger: Ledger;
  readonly queues: QueueRegistry;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Resolves with the number of jobs added. Any replica may sweep at any time. */
export async function sweepNotifications(parts: SweepParts): Promise<number> {
  const { ledger, metrics } = parts;
  const rows = await ledger.overdue(SWEEP_ROWS);
  const waiting = await openAmong(ledger, new Set(rows.map(({ coveredBy }) => coveredBy)));
  // What stands for them drives them.
  const own = rows.filter(({ coveredBy }) => !waiting.has(coveredBy));
  const added = await Promise.all(own.map((row) => revive(parts, row)));
  await ledger.postpone(
    rows.map(({ notificationId }) => notificationId),
    LOOK_AGAIN_MS,
  );
  const counts = await ledger.openCounts();
  for (const state of OPEN_STATES)
    metrics.gauge('notifications_open', counts[state] ?? 0, { state: state.toLowerCase() });
  return added.filter(Boolean).length;
}

async function openAmong(ledger: Ledger, ids: ReadonlySet<string>): Promise<ReadonlySet<string>> {
  const open = await Promise.all(
    [...ids].map(async (id) => {
      const row = id === '' ? undefined : await ledger.read(id);
      return row && !isSettled(row.state) ? [id] : [];
    }),
  );
  return new Set(open.flat());
}

async function revive({ ledger, queues, log }: SweepParts, row: DueRow): Promise<boolean> {
  const { notificationId, generation } = row;
  const queue = queues.queue('deliver-alert');
  if (LIVE.has(await queue.getJobState(jobId(notificationId, generation)))) return false;
  // A new id: one that lies among the failed jobs would swallow the add.
  const next = await ledger.bump(notificationId, generation);
  if (next === undefined) return false;
  await addDelivery(queues, row, next);
  log.warn('deliver.revived', { notificationId, generation: next });
  return true;
}
