// Every id of the hospital's table in a range, in pages by the key: what the audit compares with the lake.

import type { IdRange } from '../domain/gap-ledger.js';
import type { VitalsMapping } from '../domain/mapping.js';
import { PAGE_TIMEOUT_MS } from './key-pages.js';
import type { MysqlSession } from './pool.js';
import { quoted, quotedTable } from './refusal.js';

const PAGE_IDS = 50_000;

/** The lowest id; undefined: the table is empty. Throws MysqlError. */
export async function oldestKey(session: MysqlSession, mapping: VitalsMapping): Promise<bigint | undefined> {
  const [row] = await session.query(`SELECT MIN(${quoted(mapping.key)}) AS low FROM ${quotedTable(mapping.table)}`);
  return row?.low === null || row?.low === undefined ? undefined : BigInt(String(row.low));
}

/** Calls `onPage` with ascending ids. Throws MysqlError. */
export async function readKeys(
  session: MysqlSession,
  mapping: VitalsMapping,
  { from, to }: IdRange,
  onPage: (ids: readonly bigint[]) => Promise<void>,
): Promise<void> {
  const key = quoted(mapping.key);
  const sql = `SELECT ${key} AS id FROM ${quotedTable(mapping.table)} WHERE ${key} > ? AND ${key} <= ? ORDER BY ${key} LIMIT ${PAGE_IDS}`;
  for (let after = from - 1n; ; ) {
    const rows = await session.query(sql, [String(after), String(to)], PAGE_TIMEOUT_MS);
    const ids = rows.map((row) => BigInt(String(row.id)));
    if (ids.length > 0) await onPage(ids);
    after = ids.at(-1) ?? to;
    if (ids.length < PAGE_IDS) return;
  }
}
