// Imports frozen at a step past every time-out and woken beside a newer one: what they had read before never comes back.
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { Redis } from 'ioredis';
import { expect, type TestContext, test } from 'vitest';
import { type Entry, patientOfEntry } from '../../src/domain/import-version.js';
import type { Step } from '../../src/domain/steps.js';
import { createLookupStore } from '../../src/redis/lookup-store.js';
import { createDeployment, startWorker, type WorkerProcess } from '../helpers/deployment.js';
import { until } from '../helpers/kafka.js';
import { testStack } from '../helpers/stack.js';

const WORKER = resolve(import.meta.dirname, '../helpers/worker-process.mjs');
/** For what hangs. The lock of the one that sleeps ends after 30 s. */
const WITHIN_MS = 120_000;
const FROZEN_AT = [
  'import.snapshot',
  'import.before-record',
  'import.before-switch',
] as const satisfies readonly Step[];

const isFrozen = ({ child }: WorkerProcess) =>
  execFileSync('ps', ['-o', 'stat=', '-p', String(child.pid)], { encoding: 'utf8' }).startsWith('T');

async function frozenAt(step: Step, { onTestFinished }: TestContext): Promise<void> {
  const deployment = await createDeployment('sleeper', { env: { IMPORT_PATIENTS_CRON: '* * * * * *' } });
  const redis = new Redis(testStack().redisUrl);
  const workers: WorkerProcess[] = [];
  onTestFinished(async () => {
    for (const worker of workers) worker.signal('SIGKILL');
    redis.disconnect();
    await deployment.close();
  });
  const start = (words: readonly string[] = []) => {
    const worker = startWorker(['--roles', 'import', ...words], deployment.env, WORKER);
    workers.push(worker);
    return worker;
  };
  const rename = (name: string) => deployment.sql('UPDATE patients_information SET patientname = ?', [name]);
  const store = createLookupStore(redis, deployment.redisPrefix);
  /** What watchers read. */
  const inForce = async () => {
    const version = (await store.current('patients'))?.version;
    const [entry] = version === undefined ? [] : await store.entries('patients', version, ['p1']);
    return entry && patientOfEntry(entry as Entry).name;
  };
  /** What Hive and a restore read, oldest first. */
  const inLake = async () =>
    (await deployment.lake('SELECT name FROM patient WHERE NOT deleted ORDER BY imported_at')).map(({ name }) => name);

  await deployment.sql("INSERT INTO patients_information (patientid, patientname, age) VALUES ('p1', 'before', 30)");
  expect((await deployment.run(['import', 'patients'])).code).toBe(0);
  // So that the worker has patients alone to import.
  expect((await deployment.run(['import', 'thresholds', '--file', 'ops/sql/thresholds-seed.csv'])).code).toBe(0);
  await rename('slept over');
  const zombie = start(['--at', `${step}:1:SIGSTOP`]);
  await until(`${step} is come to`, () => isFrozen(zombie), WITHIN_MS);
  await rename('newest');
  start();
  await until('the next import is in force', async () => (await inForce()) === 'newest', WITHIN_MS);

  const seen: (string | null | undefined)[] = [];
  zombie.signal('SIGCONT');
  const told = (event: string) => zombie.events.some((line) => line.event === event && line.table === 'patients');
  const ended = () => told('import.failed') || told('import.done');
  await until(
    'it has found out',
    async () => {
      seen.push(await inForce());
      return ended();
    },
    WITHIN_MS,
  );
  seen.push(await inForce());
  expect(new Set(seen)).toEqual(new Set(['newest']));
  expect((await inLake()).at(-1)).toBe('newest');
  expect(told('import.failed')).toBe(true);

  await rename('and on');
  await until('imports go on', async () => (await inForce()) === 'and on', WITHIN_MS);
  const names = await inLake();
  expect(names).toEqual(['before', 'slept over', 'newest', 'and on'].filter((name) => names.includes(name)));
  expect(names.at(-1)).toBe('and on');
  for (const worker of workers) worker.signal('SIGTERM');
  expect(await Promise.all(workers.map(({ exited }) => exited))).toEqual([0, 0]);
}

// The waiting is the same for each, and for all at once.
test.concurrent.for(FROZEN_AT)('frozen at %s, woken when the next import has been made', frozenAt);
