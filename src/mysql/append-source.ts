// Mode append: rows above the last value of an ascending column, with the poller's gap ledger for those that commit late (data-path.md 6).
import { applyRead, foldAge, foldTransactions, type Ledger, missingIn, startLedger } from '../domain/gap-ledger.js';
import type { Clock, Logger } from '../domain/ports.js';
import { decodePosition, encodePosition, type Position } from '../domain/position.js';
import { LIST_EVERY_MS, listTransactions } from './evidence.js';
import { sameServer, serverOf } from './identity.js';
import type { MysqlRow, MysqlSession } from './pool.js';
import { quoted, SourceRefused } from './refusal.js';

const PAGE_ROWS = 10_000;
const PAGE_TIMEOUT_MS = 120_000;
/** As at the poller's first start: the transactions of ids further down are long over. */
const START_GAP_IDS = 10_000n;
/** Fresh lists of 2 s settle a gap; what is still open then stays in the position until the next import. */
const EVIDENCE_FOR_MS = 5_000;
/** Without the PROCESS right only age tells; imports run daily, so that a week is seven more looks. */
const AGE_GRACE_MS = 7 * 86_400_000;
/** Gaps of one statement. */
const RANGES_AT_ONCE = 200;
const INTEGER = /^-?\d+$/;

export interface AppendTable {
  readonly table: string;
  /** Ascending, unique, integer. */
  readonly check: string;
  readonly columns: readonly string[];
}

export interface AppendParts {
  readonly clock: Clock;
  /** Random text, new at each call. */
  readonly newNonce: () => string;
  readonly log: Logger;
}

/** Rows in the order of the check column, late ones included. */
export interface AppendedRows {
  /** The whole table: a first import, another server, or a table that was made anew. */
  readonly anew: boolean;
  readonly rows: readonly MysqlRow[];
  /** For the next call, to be recorded together with the rows. */
  readonly position: string;
}

/**
 * Reads what was added since `position`. Reading it again from the same position brings the same rows, and perhaps more.
 * Throws MysqlError, SourceRefused (the check column is none).
 */
export async function readAppended(
  session: MysqlSession,
  at: AppendTable,
  position: string | null,
  parts: AppendParts,
): Promise<AppendedRows> {
  const { clock } = parts;
  const [startMs, startMonotonicMs] = [clock.nowMs(), clock.monotonicMs()];
  // The wall clock, which the next import shares, but without its jumps.
  const now = () => startMs + clock.monotonicMs() - startMonotonicMs;
  const { identity: server } = await serverOf(session);
  const source = `${at.table}.${at.check}`;
  const before = ownPosition(position, source, startMs);
  const top = await highest(session, at);
  const anew = !before || !sameServer(before.server, server) || (top ?? 0n) < before.ledger.high;

  const rows = new Map<string, MysqlRow>();
  const keep = (found: readonly MysqlRow[]): string[] =>
    found.map((row) => {
      const id = checkValue(row, at);
      rows.set(id, row);
      return id;
    });
  let ledger = anew ? await readWhole(session, at, keep, now) : before.ledger;

  const readNew = async () => {
    const late = keep(await rowsIn(session, at, ledger));
    ({ ledger } = applyRead(ledger, { gaps: { ids: late, examinedTo: null }, page: [] }, now()));
    for (let full = true; full; ) {
      const page = keep(await pageAbove(session, at, ledger.high));
      ({ ledger } = applyRead(ledger, { gaps: null, page }, now()));
      full = page.length === PAGE_ROWS;
    }
  };
  await readNew();
  for (const untilMs = now() + EVIDENCE_FOR_MS; ledger.gaps.length > 0 && now() < untilMs; ) {
    const folded = await withEvidence(session, ledger, now, parts);
    if (!folded) break;
    ledger = folded;
    if (ledger.gaps.some((gap) => gap.cleared)) await readNew();
    await clock.sleep(LIST_EVERY_MS);
  }
  if (ledger.gaps.length > 0) parts.log.info('import.gaps-open', { table: at.table, gaps: ledger.gaps.length });

  const next: Position = {
    server,
    ledger,
    startId: anew ? ledger.high : before.startId,
    reachedEndAt: null,
    evidence: 'trx',
  };
  const ordered = [...rows].sort(([a], [b]) => (BigInt(a) < BigInt(b) ? -1 : 1)).map(([, row]) => row);
  return { anew, rows: ordered, position: encodePosition(source, next, now()) };
}

/** Undefined where the position is another mode's or another column's: then the table is read anew. */
function ownPosition(text: string | null, source: string, nowMs: number): Position | undefined {
  if (text === null) return undefined;
  const stored = JSON.parse(text) as { readonly source?: string; readonly mode?: string };
  return stored.mode === undefined && stored.source === source ? decodePosition(text, nowMs) : undefined;
}

/** Undefined: there will be none, gaps stay open until they are a week old. */
async function withEvidence(
  session: MysqlSession,
  ledger: Ledger,
  now: () => number,
  { newNonce, log }: AppendParts,
): Promise<Ledger | undefined> {
  try {
    const list = await listTransactions(session, newNonce());
    return list.result === 'fresh' ? foldTransactions(ledger, list.transactions, now()) : ledger;
  } catch (error) {
    if (!(error instanceof SourceRefused)) throw error;
    const aged = foldAge(ledger, now(), AGE_GRACE_MS);
    log.warn('import.no-evidence', { gaps: ledger.gaps.length, problem: error.message });
    return aged.gaps.some((gap) => gap.cleared) ? aged : undefined;
  }
}

async function readWhole(
  session: MysqlSession,
  at: AppendTable,
  keep: (rows: readonly MysqlRow[]) => string[],
  now: () => number,
): Promise<Ledger> {
  const ids: string[] = [];
  let after: bigint | undefined;
  for (let full = true; full; ) {
    const page = keep(await pageAbove(session, at, after));
    for (const id of page) ids.push(id);
    if (page.length > 0) after = BigInt(page.at(-1) as string);
    full = page.length === PAGE_ROWS;
  }
  const high = after ?? 0n;
  const lowest = ids[0] === undefined ? high : BigInt(ids[0]);
  const from = lowest > high - START_GAP_IDS ? lowest : high - START_GAP_IDS + 1n;
  const near = ids.filter((id) => BigInt(id) >= from);
  return startLedger(high, near.length === 0 ? [] : missingIn({ from, to: high }, near), now());
}

async function highest(session: MysqlSession, at: AppendTable): Promise<bigint | undefined> {
  const [row] = await session.query('SELECT MAX(??) AS top FROM ??', [at.check, at.table], PAGE_TIMEOUT_MS);
  return row?.top == null ? undefined : BigInt(checkValue({ [at.check]: row.top }, at));
}

async function pageAbove(
  session: MysqlSession,
  at: AppendTable,
  after: bigint | undefined,
): Promise<readonly MysqlRow[]> {
  const columns = [...new Set([at.check, ...at.columns])];
  return after === undefined
    ? session.query(
        'SELECT ?? FROM ?? WHERE ?? IS NOT NULL ORDER BY ?? LIMIT ?',
        [columns, at.table, at.check, at.check, PAGE_ROWS],
        PAGE_TIMEOUT_MS,
      )
    : session.query(
        'SELECT ?? FROM ?? WHERE ?? > ? ORDER BY ?? LIMIT ?',
        [columns, at.table, at.check, after, at.check, PAGE_ROWS],
        PAGE_TIMEOUT_MS,
      );
}

async function rowsIn(session: MysqlSession, at: AppendTable, { gaps }: Ledger): Promise<readonly MysqlRow[]> {
  const columns = [...new Set([at.check, ...at.columns])];
  const found: MysqlRow[] = [];
  for (let i = 0; i < gaps.length; i += RANGES_AT_ONCE) {
    const some = gaps.slice(i, i + RANGES_AT_ONCE);
    const ranges = some.map(() => `${quoted(at.check)} BETWEEN ? AND ?`).join(' OR ');
    const params = some.flatMap(({ from, to }) => [from, to]);
    found.push(
      ...(await session.query(
        `SELECT ?? FROM ?? WHERE ${ranges} ORDER BY ??`,
        [columns, at.table, ...params, at.check],
        PAGE_TIMEOUT_MS,
      )),
    );
  }
  return found;
}

/** Decimal text. */
function checkValue(row: MysqlRow, at: AppendTable): string {
  const text = String(row[at.check]);
  if (INTEGER.test(text)) return String(BigInt(text));
  throw new SourceRefused(
    'no-key',
    `${at.table}.${at.check} holds what is no integer: mode append needs an ascending unique integer column, or set the mode to full`,
  );
}
