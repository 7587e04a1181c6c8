// Who can still commit a skipped id: the server's list of transactions with proof that it is new, or a probe of locks.
import type { IdRange, Probe } from '../domain/gap-ledger.js';
import { msOfIso } from '../domain/time.js';
import type { Flavour } from './identity.js';
import { MysqlError, type MysqlRow, type MysqlSession } from './pool.js';
import { quoted, quotedTable, SourceRefused } from './refusal.js';

/** The server keeps its list until nobody has looked for 100 ms: asked sooner it is certainly old. */
export const LIST_EVERY_MS = 110;
/** Each look, in vain or not, keeps the old list alive: two who ask in step would starve each other, so whoever got nothing steps back. */
const STEPS_BACK = 3;
/** Ids from here on are MySQL's stand-ins for transactions that have written nothing. */
const FIRST_UNREAL_ID = 1n << 48n;
/** The server cuts its list at 16 MiB without a word; one transaction that waits for a lock takes up to 17 KiB of it. */
const LISTED_AT_MOST = 900;
const ER_PRIVILEGE = 1227;
const ER_DENIED = new Set([1044, 1142, 1143]);
const ER_PARSE = 1064;
/** MariaDB answers NOWAIT with the lock wait time-out, MySQL with 3572; a deadlock too says that somebody holds it. */
const HELD = new Set([1205, 3572, 1213]);
const PROBED_AT_ONCE = 200;

/** How long to wait from one look to the next after `stale` looks in vain, ms. */
export function listAgainMs(stale: number): number {
  return stale === 0 ? LIST_EVERY_MS : LIST_EVERY_MS * (2 + (stale % STEPS_BACK));
}

/** `oldestMs`: how long the oldest transaction of anybody else has been open, also one that has written nothing yet; rounded up to seconds. */
export type ListResult =
  | { readonly result: 'fresh'; readonly transactions: readonly string[]; readonly oldestMs: number }
  /** Not this query's list: somebody else looked less than 100 ms ago. */
  | { readonly result: 'stale' }
  /** The list may have been cut. */
  | { readonly result: 'too-long' };

/**
 * Lists the read-write transactions with a real id. Only a list that shows this very statement is new: `nonce` must be unlike
 * that of any earlier call. Throws SourceRefused without the PROCESS right.
 */
export async function listTransactions(session: MysqlSession, nonce: string): Promise<ListResult> {
  // A snapshot makes our transaction show up in the list, under an id that is not real: it writes nothing.
  await session.query('START TRANSACTION WITH CONSISTENT SNAPSHOT');
  try {
    const rows = await session.query(
      `SELECT ? AS nonce, trx_id AS id, trx_mysql_thread_id = CONNECTION_ID() AS own,
       IF(trx_mysql_thread_id = CONNECTION_ID(), trx_query, NULL) AS query,
       trx_started AS started FROM information_schema.innodb_trx`,
      [nonce],
    );
    if (!rows.some((row) => Number(row.own) === 1 && String(row.query).includes(nonce))) return { result: 'stale' };
    if (rows.length > LISTED_AT_MOST) return { result: 'too-long' };
    const ids = rows.map((row) => BigInt(String(row.id))).filter((id) => id > 0n && id < FIRST_UNREAL_ID);
    return { result: 'fresh', transactions: ids.map(String), oldestMs: oldestMs(rows) };
  } catch (error) {
    if (error instanceof MysqlError && error.errno === ER_PRIVILEGE) {
      throw new SourceRefused(
        'no-process',
        'our account may not list transactions: GRANT PROCESS ON *.* TO the account in RDS_URL, or set POLL_EVIDENCE=lock',
      );
    }
    throw error;
  } finally {
    // Where the connection is gone, so is the transaction, and the error that says so is on its way.
    await session.query('COMMIT').catch(ignoreBroken);
  }
}

/** Against our own start, which is now: the server writes both in its own zone, whatever that is, and cut to seconds. */
function oldestMs(rows: readonly MysqlRow[]): number {
  const startedMs = (row: MysqlRow | undefined) => msOfIso(String(row?.started));
  const nowMs = startedMs(rows.find((row) => Number(row.own) === 1));
  return Math.max(0, ...rows.map((row) => nowMs - startedMs(row))) + 1_000;
}

/** Asks each range whether somebody holds a row in it. Ranges beyond the first 200 are not asked (undefined). Throws SourceRefused where locks can't be asked for. */
export async function probeLocks(
  session: MysqlSession,
  at: { readonly table: string; readonly key: string; readonly flavour: Flavour },
  ranges: readonly IdRange[],
): Promise<(Probe | undefined)[]> {
  const key = quoted(at.key);
  const lock = at.flavour === 'mariadb' ? 'LOCK IN SHARE MODE NOWAIT' : 'FOR SHARE NOWAIT';
  const sql = `SELECT ${key} FROM ${quotedTable(at.table)} WHERE ${key} BETWEEN ? AND ? ORDER BY ${key} LIMIT 1 ${lock}`;
  const probes: (Probe | undefined)[] = [];
  for (const range of ranges.slice(0, PROBED_AT_ONCE)) {
    try {
      const rows = await session.query(sql, [String(range.from), String(range.to)]);
      probes.push(rows.length > 0 ? 'found' : 'nothing');
    } catch (error) {
      if (!(error instanceof MysqlError) || !error.answered) throw error;
      if (!HELD.has(error.errno)) throw refusedLock(error, at.table);
      probes.push('held');
    }
  }
  return probes;
}

function refusedLock(error: MysqlError, table: string): Error {
  if (ER_DENIED.has(error.errno)) {
    return new SourceRefused(
      'no-lock',
      `POLL_EVIDENCE=lock needs a right to lock rows on this server: GRANT SELECT, LOCK TABLES ON the database of ${table} TO the account in RDS_URL, or GRANT PROCESS and POLL_EVIDENCE=trx`,
    );
  }
  if (error.errno === ER_PARSE) {
    return new SourceRefused(
      'no-lock',
      'POLL_EVIDENCE=lock needs NOWAIT: MySQL 8.0.1 or MariaDB 10.3 and newer. GRANT PROCESS and set POLL_EVIDENCE=trx',
    );
  }
  return error;
}

function ignoreBroken(error: unknown): void {
  if (!(error instanceof MysqlError)) throw error;
}
