// A deployment under the storm on a database server of its own, and whether everything adds up afterwards.
import { expect } from 'vitest';
import { createDeployment, type Deployment, type WorkerProcess } from './deployment.js';
import { until } from './kafka.js';
import { lakeNow, type Storm, type StormEnd, startStorm, tableNow } from './storm.js';

const BEGUN_WITHIN_MS = 60_000;
/** For what hangs; on a quiet machine it takes some seconds. */
export const SETTLED_WITHIN_MS = 120_000;

export interface StormWorld {
  readonly deployment: Deployment;
  readonly worker: WorkerProcess;
  readonly url: string;
  /** With it a failing run can be repeated. */
  readonly seed: number;
  readonly storm: Storm;
}

/** One worker polls (through the proxy where there is one) and archives; the storm has begun. The deployment is closed by the test. */
export async function startStormWorld(
  name: string,
  rdsUrl: string,
  intervalMs: number,
  proxyPort?: number,
): Promise<StormWorld> {
  const deployment = await createDeployment(name, {
    rdsUrl,
    // Its default names the server's address, which is another one behind a proxy.
    env: { POLL_INTERVAL_MS: String(intervalMs), WARDWATCH_SOURCE: 'storm' },
  });
  const url = String(deployment.env.RDS_URL);
  const through = new URL(url);
  if (proxyPort !== undefined) through.port = String(proxyPort);
  const worker = deployment.worker('poll,archive', { RDS_URL: through.toString() });
  const begun = () => worker.events.some(({ event }) => event === 'poll.first-start');
  await until('polling has begun', begun, BEGUN_WITHIN_MS);
  const seed = Math.floor(Math.random() * 2 ** 31);
  return { deployment, worker, url, seed, storm: startStorm({ url, seed }) };
}

/** A line of the worker's metrics, with its labels; 0 where it was never touched, NaN where nobody answers. */
export async function metric(worker: WorkerProcess, line: string): Promise<number> {
  const text = (await worker.get('/metrics'))?.body;
  if (text === undefined) return Number.NaN;
  const found = text.split('\n').find((own) => own.startsWith(`wardwatch_${line} `));
  return found === undefined ? 0 : Number(found.split(' ')[1]);
}

/** A last row, so that every id that was rolled back lies below one that was read; then everything must come to rest. */
export async function settled({ deployment, worker }: StormWorld): Promise<void> {
  await deployment.sql("INSERT INTO patients_vital_info (customerId, recorded_at) VALUES ('last', NOW(6))");
  const [{ n }] = (await deployment.sql('SELECT COUNT(*) AS n FROM patients_vital_info')) as [{ n: number }];
  const archived = () => metric(worker, 'archive_rows_total{topic="vital-info"}');
  await until('every row is in the lake', async () => (await archived()) >= n, SETTLED_WITHIN_MS);
  await until('no id is open', async () => (await metric(worker, 'poll_gaps_open')) === 0, SETTLED_WITHIN_MS);
  await until('the lake has what was given up', async () => (await deployment.untaken('archive', 'vital-gaps')) === 0);
}

/** Every row of the table is in the lake once, as it is in RDS; what was given up is what RDS does not have. */
export async function expectToAddUp({ deployment, url, seed }: StormWorld, end: StormEnd): Promise<void> {
  const table = await tableNow(url);
  const lake = await lakeNow(deployment.lake);
  const about = `seed ${seed}: ${table.rows.size} rows, ${end.rolledBack.length} rolled back`;
  const lost = [...table.rows.keys()].filter((id) => !lake.rows.has(id));
  expect(lost, `${about}; lost`).toEqual([]);
  const others = [...lake.rows].filter(([id, text]) => table.rows.get(id) !== text);
  expect(others, `${about}; other than in RDS`).toEqual([]);
  expect(lake.retired, `${about}; given up`).toEqual(table.absent);
  const absent = new Set(table.absent);
  const oracle = end.rolledBack.filter((id) => !absent.has(id));
  expect(oracle, `${about}; the oracle itself`).toEqual([]);
}
