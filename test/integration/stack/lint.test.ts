// Every lint rule trips over a planted violation: a rule that finds nothing anywhere proves nothing.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkImports } from '../../../ops/local/check-imports.mjs';

const ROOT = join(import.meta.dirname, '../../..');
let copy = '';

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'wardwatch-lint-'));
  for (const part of ['src', 'queues', 'jobs', 'biome.json', 'package.json', 'tsconfig.json', '.gitignore']) {
    cpSync(join(ROOT, part), join(copy, part), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

/** Writes the files, looks, and removes them again. */
function planted<T>(files: Readonly<Record<string, string>>, look: () => T): T {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    writeFileSync(join(copy, file), text);
  }
  try {
    return look();
  } finally {
    for (const file of Object.keys(files)) rmSync(join(copy, file));
  }
}

describe('import directions and one-place rules', () => {
  test('the checkout itself is clean', () => {
    expect(checkImports(copy)).toEqual([]);
  });

  test.each([
    ['domain imports an adapter', 'src/domain/planted.ts', "import { x } from '../redis/ledger.js';", 'direction'],
    ['domain imports a library', 'src/domain/planted.ts', "import { z } from 'zod';", 'pure'],
    ['domain does I/O', 'src/domain/planted.ts', "import { readFileSync } from 'node:fs';", 'pure'],
    ['an adapter imports another', 'src/kafka/planted.ts', "import { x } from '../redis/ledger.js';", 'direction'],
    ['… even for a type', 'src/lake/planted.ts', "import type { X } from '../kafka/client.js';", 'direction'],
    ['… over several lines', 'src/sns/planted.ts', "import {\n  a,\n  b,\n} from '../mysql/pool.js';", 'direction'],
    ['… by re-export', 'src/redis/planted.ts', "export * from '../lake/chain.js';", 'direction'],
    ['… lazily', 'src/redis/planted.ts', "const x = await import('../lake/chain.js');", 'direction'],
    [
      'an adapter imports the queues',
      'src/kafka/planted.ts',
      "import { x } from '../../queues/table.js';",
      'direction',
    ],
    ['queues import a job', 'queues/planted.ts', "import { x } from '../jobs/poll.js';", 'direction'],
    ['a job imports the configuration', 'jobs/planted.ts', "import { x } from '../src/config/load.js';", 'direction'],
    ['a job imports the app', 'jobs/planted.ts', "import { x } from '../src/app/worker.js';", 'direction'],
    ['the app imports a command', 'src/app/planted.ts', "import { x } from '../cli/worker.js';", 'direction'],
    ['anything imports main', 'src/cli/planted.ts', "import { x } from '../main.js';", 'direction'],
    ['the product imports a test helper', 'src/app/planted.ts', "import '../../test/helpers/stack.js';", 'direction'],
    ['a file lies beside the folders', 'src/planted.ts', 'export const x = 1;', 'layer'],
    ['a library outside its home', 'jobs/planted.ts', "import { Kafka } from 'kafkajs';", 'library'],
    ['… a subpath', 'jobs/planted.ts', "import { createPool } from 'mysql2/promise';", 'library'],
    ['… mixed with a type', 'jobs/planted.ts', "import { type Job, Queue } from 'bullmq';", 'library'],
    ['the environment', 'jobs/planted.ts', 'const a = process.env.RDS_URL;', 'process.env'],
    ['… by another way', 'src/kafka/planted.ts', "const a = process['env'];", 'process.env'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the planted code, as text
    ['… in a template', 'src/kafka/planted.ts', 'const a = `x${process.env.A}`;', 'process.env'],
    ['a queue', 'jobs/planted.ts', "const a = new Queue('x');", 'new Queue/Worker'],
    ['a worker', 'src/app/planted.ts', "const a = new Worker('x');", 'new Queue/Worker'],
    ['a Redis connection', 'queues/planted.ts', 'const a = new Redis();', 'new Redis'],
    ['the time', 'jobs/planted.ts', 'const a = Date.now();', 'the clock'],
    ['… monotonic', 'src/kafka/planted.ts', 'const a = performance.now();', 'the clock'],
    ['… as an object', 'src/domain/planted.ts', 'const a = new Date();', 'the clock'],
  ])('%s', (_what, file, text, rule) => {
    const lines = text.split('\n').length;
    const found = planted({ [file]: `\n${text}\n` }, () => checkImports(copy));
    expect(found.map((one) => [one.file, one.rule])).toEqual([[file, rule]]);
    expect(found[0]!.line).toBeGreaterThanOrEqual(rule === 'layer' ? 1 : 2);
    expect(found[0]!.line).toBeLessThanOrEqual(lines + 1);
  });

  test.each([
    ['a comment', '// process.env, new Queue(), Date.now()\n/* new Redis() */'],
    ['a string', "const a = 'process.env and new Worker';\nconst b = ['import', 'x'];"],
    ['a type of a library', "import type { Queue } from 'bullmq';\nimport { type Kafka } from 'kafkajs';"],
    ['a date of something', 'const a = new Date(0);'],
  ])('%s is no violation', (_what, text) => {
    expect(planted({ 'jobs/planted.ts': text }, () => checkImports(copy))).toEqual([]);
  });
});

/** The tool's own output; its exit code must say that there is something. */
function run(tool: string, args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(join(ROOT, 'node_modules/.bin', tool), args, {
    cwd: copy,
    encoding: 'utf8',
  });
  return { status, text: `${stdout}${stderr}` };
}

test('Biome finds an import cycle', () => {
  const lint = () =>
    run('biome', ['lint', '--only=suspicious/noImportCycles', 'src/domain/one.ts', 'src/domain/two.ts']);
  const one = "import { two } from './two.js';\nexport const one = () => two();\n";
  const cycle = {
    'src/domain/one.ts': one,
    'src/domain/two.ts': one.replaceAll('two', 'x').replaceAll('one', 'two').replaceAll('x', 'one'),
  };
  const { status, text } = planted(cycle, lint);
  expect(text).toContain('noImportCycles');
  expect(status).toBe(1);
  const straight = { ...cycle, 'src/domain/two.ts': 'export const two = () => 2;\n' };
  expect(planted(straight, lint).status).toBe(0);
});

test('knip finds an unused file, export and dependency', () => {
  const files = {
    'knip.json': JSON.stringify({ entry: ['src/start.ts!'], project: ['src/{start,used,unused}.ts!'] }),
    'src/start.ts': "import { used } from './used.js';\nused();\n",
    'src/used.ts': 'export const used = () => 1;\nexport const nobody = () => 2;\n',
    'src/unused.ts': 'export const x = 1;\n',
  };
  const { status, text } = planted(files, () => run('knip', ['--production', '--no-progress']));
  expect(text).toContain('src/unused.ts');
  expect(text).toContain('nobody');
  expect(text).toContain('kafkajs');
  expect(status).toBe(1);
});
