// Which server this is, and whether its table can be read without losing rows.
import type { IdSteps } from '../domain/id-steps.js';
import type { VitalsMapping } from '../domain/mapping.js';
import type { ServerIdentity } from '../domain/position.js';
import { formatMicros, parseMicros } from '../domain/time.js';
import { MysqlError, type MysqlSession } from './pool.js';
import { quoted, quotedTable, SourceRefused } from './refusal.js';

export type Flavour = 'mysql' | 'mariadb';

const ER_PARSE = 1064;
const ER_NO_TABLE = 1146;
const ER_NO_DATABASE_CHOSEN = 1046;
const ER_UNKNOWN_DATABASE = 1049;
const ER_UNKNOWN_VARIABLE = 1193;
/** Missing rights on a database, table or column. */
const ER_DENIED = new Set([1044, 1142, 1143]);
/** SUPER, PROCESS or REPLICATION CLIENT is missing. */
const ER_PRIVILEGE = 1227;
const INTEGER_TYPES = new Set(['tinyint', 'smallint', 'mediumint', 'int', 'bigint']);
const MICROS_PER_S = 1_000_000;
const START_TRIES = 5;

/** The server behind this session. */
export async function serverOf(session: MysqlSession): Promise<{ identity: ServerIdentity; flavour: Flavour }> {
  const [about] = await session.query('SELECT VERSION() AS version');
  const flavour: Flavour = /mariadb/i.test(String(about?.version)) ? 'mariadb' : 'mysql';
  const startedS = await startOf(session);
  const uuid = flavour === 'mysql' ? await variable(session, 'server_uuid') : await variable(session, 'server_uid');
  return {
    // Before 10.11.? MariaDB has no server_uid: host, port and number stand in.
    identity: {
      uuid:
        uuid ??
        ((await session.query("SELECT CONCAT(@@hostname, ':', @@port, ':', @@server_id) AS id"))[0]?.id as string),
      startedAt: formatMicros(startedS * MICROS_PER_S),
    },
    flavour,
  };
}

/** Start times are whole seconds: no server is up and down again within one. */
const STARTED_WITHIN_US = 1_000_000;

/** Not restarted since: a restarted server may have lost the last commits, and be an older copy of itself. */
export function sameServer(before: ServerIdentity, now: ServerIdentity): boolean {
  const apartUs = Math.abs((parseMicros(before.startedAt) ?? 0) - (parseMicros(now.startedAt) ?? 0));
  return before.uuid === now.uuid && apartUs <= STARTED_WITHIN_US;
}

/** Seconds since 1970. Clock and uptime are whole seconds of two statements: they count only where no second passed between them. */
async function startOf(session: MysqlSession): Promise<number> {
  const now = async () => Number((await session.query('SELECT UNIX_TIMESTAMP() AS now'))[0]?.now);
  for (let tries = 1; ; tries += 1) {
    const before = await now();
    const [status] = await session.query("SHOW GLOBAL STATUS LIKE 'Uptime'");
    if ((await now()) === before || tries === START_TRIES) return before - Number(status?.Value ?? status?.VALUE);
  }
}

async function variable(session: MysqlSession, name: string): Promise<string | undefined> {
  try {
    const [row] = await session.query(`SELECT @@global.${name} AS value`);
    return row?.value === null || row?.value === undefined ? undefined : String(row.value);
  } catch (error) {
    if (error instanceof MysqlError && error.errno === ER_UNKNOWN_VARIABLE) return undefined;
    throw error;
  }
}

export interface KeyFacts {
  /** Mapped columns that `SELECT *` leaves out. */
  readonly invisible: readonly string[];
  /** False: ids come from the application, and nothing bounds the time between choosing one and writing it. */
  readonly autoIncrement: boolean;
}

/** Throws SourceRefused where the table or its key can't carry a position. */
export async function checkTable(session: MysqlSession, mapping: VitalsMapping): Promise<KeyFacts> {
  const { table } = mapping;
  try {
    await session.query(`SELECT * FROM ${quotedTable(table)} LIMIT 0`);
  } catch (error) {
    throw refusedTable(error, table);
  }
  const where = scope(table);
  const columns = await session.query(
    `SELECT column_name AS name, data_type AS type, is_nullable AS nullable, extra AS extra
     FROM information_schema.columns WHERE ${where.sql}`,
    where.params,
  );
  const found = new Map(columns.map((column) => [String(column.name).toLowerCase(), column]));
  checkColumns(mapping, found);
  const [kind] = await session.query(
    `SELECT table_type AS type, engine AS engine FROM information_schema.tables WHERE ${where.sql}`,
    where.params,
  );
  if (String(kind?.type) !== 'BASE TABLE' || !/^innodb$/i.test(String(kind?.engine))) {
    throw new SourceRefused(
      'engine',
      `${table} is no InnoDB table (${kind?.engine ?? kind?.type}): open transactions can't be seen. Name the InnoDB table itself in wardwatch.yaml, or convert it: ALTER TABLE ${quotedTable(table)} ENGINE=InnoDB`,
    );
  }
  await checkKey(session, mapping, found.get(mapping.key.toLowerCase()));
  const named = [mapping.patientId, mapping.recordedAt, ...mapping.attributes.map(({ column }) => column)];
  const extraOf = (name: string) => String(found.get(name.toLowerCase())?.extra ?? '');
  return {
    invisible: named.filter((name): name is string => name !== null && /invisible/i.test(extraOf(name))),
    autoIncrement: /auto_increment/i.test(extraOf(mapping.key)),
  };
}

function scope(table: string): { sql: string; params: string[] } {
  const [first, second] = table.split('.');
  return second === undefined
    ? { sql: 'table_schema = DATABASE() AND table_name = ?', params: [first as string] }
    : { sql: 'table_schema = ? AND table_name = ?', params: [first as string, second] };
}

function refusedTable(error: unknown, table: string): unknown {
  if (!(error instanceof MysqlError) || !error.answered) return error;
  if (ER_DENIED.has(error.errno)) {
    return new SourceRefused(
      'no-select',
      `our account may not read ${table}: GRANT SELECT ON ${quotedTable(table)} TO the account in RDS_URL`,
    );
  }
  if ([ER_NO_TABLE, ER_NO_DATABASE_CHOSEN, ER_UNKNOWN_DATABASE].includes(error.errno)) {
    return new SourceRefused(
      'no-table',
      `there is no table ${table}: check the database in RDS_URL and source.vitals.table in wardwatch.yaml. Who starts from nothing gets its SQL from \`wardwatch schema --sql\``,
    );
  }
  return error;
}

function checkColumns(mapping: VitalsMapping, found: ReadonlyMap<string, unknown>): void {
  const wanted = [mapping.patientId, mapping.recordedAt, ...mapping.attributes.map(({ column }) => column)];
  const missing = wanted.filter((name): name is string => name !== null && !found.has(name.toLowerCase()));
  if (missing.length > 0) {
    throw new SourceRefused(
      'no-column',
      `${mapping.table} has no column ${missing.join(', ')} (it has ${[...found.keys()].join(', ')}): correct source.vitals in wardwatch.yaml`,
    );
  }
}

async function checkKey(
  session: MysqlSession,
  mapping: VitalsMapping,
  key: Readonly<Record<string, unknown>> | undefined,
): Promise<void> {
  const { table } = mapping;
  const at = quotedTable(table);
  const column = quoted(mapping.key);
  if (!key) {
    throw new SourceRefused(
      'no-key',
      `${table} has no column ${mapping.key}, and without an ascending unique number rows can't be told apart. Name an existing one as source.vitals.key, or add one that programs don't see: ` +
        `ALTER TABLE ${at} ADD COLUMN ${column} BIGINT UNSIGNED NOT NULL AUTO_INCREMENT INVISIBLE UNIQUE. It copies the whole table, and inserts wait meanwhile: minutes per 100 million rows`,
    );
  }
  if (!INTEGER_TYPES.has(String(key.type).toLowerCase())) {
    throw new SourceRefused(
      'no-key',
      `${table}.${mapping.key} is ${key.type}, not an integer: name an ascending unique integer column as source.vitals.key, or add one: ` +
        `ALTER TABLE ${at} ADD COLUMN wardwatch_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT INVISIBLE UNIQUE. It copies the whole table, and inserts wait meanwhile`,
    );
  }
  const where = scope(table);
  const indexes = await session.query(
    `SELECT index_name AS name, COUNT(*) AS parts, MAX(LOWER(column_name) = LOWER(?)) AS has_key
     FROM information_schema.statistics WHERE ${where.sql} AND non_unique = 0 GROUP BY index_name`,
    [mapping.key, ...where.params],
  );
  const unique = indexes.some((index) => Number(index.parts) === 1 && Number(index.has_key) === 1);
  if (!unique || String(key.nullable).toUpperCase() !== 'NO') {
    throw new SourceRefused(
      'no-key',
      `${table}.${mapping.key} is not ${unique ? 'NOT NULL' : 'unique by an index of its own'}: a row could be read twice or never. ` +
        `ALTER TABLE ${at} ${unique ? `MODIFY ${column} BIGINT UNSIGNED NOT NULL` : `ADD UNIQUE INDEX wardwatch_key (${column})`}. It reads the whole table once; inserts go on where the server does it in place`,
    );
  }
}

/** Which ids the server hands out. Throws SourceRefused for a replica or a step of ids that isn't the configured one. */
export async function checkServer(session: MysqlSession, flavour: Flavour, step: number): Promise<IdSteps> {
  const found = Number(await variable(session, 'auto_increment_increment'));
  if (found !== step) {
    throw new SourceRefused(
      'step',
      `auto_increment_increment is ${found}, and ${step} is configured: other servers may hand out the ids between, and their transactions can't be seen here. Poll the only server that is written to`,
    );
  }
  const readOnly = (await variable(session, 'read_only')) ?? '0';
  const engineReadOnly = (await variable(session, 'innodb_read_only')) ?? '0';
  const replicates = await replicaStatus(session, flavour);
  const closed = ['1', 'ON'].includes(readOnly.toUpperCase()) || ['1', 'ON'].includes(engineReadOnly.toUpperCase());
  if (replicates === 'yes' || (closed && replicates !== 'no')) {
    throw new SourceRefused(
      'replica',
      `this server is a read replica (read_only=${readOnly}, innodb_read_only=${engineReadOnly}, replication ${replicates}): transactions that are open on its source can't be seen here, so rows would be lost. Set RDS_URL to the primary (the writer endpoint)`,
    );
  }
  const offset = Number((await variable(session, 'auto_increment_offset')) ?? '1');
  return { step: BigInt(step), rest: BigInt(offset % step) };
}

/** `unknown`: we may not ask. */
async function replicaStatus(session: MysqlSession, flavour: Flavour): Promise<'yes' | 'no' | 'unknown'> {
  const statements = flavour === 'mariadb' ? ['SHOW ALL SLAVES STATUS'] : ['SHOW REPLICA STATUS', 'SHOW SLAVE STATUS'];
  for (const statement of statements) {
    try {
      return (await session.query(statement)).length > 0 ? 'yes' : 'no';
    } catch (error) {
      if (!(error instanceof MysqlError) || !error.answered) throw error;
      if (error.errno === ER_PRIVILEGE) return 'unknown';
      if (error.errno !== ER_PARSE) throw error;
    }
  }
  return 'unknown';
}
