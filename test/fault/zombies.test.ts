// Workers frozen at a step past every time-out, and woken beside their successors; pollers started together. In the end it adds up.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Step } from '../../src/domain/steps.js';
import { startWorker, type WorkerProcess } from '../helpers/deployment.js';
import { expectItAddsUp, importTables } from '../helpers/fault-checks.js';
import { setUpFaultWorld } from '../helpers/fault-world.mjs';
import { until } from '../helpers/kafka.js';
import { testStack } from '../helpers/stack.js';

const WORKER = resolve(import.meta.dirname, '../helpers/worker-process.mjs');
/** Rows a second. */
const PATIENTS = 60;
const EXCURSION_SHARE = 0.02;
/** For what hangs. */
const WITHIN_MS = 180_000;

/** Where each role is frozen, one after the other: in the middle of what its successor does too. `step:call`. */
const FROZEN: Readonly<Record<string, readonly `${Step}:${number}`[]>> = {
  poll: ['poll.state-read:1', 'poll.before-commit:4', 'poll.after-commit:4'],
  archive: ['archive.before-record:2', 'archive.after-record:2', 'archive.published-one:2'],
  watch: ['watch.own:1', 'watch.before-commit:4'],
  dispatch: ['dispatch.decided:2', 'dispatch.recorded:2'],
  deliver: ['deliver.claimed:2', 'deliver.attempt-recorded:2'],
};
const ROLES = Object.keys(FROZEN);

const { rdsUrl, kafkaBrokers, redisUrl } = testStack();
const started: WorkerProcess[] = [];
const runs = new Map<string, Promise<void>>();
let world: Awaited<ReturnType<typeof setUpFaultWorld>>;

function start(role: string, words: readonly string[] = []): WorkerProcess {
  const worker = startWorker(['--roles', role, ...words], world.env, WORKER);
  started.push(worker);
  return worker;
}

function isFrozen({ child }: WorkerProcess): boolean {
  return execFileSync('ps', ['-o', 'stat=', '-p', String(child.pid)], { encoding: 'utf8' }).startsWith('T');
}

const isReady = ({ events }: WorkerProcess) => events.some(({ event }) => event === 'worker.ready');

async function endsWell(worker: WorkerProcess): Promise<void> {
  worker.signal('SIGTERM');
  expect(await worker.exited, worker.output.slice(-8).join('\n')).toBe(0);
}

async function freezeAtEach(role: string): Promise<void> {
  for (const at of FROZEN[role] ?? []) {
    const zombie = start(role, ['--at', `${at}:SIGSTOP`]);
    await until(`${at} is come to`, () => isFrozen(zombie), WITHIN_MS);
    // What it held is taken over, and goes on: every time-out is over.
    const successor = start(role);
    await until('its successor is ready', () => isReady(successor), WITHIN_MS);
    await world.moves(WITHIN_MS);
    zombie.signal('SIGCONT');
    await world.moves(WITHIN_MS);
    await Promise.all([endsWell(zombie), endsWell(successor)]);
  }
  // Started together, one of them polls; groups share.
  const together = [start(role), start(role)];
  await until('both are ready', () => together.every(isReady), WITHIN_MS);
}

beforeAll(async () => {
  world = await setUpFaultWorld({
    name: `wardwatch_demo_zombies_${randomBytes(4).toString('hex')}`,
    endpoints: { rdsUrl, kafkaBrokers: kafkaBrokers.join(','), redisUrl },
    shared: true,
    patients: PATIENTS,
    excursionShare: EXCURSION_SHARE,
    seed: 1,
  });
  Object.assign(world.env, {
    ARCHIVE_FLUSH_MS: '500',
    IMPORT_PATIENTS_CRON: 'off',
    IMPORT_THRESHOLDS_CRON: 'off',
  });
  await importTables(world);
  void world.simulator.start();
  for (const role of ROLES) {
    const run = freezeAtEach(role);
    run.catch(() => undefined);
    runs.set(role, run);
  }
});

afterAll(async () => {
  for (const worker of started) worker.signal('SIGKILL');
  await Promise.all(started.map(({ exited }) => exited));
  await world?.close();
});

test.each(ROLES)('%s wakes beside its successor, and gives way', async (role) => {
  await runs.get(role);
});

test('nothing is lost, nothing twice, nothing unchecked, nobody untold', async () => {
  await world.moves(WITHIN_MS);
  await expectItAddsUp(world, WITHIN_MS);
  const living = started.filter(({ child }) => child.exitCode === null && child.signalCode === null);
  expect(living).toHaveLength(2 * ROLES.length);
  await Promise.all(living.map(endsWell));
});
