// The source on a real MariaDB: what the evidence sees, other names and odd values, and every refusal with its remedy.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { VitalsMapping } from '../../../src/domain/mapping.js';
import { listAgainMs, listTransactions } from '../../../src/mysql/evidence.js';
import { createPool } from '../../../src/mysql/pool.js';
import type { SourceRefused } from '../../../src/mysql/refusal.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { lookUntil, type PollWorld, pollWorlds } from '../../helpers/poll-world.js';
import { type PrivateUrl, startMysql } from '../../helpers/services.js';

// A server of our own where it matters who else looks at its transactions. Its end is registered first, so it comes last.
let quiet: PrivateUrl;
beforeAll(async () => {
  quiet = await startMysql();
});
afterAll(() => quiet?.close());
const pollWorld = pollWorlds('source');
const INSERT = 'INSERT INTO patients_vital_info (customerId, heartBeat) VALUES (?, 72)';

async function rowsAre(world: PollWorld, ids: number[]): Promise<void> {
  const read = (await world.readings()).map(({ row }) => Number(row));
  expect(read.sort((a, b) => a - b)).toEqual(ids);
}

describe('evidence', () => {
  test('trx: beside a reader every 50 ms nothing is lost and nothing retired; when it stops, what was rolled back is', async () => {
    const world = await pollWorld('agent', { rdsUrl: quiet.url });
    const poller = world.poller();
    await poller.look();
    const [agent, held, other] = [await world.connection(), await world.connection(), await world.connection()];
    let watching = true;
    const watch = (async () => {
      while (watching) {
        await agent.query('SELECT COUNT(*) FROM information_schema.innodb_trx');
        await systemClock.sleep(40);
      }
    })();
    await held.beginTransaction();
    await held.query(INSERT, ['held']);
    await other.beginTransaction();
    await other.query(INSERT, ['rolled back']);
    await other.rollback();
    await world.sql(INSERT, ['p']);
    const startMs = systemClock.monotonicMs();
    await lookUntil(poller, () => systemClock.monotonicMs() - startMs > 3_500);
    await rowsAre(world, [3]);
    expect(await world.retired()).toEqual([]);
    expect(await world.metrics.value('poll_evidence_total', { result: 'stale' })).toBeGreaterThan(3);
    await held.commit();
    await poller.look();
    await rowsAre(world, [1, 3]);
    watching = false;
    await watch;
    await lookUntil(poller, async () => (await world.metrics.value('poll_gaps_open')) === 0);
    expect(await world.retired()).toEqual([2]);
    await rowsAre(world, [1, 3]);
  });

  test('trx: a fresh list names exactly the transactions that have written, XA PREPARE included', async () => {
    const world = await pollWorld('list', { rdsUrl: quiet.url });
    const pool = createPool({ url: world.url }, world.log);
    const session = await pool.connect();
    const [writer, reader, preparer] = [await world.connection(), await world.connection(), await world.connection()];
    await reader.query('START TRANSACTION WITH CONSISTENT SNAPSHOT');
    await writer.beginTransaction();
    await writer.query(INSERT, ['p']);
    const xid = `'${randomUUID()}'`;
    await preparer.query(`XA START ${xid}`);
    await preparer.query(INSERT, ['p']);
    await preparer.query(`XA END ${xid}`);
    await preparer.query(`XA PREPARE ${xid}`);
    const looked = async () => {
      await systemClock.sleep(listAgainMs(0));
      return listTransactions(session, randomUUID());
    };
    const [rows] = await writer.query(
      'SELECT trx_id AS id, trx_mysql_thread_id = CONNECTION_ID() AS own, trx_state FROM information_schema.innodb_trx',
    );
    const writers = (rows as { id: unknown; own: number }[]).filter(({ id }) => Number(id) > 0);
    expect(writers).toHaveLength(2);
    // At once it is the list of the look before: not ours, so it does not count.
    expect(await listTransactions(session, randomUUID())).toEqual({ result: 'stale' });
    expect(await looked()).toMatchObject({ result: 'fresh', transactions: writers.map(({ id }) => String(id)) });
    await writer.rollback();
    const prepared = writers.find(({ own }) => own !== 1);
    expect(await looked()).toMatchObject({ result: 'fresh', transactions: [String(prepared?.id)] });
    await preparer.query(`XA COMMIT ${xid}`);
    expect(await looked()).toMatchObject({ result: 'fresh', transactions: [] });
    session.close();
    await pool.close();
  });

  test('lock and time: held rows stay gaps, rolled-back ones are retired after the grace', async () => {
    for (const evidence of ['lock', 'time'] as const) {
      const world = await pollWorld(evidence);
      const poller = world.poller({ evidence, graceMs: evidence === 'lock' ? 300 : 1_500 });
      await poller.look();
      const [held, other] = [await world.connection(), await world.connection()];
      await held.beginTransaction();
      await held.query(INSERT, ['held']);
      await other.beginTransaction();
      await other.query(INSERT, ['rolled back']);
      await other.query(INSERT, ['rolled back']);
      await other.rollback();
      await world.sql(INSERT, ['p']);
      // One gap of three ids: the probe of a range is held as a whole while one row in it is.
      await poller.look();
      if (evidence === 'lock') {
        const startMs = systemClock.monotonicMs();
        await lookUntil(poller, () => systemClock.monotonicMs() - startMs > 1_000);
        expect(await world.retired()).toEqual([]);
      }
      await held.commit();
      await lookUntil(poller, async () => (await world.metrics.value('poll_gaps_open')) === 0);
      await rowsAre(world, [1, 4]);
      expect(await world.retired()).toEqual([2, 3]);
      const warnings = poller.reasons().filter((reason) => reason.startsWith('POLL_EVIDENCE=time'));
      expect(warnings).toHaveLength(evidence === 'time' ? 1 : 0);
    }
  });
});

test('renamed tables and columns, odd values, a local time zone: each row is kept', async () => {
  const mapping: VitalsMapping = {
    table: 'Monitor Log',
    key: 'seq`no',
    patientId: 'patientid',
    recordedAt: 'taken',
    attributes: [
      { name: 'heartBeat', column: 'pulse' },
      { name: 'bodyTemperature', column: 'temp' },
    ],
  };
  const world = await pollWorld('renamed', {
    mapping,
    sql: [
      `CREATE TABLE \`Monitor Log\` (patientid BIGINT NULL, taken DATETIME(3) NULL, pulse VARCHAR(20) NULL, temp DECIMAL(5,2) NULL,
       \`seq\`\`no\` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT INVISIBLE UNIQUE, note TEXT NULL, scan BLOB NULL, stamp TIMESTAMP(6) NULL, day DATE NULL)`,
    ],
  });
  await world.sql(
    `INSERT INTO \`Monitor Log\` (patientid, taken, pulse, temp, note, scan, stamp, day) VALUES
     (9007199254740993, '2026-07-01 12:00:00.5', '72', 36.60, 'naïve "q" \\n 😀', x'00ff', '2026-07-01 10:00:00.25', '2026-07-01'),
     (NULL, NULL, 'n/a', 99.9, NULL, NULL, NULL, NULL),
     (7, '2026-01-01 00:00:00', NULL, NULL, '', '', NULL, NULL)`,
  );
  const poller = world.poller({ start: 'beginning', timezone: 'Europe/Berlin' });
  await poller.look();
  const readings = (await world.readings()).sort((a, b) => Number(a.row) - Number(b.row));
  expect(readings).toMatchObject([
    {
      row: '1',
      patientId: '9007199254740993',
      recordedAt: '2026-07-01T10:00:00.500000Z',
      timeSource: 'row',
      values: { heartBeat: 72, bodyTemperature: 36.6 },
      bad: {},
      other: {
        note: 'naïve "q" \n 😀',
        scan: 'AP8=',
        stamp: '2026-07-01T10:00:00.250000Z',
        day: '2026-07-01',
      },
    },
    { row: '2', patientId: '', timeSource: 'poll', values: {}, bad: { heartBeat: 'n/a', bodyTemperature: '99.90' } },
    {
      row: '3',
      patientId: '7',
      recordedAt: '2025-12-31T23:00:00.000000Z',
      values: {},
      bad: {},
      other: { note: '', scan: '' },
    },
  ]);
  expect(await world.metrics.value('poll_bad_values_total')).toBe(2);
  expect(world.log.lines.find(({ event }) => event === 'poll.bad-value')?.fields).toMatchObject({ row: '2' });
  // A column that comes while we read.
  await world.sql('ALTER TABLE `Monitor Log` ADD COLUMN extra INT NULL');
  await world.sql('INSERT INTO `Monitor Log` (patientid, extra) VALUES (8, 5)');
  await lookUntil(poller, async () => (await world.readings()).length === 4);
  expect((await world.readings()).find(({ row }) => row === '4')).toMatchObject({ other: { extra: 5 } });
});

describe('refusals', () => {
  let world: PollWorld;
  beforeAll(async () => {
    world = await pollWorld('refused', {
      sql: [
        'CREATE TABLE good (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, customerId INT, hb INT)',
        'CREATE TABLE nokey (customerId INT, hb INT)',
        'CREATE TABLE notunique (id BIGINT NOT NULL, customerId INT, hb INT, INDEX (id))',
        'CREATE TABLE pair (id BIGINT NOT NULL, customerId INT NOT NULL, hb INT, UNIQUE (id, customerId))',
        'CREATE TABLE nullable (id BIGINT NULL UNIQUE, customerId INT, hb INT)',
        'CREATE TABLE textkey (id VARCHAR(20) NOT NULL PRIMARY KEY, customerId INT, hb INT)',
        'CREATE TABLE memory (id BIGINT NOT NULL PRIMARY KEY, customerId INT, hb INT) ENGINE=MyISAM',
        'CREATE VIEW peek AS SELECT * FROM good',
      ],
    });
  });
  const open = async (table: string, more: Parameters<PollWorld['vitals']>[0] = {}) => {
    const mapping: VitalsMapping = {
      table,
      key: 'id',
      patientId: 'customerId',
      recordedAt: null,
      attributes: [{ name: 'heartBeat', column: 'hb' }],
      ...more.mapping,
    };
    try {
      (await world.vitals({ ...more, mapping }).open()).close();
      return 'accepted';
    } catch (error) {
      const { code, message } = error as SourceRefused;
      return `${code}: ${message}`;
    }
  };
  test('tables, columns and keys that can not carry a position', async () => {
    expect(await open('good')).toBe('accepted');
    expect(await open('gone')).toMatch(/^no-table: .*source\.vitals\.table/);
    expect(await open('nokey')).toMatch(
      /^no-key: .*ALTER TABLE `nokey` ADD COLUMN `id` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT INVISIBLE UNIQUE/,
    );
    expect(await open('notunique')).toMatch(
      /^no-key: .*ALTER TABLE `notunique` ADD UNIQUE INDEX wardwatch_key \(`id`\)/,
    );
    expect(await open('pair')).toMatch(/^no-key: .*not unique by an index of its own/);
    expect(await open('nullable')).toMatch(/^no-key: .*NOT NULL/);
    expect(await open('textkey')).toMatch(/^no-key: .*varchar/);
    expect(await open('memory')).toMatch(/^engine: .*ENGINE=InnoDB/);
    expect(await open('peek')).toMatch(/^engine: /);
    const columns = { patientId: 'who', attributes: [{ name: 'bp', column: 'pressure' }] } as unknown as VitalsMapping;
    expect(await open('good', { mapping: columns })).toMatch(/^no-column: good has no column who, pressure/);
    // What the refusal says mends it.
    await world.sql('ALTER TABLE nokey ADD COLUMN `id` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT INVISIBLE UNIQUE');
    expect(await open('nokey')).toBe('accepted');
    expect(await open(`${world.database}.good`)).toBe('accepted');
  });

  test('rights: SELECT is needed, PROCESS for trx, SELECT alone is enough for lock', async () => {
    const select = await world.account(`SELECT ON ${world.database}.good`);
    const process = await world.account(`SELECT ON ${world.database}.good`, 'PROCESS ON *.*');
    const nothing = await world.account(`SELECT ON ${world.database}.pair`);
    expect(await open('good', { url: select })).toMatch(/^no-process: .*GRANT PROCESS .*POLL_EVIDENCE=lock/);
    expect(await open('good', { url: process })).toBe('accepted');
    expect(await open('good', { url: select, evidence: 'lock' })).toBe('accepted');
    expect(await open('good', { url: select, evidence: 'time' })).toBe('accepted');
    const wrong = (change: (url: URL) => void) => {
      const url = new URL(select);
      change(url);
      return open('good', { url: url.toString() });
    };
    expect(await wrong((url) => (url.password = 'guessed'))).toMatch(/^no-login: .*refuses our account.*RDS_URL/);
    expect(await wrong((url) => (url.pathname = '/elsewhere'))).toMatch(/^no-login: /);
    expect(await open('good', { url: nothing })).toMatch(/^no-select: .*GRANT SELECT ON `good`/);
  });

  test('servers whose open transactions can not all be seen: a step that is not ours, a replica', async () => {
    const server = await pollWorld('server', { rdsUrl: quiet.url });
    const plain = await server.account(`SELECT ON ${server.database}.*`, 'PROCESS ON *.*');
    const opened = async (url: string) => {
      try {
        (await server.vitals({ url }).open()).close();
        return 'accepted';
      } catch (error) {
        return `${(error as SourceRefused).code}: ${(error as SourceRefused).message}`;
      }
    };
    expect(await opened(plain)).toBe('accepted');
    await server.sql('SET GLOBAL auto_increment_increment = 2');
    expect(await opened(plain)).toMatch(/^step: auto_increment_increment is 2, and 1 is configured/);
    await server.sql('SET GLOBAL auto_increment_increment = 1');
    // Closed for writing: who may not ask about replication has to take it for a replica; who may ask knows better.
    await server.sql('SET GLOBAL read_only = 1');
    expect(await opened(plain)).toMatch(/^replica: .*Set RDS_URL to the primary/);
    expect(await opened(server.url)).toBe('accepted');
    await server.sql('SET GLOBAL read_only = 0');
    // Replication that is set up makes a replica, open for writing or not.
    await server.sql("CHANGE MASTER TO master_host = '127.0.0.1', master_user = 'nobody', master_port = 1");
    expect(await opened(server.url)).toMatch(/^replica: .*replication yes/);
    await server.sql('RESET SLAVE ALL');
    expect(await opened(server.url)).toBe('accepted');
  });

  test('a step that is ours: ids between wait for nobody, and a row that stands there after all is read, once', async () => {
    const stepped = await pollWorld('stepped', { rdsUrl: quiet.url });
    await stepped.sql('SET GLOBAL auto_increment_increment = 2');
    const options = { step: 2, start: 'beginning' };
    const poller = stepped.poller(options);
    const writer = await stepped.connection();
    for (let n = 0; n < 4; n += 1) await writer.query(INSERT, ['p']);
    await poller.look();
    await rowsAre(stepped, [1, 3, 5, 7]);
    expect(await stepped.metrics.value('poll_gaps_open')).toBe(0);
    await writer.beginTransaction();
    await writer.query(INSERT, ['rolled back']);
    await writer.rollback();
    await writer.query(INSERT, ['p']);
    await poller.look();
    expect(await stepped.metrics.value('poll_gaps_open')).toBe(3);
    // From a server whose transactions can't be seen here: between rows, and beside an id that is in doubt.
    const other = 'INSERT INTO patients_vital_info (id, customerId) VALUES (?, ?)';
    await stepped.sql(other, [4, 'other']);
    await stepped.sql(other, [10, 'other']);
    await lookUntil(poller, async () => (await stepped.readings()).length === 7, 200);
    const next = stepped.poller(options);
    await stepped.sql(other, [2, 'other']);
    await lookUntil(next, async () => (await stepped.readings()).length === 8, 200);
    await rowsAre(stepped, [1, 2, 3, 4, 5, 7, 10, 11]);
    expect(await stepped.retired()).toEqual([]);
    await stepped.sql('SET GLOBAL auto_increment_increment = 1');
  });

  test('a table emptied under us stops the source before a used id can be taken for a new one', async () => {
    const emptied = await pollWorld('emptied');
    await emptied.sql(INSERT, ['a']);
    await emptied.sql(INSERT, ['b']);
    const poller = emptied.poller({ start: 'beginning' });
    await poller.look();
    await emptied.sql('TRUNCATE TABLE patients_vital_info');
    await emptied.sql(INSERT, ['c']);
    await expect(lookUntil(poller, () => false)).rejects.toMatchObject({ code: 'went-back' });
    poller.forgetSession();
    await expect(poller.look()).rejects.toMatchObject({ code: 'went-back' });
    await rowsAre(emptied, [1, 2]);
  });
});
