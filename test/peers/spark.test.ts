// A lake that wardwatch's writers wrote to HDFS, read by others: Spark on a Hive metastore, and Hive's own engine, answer what DuckDB answers.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { runCli } from '../../src/cli/program.js';
import { ATTRIBUTES } from '../../src/domain/attributes.js';
import type { LakeStore } from '../../src/domain/ports.js';
import type { ThresholdRow } from '../../src/domain/threshold.js';
import { compileThresholds } from '../../src/domain/threshold-table.js';
import { lakeTables } from '../../src/lake/columns.js';
import { openLake } from '../../src/lake/open-lake.js';
import { lakeQuery } from '../../src/lake/query.js';
import { DUCKDB, HIVE_DIALECTS } from '../../src/lake/sql-dialect.js';
import { lakeViews } from '../../src/lake/views.js';
import { episodeEvent } from '../helpers/alert-events.js';
import { limit, SEED_LIMITS, TEMPERATURE_LIMITS } from '../helpers/limits.js';
import { reading, START_US } from '../helpers/readings.js';
import { type PrivateHdfs, startHdfs } from '../helpers/services.js';
import { archiveMessages, importReferenceTables } from '../helpers/small-lake.js';
import { type SparkEngine, type SparkSession, startSpark } from '../helpers/spark.js';

const TABLES = lakeTables(ATTRIBUTES.map(({ name }) => name));
const NOBODY = { name: null, address: null, phone: null, ward: null, age: null, otherDetails: null };
/** Hostile to formats that part columns by characters. */
const PATIENTS = [
  {
    ...NOBODY,
    id: 'p-1',
    name: `O'Neil "Zoë"\n\\N\tnull 🚑`,
    address: '1 Lane; DROP',
    phone: '+44',
    ward: '4B',
    age: 30,
  },
  { ...NOBODY, id: 'p-2', address: '', phone: 'null', ward: '5C', age: 70, otherDetails: '\\N' },
  { ...NOBODY, id: 'p-3', name: 'Ageless' },
];
const LIMITS: readonly ThresholdRow[] = [
  ...SEED_LIMITS,
  ...TEMPERATURE_LIMITS,
  limit('heartBeat', [0, 40], [70, 72], 1, { severity: 'low', message: "over'lap" }),
];
/** HDFS and Spark start side by side: on a machine with other work that takes minutes. */
const PREPARED_WITHIN_MS = 600_000;

let hdfs: PrivateHdfs;
let cache: string;
let store: LakeStore;
let starting: Promise<SparkSession> | undefined;
let spark: SparkSession;
const rows = new Map<number, { patient: string; values: Readonly<Record<string, number>> }>();

beforeAll(async () => {
  cache = mkdtempSync(join(tmpdir(), 'wardwatch-test-lake-cache-'));
  starting = startSpark({ user: 'hive' });
  starting.catch(() => undefined);
  hdfs = await startHdfs();
  const location = { url: `${hdfs.url}/wards/lake`, hdfsHttpUrl: hdfs.httpUrl, hdfsUser: 'wardwatch' };
  // Vitest's BASE_URL looks like a misspelt LAKE_URL.
  for (const [name, value] of [
    ['BASE_URL', undefined],
    ['LAKE_URL', location.url],
    ['HDFS_HTTP_URL', location.hdfsHttpUrl],
    ['WARDWATCH_CONFIG', join(cache, 'wardwatch.yaml')],
  ] as const)
    vi.stubEnv(name, value);
  writeFileSync(join(cache, 'wardwatch.yaml'), `attributes: [${ATTRIBUTES.map(({ name }) => name).join(', ')}]\n`);
  store = openLake(location);
  await write();
  spark = await starting;
  for (const [database, dialect] of [
    ['by_spark', 'spark'],
    ['by_hive', 'hive3'],
  ] as const) {
    const engine: SparkEngine = dialect === 'spark' ? 'spark' : 'hive';
    await spark.sql('spark', `CREATE DATABASE ${database}`);
    await spark.sql(engine, `USE ${database}`);
    // Twice: every statement can be run again.
    for (let turn = 0; turn < 2; turn++)
      for (const statement of await ddl('--dialect', dialect)) await spark.sql(engine, statement);
  }
}, PREPARED_WITHIN_MS);
afterAll(async () => {
  vi.unstubAllEnvs();
  await (await starting?.catch(() => undefined))?.close();
  await hdfs?.close();
  rmSync(cache, { recursive: true, force: true });
}, PREPARED_WITHIN_MS);

/** Rows for every table that this version of the pipeline fills, over several hours. */
async function write(): Promise<void> {
  const gone = { ...NOBODY, id: 'gone', name: 'Gone', age: 40 };
  await importReferenceTables(store, { patients: [gone, ...PATIENTS], limits: SEED_LIMITS }, START_US);
  await importReferenceTables(store, { patients: PATIENTS, limits: LIMITS, gone: [gone] }, START_US + 1);
  const messages: object[] = [];
  for (let n = 1; n <= 200; n++) {
    const patient = ['p-1', 'p-2', 'p-3', 'gone'][n % 4] as string;
    const values = { heartBeat: 60 + (n % 30), bp: 145 + (n % 80), bodyTemperature: 34.95 + (n % 90) / 20 };
    rows.set(n, { patient, values });
    const more = n % 50 === 0 ? { bad: { spo2: 'n/a' }, other: { bed: "7'\n" } } : {};
    messages.push(reading(n, patient, values, n * 60 + n / 1_000, more));
  }
  messages.splice(100, 0, Buffer.from([0x7b, 0x00, 0xff]));
  const attributes = ATTRIBUTES.map(({ name }) => name);
  await archiveMessages(store, { attributes, messages: messages.slice(0, 120) });
  await archiveMessages(store, { attributes, messages: messages.slice(120) });
  const at = (second: number) => `2026-11-24T22:00:${second.toFixed(6).padStart(9, '0')}Z`;
  const range = { v: 1, source: 'rds', evidence: 'trx', at: at(3) };
  await archiveMessages(store, { topic: 'vital-gaps', attributes, messages: [{ ...range, from: '201', to: '207' }] });
  const startMs = START_US / 1_000;
  const raised = episodeEvent({ atMs: startMs, patientId: 'p-1' });
  const open = episodeEvent({ atMs: startMs + 5_000, patientId: 'p-2', direction: 'low', severity: 'low' });
  const resolved = episodeEvent({
    atMs: startMs + 12_345,
    patientId: 'p-1',
    kind: 'resolved',
    index: 1,
    episodeId: raised.episodeId,
  });
  await archiveMessages(store, { topic: 'doctors-queue', attributes, messages: [raised, open, resolved] });
  const history = [raised, open, resolved].flatMap(({ eventId, episodeId, kind }, i) =>
    (i === 1 ? ['suppressed'] : ['decided', 'attempt', 'accepted']).map((state, n) => ({
      ...{ v: 1, notificationId: `n${i}`, trigger: episodeId, eventId, episodeId, kind, n: 0, destination: 'd', state },
      ...{
        reason: 'r',
        attempt: 1,
        due: at(n),
        snsMessageId: null,
        coveredBy: null,
        possibleRepeat: i === 0,
        at: at(20 + i + n / 3),
      },
    })),
  );
  await archiveMessages(store, { topic: 'alert-deliveries', attributes, messages: history });
}

/** What DuckDB answers. */
async function duckdb(sql: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const copies = { folder: cache, maxBytes: 1 << 30, nowMs: () => 0 };
  return (await lakeQuery(store, sql, ATTRIBUTES, copies)).rows;
}

/** The statements that the program prints. */
async function ddl(...args: string[]): Promise<readonly string[]> {
  const out: string[] = [];
  const err: string[] = [];
  const streams = { out: (text: string) => out.push(text), err: (text: string) => err.push(text) };
  const code = await runCli(['node', 'wardwatch', 'hive', 'ddl', ...args], streams);
  expect({ code, err }).toEqual({ code: 0, err: [] });
  return out.map((statement) => statement.replace(/;\n$/, ''));
}

describe('the statements of `wardwatch hive ddl`', () => {
  it('make partitions of exactly the hours of the commit log, as MSCK does, however often they are run', async () => {
    await spark.sql('spark', 'CREATE DATABASE by_msck');
    await spark.sql('spark', 'USE by_msck');
    for (const only of ['tables', 'repair', 'repair', 'partitions'])
      for (const statement of await ddl('--dialect', 'spark', '--only', only)) await spark.sql('spark', statement);
    for (const { name } of TABLES) {
      const hours = await duckdb(`SELECT DISTINCT 'dt=' || dt || '/hr=' || hr AS hour FROM ${name} ORDER BY 1`);
      for (const database of ['by_spark', 'by_hive', 'by_msck']) {
        const { rows: found } = await spark.sql('spark', `SHOW PARTITIONS ${database}.${name}`);
        expect(found.map(([hour]) => hour).sort(), `${database}.${name}`).toEqual(hours.map(({ hour }) => hour));
      }
    }
  });

  it('keep the files when a table is dropped, and bring it back whole', async () => {
    const count = async () => (await spark.sql('spark', 'SELECT COUNT(*) FROM by_hive.vital_info')).rows;
    expect(await count()).toEqual([[String(rows.size)]]);
    await spark.sql('hive', 'USE by_hive');
    const statements = await ddl('--replace');
    expect(statements.filter((statement) => statement.startsWith('DROP'))).toHaveLength(TABLES.length);
    for (const statement of statements) await spark.sql('hive', statement);
    expect(await count()).toEqual([[String(rows.size)]]);
  });

  it('say BIGINT for instants in hive3, since the SerDe of Hive 2 and 3 reads no INT64 as TIMESTAMP', async () => {
    await expect(spark.sql('spark-serde', 'SELECT recorded_at FROM by_spark.vital_info')).rejects.toThrow(
      /ClassCastException|cannot be cast/,
    );
  });
});

describe.each(TABLES.map((table) => [table.name, table] as const))('table %s', (name, { columns }) => {
  it('has the same rows, value by value, for DuckDB, Spark and Hive’s Parquet SerDe', async () => {
    const select = (table: string, { micros, quote }: typeof DUCKDB) => {
      const values = columns.map(({ name: column, type }) => {
        if (type === 'bytes') return `hex(${quote(column)})`;
        return type === 'timestamp' ? micros(quote(column)) : quote(column);
      });
      return `SELECT ${[...values, 'dt', 'hr'].map((value, i) => `${value} AS c${i}`).join(', ')} FROM ${table}`;
    };
    const expected = (await duckdb(select(name, DUCKDB))).map((row) => Object.values(row));
    // Tables that this version of the pipeline fills.
    const filled = !/^access_audit|^(?:gap|alert|delivery)_dead$/.test(name);
    expect(expected.length > 0).toBe(filled);
    for (const [engine, database, dialect] of [
      ['spark', 'by_spark', 'spark'],
      ['spark-serde', 'by_hive', 'hive3'],
    ] as const) {
      const { rows: found } = await spark.sql(engine, select(`${database}.${name}`, HIVE_DIALECTS[dialect]));
      expect(sorted(found), `${engine}, ${dialect}`).toEqual(sorted(expected));
    }
  });
});

it.each(lakeViews(ATTRIBUTES, DUCKDB).map(({ name }) => [name]))('view %s has the same rows', async (name) => {
  const expected = await duckdb(`SELECT * FROM ${name}`);
  expect(expected.length).toBeGreaterThan(0);
  for (const database of ['by_spark', 'by_hive']) {
    const { columns, rows: found } = await spark.sql('spark', `SELECT * FROM ${database}.${name}`);
    expect(columns?.map((column) => column.toLowerCase())).toEqual(
      Object.keys(expected[0] ?? {}).map((column) => column.toLowerCase()),
    );
    expect(sorted(found), database).toEqual(sorted(expected.map((row) => Object.values(row))));
  }
});

it('readings_with_limits judges every value as the watcher does, once', async () => {
  const table = compileThresholds(LIMITS);
  const ages = new Map<string, number | null>(PATIENTS.map(({ id, age }) => [id, age]));
  const expected = [...rows].flatMap(([id, { patient, values }]) =>
    Object.entries(values).map(([attribute, value]) => [
      ...[String(id), attribute, value, table.judge(attribute, ages.get(patient), value).verdict],
    ]),
  );
  const found = await spark.sql('spark', 'SELECT id, attribute, value, verdict FROM by_spark.readings_with_limits');
  expect(sorted(found.rows)).toEqual(sorted(expected));
});

describe('the five questions of ops/docs/queries.md', () => {
  const page = readFileSync(new URL('../../ops/docs/queries.md', import.meta.url), 'utf8');
  const questions = [...page.matchAll(/^## (\d\. .+)\n\n```sql\n([\s\S]+?)\n```$/gm)].map(
    ([, title = '', sql = '']) => [title, sql] as const,
  );
  it('are five', () => expect(questions).toHaveLength(5));

  it.each(questions)('%s', async (_title, sql) => {
    const expected = (await duckdb(sql)).map((row) => Object.values(row));
    expect(expected.length).toBeGreaterThan(1);
    for (const [engine, database] of [
      ['spark', 'by_spark'],
      ['spark', 'by_hive'],
      ['hive', 'by_hive'],
    ] as const) {
      await spark.sql(engine, `USE ${database}`);
      const found = await spark.sql(engine, sql);
      expect(texts(found.rows), `${engine}, ${database}`).toEqual(texts(expected));
    }
  });
});

const INSTANT = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/;

/** Instants without the zeros that one engine writes and another doesn't. */
function plain(value: unknown): unknown {
  return typeof value === 'string' && INSTANT.test(value)
    ? value.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '')
    : value;
}

function sorted(found: readonly (readonly unknown[])[]): readonly string[] {
  return found.map((row) => JSON.stringify(row.map(plain))).sort();
}

/** Cells in order as text, since Hive has nothing else; a mean's last digits depend on the order of its summands. */
function texts(found: readonly (readonly unknown[])[]): readonly string[] {
  // Where Hive's line was cut at a tab or a line's end within a value, ours is too.
  const cells = found.flatMap((row) => row.flatMap((value) => String(plain(value) ?? 'NULL').split(/[\t\n]/)));
  return cells.map((cell) => (/^-?\d+(?:\.\d+)?(?:E-?\d+)?$/i.test(cell) ? Number(cell).toPrecision(12) : cell));
}
