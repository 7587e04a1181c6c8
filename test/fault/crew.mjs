// The workers of a chaos run: killed, frozen and started again, as a process manager would.
import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** Above the consumer groups' session time-out, as ops/docs ask. */
const RESTART_AFTER_MS = 7_000;
const STOP_WITHIN_MS = 40_000;

const WORKERS = [
  { name: 'poll-1', roles: 'poll,import' },
  { name: 'poll-2', roles: 'poll' },
  { name: 'archive-1', roles: 'archive' },
  { name: 'archive-2', roles: 'archive' },
  { name: 'watch-1', roles: 'watch,dispatch' },
  { name: 'watch-2', roles: 'watch,dispatch' },
  { name: 'deliver-1', roles: 'deliver' },
  { name: 'deliver-2', roles: 'deliver' },
];

/** `say` gets a line for whatever a worker does unasked. `onPid` records each process for a later run's clean-up. */
export function startCrew({ main, env, logFolder, onPid, say }) {
  let stopping = false;
  const crew = WORKERS.map((row) => ({
    ...row,
    child: undefined,
    gone: Promise.resolve(),
    asked: false,
    frozen: false,
  }));
  const begin = (worker) => {
    const child = spawn(process.execPath, [main, 'worker', '--roles', worker.roles], {
      env: { ...env, ...worker.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: by it the next run ends what a killed one left.
      detached: true,
    });
    onPid(worker.name, child.pid);
    worker.child = child;
    worker.asked = false;
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => appendFileSync(join(logFolder, `${worker.name}.log`), chunk));
    worker.gone = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        resolve(code ?? signal);
        if (stopping) return;
        if (!worker.asked) say(`${worker.name} ended by itself: ${code ?? signal}`);
        void pause(RESTART_AFTER_MS).then(() => {
          if (!stopping) begin(worker);
        });
      });
    });
  };
  for (const worker of crew) begin(worker);
  const alive = (worker) => worker.child.exitCode === null && worker.child.signalCode === null;
  return {
    names: crew.map(({ name }) => name),
    kill: (name) => {
      const worker = crew.find((one) => one.name === name);
      if (!alive(worker)) return false;
      worker.asked = true;
      worker.child.kill('SIGKILL');
      return true;
    },
    /** SIGSTOP, then SIGCONT. */
    freeze: async (name, ms) => {
      const worker = crew.find((one) => one.name === name);
      const { child } = worker;
      if (!alive(worker) || worker.frozen) return;
      worker.frozen = true;
      child.kill('SIGSTOP');
      await pause(ms);
      child.kill('SIGCONT');
      worker.frozen = false;
    },
    /** SIGTERM to all. Answers those that did not end with 0: [{name, code}]. */
    stop: async () => {
      stopping = true;
      const running = crew.filter(alive);
      for (const { child } of running) child.kill('SIGCONT');
      for (const { child } of running) child.kill('SIGTERM');
      const late = setTimeout(() => {
        for (const { child } of running) child.kill('SIGKILL');
      }, STOP_WITHIN_MS);
      const ends = await Promise.all(running.map(async ({ name, gone }) => ({ name, code: await gone })));
      clearTimeout(late);
      return ends.filter(({ code }) => code !== 0);
    },
  };
}
