// What `wardwatch hive ddl` prints. Whether engines take it is for test/peers/spark.test.ts.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { runCli } from '../../../src/cli/program.js';
import { ATTRIBUTES } from '../../../src/domain/attributes.js';
import type { LakeStore } from '../../../src/domain/ports.js';
import { TOPICS } from '../../../src/kafka/topics.js';
import { archivedTopics } from '../../../src/lake/archived-topics.js';
import { lakeTables, vitalInfoTable } from '../../../src/lake/columns.js';
import { diskFileOps } from '../../../src/lake/file-ops.js';
import { createFolderStore } from '../../../src/lake/folder-store.js';
import { partitionStatements, repairStatements, tableStatements, viewStatements } from '../../../src/lake/hive-ddl.js';
import { reading } from '../../helpers/readings.js';
import { archiveMessages } from '../../helpers/small-lake.js';

const names = ATTRIBUTES.map(({ name }) => name);
const hive = { dialect: 'hive3', signs: ATTRIBUTES } as const;
const spark = { dialect: 'spark', signs: ATTRIBUTES } as const;

describe('tableStatements', () => {
  it('declare one table as written here, instants as each engine can read them', () => {
    const gap = tableStatements(hive, "hdfs://nn:8020/o'lake/").find((statement) => statement.includes(' gap ('));
    expect(gap).toBe(`CREATE EXTERNAL TABLE IF NOT EXISTS gap (
  \`source\` STRING,
  \`first_id\` BIGINT,
  \`last_id\` BIGINT,
  \`evidence\` STRING,
  \`at\` BIGINT,
  \`body\` STRING,
  \`kafka_partition\` INT,
  \`kafka_offset\` BIGINT
)
PARTITIONED BY (\`dt\` STRING, \`hr\` STRING)
STORED AS PARQUET
LOCATION 'hdfs://nn:8020/o\\'lake/gap'
TBLPROPERTIES ('external.table.purge' = 'false')`);
    const [vitals] = tableStatements(spark, '/lake');
    for (const column of ['`recorded_at` TIMESTAMP', '`row_id` BIGINT', '`respiratory_rate` DOUBLE', '`bad` STRING'])
      expect(vitals).toContain(column);
  });

  it('declare every table of the lake with every column, in the order of the files', () => {
    for (const lake of [hive, spark]) {
      const statements = tableStatements(lake, '/lake');
      expect(statements.map((text) => [...text.matchAll(/^ {2}`(\w+)` /gm)].map(([, name]) => name))).toEqual(
        lakeTables(names).map(({ columns }) => columns.map(({ name }) => name)),
      );
      expect(repairStatements(lake)).toEqual(lakeTables(names).map(({ name }) => `MSCK REPAIR TABLE ${name}`));
    }
  });

  it('drop a table first only when that is asked for', () => {
    expect(tableStatements(hive, '/lake').join()).not.toContain('DROP');
    const [drop, create] = tableStatements(hive, '/lake', true);
    expect([drop, create?.slice(0, 40)]).toEqual([
      'DROP TABLE IF EXISTS vital_info',
      'CREATE EXTERNAL TABLE IF NOT EXISTS vita',
    ]);
  });
});

it('viewStatements: Hive is told how to make instants of its BIGINTs, Spark has them', () => {
  const text = (lake: Parameters<typeof viewStatements>[0]) => viewStatements(lake).join('\n');
  expect(text(hive)).toContain('CAST(CAST(recorded_at AS DECIMAL(20, 0)) / 1000000 AS TIMESTAMP) AS recorded_at');
  expect(text(spark)).not.toContain('DECIMAL(20, 0)');
  expect(viewStatements(hive).map((statement) => /^CREATE OR REPLACE VIEW (\w+) AS$/m.exec(statement)?.[1])).toEqual([
    ...['patients_vital_info', 'patients_information', 'threshold_reference_table', 'doctors_queue'],
    ...['readings_with_limits', 'episodes', 'notifications'],
  ]);
});

describe('partitionStatements', () => {
  let folder: string;
  let store: LakeStore;
  const HOURS = 3;
  const A_STATEMENT = 2;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'wardwatch-ddl-'));
    store = createFolderStore(folder, diskFileOps);
    const messages = Array.from({ length: HOURS }, (_, n) => reading(n + 1, 'p', { bp: 1 }, n * 3_600));
    await archiveMessages(store, { attributes: ['bp'], messages });
    const late = [reading(HOURS + 1, 'p', { bp: 1 }, HOURS * 3_600)];
    await archiveMessages(store, { attributes: ['bp'], messages: late, dieAt: 'archive.after-record' });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  const hours = (statements: readonly string[]) =>
    statements.flatMap((text) =>
      [...text.matchAll(/`dt` = '([^']*)', `hr` = '([^']*)'/g)].map(([, dt, hr]) => `${dt} ${hr}`),
    );

  it('name each published hour once, none whose folder is not there yet, so many a statement', async () => {
    const statements = await partitionStatements(store, hive, undefined, A_STATEMENT);
    expect(statements).toHaveLength(2);
    for (const statement of statements)
      expect(statement).toMatch(/^ALTER TABLE vital_info ADD IF NOT EXISTS\n {2}PARTITION \(/);
    const found = hours(statements);
    // START_US is 22:00.
    expect([found.length, found[0], found[2], found.at(-1)]).toEqual([
      HOURS,
      ...['2026-11-24 22', '2026-11-25 00', '2026-11-25 00'],
    ]);
    expect(new Set(found).size).toBe(HOURS);
    // The hour of the file that is committed and not yet published: ADD PARTITION would make its folder, as Hive's.
    expect((await store.list('_staging')).length).toBe(1);
    expect(found).not.toContain('2026-11-25 01');
  });

  it('begin at a day', async () => {
    expect(hours(await partitionStatements(store, spark, '2026-11-25'))).toEqual(['2026-11-25 00']);
    expect(await partitionStatements(store, spark, '2027-01-01')).toEqual([]);
  });
});

describe('wardwatch hive ddl', () => {
  // Vitest's own, which wardwatch takes for a misspelt LAKE_URL.
  beforeAll(() => void vi.stubEnv('BASE_URL', undefined));
  afterAll(() => vi.unstubAllEnvs());

  async function ddl(...args: string[]) {
    const out: string[] = [];
    const err: string[] = [];
    const streams = { out: (text: string) => out.push(text), err: (text: string) => err.push(text) };
    return { code: await runCli(['node', 'wardwatch', 'hive', 'ddl', ...args], streams), out, err: err.join('\n') };
  }

  it('is a script; tables and views of a lake elsewhere need no setting at all', async () => {
    const tables = await ddl('--only', 'tables', '--location', 'hdfs://ns/lake');
    expect([tables.code, tables.err, tables.out.length]).toEqual([0, '', lakeTables(names).length]);
    for (const statement of tables.out) expect(statement).toMatch(/;\n$/);
    expect(tables.out[0]).toContain("LOCATION 'hdfs://ns/lake/vital_info'");
    expect((await ddl('--only', 'views', '--dialect', 'spark')).out.join('')).not.toContain('CREATE EXTERNAL');
    expect((await ddl('--only', 'repair')).out[0]).toBe('MSCK REPAIR TABLE vital_info;\n');
  });

  it.each([
    [['--only', 'tables', '--location', '/lake'], '--location'],
    [['--only', 'partitions', '--since', 'yesterday'], '--since'],
    [['--only', 'partitions'], 'LAKE_URL'],
    [['--only', 'tables'], 'LAKE_URL'],
    [['--dialect', 'hive9'], 'hive3'],
  ])('%s ends with 2 and says what it lacks', async (args, word) => {
    const { code, err, out } = await ddl(...args);
    expect([code, out]).toEqual([2, []]);
    expect(err).toContain(word);
  });
});

describe('The tables of the lake', () => {
  it('are those of the topics that are to be archived, with names that Hive does not fold', () => {
    expect(archivedTopics(names).map(({ topic }) => topic)).toEqual(
      TOPICS.filter(({ archived }) => archived).map(({ name }) => name),
    );
    const tables = lakeTables(names);
    expect(new Set(tables.map(({ name }) => name)).size).toBe(tables.length);
    for (const { name, columns, key } of tables) {
      expect(columns.find((column) => column.name === key)?.required, name).toBe(true);
      for (const column of columns) expect(column.name).toMatch(/^[a-z][a-z0-9_]*$/);
      expect(new Set(columns.map((column) => column.name)).size, name).toBe(columns.length);
    }
  });

  it('refuse an attribute whose column would be another one, in the files, the folders or the view', () => {
    expect(() => vitalInfoTable(['heartBeat', 'heart_beat'])).toThrow('called heart_beat');
    expect(() => vitalInfoTable(['source'])).toThrow('called source');
    expect(() => vitalInfoTable(['hr'])).toThrow('vital_info would be called hr');
    expect(() => vitalInfoTable(['id'])).toThrow('patients_vital_info would be called id');
    expect(() => vitalInfoTable(['heartBeat', 'heartbeat'])).toThrow('called heartbeat');
  });
});
