// Random workers are killed every few seconds under the storm, two replicas of each role; then rows, retired ids, alerts and e-mails add up.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startRoles } from '../../ops/local/demo/roles.mjs';
import { MAIN } from '../helpers/deployment.js';
import { expectItAddsUp, importTables } from '../helpers/fault-checks.js';
import { setUpFaultWorld } from '../helpers/fault-world.mjs';
import { testStack } from '../helpers/stack.js';
import { beMean } from './mean.mjs';
import { SOAK_PROCESSES } from './soak-processes.mjs';

/** Rows a second. */
const PATIENTS = 200;
const EXCURSION_SHARE = 0.005;
const FOR_MS = 45_000;
const KILL_EVERY_MS = 3_000;
const MOVES_WITHIN_MS = 120_000;
const SETTLED_WITHIN_MS = 180_000;
/** Above the groups' session time-out. */
const RESTART_AFTER_MS = 7_000;

const { rdsUrl, kafkaBrokers, redisUrl } = testStack();
const seed = 1 + Math.floor(Math.random() * 1_000_000);
const ended: string[] = [];
let world: Awaited<ReturnType<typeof setUpFaultWorld>>;
let roles: ReturnType<typeof startRoles>;

beforeAll(async () => {
  world = await setUpFaultWorld({
    name: `wardwatch_demo_kills_${randomBytes(4).toString('hex')}`,
    endpoints: { rdsUrl, kafkaBrokers: kafkaBrokers.join(','), redisUrl },
    shared: true,
    patients: PATIENTS,
    excursionShare: EXCURSION_SHARE,
    seed,
  });
  await importTables(world);
  roles = startRoles({
    words: [MAIN, 'worker'],
    processes: SOAK_PROCESSES,
    env: world.env,
    logFolder: world.logFolder,
    onPid: world.onPid,
    onExit: (name: string, how: unknown) => ended.push(`${name}: ${String(how)}`),
    onEvent: undefined,
    restartAfterMs: RESTART_AFTER_MS,
  });
});

afterAll(async () => {
  await roles?.kill();
  await world?.close();
});

test(`seed ${seed}: nothing is lost, nothing twice, nothing unchecked, nobody untold`, async () => {
  void world.simulator.start();
  await world.moves(MOVES_WITHIN_MS);
  const kills = await beMean({
    forMs: FOR_MS,
    everyMs: KILL_EVERY_MS,
    seed,
    chaos: false,
    roles,
    services: {},
    sns: world.sns,
    say: () => undefined,
    onKill: () => undefined,
  });
  expect(kills).toBeGreaterThan(5);
  await world.moves(MOVES_WITHIN_MS);
  await expectItAddsUp(world, SETTLED_WITHIN_MS);
  expect(ended, 'none ended but those that were killed').toEqual([]);
  expect(await roles.stop()).toEqual([]);
});
