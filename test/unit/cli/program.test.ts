// The command line: every command explains itself with an example, and mistakes end with 2 and a hint.
import { expect, it } from 'vitest';
import { runCli } from '../../../src/cli/program.js';
import { parseRoles } from '../../../src/cli/run-worker.js';
import { ROLES } from '../../../src/domain/roles.js';

async function cli(...args: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCli(['node', 'wardwatch', ...args], {
    out: (text) => out.push(text),
    err: (text) => err.push(text),
  });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

it.each([
  ['worker'],
  ['schema'],
  ['import'],
  ['thresholds', 'check'],
  ['policy', 'check'],
  ['topics', 'create'],
  ['topics', 'subscribe'],
  ['topics', 'status'],
  ['source', 'status'],
  ['source', 'reset'],
  ['source', 'backfill'],
  ['position', 'skip'],
  ['dead', 'list'],
  ['dead', 'show'],
  ['dead', 'replay'],
  ['alerts', 'list'],
  ['alerts', 'show'],
  ['alerts', 'why'],
  ['alerts', 'ack'],
  ['alerts', 'silence'],
  ['alerts', 'unsilence'],
  ['alerts', 'redrive'],
  ['lake', 'query'],
  ['audit'],
  ['hive', 'ddl'],
  ['doctor'],
])('%s %s has help with an example', async (...command) => {
  const { code, out, err } = await cli(...command, '--help');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toContain(`Usage: wardwatch ${command.join(' ')}`);
  expect(out).toMatch(new RegExp(`Examples?:\\n\\s+\\$ wardwatch ${command.join(' ')}`));
});

it('lists every command', async () => {
  const { code, out } = await cli('--help');
  expect(code).toBe(0);
  for (const name of [
    'worker',
    'schema',
    'import',
    'thresholds',
    'policy',
    'topics',
    'source',
    'position',
    'dead',
    'alerts',
    'lake',
    'audit',
    'hive',
    'doctor',
  ]) {
    expect(out).toMatch(new RegExp(`^  ${name}`, 'm'));
  }
});

it('lists every role', async () => {
  const { out } = await cli('worker', '--help');
  expect(out.replaceAll(/\s+/g, ' ')).toContain(`${ROLES.join(', ')}, parted by commas`);
});

it('ends with 2 and a hint on what can not be understood', async () => {
  for (const args of [
    ['wroker'],
    ['worker', '--rolse', 'x'],
    ['import', 'doctors'],
    ['lake', 'query'],
    ['source', 'reset', '--from', 'end'],
    ['source', 'backfill', '--from', '-1', '--to', '9'],
    ['position', 'skip', '--topic', 'vital-info', '--partition', '0', '--to', '1.5', '--reason', 'x'],
    ['dead', 'replay', '--all', '--partition', '1', '--offset', '2'],
    ['alerts', 'silence', '--ward', '4B', '--for', '30m'],
    ['alerts', 'silence', '--ward', '4B', '--for', 'ever', '--reason', 'x'],
    ['alerts', 'ack', 'K3X2LQ', '--note', 'two\nlines'],
    ['alerts', 'redrive'],
    ['alerts', 'redrive', 'x', '--held'],
    [],
  ]) {
    const { code, err } = await cli(...args);
    expect(code, args.join(' ')).toBe(2);
    expect(err, args.join(' ')).not.toBe('');
  }
  expect((await cli('wroker')).err).toContain('Did you mean worker');
  expect((await cli('worker', '--roles', 'wach,poll')).err).toContain('Did you mean watch?');
  expect((await cli('--env-file', '/none.env', 'worker')).err).toContain("/none.env can't be read (ENOENT)");
});

it('reads roles in any order, all of them, and refuses what is none', () => {
  expect(parseRoles('watch, poll')).toEqual(['poll', 'watch']);
  expect(parseRoles('all')).toEqual([
    'poll',
    'archive',
    'watch',
    'dispatch',
    'deliver',
    'import',
    'maintain',
    'console',
  ]);
  for (const list of ['', ' , ', 'poll,']) {
    if (list === 'poll,') expect(parseRoles(list)).toEqual(['poll']);
    else expect(() => parseRoles(list)).toThrow('--roles');
  }
});
