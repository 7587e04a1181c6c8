// The storm of overlapping transactions: held, rolled back, in bulk, by INSERT … SELECT, with savepoints; and what a table must say afterwards.
import mysql from 'mysql2/promise';
import { systemClock } from '../../src/telemetry/clock.js';
import { seededRandom } from './poll-world.js';

const CONNECTIONS = 32;
const ROWS_PER_SECOND = 2_000;
const PATIENTS = 200;
const HELD_SHARE = 0.2;
const HELD_AT_MOST_MS = 300;
const HELD_LONG_SHARE = 0.01;
const HELD_LONG_MS = 1_500;
const ROLLED_BACK_SHARE = 0.05;
const AGAIN_AFTER_MS = 200;
const TABLE = 'patients_vital_info (customerId, recorded_at, heartBeat, bp)';

export interface StormOptions {
  /** With the database; the account may INSERT. */
  readonly url: string;
  readonly seed: number;
  readonly connections?: number;
  /** Over all connections; less where the machine or the server is slower. */
  readonly rowsPerSecond?: number;
}

export interface StormEnd {
  /** Rows of transactions whose commit was answered. */
  readonly committed: number;
  /** Ids whose rollback (whole or to a savepoint) was answered. */
  readonly rolledBack: readonly number[];
  /** Connections that broke; what their transactions did is known to the table alone. */
  readonly broken: number;
}

export interface Storm {
  /** Rows handed to the server so far. */
  inserted(): number;
  /** Every transaction ends first. */
  stop(): Promise<StormEnd>;
}

/** Begins at once. A writer whose connection breaks opens another, for as long as the storm lasts. */
export function startStorm(options: StormOptions): Storm {
  const writers = options.connections ?? CONNECTIONS;
  const perMs = (options.rowsPerSecond ?? ROWS_PER_SECOND) / 1_000;
  const startMs = systemClock.monotonicMs();
  const total = { inserted: 0, committed: 0, broken: 0, rolledBack: [] as number[] };
  let over = false;

  const write = async (random: () => number): Promise<void> => {
    let connection: mysql.Connection | undefined;
    while (!over) {
      // Whoever is ahead of the rate waits; nobody catches up on more than the storm's age.
      const aheadMs = total.inserted / perMs - (systemClock.monotonicMs() - startMs);
      if (aheadMs > 0) await systemClock.sleep(aheadMs);
      try {
        connection ??= await connected(options.url);
        const { ids, undone, commit } = await transaction(connection, random, (rows) => {
          total.inserted += rows;
        });
        if (commit) total.committed += ids.length;
        total.rolledBack.push(...undone, ...(commit ? [] : ids));
      } catch (error) {
        if ((error as { sqlState?: string }).sqlState === undefined) total.broken += 1;
        connection?.destroy();
        connection = undefined;
        await systemClock.sleep(AGAIN_AFTER_MS);
      }
    }
    await connection?.end();
  };
  const all = Promise.all(Array.from({ length: writers }, (_, n) => write(seededRandom(options.seed + n))));
  return {
    inserted: () => total.inserted,
    stop: async () => {
      over = true;
      await all;
      return total;
    },
  };
}

async function connected(url: string): Promise<mysql.Connection> {
  const connection = await mysql.createConnection(url);
  // Broken while idle: the next statement says so.
  connection.on('error', () => {});
  return connection;
}

/** One to five inserts, each of one row or in bulk; perhaps held, perhaps rolled back, to its savepoint or whole. */
async function transaction(connection: mysql.Connection, random: () => number, onRows: (rows: number) => void) {
  let ids: number[] = [];
  const undone: number[] = [];
  await connection.beginTransaction();
  const inserts = 1 + Math.floor(random() * 5);
  const savepointAt = random() < 0.1 ? Math.floor(random() * inserts) : -1;
  for (let n = 0; n < inserts; n += 1) {
    const before = ids.length;
    if (n === savepointAt) await connection.query('SAVEPOINT half');
    ids.push(...(await insert(connection, random)));
    onRows(ids.length - before);
    if (n === savepointAt && random() < 0.5) {
      await connection.query('ROLLBACK TO half');
      undone.push(...ids.slice(before));
      ids = ids.slice(0, before);
    }
  }
  if (random() < HELD_SHARE) await systemClock.sleep(random() * HELD_AT_MOST_MS);
  if (random() < HELD_LONG_SHARE) await systemClock.sleep(HELD_LONG_MS);
  const commit = random() >= ROLLED_BACK_SHARE;
  await (commit ? connection.commit() : connection.rollback());
  return { ids, undone, commit };
}

async function insert(connection: mysql.Connection, random: () => number): Promise<number[]> {
  const kind = random();
  const rows = kind < 0.85 ? 1 : 2 + Math.floor(random() * 6);
  const values = Array.from({ length: rows }, () => {
    const patient = Math.floor(random() * PATIENTS);
    return `'p${patient}', NOW(6), ${60 + Math.floor(random() * 40)}, ${110 + Math.floor(random() * 80)}`;
  });
  // INSERT … SELECT takes ids by the power of two, and leaves some that nobody ever uses.
  const source =
    kind < 0.95
      ? `VALUES ${values.map((value) => `(${value})`).join(',')}`
      : values.map((value) => `SELECT ${value}`).join(' UNION ALL ');
  const [{ insertId }] = await connection.query<mysql.ResultSetHeader>(`INSERT INTO ${TABLE} ${source}`);
  return Array.from({ length: rows }, (_, row) => insertId + row);
}

/** What the table says: every row as text, by id, and the ids below the last that it does not have. */
export async function tableNow(
  url: string,
): Promise<{ readonly rows: ReadonlyMap<number, string>; readonly absent: readonly number[] }> {
  const connection = await mysql.createConnection({ uri: url, dateStrings: true });
  const [found] = await connection.query<mysql.RowDataPacket[]>(
    `SELECT id, CONCAT_WS(' ', customerId, DATE_FORMAT(recorded_at, '%Y-%m-%d %H:%i:%s.%f'), ROUND(heartBeat), ROUND(bp)) AS text
     FROM patients_vital_info ORDER BY id`,
  );
  await connection.end();
  const rows = new Map(found.map(({ id, text }) => [Number(id), String(text)]));
  const absent: number[] = [];
  const last = Number(found.at(-1)?.id ?? 0);
  for (let id = 1; id < last; id += 1) if (!rows.has(id)) absent.push(id);
  return { rows, absent };
}

/** The same of a lake, by its own query: rows by id (an id that is there twice throws), ids that were given up. */
export async function lakeNow(
  lake: (sql: string) => Promise<readonly Readonly<Record<string, unknown>>[]>,
): Promise<{ readonly rows: ReadonlyMap<number, string>; readonly retired: readonly number[] }> {
  const found = await lake(
    `SELECT row_id AS id, concat_ws(' ', patient_id, strftime(recorded_at, '%Y-%m-%d %H:%M:%S.%f'),
       CAST(heart_beat AS INTEGER), CAST(bp AS INTEGER)) AS text FROM vital_info`,
  );
  const rows = new Map<number, string>();
  for (const { id, text } of found) {
    if (rows.has(Number(id))) throw new Error(`row ${String(id)} is in the lake twice`);
    rows.set(Number(id), String(text));
  }
  const retired: number[] = [];
  for (const { first_id: first, last_id: last } of await lake('SELECT first_id, last_id FROM gap'))
    for (let id = Number(first); id <= Number(last); id += 1) retired.push(id);
  return { rows, retired: retired.sort((a, b) => a - b) };
}
