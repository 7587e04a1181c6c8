// Connections to the hospital's MySQL or MariaDB: read only by use, bounded in time, and silent about what they carried.
import { isIP } from 'node:net';
import mysql, { type Connection, type ConnectionOptions, type FieldPacket } from 'mysql2/promise';
import type { Logger, Metrics } from '../domain/ports.js';

const CONNECT_TIMEOUT_MS = 5_000;
const QUERY_TIMEOUT_MS = 30_000;
/** A locked table (LOCK TABLES, ALTER TABLE) is waited for so long, below the time-out: the server gives up, and no thread of ours piles up there. */
const LOCK_WAIT_S = 20;
const KEEP_ALIVE_AFTER_MS = 10_000;
const POOL_CONNECTIONS = 4;
const DEFAULT_PORT = 3306;

export interface MysqlSettings {
  /** mysql://user:password@host:port/database. `?ssl=true` asks for TLS with the system's authorities. */
  readonly url: string;
  /** PEM text of the authority that signed the server's certificate: asks for TLS. */
  readonly tlsCa?: string | undefined;
  /** RDS_TIMEZONE, an IANA name: what DATETIME columns are written in. UTC where absent. */
  readonly timezone?: string | undefined;
}

/** DATE, DATETIME, TIMESTAMP, TIME, DECIMAL, BIGINT and JSON are strings; other integers and floats numbers; BLOB, BINARY and BIT Buffers. */
export type MysqlRow = Readonly<Record<string, unknown>>;

export interface MysqlColumn {
  readonly name: string;
  /** mysql2's type number (mysql2 `Types`). */
  readonly type: number;
}

export interface MysqlTable {
  readonly columns: readonly MysqlColumn[];
  readonly rows: readonly (readonly unknown[])[];
}

export interface MysqlSession {
  /** `?` stands for a value, `??` for an identifier. Throws MysqlError. Bounded by `timeoutMs` (30 s). */
  query(sql: string, params?: readonly unknown[], timeoutMs?: number): Promise<readonly MysqlRow[]>;
  /** As `query`, rows as arrays beside their columns: cheaper, and keeps columns of the same name apart. */
  table(sql: string, params?: readonly unknown[], timeoutMs?: number): Promise<MysqlTable>;
}

export interface MysqlConnection extends MysqlSession {
  /** Ends the connection at once; a statement under way fails. */
  close(): void;
}

export interface MysqlPool extends MysqlSession {
  /** The database named in the URL; undefined where it names none. */
  readonly database: string | undefined;
  /** IANA name of the zone of DATETIME columns. */
  readonly timezone: string;
  /** One connection of the pool for several statements. After an error of the connection it is not used again. */
  withConnection<T>(work: (session: MysqlSession) => Promise<T>): Promise<T>;
  /** A connection of one's own, outside the pool: for a session whose server must stay the same one. */
  connect(): Promise<MysqlConnection>;
  ping(): Promise<void>;
  close(): Promise<void>;
}

/**
 * What went wrong, without the driver's text: that quotes statements, values and accounts.
 * `answered`: the server refused the statement and the connection is sound; otherwise the connection is gone.
 */
export class MysqlError extends Error {
  override readonly name = 'MysqlError';
  /** The server's or driver's symbol: ER_NO_SUCH_TABLE, ECONNREFUSED, PROTOCOL_SEQUENCE_TIMEOUT. */
  readonly code: string;
  readonly errno: number;
  readonly answered: boolean;

  constructor(cause: unknown) {
    const { code, errno, sqlState, fatal } = cause as {
      code?: unknown;
      errno?: unknown;
      sqlState?: unknown;
      fatal?: unknown;
    };
    const symbol = typeof code === 'string' ? code : 'UNKNOWN';
    super(`MySQL: ${symbol}`);
    this.code = symbol;
    this.errno = typeof errno === 'number' ? errno : 0;
    this.answered = typeof sqlState === 'string' && fatal !== true;
  }
}

/**
 * Opens nothing until it is used. Sessions run in UTC (TIMESTAMP columns arrive in UTC; DATETIME columns as stored, in
 * `timezone`), READ COMMITTED, with backslash escapes. Multiple statements and LOCAL INFILE are off.
 */
export function createPool(settings: MysqlSettings, log: Logger, metrics?: Metrics): MysqlPool {
  const options = connectionOptions(settings);
  const pool = mysql.createPool({ ...options, connectionLimit: POOL_CONNECTIONS, maxIdle: POOL_CONNECTIONS });
  let up: boolean | undefined;
  const report = (error: MysqlError | undefined) => {
    const now = error === undefined || error.answered;
    if (!now && up !== false) log.warn('mysql.unavailable', { errorCode: error.code });
    if (now && up === false) log.info('mysql.back');
    up = now;
    metrics?.gauge('service_up', now ? 1 : 0, { service: 'mysql' });
  };
  const prepared = new WeakSet<object>();
  const acquire = async () => {
    let connection: mysql.PoolConnection | undefined;
    try {
      connection = await pool.getConnection();
      if (!prepared.has(connection.connection)) {
        await prepare(connection);
        prepared.add(connection.connection);
      }
      return connection;
    } catch (error) {
      connection?.destroy();
      const known = new MysqlError(error);
      report(known);
      throw known;
    }
  };
  const withConnection = async <T>(work: (session: MysqlSession) => Promise<T>): Promise<T> => {
    const connection = await acquire();
    let sound = true;
    const session = sessionOver(connection, (error) => {
      report(error);
      if (error && !error.answered) sound = false;
    });
    try {
      return await work(session);
    } finally {
      if (sound) connection.release();
      else connection.destroy();
    }
  };
  return {
    database: options.database,
    timezone: settings.timezone ?? 'UTC',
    withConnection,
    query: (sql, params, timeoutMs) => withConnection((session) => session.query(sql, params, timeoutMs)),
    table: (sql, params, timeoutMs) => withConnection((session) => session.table(sql, params, timeoutMs)),
    connect: async () => {
      let connection: Connection | undefined;
      try {
        connection = await mysql.createConnection(options);
        // Without a listener an idle connection that breaks would end the process; the next statement reports it.
        connection.on('error', () => {});
        await prepare(connection);
      } catch (error) {
        connection?.destroy();
        const known = new MysqlError(error);
        report(known);
        throw known;
      }
      const open = connection;
      return { ...sessionOver(open, report), close: () => open.destroy() };
    },
    ping: async () => {
      await withConnection((session) => session.query('SELECT 1', [], CONNECT_TIMEOUT_MS));
    },
    close: async () => {
      await pool.end().catch((error: unknown) => log.warn('mysql.close', { errorCode: new MysqlError(error).code }));
    },
  };
}

function sessionOver(connection: Connection, report: (error: MysqlError | undefined) => void): MysqlSession {
  const run = async (sql: string, params: readonly unknown[], timeout: number, rowsAsArray: boolean) => {
    try {
      const answer = await connection.query({ sql, values: [...params], timeout, rowsAsArray });
      report(undefined);
      return answer as [unknown, FieldPacket[] | undefined];
    } catch (error) {
      const known = new MysqlError(error);
      report(known);
      throw known;
    }
  };
  return {
    query: async (sql, params = [], timeoutMs = QUERY_TIMEOUT_MS) => {
      const [rows] = await run(sql, params, timeoutMs, false);
      return Array.isArray(rows) ? (rows as MysqlRow[]) : [];
    },
    table: async (sql, params = [], timeoutMs = QUERY_TIMEOUT_MS) => {
      const [rows, fields] = await run(sql, params, timeoutMs, true);
      return {
        columns: (fields ?? []).map((field) => ({ name: field.name, type: field.columnType ?? -1 })),
        rows: rows as unknown[][],
      };
    },
  };
}

/** sql_mode is ours, because the driver escapes with backslashes and quotes identifiers with backticks. */
async function prepare(connection: Connection): Promise<void> {
  await connection.query({
    sql: `SET SESSION time_zone = '+00:00', sql_mode = 'STRICT_TRANS_TABLES', lock_wait_timeout = ${LOCK_WAIT_S}`,
    timeout: CONNECT_TIMEOUT_MS,
  });
  await connection.query({
    sql: 'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
    timeout: CONNECT_TIMEOUT_MS,
  });
}

function connectionOptions(settings: MysqlSettings): ConnectionOptions {
  const url = new URL(settings.url);
  const hostname = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
  const database = decodeURIComponent(url.pathname.slice(1));
  const tls = settings.tlsCa !== undefined || ['true', '1', 'required'].includes(url.searchParams.get('ssl') ?? '');
  return {
    host: hostname,
    port: url.port ? Number(url.port) : DEFAULT_PORT,
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    ...(database ? { database } : {}),
    ...(tls
      ? {
          ssl: {
            rejectUnauthorized: true,
            // The driver can compare names only, and takes an address for 'localhost'.
            verifyIdentity: isIP(hostname) === 0,
            minVersion: 'TLSv1.2',
            ...(settings.tlsCa ? { ca: settings.tlsCa } : {}),
          },
        }
      : {}),
    charset: 'utf8mb4',
    connectTimeout: CONNECT_TIMEOUT_MS,
    enableKeepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_AFTER_MS,
    timezone: 'Z',
    dateStrings: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    jsonStrings: true,
    multipleStatements: false,
    flags: ['-LOCAL_FILES'],
    connectAttributes: { program_name: 'wardwatch' },
  };
}
