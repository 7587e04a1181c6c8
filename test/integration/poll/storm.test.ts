// A storm of overlapping transactions: what the table holds in the end is on vital-info once, what was rolled back is retired.
import type mysql from 'mysql2/promise';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/telemetry/clock.js';
import { lookUntil, pollWorlds, seededRandom } from '../../helpers/poll-world.js';

const pollWorld = pollWorlds('storm');
const WRITERS = 9;
const STORM_MS = 7_000;

/** Transactions of 1 to 4 inserts that overlap; a quarter rolls back, some are held for seconds. */
async function writer(connection: mysql.Connection, seed: number, untilMs: number): Promise<number[]> {
  const random = seededRandom(seed);
  const rolledBack: number[] = [];
  while (systemClock.monotonicMs() < untilMs) {
    const ids: number[] = [];
    await connection.beginTransaction();
    const inserts = 1 + Math.floor(random() * 4);
    for (let n = 0; n < inserts; n += 1) {
      const rows = 1 + Math.floor(random() * 3);
      const values = Array.from({ length: rows }, () => `('p${Math.floor(random() * 50)}', NOW(6), 72, 165)`);
      const [result] = await connection.query<mysql.ResultSetHeader>(
        `INSERT INTO patients_vital_info (customerId, recorded_at, heartBeat, bp) VALUES ${values.join(',')}`,
      );
      for (let row = 0; row < rows; row += 1) ids.push(result.insertId + row);
      await systemClock.sleep(random() * 25);
    }
    if (random() < 0.02) await systemClock.sleep(2_500 + random() * 1_500);
    if (random() < 0.25) {
      await connection.rollback();
      rolledBack.push(...ids);
    } else {
      await connection.commit();
    }
  }
  return rolledBack;
}

test('under a storm of transactions nothing is lost, doubled or given up too soon', async () => {
  const world = await pollWorld('storm');
  const poller = world.poller();
  await poller.look();
  const seed = Math.floor(Math.random() * 2 ** 31);
  const connections = await Promise.all(Array.from({ length: WRITERS }, () => world.connection()));
  const endMs = systemClock.monotonicMs() + STORM_MS;
  let over = false;
  const storm = Promise.all(connections.map((connection, n) => writer(connection, seed + n, endMs))).then((lists) => {
    over = true;
    return lists.flat();
  });
  // A last row, so that every rolled-back id lies below one that was read.
  await lookUntil(poller, () => over, 10);
  await world.sql("INSERT INTO patients_vital_info (customerId) VALUES ('last')");
  const gapsOpen = async () => world.metrics.value('poll_gaps_open');
  await poller.look();
  await lookUntil(poller, async () => (await gapsOpen()) === 0);

  const rolledBack = await storm;
  const inTable = (await world.sql('SELECT id FROM patients_vital_info ORDER BY id')).map(({ id }) => Number(id));
  const readings = await world.readings();
  const read = readings.map(({ row }) => Number(row)).sort((a, b) => a - b);
  const about = `seed ${seed}: ${inTable.length} rows, ${rolledBack.length} rolled back`;
  expect(read, about).toEqual(inTable);
  expect(
    (await world.retired()).sort((a, b) => a - b),
    about,
  ).toEqual(rolledBack.sort((a, b) => a - b));
  // The storm was one: without the ledger these rows would have been passed over.
  expect(await world.metrics.value('poll_late_rows_total'), about).toBeGreaterThan(20);
  for (const { row, notBefore, readAt } of readings) {
    expect(notBefore, String(row)).not.toBeNull();
    expect(String(notBefore) <= String(readAt)).toBe(true);
  }
  expect((await world.ticks()).length).toBeGreaterThanOrEqual(9);
});
