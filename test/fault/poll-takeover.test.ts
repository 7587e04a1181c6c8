// A dead poller's successor: the rows go on, each once, and how long they waited is said.
import { afterAll, expect, test } from 'vitest';
import { systemClock } from '../../src/telemetry/clock.js';
import { createDeployment, type Deployment, type WorkerProcess, withKafka } from '../helpers/deployment.js';
import { expectAuditedWhole } from '../helpers/fault-checks.js';
import { until, valuesOf } from '../helpers/kafka.js';
import { testStack } from '../helpers/stack.js';

const KILLS = 5;
const WITHIN_MS = 60_000;
const ROW_EVERY_MS = 50;
const PARTITIONS = 3;

let deployment: Deployment | undefined;
afterAll(() => deployment?.close());

test('killed again and again, each time by SIGKILL while rows come: the other one reads on, nothing is missing or doubled', async () => {
  const own = await createDeployment('takeover', { env: { POLL_START: 'beginning' } });
  deployment = own;
  let writing = true;
  let written = 0;
  const ward = (async () => {
    while (writing) {
      await own.sql('INSERT INTO patients_vital_info (customerId, recorded_at) VALUES (?, NOW(6))', [
        `p${written % 7}`,
      ]);
      written += 1;
      await systemClock.sleep(ROW_EVERY_MS);
    }
  })();
  const rows = () =>
    withKafka(testStack(), async (kafka) => {
      const all: number[] = [];
      for (let partition = 0; partition < PARTITIONS; partition += 1)
        for (const value of await valuesOf(kafka, `${own.name}.vital-info`, partition)) {
          const message = JSON.parse(value) as { kind?: string; row?: string };
          if (message.kind !== 'tick') all.push(Number(message.row));
        }
      return all;
    });
  const owned = (worker: WorkerProcess) => worker.events.filter(({ event }) => event === 'poll.owned').length;

  let active = own.worker('poll');
  await until('the first one polls', () => owned(active) > 0, WITHIN_MS);
  const waitedMs: number[] = [];
  for (let kill = 0; kill < KILLS; kill += 1) {
    const standby = own.worker('poll');
    await until(
      'the other one stands by',
      () => standby.events.some(({ event }) => event === 'worker.ready'),
      WITHIN_MS,
    );
    // Turns go round: whoever owns now may be either.
    const before = owned(standby);
    active.signal('SIGKILL');
    const startMs = systemClock.monotonicMs();
    const goal = written + 1;
    await active.exited;
    const polls = async () => (await standby.get('/metrics'))?.body.includes('wardwatch_poll_active 1') === true;
    await until(
      'the other one polls',
      async () => (owned(standby) > before || before > 0) && (await polls()),
      WITHIN_MS,
    );
    await until('rows of after the kill are read', async () => Math.max(0, ...(await rows())) >= goal, WITHIN_MS);
    waitedMs.push(Math.round(systemClock.monotonicMs() - startMs));
    active = standby;
  }
  writing = false;
  await ward;
  const expected = Array.from({ length: written }, (_, n) => n + 1);
  await until('all is read', async () => (await rows()).length >= written, WITHIN_MS);
  expect((await rows()).sort((a, b) => a - b)).toEqual(expected);
  own.worker('archive');
  await expectAuditedWhole(own);
  const sorted = [...waitedMs].sort((a, b) => a - b);
  console.log(
    `takeover of poll, kill to the first row of after it: median ${sorted[KILLS >> 1]} ms, worst ${sorted.at(-1)} ms`,
  );
});
