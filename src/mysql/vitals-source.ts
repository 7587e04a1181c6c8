// patients_vital_info as the poller reads it: pages above an id, rows in gaps, and evidence on who can still commit.
import type { Attribute } from '../domain/attributes.js';
import type { Gap, IdRange, Probe } from '../domain/gap-ledger.js';
import type { IdSteps } from '../domain/id-steps.js';
import type { VitalsMapping } from '../domain/mapping.js';
import type { Clock, Logger } from '../domain/ports.js';
import type { EvidenceKind, ServerIdentity } from '../domain/position.js';
import { isoOfMs } from '../domain/time.js';
import {
  type ColumnKind,
  ColumnsMissingError,
  createRowEncoder,
  type EncodedReading,
  type RowEncoder,
} from '../domain/vitals-row.js';
import { createWallReader } from '../domain/zone.js';
import { listTransactions, probeLocks } from './evidence.js';
import { checkServer, checkTable, type Flavour, type KeyFacts, serverOf } from './identity.js';
import {
  type MysqlColumn,
  type MysqlConnection,
  MysqlError,
  type MysqlPool,
  type MysqlSession,
  type MysqlTable,
} from './pool.js';
import { quoted, quotedTable, SourceRefused } from './refusal.js';

/** Column types of the protocol. */
const TYPE_TIMESTAMP = 7;
const TYPE_DATETIME = 12;
const ER_UNKNOWN_DATABASE = 1049;
/** Access denied (to the server, to the database, without a password plug-in), unknown database. */
const NO_LOGIN = new Set([1045, 1044, 1698, ER_UNKNOWN_DATABASE]);
/** Gaps asked for in one statement. */
const RANGES_AT_ONCE = 200;
const PROBES_AT_ONCE = 200;
/** How long an id may wait for its row without a transaction to show for it: must exceed the longest bulk insert. */
export const LOCK_GRACE_MS = 60_000;
/** With nothing but age to go by, every transaction that lives longer loses its rows. */
export const TIME_GRACE_MS = 600_000;

export interface VitalsRows {
  readonly readings: readonly EncodedReading[];
  /** Cut off at the limit: there may be more. */
  readonly full: boolean;
}

export interface RangeToRead extends IdRange {
  readonly offStep?: boolean;
}

export type EvidenceLook =
  | { readonly kind: 'trx'; readonly transactions: readonly string[] }
  | { readonly kind: 'trx-none'; readonly result: 'stale' | 'too-long' }
  /** One a gap, undefined where it was not asked. */
  | { readonly kind: 'lock'; readonly probes: readonly (Probe | undefined)[]; readonly graceMs: number }
  | { readonly kind: 'time'; readonly graceMs: number };

/** One connection to one server whose identity is known: it never moves to another. Any throw but SourceRefused ends it. */
export interface VitalsSession {
  readonly server: ServerIdentity;
  /** Which ids this server hands out. */
  readonly steps: IdSteps;
  /** The lowest and highest id; undefined: the table is empty. */
  bounds(): Promise<IdRange | undefined>;
  /** Ids in the range, ascending, decimal text. */
  ids(range: IdRange): Promise<readonly string[]>;
  /** Up to `limit` rows above `after`, ascending. `notBefore`: contracts.md, ISO 8601. */
  page(after: bigint, limit: number, notBefore: string | null): Promise<VitalsRows>;
  /** Up to `limit` rows in the gaps (ascending), of those `offStep` only ids off the step. `examinedTo`: the last id looked at, null = every gap. */
  gapRows(
    gaps: readonly RangeToRead[],
    limit: number,
    notBefore: string | null,
  ): Promise<VitalsRows & { readonly examinedTo: bigint | null }>;
  look(gaps: readonly Gap[], nowMs: number): Promise<EvidenceLook>;
  close(): void;
}

export interface VitalsSource {
  readonly evidence: EvidenceKind;
  /** Connects and checks everything that would lose or repeat rows. `name`: of the source in readings, where it isn't the usual one. Throws SourceRefused, MysqlError. */
  open(name?: string): Promise<VitalsSession>;
}

export interface VitalsSourceOptions {
  readonly source: string;
  readonly mapping: VitalsMapping;
  /** Units and plausible ranges of the mapped attributes. */
  readonly attributes: readonly Attribute[];
  readonly evidence: EvidenceKind;
  /** For evidence lock and time. */
  readonly graceMs?: number | undefined;
  /** The configured auto_increment_increment; 1 where absent. */
  readonly step?: number | undefined;
  /** Random text, new at each call: proves that a list of transactions is new. */
  readonly newNonce: () => string;
}

/** The pool is not closed by the source. */
export function createVitalsSource(
  pool: MysqlPool,
  options: VitalsSourceOptions,
  parts: { readonly clock: Clock; readonly log: Logger },
): VitalsSource {
  return {
    evidence: options.evidence,
    open: async (name = options.source) => {
      const connection = await connected(pool);
      try {
        const checked = await checkSource(connection, options);
        if (!checked.table.autoIncrement)
          parts.log.warn('poll.key-not-auto-increment', {
            table: options.mapping.table,
            key: options.mapping.key,
            risk: 'an id chosen by a program more than 2 s before it is written can be given up too soon',
          });
        return sessionOver(connection, checked, pool.timezone, { ...options, source: name }, parts.clock);
      } catch (error) {
        connection.close();
        throw error;
      }
    },
  };
}

/** A wrong account or database is for a person to mend; a server that is away is not. */
async function connected(pool: MysqlPool): Promise<MysqlConnection> {
  try {
    return await pool.connect();
  } catch (error) {
    if (!(error instanceof MysqlError) || !NO_LOGIN.has(error.errno)) throw error;
    const what = error.errno === ER_UNKNOWN_DATABASE ? `has no database ${pool.database}` : 'refuses our account';
    throw new SourceRefused(
      'no-login',
      `the server ${what} (${error.code}): correct user, password and database in RDS_URL, and which hosts the account may come from`,
    );
  }
}

export interface CheckedSource {
  readonly server: ServerIdentity;
  readonly steps: IdSteps;
  readonly flavour: Flavour;
  readonly table: KeyFacts;
}

/** Everything that a start refuses, read-only: for doctor and `worker --check` too. Throws SourceRefused, MysqlError. */
export async function checkSource(
  session: MysqlSession,
  options: Pick<VitalsSourceOptions, 'mapping' | 'evidence' | 'step' | 'newNonce'>,
): Promise<CheckedSource> {
  const { identity, flavour } = await serverOf(session);
  const table = await checkTable(session, options.mapping);
  const steps = await checkServer(session, flavour, options.step ?? 1);
  if (options.evidence === 'trx') await listTransactions(session, options.newNonce());
  const { table: name, key } = options.mapping;
  if (options.evidence === 'lock') await probeLocks(session, { table: name, key, flavour }, [{ from: 0n, to: 0n }]);
  return { server: identity, steps, flavour, table };
}

function sessionOver(
  connection: MysqlConnection,
  checked: CheckedSource,
  timezone: string,
  options: VitalsSourceOptions,
  clock: Clock,
): VitalsSession {
  const { mapping, evidence } = options;
  const key = quoted(mapping.key);
  const table = quotedTable(mapping.table);
  const select = `SELECT ${[key, ...checked.table.invisible.map(quoted)].map((name) => `t.${name}`).join(', ')}, t.* FROM ${table} t`;
  const encode = createPageEncoder(options, timezone, clock);
  let probedFrom = 0;

  const probe = async (gaps: readonly Gap[], nowMs: number, graceMs: number): Promise<EvidenceLook> => {
    const isDue = ({ offStep, waitFromMs }: Gap) => !offStep && nowMs >= waitFromMs + graceMs;
    const due = gaps.map((_, index) => index).filter((index) => isDue(gaps[index] as Gap));
    if (probedFrom >= due.length) probedFrom = 0;
    const asked = due.slice(probedFrom, probedFrom + PROBES_AT_ONCE);
    probedFrom += asked.length;
    const at = { table: mapping.table, key: mapping.key, flavour: checked.flavour };
    const answers = await probeLocks(
      connection,
      at,
      asked.map((index) => gaps[index] as Gap),
    );
    const probes: (Probe | undefined)[] = new Array(gaps.length).fill(undefined);
    asked.forEach((index, n) => {
      probes[index] = answers[n];
    });
    return { kind: 'lock', probes, graceMs };
  };

  return {
    server: checked.server,
    steps: checked.steps,
    bounds: async () => {
      const [row] = await connection.query(`SELECT MIN(${key}) AS low, MAX(${key}) AS high FROM ${table}`);
      if (!row || row.low === null) return undefined;
      return { from: BigInt(String(row.low)), to: BigInt(String(row.high)) };
    },
    ids: async ({ from, to }) => {
      const sql = `SELECT ${key} AS id FROM ${table} WHERE ${key} BETWEEN ? AND ? ORDER BY ${key}`;
      const rows = await connection.query(sql, [String(from), String(to)]);
      return rows.map((row) => String(BigInt(String(row.id))));
    },
    page: async (after, limit, notBefore) => {
      const sql = `${select} WHERE t.${key} > ? ORDER BY t.${key} LIMIT ?`;
      return encode(await connection.table(sql, [after, limit]), limit, notBefore);
    },
    gapRows: async (gaps, limit, notBefore) => {
      const readings: EncodedReading[] = [];
      for (let at = 0; at < gaps.length; at += RANGES_AT_ONCE) {
        const some = gaps.slice(at, at + RANGES_AT_ONCE);
        const left = limit - readings.length;
        const { sql, params } = within(`t.${key}`, some, checked.steps);
        const rows = await connection.table(`${select} WHERE ${sql} ORDER BY t.${key} LIMIT ?`, [...params, left]);
        const part = encode(rows, left, notBefore);
        readings.push(...part.readings);
        const last = part.readings.at(-1);
        if (part.full && last) return { readings, full: true, examinedTo: BigInt(last.row) };
      }
      return { readings, full: false, examinedTo: null };
    },
    look: async (gaps, nowMs) => {
      if (evidence === 'time') return { kind: 'time', graceMs: options.graceMs ?? TIME_GRACE_MS };
      if (evidence === 'lock') return probe(gaps, nowMs, options.graceMs ?? LOCK_GRACE_MS);
      const list = await listTransactions(connection, options.newNonce());
      if (list.result === 'fresh') return { kind: 'trx', transactions: list.transactions };
      return { kind: 'trx-none', result: list.result };
    },
    close: () => connection.close(),
  };
}

/** Columns can change under us (ALTER TABLE): the encoder follows the columns of each answer. */
function createPageEncoder(options: VitalsSourceOptions, timezone: string, clock: Clock) {
  const wall = createWallReader(timezone);
  let shape = '';
  let encoder: RowEncoder | undefined;
  return (answer: MysqlTable, limit: number, notBefore: string | null): VitalsRows => {
    const now = shapeOf(answer.columns);
    if (!encoder || now !== shape) {
      const columns = answer.columns.map(({ name, type }) => ({ name, kind: kindOf(type) }));
      encoder = newEncoder(options, wall, columns);
      shape = now;
    }
    const encode = encoder;
    const stamp = { readAt: isoOfMs(clock.nowMs()), notBefore };
    return { readings: answer.rows.map((row) => encode(row, stamp)), full: answer.rows.length >= limit };
  };
}

function newEncoder(
  options: VitalsSourceOptions,
  wall: ReturnType<typeof createWallReader>,
  columns: readonly { name: string; kind: ColumnKind }[],
): RowEncoder {
  try {
    return createRowEncoder({ ...options, wall }, columns);
  } catch (error) {
    if (!(error instanceof ColumnsMissingError)) throw error;
    throw new SourceRefused(
      'no-column',
      `${options.mapping.table} no longer has column ${error.columns.join(', ')}: correct source.vitals in wardwatch.yaml`,
    );
  }
}

function shapeOf(columns: readonly MysqlColumn[]): string {
  return columns.map(({ name, type }) => `${name}\0${type}`).join('\0');
}

function kindOf(type: number): ColumnKind {
  if (type === TYPE_DATETIME) return 'datetime';
  return type === TYPE_TIMESTAMP ? 'timestamp' : 'other';
}

/** Single ids by IN, wider gaps by BETWEEN. */
function within(
  key: string,
  ranges: readonly RangeToRead[],
  { step, rest }: IdSteps,
): { sql: string; params: bigint[] } {
  const single = ranges.filter(({ from, to }) => from === to).map(({ from }) => from);
  const wide = ranges.filter(({ from, to }) => from !== to);
  const between = `${key} BETWEEN ? AND ?`;
  const conditions = wide.map(({ offStep }) => (offStep ? `(${between} AND ${key} % ${step} <> ${rest})` : between));
  if (single.length > 0) conditions.push(`${key} IN (${single.map(() => '?').join(',')})`);
  return { sql: `(${conditions.join(' OR ')})`, params: [...wide.flatMap(({ from, to }) => [from, to]), ...single] };
}
