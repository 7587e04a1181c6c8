// The doctor's frame: checks beside each other, each with a limit, in the order of the table.
import { expect, it } from 'vitest';
import { failed, ok, renderChecks, runChecks, warning } from '../../../src/app/doctor.js';
import { systemClock } from '../../../src/telemetry/clock.js';

const explain = () => failed("can't be reached (ECONNREFUSED)", 'an answer', 'Look');

it('runs all checks at once, and neither a hanging nor a throwing one holds the others up', async () => {
  const begun: string[] = [];
  const check = (name: string, run: () => Promise<ReturnType<typeof ok>>) => ({
    name,
    run: () => {
      begun.push(name);
      return run();
    },
  });
  const results = await runChecks(
    [
      check('hangs', () => new Promise(() => {})),
      check('throws', () => Promise.reject(new Error('hush'))),
      check('well', async () => ok('fine')),
      {
        name: 'throws at once',
        run: () => {
          throw new Error('hush');
        },
      },
    ],
    explain,
    systemClock,
    50,
  );
  expect(begun).toEqual(['hangs', 'throws', 'well']);
  expect(results.map(({ name, verdict, found }) => [name, verdict, found])).toEqual([
    ['hangs', 'failed', 'no answer within 0.05 s'],
    ['throws', 'failed', "can't be reached (ECONNREFUSED)"],
    ['well', 'ok', 'fine'],
    ['throws at once', 'failed', "can't be reached (ECONNREFUSED)"],
  ]);
  expect(JSON.stringify(results)).not.toContain('hush');
});

it('shows what was found, what was expected and what mends it', () => {
  const text = renderChecks([
    { name: 'Redis', ...ok('noeviction') },
    { name: 'lake', ...warning('not there', 'a folder', 'mkdir -p /lake') },
    { name: 'Kafka', ...failed('missing', 'topics', 'wardwatch schema') },
  ]);
  expect(text.split('\n')).toEqual([
    '✓ Redis  noeviction',
    '! lake   not there',
    '         expected: a folder',
    '         mend:     mkdir -p /lake',
    '✗ Kafka  missing',
    '         expected: topics',
    '         mend:     wardwatch schema',
    '1 ok, 1 warnings, 1 failed',
  ]);
});
