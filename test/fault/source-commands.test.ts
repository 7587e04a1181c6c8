// Requests to the active poller while it is fenced or killed: begun anew each time, and nothing is added twice.
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { STEPS } from '../../src/domain/steps.js';
import { commandWorlds, named } from '../helpers/command-world.js';
import { until } from '../helpers/kafka.js';

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
