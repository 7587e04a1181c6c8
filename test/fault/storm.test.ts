// The storm against real worker processes: every committed row is in the lake once, as it was written, and what is given up was rolled back.
import mysql from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/telemetry/clock.js';
import { expectAuditedWhole } from '../helpers/fault-checks.js';
import { until } from '../helpers/kafka.js';
import { type PrivateUrl, startMysql } from '../helpers/services.js';
import { lakeNow, tableNow } from '../helpers/storm.js';
import {
  expectToAddUp,
  metric,
  SETTLED_WITHIN_MS,
  type StormWorld,
  settled,
  startStormWorld,
} from '../helpers/storm-world.js';

const STORM_MS = 12_000;
/** In the server itself, where nothing of this process can hold it up. Every 50 ms would do, but a busy machine is late. */
const AGENT = `BEGIN NOT ATOMIC
  WHILE IS_FREE_LOCK('agent-ends') DO
    SELECT COUNT(*) INTO @open FROM information_schema.innodb_trx;
    DO SLEEP(0.02);
  END WHILE;
END`;

// A server of our own: who else reads innodb_trx is part of the test.
let server: PrivateUrl;
beforeAll(async () => {
  server = await startMysql();
});
const worlds: StormWorld[] = [];
afterAll(async () => {
  for (const { deployment } of worlds) await deployment.close();
  await server?.close();
});

async function stormy(name: string, intervalMs: number): Promise<StormWorld> {
  const world = await startStormWorld(name, server.url, intervalMs);
  worlds.push(world);
  return world;
}

describe('nothing is lost, doubled or given up too soon', () => {
  test.each([20, 100, 200])('polling every %i ms', async (intervalMs) => {
    const world = await stormy(`storm${intervalMs}`, intervalMs);
    await systemClock.sleep(STORM_MS);
    const end = await world.storm.stop();
    await settled(world);
    await expectToAddUp(world, end);
    expect(end.broken).toBe(0);
    expect((await tableNow(world.url)).rows.size).toBe(end.committed + 1);
    // It was a storm: without the ledger these rows would have been passed over, and these ids waited for.
    expect(await metric(world.worker, 'poll_late_rows_total')).toBeGreaterThan(100);
    expect(end.rolledBack.length).toBeGreaterThan(100);
    await expectAuditedWhole(world.deployment);
    world.worker.signal('SIGTERM');
    expect(await world.worker.exited).toBe(0);
  });

  test('beside a monitoring agent that reads innodb_trx all the time: no row missing, no id given up, said aloud; all adds up once it ends', async () => {
    const world = await stormy('stormagent', 100);
    const agent = await mysql.createConnection(server.url);
    const watch = agent.query(AGENT);
    // Its id stays open until the alarm was seen, whatever list slips through.
    const held = await mysql.createConnection(world.url);
    await held.beginTransaction();
    await held.query("INSERT INTO patients_vital_info (customerId, recorded_at) VALUES ('held', NOW(6))");
    await systemClock.sleep(STORM_MS);
    const end = await world.storm.stop();
    const table = await tableNow(world.url);
    const inLake = async () => (await lakeNow(world.deployment.lake)).rows.size;
    await until('every row is in the lake', async () => (await inLake()) === table.rows.size, SETTLED_WITHIN_MS);
    const alarm = async () => {
      const reasons = (await world.worker.get('/ready'))?.body ?? '';
      return reasons.includes('somebody else reads information_schema.innodb_trx');
    };
    await until('the alarm', alarm, SETTLED_WITHIN_MS);
    // On a busy machine the agent may be late, and a list come through: it proves what it proves. With none, nothing is given up.
    const { retired } = await lakeNow(world.deployment.lake);
    if ((await metric(world.worker, 'poll_evidence_total{result="fresh"}')) === 0) expect(retired).toEqual([]);
    expect(retired.filter((id) => table.rows.has(id))).toEqual([]);
    await held.rollback();
    await held.query("SELECT GET_LOCK('agent-ends', 0)");
    await watch;
    await Promise.all([agent.end(), held.end()]);
    await settled(world);
    await expectToAddUp(world, end);
    await until('the alarm ends', async () => !(await alarm()));
    await expectAuditedWhole(world.deployment);
  });
});
