// Which Redis the ledger was built in: `epoch` holds the server's run id and a token, and every script compares both.
import { randomBytes } from 'node:crypto';
import type { LedgerEpoch, LedgerRebuild } from '../domain/ledger.js';
import { type AlarmKeys, restoreAlarmUnder } from './alarm-book.js';
import { COVERED_GRACE_MS, FINISHED_KEPT_MS, type LedgerKeys } from './ledger-keys.js';
import { rowFields, urgent } from './ledger-rows.js';
import type { RunScript } from './script-runner.js';
import type { ViewKeys } from './view-keys.js';
import { createViewsRestore } from './views.js';

/** Of what Redis holds: a ledger of another one is rebuilt. */
const FORMAT = '2';
/** A rebuilder that has not renewed it for so long is taken for dead. */
export const REBUILD_LOCK_MS = 15_000;

export interface Epoch extends LedgerEpoch {
  /** What scripts must find; undefined while not attached. */
  current(): string | undefined;
}

export function createEpoch(run: RunScript, keys: LedgerKeys, views: ViewKeys, alarms: AlarmKeys): Epoch {
  const both = [keys.epoch, keys.lock];
  let attached: string | undefined;
  return {
    current: () => attached,
    attach: async () => {
      const [epoch, runId, locked] = (await run('epoch', both, [])) as readonly [string, string, number];
      const [madeIn, , state, format] = epoch.split(':');
      attached = madeIn === runId && state === 'ready' && format === FORMAT ? epoch : undefined;
      if (attached !== undefined) return 'ready';
      return locked === 1 ? 'rebuilding' : 'lost';
    },
    rebuild: async () => {
      const token = randomBytes(12).toString('hex');
      const epoch = (await run('beginRebuild', both, [token, REBUILD_LOCK_MS])) as string | null;
      return epoch === null ? undefined : rebuildUnder(run, keys, views, alarms, epoch, token);
    },
  };
}

function rebuildUnder(
  run: RunScript,
  keys: LedgerKeys,
  views: ViewKeys,
  alarms: AlarmKeys,
  epoch: string,
  token: string,
): LedgerRebuild {
  const guarded: RunScript = (name, on, args) => run(name, [keys.epoch, ...on], [epoch, ...args]);
  const both = [keys.epoch, keys.lock];
  const viewsRestore = createViewsRestore(guarded, views);
  return {
    ...viewsRestore,
    // Alarms of an older snapshot may have ended since.
    clearViews: async () => {
      await viewsRestore.clearViews();
      await guarded('clearViews', [alarms.open], []);
    },
    restoreAlarm: restoreAlarmUnder(guarded, alarms),
    restore: async (row, leaseMs) => {
      const fields = ['attempt', row.attempt, 'possibleRepeat', row.possibleRepeat ? 1 : 0, 'reason', row.reason];
      const covers = ['coveredBy', row.coveredBy, 'covers', JSON.stringify(row.covers), 'coversRecorded', 1];
      await run(
        'restore',
        [keys.epoch, keys.due, keys.trouble, keys.unsent, keys.notification(row.notificationId)],
        [
          epoch,
          row.notificationId,
          leaseMs,
          FINISHED_KEPT_MS,
          row.state,
          row.driven ? 1 : 0,
          urgent(row),
          row.state === 'COVERED' ? COVERED_GRACE_MS : 0,
          ...rowFields(row),
          'token',
          token,
          ...fields,
          ...covers,
        ],
      );
    },
    renew: async () => {
      await run('renewRebuild', both, [epoch, token, REBUILD_LOCK_MS]);
    },
    abandon: async () => {
      await run('abandonRebuild', both, [token]);
    },
    finish: async () => {
      await run('finishRebuild', both, [epoch, epoch.replace(/:rebuilding$/, `:ready:${FORMAT}`)]);
    },
  };
}
