// Whose the open transactions are, for people: threads, accounts and ages; never what they say.
import { MysqlError, type MysqlSession } from './pool.js';

export interface OpenTransaction {
  /** As in the position. */
  readonly id: string;
  /** 0: prepared (XA), nobody's until it is committed or rolled back. */
  readonly thread: string;
  /** In the session's zone, UTC. */
  readonly started: string;
  readonly rowsModified: number;
  /** `user@host`; null where the thread is gone. */
  readonly account: string | null;
}

/** Those of `ids` that are open now. Empty where the server doesn't tell us (no PROCESS right). */
export async function openTransactions(
  session: MysqlSession,
  ids: readonly string[],
): Promise<readonly OpenTransaction[]> {
  if (ids.length === 0) return [];
  try {
    const rows = await session.query(
      `SELECT t.trx_id AS id, t.trx_mysql_thread_id AS thread, t.trx_started AS started, t.trx_rows_modified AS modified,
       CONCAT(p.user, '@', p.host) AS account
       FROM information_schema.innodb_trx t LEFT JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
       WHERE t.trx_id IN (?)`,
      [ids],
    );
    return rows.map((row) => ({
      id: String(row.id),
      thread: String(row.thread),
      started: String(row.started),
      rowsModified: Number(row.modified),
      account: row.account === null ? null : String(row.account),
    }));
  } catch (error) {
    if (error instanceof MysqlError && error.answered) return [];
    throw error;
  }
}
