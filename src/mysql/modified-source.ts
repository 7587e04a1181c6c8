// Mode lastmodified: rows changed since a time that no open transaction can still write below, and which keys there are (data-path.md 6).
import type { Clock, Logger } from '../domain/ports.js';
import type { ServerIdentity } from '../domain/position.js';
import { formatMicros, type Micros, microsOfMs, parseMicros } from '../domain/time.js';
import { wallOf } from '../domain/zone.js';
import { listAgainMs, listTransactions } from './evidence.js';
import { sameServer, serverOf } from './identity.js';
import { inSnapshot, PAGE_TIMEOUT_MS, readByKey } from './key-pages.js';
import type { MysqlRow, MysqlSession } from './pool.js';
import { quoted, SourceRefused } from './refusal.js';

/**
 * A statement's NOW() may be older than its transaction is for the server's list (it waited for a lock before it touched a
 * row), programs set the time themselves, and where summer time ends an hour comes twice.
 */
const OVERLAP_MIN_MS = 2 * 3_600_000;
/** Where nobody may list transactions, or no list is ever fresh: longer than any transaction that is let run. */
const OVERLAP_UNPROVED_MS = 7 * 86_400_000;
const EVIDENCE_FOR_MS = 5_000;
const IDS_AT_ONCE = 1_000;
/** mysql2's numbers of TIMESTAMP, DATE, DATETIME, and DATE as old tables have it. */
const TYPE_TIMESTAMP = 7;
const TIME_TYPES: ReadonlySet<number> = new Set([TYPE_TIMESTAMP, 10, 12, 14]);

export interface ModifiedTable {
  readonly table: string;
  /** Unique: of two rows with one key a deleted one is not noticed. */
  readonly key: string;
  /** A DATE, DATETIME or TIMESTAMP that every change sets. */
  readonly check: string;
  readonly columns: readonly string[];
  readonly pageRows: number;
}

export interface ModifiedParts {
  readonly clock: Clock;
  /** RDS_TIMEZONE: what DATE and DATETIME columns are written in. */
  readonly timezone: string;
  /** Random text, new at each call. */
  readonly newNonce: () => string;
  readonly log: Logger;
  /** Default 2 h. */
  readonly overlapMinMs?: number;
}

export interface ModifiedRows {
  /** The whole table: a first import, another or restarted server, another check column. */
  readonly anew: boolean;
  /** Every row of each key that has a changed row, or that `known` lacks. */
  readonly rows: readonly MysqlRow[];
  /** Every key of the table. */
  readonly keys: ReadonlySet<string>;
  readonly position: string;
}

interface ModifiedPosition {
  readonly v: 1;
  readonly mode: 'lastmodified';
  readonly server: ServerIdentity;
  readonly table: string;
  readonly check: string;
  /** Rows at or after it are read again; null: all of them. */
  readonly from: string | null;
}

/**
 * Reads in one snapshot what changed since `position`; what is read again because of the overlap has the content that is
 * known. Throws MysqlError, SourceRefused (the check column holds no time).
 */
export async function readModified(
  session: MysqlSession,
  at: ModifiedTable,
  position: string | null,
  known: ReadonlySet<string>,
  keyOf: (row: MysqlRow) => string | null,
  parts: ModifiedParts,
): Promise<ModifiedRows> {
  const { identity: server } = await serverOf(session);
  const domain = await clockOfColumn(session, at, parts.timezone);
  const before = decode(position, at);
  const anew = !before || !sameServer(before.server, server);
  // Before the snapshot: whoever has not committed in it is in the list, or began after it.
  const overlapMs = await overlapOf(session, at, parts);
  return inSnapshot(session, async () => {
    const from = await nextFrom(session, at, domain, overlapMs);
    const encoded: ModifiedPosition = {
      v: 1,
      mode: 'lastmodified',
      server,
      table: at.table,
      check: at.check,
      from,
    };
    const read = anew ? await readAll(session, at, keyOf) : await readChanged(session, at, before.from, known, keyOf);
    return { anew, ...read, position: JSON.stringify(encoded) };
  });
}

/** Rows at the border of two pages come twice. */
async function readAll(session: MysqlSession, at: ModifiedTable, keyOf: (row: MysqlRow) => string | null) {
  const rows: MysqlRow[] = [];
  const keys = new Set<string>();
  await readByKey(session, at, (row) => {
    const key = keyOf(row);
    if (key === null) return false;
    rows.push(row);
    const isNew = !keys.has(key);
    keys.add(key);
    return isNew;
  });
  return { rows, keys };
}

async function readChanged(
  session: MysqlSession,
  at: ModifiedTable,
  from: string | null,
  known: ReadonlySet<string>,
  keyOf: (row: MysqlRow) => string | null,
) {
  const keys = new Set<string>();
  /** By text, as the driver has them: a binary key is no text for the server. */
  const wanted = new Map<string, unknown>();
  // A row may come with an old time (restored, loaded from elsewhere), so its key tells that it is new.
  await readByKey(session, { ...at, columns: [at.check] }, (row) => {
    const key = keyOf(row);
    if (key === null) return false;
    if (!known.has(key) || isFrom(row[at.check], from)) wanted.set(key, row[at.key]);
    const isNew = !keys.has(key);
    keys.add(key);
    return isNew;
  });
  const rows: MysqlRow[] = [];
  const ids = [...wanted.values()];
  for (let i = 0; i < ids.length; i += IDS_AT_ONCE)
    rows.push(
      ...(await session.query(
        'SELECT ?? FROM ?? WHERE ?? IN (?)',
        [at.columns, at.table, at.key, ids.slice(i, i + IDS_AT_ONCE)],
        PAGE_TIMEOUT_MS,
      )),
    );
  return { rows, keys };
}

/** As coarse as the column is: a DATE of the day of `from` counts. Without a time nobody can tell. */
function isFrom(checked: unknown, from: string | null): boolean {
  if (from === null || checked === null) return true;
  const text = String(checked);
  return text >= from.slice(0, text.length);
}

/** How the column's clock reads now, in its own zone: what lies after it is a mistake, and must not carry the position along. */
async function clockOfColumn(session: MysqlSession, at: ModifiedTable, timezone: string): Promise<string> {
  const { columns } = await session.table('SELECT ?? FROM ?? LIMIT 0', [at.check, at.table]);
  const type = columns[0]?.type ?? -1;
  if (!TIME_TYPES.has(type))
    throw new SourceRefused(
      'no-key',
      `${at.table}.${at.check} holds no time: mode lastmodified needs a DATE, DATETIME or TIMESTAMP column that every change sets, or set the mode to full`,
    );
  const [row] = await session.query('SELECT UTC_TIMESTAMP(6) AS now');
  return wallOf(type === TYPE_TIMESTAMP ? 'UTC' : timezone, parseMicros(String(row?.now)) as Micros);
}

async function nextFrom(
  session: MysqlSession,
  at: ModifiedTable,
  nowText: string,
  overlapMs: number,
): Promise<string | null> {
  const [row] = await session.query(
    `SELECT MAX(${quoted(at.check)}) AS top FROM ?? WHERE ?? <= ?`,
    [at.table, at.check, nowText],
    PAGE_TIMEOUT_MS,
  );
  // 0000-00-00 is a time for the server, and none for us.
  const topUs = row?.top == null ? undefined : parseMicros(withTime(String(row.top)));
  if (topUs === undefined) return null;
  return formatMicros(topUs - microsOfMs(overlapMs))
    .slice(0, 'YYYY-MM-DDThh:mm:ss'.length)
    .replace('T', ' ');
}

function withTime(text: string): string {
  return text.length === 'YYYY-MM-DD'.length ? `${text} 00:00:00` : text;
}

/** At least as long as the oldest transaction is open: it may still commit a row with a time of its beginning. */
async function overlapOf(session: MysqlSession, at: ModifiedTable, parts: ModifiedParts): Promise<number> {
  const { clock, log } = parts;
  try {
    let stale = 0;
    for (const untilMs = clock.monotonicMs() + EVIDENCE_FOR_MS; clock.monotonicMs() < untilMs; stale += 1) {
      const list = await listTransactions(session, parts.newNonce());
      if (list.result === 'fresh') return (parts.overlapMinMs ?? OVERLAP_MIN_MS) + list.oldestMs;
      await clock.sleep(listAgainMs(stale));
    }
    log.warn('import.no-evidence', { table: at.table, problem: 'no fresh list of open transactions' });
  } catch (error) {
    if (!(error instanceof SourceRefused)) throw error;
    log.warn('import.no-evidence', { table: at.table, problem: error.message });
  }
  return OVERLAP_UNPROVED_MS;
}

/** Undefined where it is another mode's, another column's or none: then everything is read. */
function decode(position: string | null, at: ModifiedTable): ModifiedPosition | undefined {
  if (position === null) return undefined;
  const stored = JSON.parse(position) as Partial<ModifiedPosition>;
  const mine =
    stored.v === 1 && stored.mode === 'lastmodified' && stored.table === at.table && stored.check === at.check;
  return mine ? (stored as ModifiedPosition) : undefined;
}
