// ops/pm2/ecosystem.config.cjs under the real PM2, with a daemon of its own: started, scaled, reloaded, deleted, ended.
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { processStart } from '../../ops/local/processes.mjs';
import { createDeployment, type Deployment } from '../helpers/deployment.js';

const run = promisify(execFile);
const PM2 = resolve(import.meta.dirname, '../../node_modules/.bin/pm2');
const ECOSYSTEM = resolve(import.meta.dirname, '../../ops/pm2/ecosystem.config.cjs');
const COMMAND_WITHIN_MS = 90_000;

interface App {
  readonly name: string;
  readonly pid: number;
  readonly pm2_env: Readonly<Record<string, unknown>> & { readonly status: string; readonly restart_time: number };
}

let deployment: Deployment;
let home: string;
let env: Record<string, string>;

const pm2 = async (...args: string[]) => (await run(PM2, args, { env, timeout: COMMAND_WITHIN_MS })).stdout;
const apps = async (): Promise<App[]> => {
  const out = await pm2('jlist');
  return JSON.parse(out.slice(out.indexOf('[{') < 0 ? out.indexOf('[]') : out.indexOf('[{'))) as App[];
};
const logs = () =>
  readdirSync(join(home, 'logs'))
    .map((file) => readFileSync(join(home, 'logs', file), 'utf8'))
    .join('\n');
const online = async (names: readonly string[]) => {
  const found = await apps();
  expect(found.map(({ name }) => name).sort()).toEqual([...names].sort());
  expect(found.map((app) => app.pm2_env.status)).toEqual(names.map(() => 'online'));
  return found;
};

beforeAll(async () => {
  deployment = await createDeployment('pm2');
  const seed = await deployment.run(['import', 'thresholds', '--file', 'ops/sql/thresholds-seed.csv']);
  expect(seed.code, seed.err).toBe(0);
  home = mkdtempSync(join(tmpdir(), 'wardwatch-test-pm2-'));
  env = {
    ...deployment.env,
    PM2_HOME: home,
    PM2_DISCRETE_MODE: 'true',
    WARDWATCH_WATCH_INSTANCES: '1',
    WARDWATCH_CONSOLE_INSTANCES: '1',
    ...Object.fromEntries(
      ['POLL', 'ARCHIVE', 'DISPATCH', 'DELIVER', 'IMPORT', 'MAINTAIN'].map((role) => [
        `WARDWATCH_${role}_INSTANCES`,
        '0',
      ]),
    ),
  };
});

afterAll(async () => {
  const daemon = Number(readPid());
  await pm2('kill').catch(() => undefined);
  // It outlives `pm2 kill` by about a second.
  if (daemon) await vi.waitFor(() => expect(processStart(daemon)).toBeUndefined(), { timeout: 15_000, interval: 100 });
  rmSync(home, { recursive: true, force: true });
  await deployment?.close();
});

function readPid(): string {
  try {
    return readFileSync(join(home, 'pm2.pid'), 'utf8');
  } catch {
    return '';
  }
}

it('starts an app per role, as many as the environment says, and returns when they are ready', async () => {
  await pm2('start', ECOSYSTEM);
  const found = await online(['wardwatch-watch', 'wardwatch-console']);
  for (const { pm2_env } of found) {
    expect(pm2_env).toMatchObject({ exec_mode: 'fork_mode', wait_ready: true, restart_time: 0 });
    expect(Number(pm2_env.kill_timeout)).toBeGreaterThan(25_000);
    expect(Number(pm2_env.restart_delay)).toBeGreaterThan(6_000);
  }
  expect(logs().match(/"event":"worker\.ready"/g)).toHaveLength(2);
});

it('scales, reloads without a forced end, and deletes', async () => {
  await pm2('scale', 'wardwatch-watch', '2');
  const before = await online(['wardwatch-watch', 'wardwatch-watch', 'wardwatch-console']);
  expect(before.map(({ pm2_env }) => pm2_env.NODE_APP_INSTANCE).sort()).toEqual([0, 0, 1]);
  await pm2('reload', 'wardwatch-watch');
  const after = await online(['wardwatch-watch', 'wardwatch-watch', 'wardwatch-console']);
  const pids = (all: readonly App[]) => all.filter(({ name }) => name === 'wardwatch-watch').map(({ pid }) => pid);
  expect(pids(after).some((pid) => pids(before).includes(pid))).toBe(false);
  await pm2('delete', 'all');
  expect(await apps()).toEqual([]);
  const text = logs();
  expect(text.match(/"outcome":"done","event":"worker\.stopped"/g)).toHaveLength(5);
  expect(text).not.toMatch(/"event":"stop\.late"|"event":"process\.(?:uncaught|unhandled)"/);
});

it('has an app for every role that can run, each above the drain deadline', () => {
  const { apps: all } = createRequire(import.meta.url)(ECOSYSTEM) as {
    apps: readonly { readonly args: readonly string[]; readonly instances: number; readonly kill_timeout: number }[];
  };
  expect(all.map(({ args }) => args.at(-1))).toEqual([
    'poll',
    'archive',
    'watch',
    'dispatch',
    'deliver',
    'import',
    'maintain',
    'console',
  ]);
  for (const app of all) expect(app.kill_timeout).toBe(30_000);
});
