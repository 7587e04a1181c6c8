// The hospital's server restarted, killed, replaced by an older copy, come back without its last commits, or locked: rows add up, or nothing is read on.
import { cpSync, rmSync } from 'node:fs';
import mysql from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/telemetry/clock.js';
import { createDeployment, type Deployment, type WorkerProcess } from '../helpers/deployment.js';
import { expectAuditedWhole } from '../helpers/fault-checks.js';
import { until } from '../helpers/kafka.js';
import { seededRandom } from '../helpers/poll-world.js';
import { startProxy } from '../helpers/proxy.js';
import { type PrivateUrl, startMysql } from '../helpers/services.js';
import { expectToAddUp, metric, settled, startStormWorld } from '../helpers/storm-world.js';

const WITHIN_MS = 60_000;
const BULK_ROWS = 40_000;

let server: PrivateUrl;
beforeAll(async () => {
  server = await startMysql();
});
const deployments: Deployment[] = [];
afterAll(async () => {
  for (const deployment of deployments) await deployment.close();
  await server?.close();
});

const said = (worker: WorkerProcess, event: string) => worker.events.filter((line) => line.event === event).length;

async function polling(name: string): Promise<{ deployment: Deployment; worker: WorkerProcess }> {
  const deployment = await createDeployment(name, { rdsUrl: server.url });
  deployments.push(deployment);
  const worker = deployment.worker('poll,archive');
  await until('polling has begun', () => said(worker, 'poll.first-start') > 0, WITHIN_MS);
  return { deployment, worker };
}

/** Rows of one heart beat each, and that the poller has read them. */
async function readRows({ deployment, worker }: { deployment: Deployment; worker: WorkerProcess }, beats: number[]) {
  const before = await metric(worker, 'poll_rows_total');
  for (const beat of beats)
    await deployment.sql('INSERT INTO patients_vital_info (customerId, heartBeat) VALUES (?, ?)', ['p', beat]);
  const read = () => metric(worker, 'poll_rows_total');
  await until('the rows are read', async () => (await read()) === before + beats.length, WITHIN_MS);
}

async function dataFolder(): Promise<string> {
  const connection = await mysql.createConnection(server.url);
  const [[row]] = await connection.query<mysql.RowDataPacket[]>('SELECT @@datadir AS folder');
  connection.destroy();
  return String(row?.folder).replace(/\/$/, '');
}

/** A person accepts the table as it is from this id on; what is read from there has a name of its own, and everything adds up. */
async function resetAndGoOn({ deployment, worker }: { deployment: Deployment; worker: WorkerProcess }, from: number) {
  const before = await metric(worker, 'poll_rows_total');
  const reset = await deployment.run(['source', 'reset', '--from', String(from), '--reason', 'another copy']);
  expect(reset.code, reset.err).toBe(0);
  const [{ n }] = (await deployment.sql(`SELECT COUNT(*) AS n FROM patients_vital_info WHERE id >= ${from}`)) as [
    { n: number },
  ];
  expect(n).toBeGreaterThan(0);
  const read = () => metric(worker, 'poll_rows_total');
  await until('the other rows are read', async () => (await read()) === before + n, WITHIN_MS);
  await expectAuditedWhole(deployment);
}

async function refusal(worker: WorkerProcess): Promise<string> {
  await until('it is refused', () => said(worker, 'poll.refused') > 0, WITHIN_MS);
  return String(worker.events.findLast(({ event }) => event === 'poll.refused')?.reason);
}

test('restarted and killed under the storm: every row that it kept is in the lake once, what it lost is given up', async () => {
  const world = await startStormWorld('rdsrestart', server.url, 50);
  deployments.push(world.deployment);
  const grown = async (rows: number) => {
    const goal = world.storm.inserted() + rows;
    await until('the storm goes on', () => world.storm.inserted() > goal, WITHIN_MS);
  };
  await grown(3_000);
  await server.stop();
  await server.start();
  await until('compared', () => said(world.worker, 'poll.restart-compared') === 1, WITHIN_MS);
  await grown(3_000);
  await server.kill();
  await server.start();
  await until('compared again', () => said(world.worker, 'poll.restart-compared') === 2, WITHIN_MS);
  await grown(3_000);
  const end = await world.storm.stop();
  await settled(world);
  await expectToAddUp(world, end);
  const compared = world.worker.events.filter(({ event }) => event === 'poll.restart-compared');
  expect(compared.every(({ compared: rows }) => Number(rows) > 500)).toBe(true);
  const noticed = world.worker.events.filter(({ event }) => event === 'poll.server-restarted');
  const waitedMs = compared.map(({ time }, n) => Date.parse(String(time)) - Date.parse(String(noticed[n]?.time)));
  console.log(`restart of RDS, polling waits for the comparison: ${waitedMs.join(' and ')} ms`);
  expect(end.broken).toBeGreaterThan(0);
  expect(said(world.worker, 'poll.refused')).toBe(0);
  await expectAuditedWhole(world.deployment);
  world.worker.signal('SIGTERM');
  expect(await world.worker.exited).toBe(0);
});

test('cut off, stalled and slow again and again under the storm, beside bulk inserts that are held: everything adds up', async () => {
  const proxy = await startProxy(server.port);
  const world = await startStormWorld('rdscut', server.url, 20, proxy.port);
  deployments.push(world.deployment);
  const random = seededRandom(world.seed);
  const bulk = async (commit: boolean) => {
    const connection = await mysql.createConnection(world.url);
    await connection.beginTransaction();
    await connection.query(
      `INSERT INTO patients_vital_info (customerId, recorded_at, heartBeat, bp) SELECT 'bulk', NOW(6), 70, 120 FROM seq_1_to_${BULK_ROWS}`,
    );
    await systemClock.sleep(3_000);
    await (commit ? connection.commit() : connection.rollback());
    await connection.end();
  };
  const bulks = Promise.all([bulk(true), bulk(false)]);
  for (let n = 0; n < 24; n += 1) {
    await systemClock.sleep(random() * 500);
    if (n % 4 === 0) proxy.stall();
    else if (n % 4 === 1) proxy.delay(random() * 30);
    else proxy.cut();
    await systemClock.sleep(random() * 300);
    proxy.restore();
  }
  await bulks;
  const end = await world.storm.stop();
  await settled(world);
  await expectToAddUp(world, end);
  expect(end.broken).toBe(0);
  expect(said(world.worker, 'poll.source-unavailable')).toBeGreaterThan(0);
  expect(said(world.worker, 'poll.refused')).toBe(0);
  await expectAuditedWhole(world.deployment);
  world.worker.signal('SIGTERM');
  expect(await world.worker.exited).toBe(0);
  await proxy.close();
});

test('replaced by an older copy of itself: refused while its ids end below, and when they have grown past what was read', async () => {
  const world = await polling('rdscopy');
  const folder = await dataFolder();
  await readRows(world, [61, 62, 63]);
  await server.stop();
  cpSync(folder, `${folder}.copy`, { recursive: true });
  await server.start();
  await readRows(world, [64, 65]);
  await server.stop();
  rmSync(folder, { recursive: true });
  cpSync(`${folder}.copy`, folder, { recursive: true });
  await server.start();
  expect(await refusal(world.worker)).toMatch(/the table ends at id 3, but 5 was read/);
  for (const beat of [90, 91, 92])
    await world.deployment.sql('INSERT INTO patients_vital_info (customerId, heartBeat) VALUES (?, ?)', ['p', beat]);
  await until('rows under used ids are refused too', async () =>
    (await refusal(world.worker)).includes('2 say something else now (4, 5)'),
  );
  expect((await world.worker.get('/ready'))?.body).toContain('`wardwatch source reset`');
  expect(await metric(world.worker, 'poll_rows_total')).toBe(5);
  rmSync(`${folder}.copy`, { recursive: true });
  await resetAndGoOn(world, 4);
});

test('a crash that loses commits (innodb_flush_log_at_trx_commit = 0): rows that were read are missed at once, also behind new ones', async () => {
  const world = await polling('rdslost');
  await readRows(world, [61, 62]);
  await world.deployment.sql('SET GLOBAL innodb_flush_log_at_timeout = 2700');
  // With the log written at no commit from here on, what follows is in the server's memory only.
  await world.deployment.sql('SET GLOBAL innodb_flush_log_at_trx_commit = 0');
  await readRows(world, [63, 64]);
  const doctor = await world.deployment.run(['doctor', '--json']);
  expect(doctor.out).toContain('innodb_flush_log_at_trx_commit = 0: after a crash of the server');
  await server.kill();
  await server.start();
  const [{ n }] = (await world.deployment.sql('SELECT COUNT(*) AS n FROM patients_vital_info')) as [{ n: number }];
  expect(n).toBe(2);
  for (const beat of [90, 91, 92])
    await world.deployment.sql('INSERT INTO patients_vital_info (customerId, heartBeat) VALUES (?, ?)', ['p', beat]);
  const reasons = async () => (await world.worker.get('/ready'))?.body ?? '';
  await until('it is seen', async () => (await reasons()).includes('2 say something else now (3, 4)'), WITHIN_MS);
  expect(await metric(world.worker, 'poll_rows_total')).toBe(4);
  await resetAndGoOn(world, 3);
});

test('locked for longer than any time-out: said in words, no threads pile up, every row is read once the lock is gone', async () => {
  const world = await polling('rdslocked');
  await readRows(world, [61]);
  const holder = await mysql.createConnection(String(world.deployment.env.RDS_URL));
  await holder.query('LOCK TABLES patients_vital_info WRITE');
  await holder.query("INSERT INTO patients_vital_info (customerId, heartBeat) VALUES ('p', 62), ('p', 63)");
  const reasons = async () => (await world.worker.get('/ready'))?.body ?? '';
  await until('it says so', async () => (await reasons()).includes('the table is locked by somebody'), WITHIN_MS);
  expect(await metric(world.worker, 'poll_lag_seconds')).toBeGreaterThan(5);
  await systemClock.sleep(500);
  const [threads] = await holder.query<mysql.RowDataPacket[]>(
    "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE state LIKE '%lock%' AND db = DATABASE()",
  );
  expect(Number(threads[0]?.n)).toBeLessThanOrEqual(1);
  expect((await world.worker.get('/live'))?.status).toBe(200);
  await holder.query('UNLOCK TABLES');
  holder.destroy();
  await until('all is read', async () => (await metric(world.worker, 'poll_rows_total')) === 3, WITHIN_MS);
  await until('it is ready', async () => (await world.worker.get('/ready'))?.status === 200);
  await expectAuditedWhole(world.deployment);
});

test('a held transaction is named by source status; doctor proves that lists are new, and says when none is', async () => {
  const world = await polling('rdsheld');
  const held = await mysql.createConnection(String(world.deployment.env.RDS_URL));
  await held.beginTransaction();
  await held.query("INSERT INTO patients_vital_info (customerId, heartBeat) VALUES ('held', 62)");
  await readRows(world, [63]);
  const heldFor = () => metric(world.worker, 'poll_gap_transaction_seconds');
  await until('its transaction is seen', async () => (await heldFor()) > 0.2, WITHIN_MS);
  // The position is stored with the next tick.
  const status = async () =>
    JSON.parse((await world.deployment.run(['source', 'status', '--json'])).out) as {
      position: { gaps: { from: string; to: string; transactions: string[] }[] };
      transactions: { id: string; account: string; rowsModified: number }[];
      restarted: boolean;
    };
  await until('it is in the position', async () => (await status()).transactions.length > 0, WITHIN_MS);
  const { position, transactions, restarted } = await status();
  expect(position.gaps).toMatchObject([{ from: '1', to: '1', transactions: [transactions[0]?.id] }]);
  expect(transactions).toMatchObject([{ account: expect.stringMatching(/^root@/), rowsModified: 1 }]);
  expect(restarted).toBe(false);
  expect((await world.deployment.run(['source', 'status'])).out).toMatch(
    /may come from \d+\nopen {6}transaction \d+: root@/,
  );
  await held.rollback();
  await until(
    'its id is given up',
    async () => (await metric(world.worker, 'poll_ids_retired_total')) === 1,
    WITHIN_MS,
  );
  expect(await heldFor()).toBe(0);

  const evidence = async () => {
    const { out } = await world.deployment.run(['doctor', '--json']);
    const { checks } = JSON.parse(out) as { checks: { name: string; verdict: string; found: string }[] };
    return checks.find(({ name }) => name === 'RDS evidence');
  };
  // On a busy machine "at once" may be more than the server's 100 ms.
  expect(await evidence()).toMatchObject({
    verdict: 'ok',
    found: expect.stringMatching(/a new list of open transactions \(0 that have written\); one asked for at once was/),
  });
  let watching = true;
  const agent = (async () => {
    while (watching) {
      await held.query('SELECT COUNT(*) FROM information_schema.innodb_trx');
      await systemClock.sleep(20);
    }
  })();
  const beside = await evidence();
  watching = false;
  await agent;
  held.destroy();
  expect(beside).toMatchObject({ verdict: 'warning', found: expect.stringContaining('were all old') });
  await expectAuditedWhole(world.deployment);
});
