// The storm against real worker processes: every committed row is in the lake once, as it was written, and what is given up was rolled back.
import mysql from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/telemetry/clock.js';
import { createDeployment, type Deployment, type WorkerProcess } from '../helpers/deployment.js';
import { until } from '../helpers/kafka.js';
import { type PrivateUrl, startMysql } from '../helpers/services.js';
import { lakeNow, type StormEnd, startStorm, tableNow } from '../helpers/storm.js';

const STORM_MS = 12_000;
const SETTLED_WITHIN_MS = 120_000;
const AGENT_EVERY_MS = 50;

// A server of our own: who else reads innodb_trx is part of the test.
let server: PrivateUrl;
beforeAll(async () => {
  server = await startMysql();
});
const deployments: Deployment[] = [];
afterAll(async () => {
  for (const deployment of deployments) await deployment.close();
  await server?.close();
});

async function stormy(name: string, intervalMs: number) {
  const deployment = await createDeployment(name, {
    rdsUrl: server.url,
    env: { POLL_INTERVAL_MS: String(intervalMs) },
  });
  deployments.push(deployment);
  const worker = deployment.worker('poll,archive');
  const url = String(deployment.env.RDS_URL);
  await until('polling has begun', () => worker.events.some(({ event }) => event === 'poll.first-start'), 60_000);
  const seed = Math.floor(Math.random() * 2 ** 31);
  return { deployment, worker, url, seed, storm: startStorm({ url, seed }) };
}

/** A line of the worker's metrics, with its labels; 0 where it was never touched, NaN where nobody answers. */
async function metric(worker: WorkerProcess, line: string): Promise<number> {
  const text = (await worker.get('/metrics'))?.body;
  if (text === undefined) return Number.NaN;
  const found = text.split('\n').find((own) => own.startsWith(`wardwatch_${line} `));
  return found === undefined ? 0 : Number(found.split(' ')[1]);
}

/** A last row, so that every id that was rolled back lies below one that was read; then everything must come to rest. */
async function settled({ deployment, worker }: { deployment: Deployment; worker: WorkerProcess }): Promise<void> {
  await deployment.sql("INSERT INTO patients_vital_info (customerId, recorded_at) VALUES ('last', NOW(6))");
  const [{ n }] = (await deployment.sql('SELECT COUNT(*) AS n FROM patients_vital_info')) as [{ n: number }];
  await until(
    'every row is in the lake',
    async () => (await metric(worker, 'archive_rows_total{topic="vital-info"}')) >= n,
    SETTLED_WITHIN_MS,
  );
  await until('no id is open', async () => (await metric(worker, 'poll_gaps_open')) === 0, SETTLED_WITHIN_MS);
  await until('the lake has what was given up', async () => (await deployment.untaken('archive', 'vital-gaps')) === 0);
}

async function addsUp({ deployment, url, seed }: { deployment: Deployment; url: string; seed: number }, end: StormEnd) {
  const table = await tableNow(url);
  const lake = await lakeNow(deployment.lake);
  const about = `seed ${seed}: ${table.rows.size} rows, ${end.rolledBack.length} rolled back`;
  expect(
    [...table.rows.keys()].filter((id) => !lake.rows.has(id)),
    `${about}; lost`,
  ).toEqual([]);
  expect(
    [...lake.rows].filter(([id, text]) => table.rows.get(id) !== text),
    `${about}; other than in RDS`,
  ).toEqual([]);
  expect(lake.retired, `${about}; given up`).toEqual(table.absent);
  const absent = new Set(table.absent);
  expect(
    end.rolledBack.filter((id) => !absent.has(id)),
    `${about}; the oracle itself`,
  ).toEqual([]);
  expect(end).toMatchObject({ broken: 0 });
  expect(table.rows.size).toBe(end.committed + 1);
}

describe('nothing is lost, doubled or given up too soon', () => {
  test.each([20, 100, 200])('polling every %i ms', async (intervalMs) => {
    const world = await stormy(`storm${intervalMs}`, intervalMs);
    await systemClock.sleep(STORM_MS);
    const end = await world.storm.stop();
    await settled(world);
    await addsUp(world, end);
    // It was a storm: without the ledger these rows would have been passed over, and these ids waited for.
    expect(await metric(world.worker, 'poll_late_rows_total')).toBeGreaterThan(100);
    expect(end.rolledBack.length).toBeGreaterThan(100);
    world.worker.signal('SIGTERM');
    expect(await world.worker.exited).toBe(0);
  });

  test('beside a monitoring agent that reads innodb_trx every 50 ms: no row missing, no id given up, said aloud; all adds up once it ends', async () => {
    const world = await stormy('stormagent', 100);
    const agent = await mysql.createConnection(server.url);
    let watching = true;
    const watch = (async () => {
      while (watching) {
        await agent.query('SELECT COUNT(*) FROM information_schema.innodb_trx');
        await systemClock.sleep(AGENT_EVERY_MS);
      }
    })();
    await systemClock.sleep(STORM_MS);
    const end = await world.storm.stop();
    await world.deployment.sql("INSERT INTO patients_vital_info (customerId, recorded_at) VALUES ('end', NOW(6))");
    const table = await tableNow(world.url);
    await until(
      'every row is in the lake',
      async () => (await lakeNow(world.deployment.lake)).rows.size === table.rows.size,
      SETTLED_WITHIN_MS,
    );
    const ready = async () => JSON.stringify((await world.worker.get('/ready'))?.body);
    await until(
      'the alarm',
      async () => (await ready()).includes('somebody else reads information_schema.innodb_trx'),
      SETTLED_WITHIN_MS,
    );
    // Lists that came through between two looks of the agent's prove what they prove; with none, nothing is given up.
    const fresh = await metric(world.worker, 'poll_evidence_total{result="fresh"}');
    const { retired } = await lakeNow(world.deployment.lake);
    if (fresh === 0) expect(retired).toEqual([]);
    expect(retired.filter((id) => table.rows.has(id))).toEqual([]);
    watching = false;
    await watch;
    agent.destroy();
    await settled(world);
    await addsUp(world, { ...end, committed: end.committed + 1 });
    await until('the alarm ends', async () => !(await ready()).includes('innodb_trx'));
  });
});
