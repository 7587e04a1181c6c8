// A whole table in pages by its key, in one consistent snapshot, though the key may be neither unique nor indexed.
import type { MysqlRow, MysqlSession } from './pool.js';

/** One page may sort the whole table where its key has no index. */
export const PAGE_TIMEOUT_MS = 120_000;

export interface KeyPages {
  readonly table: string;
  readonly key: string;
  readonly columns: readonly string[];
  /** Rows of one page. */
  readonly pageRows: number;
}

/**
 * Each page begins with the last key *inclusive*: keys that differ in bytes may be equal to the database ('a', 'A', 'a '),
 * and the table need not be unique. So rows may come twice: `onRow` answers whether this one brought anything new.
 */
export async function readByKey(
  session: MysqlSession,
  { table, key, columns, pageRows }: KeyPages,
  onRow: (row: MysqlRow) => boolean,
): Promise<void> {
  const from = [[...new Set([key, ...columns])], table, key];
  let last: unknown;
  let limit = pageRows;
  for (;;) {
    const rows: readonly MysqlRow[] =
      last === undefined
        ? await session.query(
            'SELECT ?? FROM ?? WHERE ?? IS NOT NULL ORDER BY ?? LIMIT ?',
            [...from, key, limit],
            PAGE_TIMEOUT_MS,
          )
        : await session.query(
            'SELECT ?? FROM ?? WHERE ?? >= ? ORDER BY ?? LIMIT ?',
            [...from, last, key, limit],
            PAGE_TIMEOUT_MS,
          );
    let news = 0;
    for (const row of rows) if (onRow(row)) news += 1;
    if (rows.length < limit) return;
    const next = rows.at(-1)?.[key];
    // A page full of one key (for the database): only a larger page gets past it.
    limit = news === 0 || next === last ? limit * 2 : pageRows;
    last = next;
  }
}

/** READ COMMITTED, the pool's level, would give each page a snapshot of its own, and ignore CONSISTENT SNAPSHOT. */
export async function inSnapshot<T>(session: MysqlSession, work: () => Promise<T>): Promise<T> {
  await session.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
  await session.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
  try {
    return await work();
  } finally {
    // On a connection that is gone the rollback fails too: the first error is the one that tells.
    await session.query('ROLLBACK').catch(() => undefined);
  }
}
