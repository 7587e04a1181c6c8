// Requests to the active poller while it is fenced at any step, frozen, or killed (at each step: steps.test.ts): begun anew, and nothing is added twice.
import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { STEPS } from '../../src/domain/steps.js';
import { commandWorlds, named } from '../helpers/command-world.js';
import { createDeployment, type Deployment, MAIN, startWorker, withKafka } from '../helpers/deployment.js';
import { expectAuditedWhole } from '../helpers/fault-checks.js';
import { until } from '../helpers/kafka.js';
import { testStack } from '../helpers/stack.js';

const ward = commandWorlds('faults');

test('a backfill that is thrown back at any of its steps begins anew, and adds nothing twice', async () => {
  const steps = [...STEPS['source-command']];
  const { world, poller, archive, insert, ask, readings, lake } = await ward('steps', '101');
  await insert(1, 101);
  await archive();
  const passed: string[] = [];
  let fenceAt: string | undefined;
  await poller(async (step) => {
    if (!step.startsWith('command.')) return;
    passed.push(step);
    if (step !== fenceAt) return;
    fenceAt = undefined;
    // As a second poller would: takes the source from under the request.
    const thief = await world.kafka.transactionalProducer(`${world.prefix}poll.ward`);
    await thief.transact([
      { topic: `${world.prefix}vital-poll-state`, partition: 0, key: 'token', value: randomUUID() },
    ]);
    await thief.close();
  });
  const expected: string[] = named(101, 101);
  for (const [n, step] of steps.entries()) {
    fenceAt = step;
    const [from, to] = [n * 20 + 1, n * 20 + 20];
    const answer = await ask({ kind: 'backfill', from: String(Math.max(1, from - 5)), to: String(to) });
    expect({ step, outcome: answer.outcome, fenced: fenceAt }).toEqual({ step, outcome: 'done', fenced: undefined });
    expected.push(...named(from, to, 'backfill'));
    expect({ step, readings: await readings() }).toEqual({ step, readings: [...expected].sort() });
  }
  expect(new Set(passed)).toEqual(new Set(steps));
  expect(world.log.lines.filter(({ event }) => event === 'poll.fenced').length).toBeGreaterThanOrEqual(
    steps.length - 1,
  );
  await until('all of it in the lake', async () => (await lake()).length >= expected.length);
  expect(await lake()).toEqual([...expected].sort());
});

const KILLER = resolve(import.meta.dirname, '../helpers/worker-process.mjs');
/** From kill -9 to the answer: the job's lock and its stalled check (15 s), on a machine with other work. */
const ANSWER_WITHIN_MS = 120_000;

interface Listed {
  readonly reason: string;
  readonly inLake: string;
  readonly partition: number;
  readonly offset: number;
}

/** A request as it is typed, to its end. */
function typed(deployment: Deployment, ...args: string[]) {
  const child = spawn(process.execPath, [MAIN, ...args], { env: deployment.env, timeout: ANSWER_WITHIN_MS });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      text += chunk;
    });
  return new Promise<{ code: number | null; text: string }>((done) =>
    child.on('close', (code) => done({ code, text })),
  );
}

test('a poller that is killed when it has written is followed by another, which finds that out and adds nothing twice', async () => {
  const deployment = await createDeployment('killed', { env: { POLL_START: '111' } });
  onTestFinished(() => deployment.close());
  const rows = (from: number, to: number) =>
    deployment.sql('INSERT INTO patients_vital_info (id, customerId, recorded_at, heartBeat) VALUES ?', [
      Array.from({ length: to - from + 1 }, (_, n) => [from + n, `p${n % 7}`, new Date(), 72]),
    ]);
  await rows(1, 111);
  deployment.worker('archive');
  const killed = async (step: string, args: string[]) => {
    const victim = spawn(process.execPath, [KILLER, '--roles', 'poll', '--at', `${step}:1:SIGKILL`], {
      env: deployment.env,
      stdio: 'ignore',
    });
    onTestFinished(() => void victim.kill('SIGKILL'));
    const signal = new Promise<string | null>((done) => victim.on('exit', (_code, by) => done(by)));
    const answer = typed(deployment, ...args);
    expect({ step, by: await signal }).toEqual({ step, by: 'SIGKILL' });
    const successor = deployment.worker('poll');
    const { code, text } = await answer;
    successor.signal('SIGTERM');
    await successor.exited;
    return { step, code, text };
  };
  const backfilled = await killed('command.after-commit', ['source', 'backfill', '--from', '1', '--to', '100']);
  expect(backfilled).toMatchObject({ code: 0, text: expect.stringContaining('100 rows read, 0 added, 100 were in') });
  // Messages of a newer program: dead in the lake, alive in the table, never read by polling.
  const [live] = await deployment.lake('SELECT source FROM vital_info WHERE mark IS NULL');
  await withKafka(testStack(), async (kafka) => {
    const producer = await kafka.plainProducer();
    await producer.send(
      [105, 106].map((row) => ({
        topic: `${deployment.env.KAFKA_PREFIX}vital-info`,
        key: 'p',
        value: JSON.stringify({ v: 2, source: live?.source, row: String(row) }),
      })),
    );
  });
  const list = async () => JSON.parse((await typed(deployment, 'dead', 'list', '--json')).text) as Listed[];
  await until('they are dead in the lake', async () => (await list()).length === 2, ANSWER_WITHIN_MS);
  expect((await list()).map(({ reason, inLake }) => [reason, inLake])).toEqual([
    ['unknown-version', 'no'],
    ['unknown-version', 'no'],
  ]);
  const { code, text } = await killed('command.after-commit', ['dead', 'replay', '--all']);
  expect({ code, text }).toMatchObject({ code: 0, text: expect.stringContaining('0 replayed, 2 were in the lake') });
  const expected = [...Array(100).keys()].map((n) => [n + 1, 'backfill']);
  await until(
    'all of it in the lake',
    async () => (await deployment.lake('SELECT row_id FROM vital_info')).length >= 103,
    ANSWER_WITHIN_MS,
  );
  const rowsHeld = await deployment.lake(
    "SELECT row_id, coalesce(mark, 'live') AS mark FROM vital_info ORDER BY row_id",
  );
  expect(rowsHeld.map(({ row_id: id, mark }) => [Number(id), mark])).toEqual([
    ...expected,
    [105, 'replayed'],
    [106, 'replayed'],
    [111, 'live'],
  ]);
  const [one] = await list();
  expect((await list()).map(({ inLake }) => inLake)).toEqual(['replayed', 'replayed']);
  const place = ['--partition', String(one?.partition), '--offset', String(one?.offset)];
  const shown = await typed(deployment, 'dead', 'show', '--topic', 'vital-info', ...place);
  expect(shown.code).toBe(0);
  expect(shown.text).toMatch(
    /reason {3}unknown-version\nreading {2}\S+:10[56]\nkey {6}p\n\{"v":2,.*"row":"10[56]"\}\n$/,
  );
  await expectAuditedWhole(deployment);
});

test('a poller that was frozen over a request and wakes when its successor has carried it out adds nothing', async () => {
  const part = 30;
  const steps = ['command.chains-passed', 'command.before-commit', 'command.after-commit'] as const;
  const live = steps.length * part + 1;
  const deployment = await createDeployment('frozen', { env: { POLL_START: String(live) } });
  onTestFinished(() => deployment.close());
  const insert = (ids: readonly number[]) =>
    deployment.sql('INSERT INTO patients_vital_info (id, customerId, recorded_at, heartBeat) VALUES ?', [
      ids.map((id) => [id, `p${id % 7}`, new Date(), 72]),
    ]);
  await insert(Array.from({ length: live }, (_, n) => n + 1));
  deployment.worker('archive');
  const held = async () => (await deployment.lake('SELECT row_id FROM vital_info')).map(({ row_id: id }) => Number(id));
  for (const [n, step] of steps.entries()) {
    const zombie = startWorker(['--roles', 'poll', '--at', `${step}:1:SIGSTOP`], deployment.env, KILLER);
    onTestFinished(() => zombie.signal('SIGKILL'));
    const answer = typed(deployment, 'source', 'backfill', '--from', `${n * part + 1}`, '--to', `${(n + 1) * part}`);
    const isFrozen = () =>
      execFileSync('ps', ['-o', 'stat=', '-p', String(zombie.child.pid)], { encoding: 'utf8' }).startsWith('T');
    await until(`${step} is come to`, isFrozen, ANSWER_WITHIN_MS);
    const successor = deployment.worker('poll');
    const { code, text } = await answer;
    const added = step === 'command.after-commit' ? `0 added, ${part} were in` : `${part} added`;
    expect({ step, code, text }).toMatchObject({ step, code: 0, text: expect.stringContaining(added) });
    zombie.signal('SIGCONT');
    const found = () => zombie.events.some(({ event }) => event === 'poll.fenced');
    await until(`${step}: it has found out`, found, ANSWER_WITHIN_MS);
    await insert([live + n + 1]);
    await until('polling goes on', async () => (await held()).includes(live + n + 1), ANSWER_WITHIN_MS);
    for (const worker of [zombie, successor]) worker.signal('SIGTERM');
    expect(await Promise.all([zombie.exited, successor.exited])).toEqual([0, 0]);
  }
  const last = deployment.worker('poll');
  const all = Array.from({ length: live + steps.length }, (_, n) => n + 1);
  expect((await held()).sort((a, b) => a - b)).toEqual(all);
  await expectAuditedWhole(deployment);
  last.signal('SIGTERM');
  expect(await last.exited).toBe(0);
});
