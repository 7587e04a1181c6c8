// The private stack: starts whole, leaves nothing, and cleans up after a run that was killed, touching nobody else's process.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { kafkaLibs } from '../../../ops/local/machine.mjs';
import { processStart } from '../../../ops/local/processes.mjs';

const ROOT = join(import.meta.dirname, '../../..');
const undo: (() => void)[] = [];
afterEach(() => {
  for (const run of undo.splice(0).reverse()) run();
});

interface StateFile {
  readonly folder: string;
  readonly processes: readonly { readonly what: string; readonly pid: number; readonly start: string }[];
}

/** A cache of its own, so that this test sees no other run's state; Kafka's jars are the machine's. */
function ownMachine() {
  const cache = mkdtempSync(join(tmpdir(), 'wardwatch-test-cache-'));
  undo.push(() => rmSync(cache, { recursive: true, force: true }));
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('WARDWATCH_STACK_'));
  const env = { ...Object.fromEntries(inherited), XDG_CACHE_HOME: cache, KAFKA_HOME: dirname(kafkaLibs().folder) };
  const states = () => {
    const folder = join(cache, 'wardwatch/stacks');
    if (!existsSync(folder)) return [];
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.json'))
      .map((name): StateFile => JSON.parse(readFileSync(join(folder, name), 'utf8')));
  };
  return { env, cache, states };
}

function startRun(env: Record<string, string | undefined>, stderr: 'inherit' | 'ignore' = 'inherit'): ChildProcess {
  const script = `
    import { startStack } from ${JSON.stringify(join(ROOT, 'ops/local/stack.mjs'))};
    const stack = await startStack({ name: 'try' });
    console.log('up');
    process.stdin.on('end', () => stack.stop()).resume();`;
  return spawn(process.execPath, ['--input-type=module', '-e', script], { env, stdio: ['pipe', 'pipe', stderr] });
}

const down = (env: Record<string, string | undefined>) =>
  spawnSync(process.execPath, [join(ROOT, 'ops/local/stack.mjs'), 'down'], { env, encoding: 'utf8' });

test('what a killed run left is ended by the next, and a stopped one leaves nothing', async () => {
  const { env, states } = ownMachine();
  const run = startRun(env);
  await once(run.stdout!, 'data');
  const [state] = states();
  expect(state?.processes.map(({ what }) => what).sort()).toEqual(['kafka', 'mariadb', 'redis', 'sns']);
  run.kill('SIGKILL');
  await once(run, 'exit');
  expect(state?.processes.filter(({ pid, start }) => processStart(pid) === start)).toHaveLength(4);

  const again = startRun(env);
  await once(again.stdout!, 'data');
  expect(state?.processes.filter(({ pid, start }) => processStart(pid) === start)).toEqual([]);
  expect(existsSync(state!.folder)).toBe(false);
  const [second] = states();
  expect(second?.folder).not.toBe(state?.folder);

  again.stdin!.end();
  expect(await once(again, 'exit')).toEqual([0, null]);
  expect(second?.processes.filter(({ pid }) => processStart(pid) !== undefined)).toEqual([]);
  expect(existsSync(second!.folder)).toBe(false);
  expect(states()).toEqual([]);
});

test('a start that fails half-way leaves nothing', async () => {
  const { env, cache, states } = ownMachine();
  mkdirSync(join(cache, 'kafka/libs'), { recursive: true });
  writeFileSync(join(cache, 'kafka/libs/kafka_2.13-4.1.1.jar'), 'no jar');
  const run = startRun({ ...env, KAFKA_HOME: join(cache, 'kafka'), TMPDIR: cache }, 'ignore');
  expect(await once(run, 'exit')).toEqual([1, null]);
  expect(states()).toEqual([]);
  expect(readdirSync(cache).filter((name) => name.startsWith('wardwatch-'))).toEqual([]);
});

test('a process that took over a recorded pid is not ours to end', async () => {
  const { env, cache, states } = ownMachine();
  const stranger = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  undo.push(() => stranger.kill('SIGKILL'));
  const folder = mkdtempSync(join(tmpdir(), 'wardwatch-gone-'));
  // The state of a run whose process and owner are long gone, and whose pids others have now.
  const gone = { pid: stranger.pid!, start: `${processStart(stranger.pid!)}0` };
  await withState(env, cache, {
    name: 'gone',
    owner: gone,
    folder,
    kept: false,
    processes: [{ what: 'redis', ...gone }],
  });
  expect(down(env).status).toBe(0);
  expect(existsSync(folder)).toBe(false);
  expect(states()).toEqual([]);
  expect(processStart(stranger.pid!)).toBeDefined();
});

test('a run whose owner lives is left alone', async () => {
  const { env, cache, states } = ownMachine();
  const other = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  undo.push(() => other.kill('SIGKILL'));
  const owner = { pid: process.pid, start: processStart(process.pid)! };
  const processes = [{ what: 'redis', pid: other.pid!, start: processStart(other.pid!)! }];
  await withState(env, cache, { name: 'mine', owner, folder: undefined, kept: false, processes });
  expect(down(env).status).toBe(0);
  expect(states()).toHaveLength(1);
  expect(processStart(other.pid!)).toBeDefined();
});

/** Writes a state file where this checkout's runs look for theirs. */
async function withState(env: Record<string, string | undefined>, cache: string, state: object): Promise<void> {
  const print = `import { stateFolder } from ${JSON.stringify(join(ROOT, 'ops/local/cache.mjs'))}; console.log(stateFolder());`;
  const found = spawnSync(process.execPath, ['--input-type=module', '-e', print], { env, encoding: 'utf8' });
  const folder = found.stdout.trim();
  expect(folder.startsWith(cache)).toBe(true);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'recorded-1.json'), JSON.stringify(state));
}
