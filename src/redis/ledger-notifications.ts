// The ledger's rows in Redis: each method one script, checked against the epoch.
import type {
  DueRow,
  NotificationLedger,
  NotificationRow,
  NotificationState,
  OpenedRow,
  Settlement,
} from '../domain/ledger.js';
import { COVERED_GRACE_MS, FINISHED_KEPT_MS, type LedgerKeys, SWEEP_GRACE_MS } from './ledger-keys.js';
import { parseRow, rowFields, urgent } from './ledger-rows.js';
import type { RunScript, ScriptAnswer, ScriptName } from './script-runner.js';

const COUNTED_ROWS = 1_000;

export function createNotificationLedger(guarded: RunScript, keys: LedgerKeys): NotificationLedger {
  const lists = [keys.due, keys.trouble, keys.unsent];
  const onRow = (name: ScriptName, id: string, args: readonly (string | number)[] = []) =>
    guarded(name, [...lists, keys.notification(id)], [id, ...args]);
  const settle = async (id: string, token: string, s: Settlement) =>
    (await onRow('settle', id, [
      ...[token, s.state, s.dueInMs ?? 0, s.reason, s.countFailure ? 1 : 0],
      ...[s.possibleRepeat ? 1 : 0, s.safe ? 1 : 0, FINISHED_KEPT_MS, SWEEP_GRACE_MS],
    ])) === 1;
  const read = async (id: string) => parseRow(await onRow('read', id));
  /** A row that expired or was lost alone has no state, and `bump` takes it off the list. */
  const statesOf = async (ids: readonly string[]) => {
    if (ids.length === 0) return [];
    const rows = (await guarded('states', [...lists, ...ids.map(keys.notification)], [])) as readonly ScriptAnswer[];
    return ids.map((id, i) => ({ id, row: parseState(rows[i] ?? []) }));
  };
  const troubledIds = async (limit: number) => (await guarded('trouble', lists, [limit])) as readonly string[];
  return {
    open: async (row) => {
      const opened = parseOpened(
        await onRow('open', row.notificationId, [SWEEP_GRACE_MS, urgent(row), ...rowFields(row)]),
      );
      if (!opened) throw new Error('script open answered without a state');
      return opened;
    },
    read,
    claim: async (id, token, leaseMs) => {
      const attempt = await onRow('claim', id, [token, leaseMs, SWEEP_GRACE_MS]);
      return attempt === null ? undefined : { attempt: Number(attempt) };
    },
    takeOver: async (id, oldToken, token, leaseMs) =>
      (await onRow('takeOver', id, [oldToken, token, leaseMs, SWEEP_GRACE_MS])) === 1,
    confirm: async (id, token, logOffset) => (await onRow('confirm', id, [token, logOffset])) === 1,
    extend: async (id, token, leaseMs) => (await onRow('extend', id, [token, leaseMs, SWEEP_GRACE_MS])) === 1,
    settle,
    move: (id, settlement) => settle(id, '', settlement),
    cover: async (by, rows) => {
      const create = 'create' in by ? by.create : undefined;
      const id = 'create' in by ? by.create.notificationId : by.into;
      const answer = (await guarded(
        'cover',
        [...lists, keys.notification(id), ...rows.map((row) => keys.notification(row.notificationId))],
        [
          ...[id, create ? 'new' : 'into', SWEEP_GRACE_MS, COVERED_GRACE_MS, create ? urgent(create) : 0],
          ...[rows.length, ...rows.flatMap((row) => [row.notificationId, row.attempt])],
          ...(create ? rowFields(create) : []),
        ],
      )) as readonly string[];
      const [outcome, ...covered] = answer;
      return outcome === 'covered' ? { outcome, covered } : { outcome: outcome === 'none' ? 'none' : 'exists' };
    },
    coversRecorded: async (id, covers, decision) =>
      (await onRow('coversRecorded', id, [
        JSON.stringify(covers),
        decision?.partition ?? '',
        decision?.offset ?? '',
      ])) === 1,
    settleCovered: async (by, ids, state, reason) =>
      ids.length === 0
        ? 0
        : Number(
            await guarded(
              'settleCovered',
              [...lists, ...ids.map(keys.notification)],
              [by, state, reason, FINISHED_KEPT_MS, SWEEP_GRACE_MS, ...ids],
            ),
          ),
    redrive: async (row, reason) => {
      const generation = await guarded(
        'redrive',
        [...lists, keys.notification(row.notificationId), ...row.covers.map(keys.notification)],
        [...[row.notificationId, reason, SWEEP_GRACE_MS, urgent(row), COVERED_GRACE_MS], ...row.covers],
      );
      return generation === null ? undefined : Number(generation);
    },
    fallenBack: async (id, fallback) => {
      await onRow('fallenBack', id, [fallback]);
    },
    troubled: async (limit) => {
      const ids = await troubledIds(limit);
      const rows = await Promise.all(ids.map(read));
      const gone = ids.filter((_, i) => rows[i] === undefined);
      if (gone.length > 0) await guarded('forget', lists, gone);
      return rows.filter((row): row is NotificationRow => row !== undefined);
    },
    oldestUnsentMs: async () => {
      const ms = Number(await guarded('oldestUnsent', lists, []));
      return ms < 0 ? undefined : ms;
    },
    overdue: async (limit): Promise<DueRow[]> => {
      const ids = (await guarded('overdue', lists, [limit])) as readonly string[];
      return (await statesOf(ids)).map(({ id, row }) => ({ notificationId: id, ...(row ?? GONE) }));
    },
    bump: async (id, generation) => {
      const next = await onRow('bump', id, [generation]);
      return next === null ? undefined : Number(next);
    },
    postpone: async (ids, ms) => {
      if (ids.length > 0) await guarded('postpone', lists, [ms, ...ids]);
    },
    openCounts: async () => {
      const [, open] = (await guarded('some', lists, [COUNTED_ROWS])) as readonly [number, readonly string[]];
      const ids = new Set([...open, ...(await troubledIds(COUNTED_ROWS))]);
      const counts: Partial<Record<NotificationState, number>> = {};
      for (const { row } of await statesOf([...ids])) if (row) counts[row.state] = (counts[row.state] ?? 0) + 1;
      return counts;
    },
  };
}

/** Its first look takes it off the list. */
const GONE = { generation: 0, severity: 'low', kind: 'raised', coveredBy: '' } as const;

function parseState(answer: ScriptAnswer) {
  const opened = parseOpened(answer);
  if (!opened) return undefined;
  const [, , severity, kind, coveredBy] = answer as readonly (string | null)[];
  return {
    ...{ ...opened, severity: severity as DueRow['severity'], kind: kind as DueRow['kind'] },
    coveredBy: opened.state === 'COVERED' ? (coveredBy ?? '') : '',
  };
}

function parseOpened(answer: ScriptAnswer): OpenedRow | undefined {
  const [state, generation] = answer as readonly (string | null)[];
  return state ? { state: state as NotificationState, generation: Number(generation ?? 0) } : undefined;
}
