// The ledger in Redis: each method one script, checked against the epoch.
import type { Redis } from 'ioredis';
import {
  type DueRow,
  type Ledger,
  type LedgerEpoch,
  LedgerLostError,
  type NotificationState,
  type OpenedRow,
  type Settlement,
} from '../domain/ledger.js';
import { createEpoch } from './ledger-epoch.js';
import { FINISHED_KEPT_MS, ledgerKeys, SWEEP_GRACE_MS } from './ledger-keys.js';
import { parseRow, rowFields } from './ledger-rows.js';
import { createScriptRunner, type ScriptAnswer, type ScriptName } from './script-runner.js';
import { viewKeys } from './view-keys.js';
import { createViews } from './views.js';

const COUNTED_ROWS = 1_000;

/** `redis` is a `command` connection, not closed here. Use it after `attach()` has said `ready`; until then every method throws LedgerLostError. */
export function createLedger(redis: Redis, prefix: string): Ledger & LedgerEpoch {
  const keys = ledgerKeys(prefix);
  const run = createScriptRunner(redis);
  const epoch = createEpoch(run, keys, viewKeys(prefix));
  const guarded = async (name: ScriptName, on: readonly string[], args: readonly (string | number)[]) => {
    const current = epoch.current();
    if (current === undefined) throw new LedgerLostError('the ledger is not attached');
    return run(name, [keys.epoch, ...on], [current, ...args]);
  };
  const onRow = (name: ScriptName, id: string, args: readonly (string | number)[] = []) =>
    guarded(name, [keys.notification(id), keys.due], [id, ...args]);
  const settle = (id: string, token: string, s: Settlement) =>
    onRow('settle', id, [
      ...[token, s.state, s.dueInMs ?? 0, s.reason, s.countFailure ? 1 : 0],
      ...[s.possibleRepeat ? 1 : 0, s.safe ? 1 : 0, FINISHED_KEPT_MS, SWEEP_GRACE_MS],
    ]);
  /** What is on the list; a row that expired or was lost alone has no state, and `bump` takes it off. */
  const listed = async (script: 'overdue' | 'some', limit: number) => {
    const ids = (await guarded(script, [keys.due], [limit])) as readonly string[];
    if (ids.length === 0) return [];
    const rows = (await guarded('states', ids.map(keys.notification), [])) as readonly ScriptAnswer[];
    return ids.map((id, i) => ({ id, row: parseOpened(rows[i] ?? []) }));
  };
  return {
    ...createViews(guarded, viewKeys(prefix)),
    attach: epoch.attach,
    rebuild: epoch.rebuild,
    open: async (row) => {
      const opened = parseOpened(await onRow('open', row.notificationId, [SWEEP_GRACE_MS, ...rowFields(row)]));
      if (!opened) throw new Error('script open answered without a state');
      return opened;
    },
    read: async (id) => parseRow(await onRow('read', id)),
    claim: async (id, token, leaseMs) => {
      const attempt = await onRow('claim', id, [token, leaseMs, SWEEP_GRACE_MS]);
      return attempt === null ? undefined : { attempt: Number(attempt) };
    },
    takeOver: async (id, oldToken, token, leaseMs) =>
      (await onRow('takeOver', id, [oldToken, token, leaseMs, SWEEP_GRACE_MS])) === 1,
    confirm: async (id, token, logOffset) => (await onRow('confirm', id, [token, logOffset])) === 1,
    extend: async (id, token, leaseMs) => (await onRow('extend', id, [token, leaseMs, SWEEP_GRACE_MS])) === 1,
    settle: async (id, token, settlement) => (await settle(id, token, settlement)) === 1,
    move: async (id, settlement) => (await settle(id, '', settlement)) === 1,
    overdue: async (limit): Promise<DueRow[]> =>
      (await listed('overdue', limit)).map(({ id, row }) => ({ notificationId: id, generation: row?.generation ?? 0 })),
    bump: async (id, generation) => {
      const next = await onRow('bump', id, [generation]);
      return next === null ? undefined : Number(next);
    },
    postpone: async (ids, ms) => {
      if (ids.length > 0) await guarded('postpone', [keys.due], [ms, ...ids]);
    },
    openCounts: async () => {
      const counts: Partial<Record<NotificationState, number>> = {};
      for (const { row } of await listed('some', COUNTED_ROWS))
        if (row) counts[row.state] = (counts[row.state] ?? 0) + 1;
      return counts;
    },
  };
}

function parseOpened(answer: ScriptAnswer): OpenedRow | undefined {
  const [state, generation] = answer as readonly (string | null)[];
  return state ? { state: state as NotificationState, generation: Number(generation ?? 0) } : undefined;
}
