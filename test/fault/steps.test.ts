// kill -9 at every named step of every protocol, in real worker processes under a storm; then rows, retired ids, alerts and e-mails add up.
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Step } from '../../src/domain/steps.js';
import { STEPS } from '../../src/domain/steps.js';
import { MAIN, startWorker, type WorkerProcess } from '../helpers/deployment.js';
import { expectItAddsUp, importTables } from '../helpers/fault-checks.js';
import { setUpFaultWorld } from '../helpers/fault-world.mjs';
import { testStack } from '../helpers/stack.js';

const WORKER = resolve(import.meta.dirname, '../helpers/worker-process.mjs');
/** Rows a second. */
const PATIENTS = 60;
const EXCURSION_SHARE = 0.02;
/** For what hangs: a takeover takes up to 10 s, and what is above in the pipeline dies too. */
const DIES_WITHIN_MS = 240_000;
const SETTLED_WITHIN_MS = 120_000;
/** Rows of a patient of before, whom nothing else tells of: each backfill adds a part of them. */
const HISTORY = { patient: 'history', rowsEach: 20 };

type Group = keyof typeof STEPS;

/** How the steps of a protocol are reached: a worker of `role` alone, with more words, after `before`. */
interface Scene {
  readonly role: string;
  readonly words?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Makes the work in which the step lies. */
  readonly before?: (step: number) => Promise<void>;
}

/** A new protocol without a scene does not compile; a new step of a known one is killed without further words. */
const SCENES: Readonly<Record<Group, Scene>> = {
  poll: { role: 'poll' },
  'source-command': { role: 'poll', before: async (step) => ask(step) },
  archive: { role: 'archive' },
  // Days are closed at midnight; its calendar is one ahead.
  fold: { role: 'archive', words: ['--days-ahead', '1'] },
  watch: { role: 'watch' },
  import: { role: 'import', env: { IMPORT_PATIENTS_CRON: '* * * * * *' }, before: (step) => changePatients(step) },
  dispatch: { role: 'dispatch' },
  'follow-up': { role: 'dispatch' },
  deliver: { role: 'deliver' },
};
/** Not at the first call but at a later one: some of many is done, and rows flow between the deaths. */
const CALL: Partial<Record<Step, number>> = {
  'poll.page-read': 9,
  'poll.evidence': 3,
  'poll.before-commit': 3,
  'poll.after-commit': 3,
  'archive.buffered': 3,
  'archive.staged': 2,
  'archive.published-one': 2,
  'fold.deleted-one': 3,
  'watch.evaluated': 3,
  'watch.before-commit': 3,
  'watch.after-commit': 3,
  'dispatch.ledger': 2,
};

const { rdsUrl, kafkaBrokers, redisUrl } = testStack();
const redis = new Redis(redisUrl);
const started: WorkerProcess[] = [];
const backfills: Promise<string>[] = [];
const runs = new Map<string, Promise<void>>();
let world: Awaited<ReturnType<typeof setUpFaultWorld>>;

const groupsOf = (role: string) => (Object.keys(STEPS) as Group[]).filter((group) => SCENES[group].role === role);
const ROLES = [...new Set(Object.values(SCENES).map(({ role }) => role))];

/** Its failure is told by the test that awaits it. */
function ask(step: number): void {
  const answer = backfill(step);
  answer.catch(() => undefined);
  backfills.push(answer);
}

/** Adds its own part of the history, by the program; answers what it said, or throws it. */
async function backfill(step: number): Promise<string> {
  const from = String(step * HISTORY.rowsEach + 1);
  const to = String((step + 1) * HISTORY.rowsEach);
  const asked = startWorker(['source', 'backfill', '--from', from, '--to', to], world.env, MAIN);
  started.push(asked);
  const code = await asked.exited;
  if (code !== 0) throw new Error(asked.output.join('\n'));
  return asked.output.join('\n');
}

async function changePatients(step: number): Promise<void> {
  await world.hospital.pool.query('UPDATE patients_information SET other_details = ?', [`change ${step}`]);
  // What the dead one held ends by itself after 30 s: not waited for.
  await redis.del(`${world.settings.REDIS_PREFIX}:lookup:patients:lock`);
}

function start(scene: Scene, at: readonly string[]): WorkerProcess {
  const words = ['--roles', scene.role, ...at, ...(scene.words ?? [])];
  const worker = startWorker(words, { ...world.env, ...scene.env }, WORKER);
  started.push(worker);
  return worker;
}

/** Kills one worker of the role after the other, each at the next step; the last one stays. */
async function killAtEach(role: string): Promise<void> {
  for (const group of groupsOf(role)) {
    const scene = SCENES[group];
    for (const [n, step] of STEPS[group].entries()) {
      await scene.before?.(n);
      const victim = start(scene, ['--at', `${step}:${CALL[step] ?? 1}:SIGKILL`]);
      const late = new Promise<'late'>((done) => setTimeout(() => done('late'), DIES_WITHIN_MS).unref());
      const how = await Promise.race([victim.exited.then(() => victim.child.signalCode), late]);
      if (how !== 'SIGKILL')
        throw new Error(`${step} was not come to: ${String(how)}\n${victim.output.slice(-8).join('\n')}`);
    }
  }
  start({ role }, []);
}

beforeAll(async () => {
  world = await setUpFaultWorld({
    name: `wardwatch_demo_steps_${randomBytes(4).toString('hex')}`,
    endpoints: { rdsUrl, kafkaBrokers: kafkaBrokers.join(','), redisUrl },
    shared: true,
    patients: PATIENTS,
    excursionShare: EXCURSION_SHARE,
    storm: true,
    seed: 1,
  });
  const { pool } = world.hospital;
  await pool.query(
    `INSERT INTO patients_information (patientid, patientname, patientaddress, phone_number, admitted_ward, age)
     VALUES (?, 'Ada Before', '1 Lane', '0', '4B', 30)`,
    [HISTORY.patient],
  );
  const history = HISTORY.rowsEach * STEPS['source-command'].length;
  await pool.query('INSERT INTO patients_vital_info (customerId, heartBeat, bp, recorded_at) VALUES ?', [
    Array.from({ length: history }, (_, i) => [
      HISTORY.patient,
      75,
      170,
      `2026-01-01 00:00:${String(i % 60).padStart(2, '0')}`,
    ]),
  ]);
  Object.assign(world.env, {
    POLL_START: String(history + 1),
    ARCHIVE_FLUSH_MS: '500',
    IMPORT_PATIENTS_CRON: 'off',
    IMPORT_THRESHOLDS_CRON: 'off',
  });
  await importTables(world);
  void world.simulator.start();
  for (const role of ROLES) {
    const run = killAtEach(role);
    run.catch(() => undefined);
    runs.set(role, run);
  }
});

afterAll(async () => {
  for (const worker of started) worker.signal('SIGKILL');
  await Promise.all(started.map(({ exited }) => exited));
  redis.disconnect();
  await world?.close();
});

test.each(ROLES)('%s dies at each of its steps, and the next one goes on', async (role) => {
  await runs.get(role);
});

test('requests to the poller are carried out, whoever died over them', async () => {
  for (const answer of await Promise.all(backfills)) expect(answer).toContain(`${HISTORY.rowsEach} rows read`);
});

test('nothing is lost, nothing twice, nothing unchecked, nobody untold', async () => {
  const verdict = await expectItAddsUp(world, SETTLED_WITHIN_MS);
  expect(verdict.alerts).toBeGreaterThan(20);
  const run = startWorker(['import', 'patients'], world.env, MAIN);
  expect(await run.exited, run.output.join('\n')).toBe(0);
  expect(run.output.join('\n')).toContain('unchanged');
});

test('those who live end in order', async () => {
  const living = started.filter(({ child }) => child.exitCode === null && child.signalCode === null);
  for (const worker of living) worker.signal('SIGTERM');
  expect(await Promise.all(living.map(({ exited }) => exited))).toEqual(living.map(() => 0));
  expect(living).toHaveLength(ROLES.length);
});
