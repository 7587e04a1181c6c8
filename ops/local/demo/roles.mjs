// Worker processes of a demo, a soak or a fault test: started with a clean environment, watched, perhaps started again, and ended by their own ids.
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { CommandError } from '../command-error.mjs';

/** Two replicas of archive, watch and deliver, as the issue of this demo asks. */
export const PROCESSES = [
  { name: 'poll', roles: 'poll,import,console' },
  { name: 'archive-1', roles: 'archive' },
  { name: 'archive-2', roles: 'archive' },
  { name: 'watch-1', roles: 'watch,dispatch' },
  { name: 'watch-2', roles: 'watch' },
  { name: 'deliver-1', roles: 'deliver' },
  { name: 'deliver-2', roles: 'deliver' },
];

const READY_WITHIN_MS = 60_000;
const READY_POLL_MS = 100;
const STOP_WITHIN_MS = 30_000;
const TAIL_LINES = 15;

/**
 * Starts them all: `words` and `--roles …` are given to Node. `onExit(name, code, tail)` is called when one ends unasked. `onPid(name, pid)` records
 * it for the next start's clean-up. `restartAfterMs`: whatever ended one, it begins again so much later. `onEvent(name, entry)` gets every line of
 * its log.
 * Answers {names, look(), signal(), freeze(), ready(), sums(), addresses(), stop(), kill()}.
 */
export function startRoles({ words, processes = PROCESSES, env, logFolder, onPid, onExit, restartAfterMs, onEvent }) {
  const workers = processes.map((row) => ({ ...row, asked: false }));
  let stopping = false;
  let ends;
  for (const worker of workers) startOne(worker);

  function startOne(worker) {
    const { name, roles } = worker;
    // A session of its own: Ctrl-C on the terminal is for the demo, which stops the workers in its own order, and what a
    // killed demo leaves is ended by process group.
    const child = spawn(process.execPath, [...words, '--roles', roles], {
      detached: true,
      env: { ...env, ...worker.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    Object.assign(worker, { child, port: null, consoleUrl: null, tail: [], ended: null, asked: false });
    onPid(name, child.pid);
    const log = createWriteStream(join(logFolder, `${name}.log`), { flags: 'a' });
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        log.write(`${line}\n`);
        worker.tail.push(line);
        if (worker.tail.length > TAIL_LINES) worker.tail.shift();
        const entry = eventOf(line);
        if (entry?.event === 'http.listening') noteAddress(worker, entry);
        if (entry) onEvent?.(name, entry);
      });
    }
    worker.gone = new Promise((resolve) => {
      // Not at its exit: its last words may still be on the way.
      child.once('close', (code, signal) => {
        log.end();
        worker.ended = code ?? signal;
        resolve(worker.ended);
        if (stopping) return;
        if (!worker.asked) onExit(name, worker.ended, worker.tail);
        if (restartAfterMs !== undefined) {
          void pause(restartAfterMs).then(() => {
            if (!stopping) startOne(worker);
          });
        }
      });
    });
  }

  const named = (name) => workers.find((worker) => worker.name === name);
  const signal = (name, which) => {
    const worker = named(name);
    if (!alive(worker)) return false;
    worker.asked = true;
    return worker.child.kill(which);
  };

  return {
    names: workers.map(({ name }) => name),
    /** The one with that name, as it is now. */
    look: named,
    /** Sends a signal to one; false where it is not there. Its end is no surprise then. */
    signal,
    /** SIGSTOP, and SIGCONT after `ms`; resolves then. False where it is not there. */
    freeze: async (name, ms) => {
      const worker = named(name);
      const { child } = worker;
      if (!alive(worker) || !child.kill('SIGSTOP')) return false;
      await pause(ms);
      child.kill('SIGCONT');
      return true;
    },
    /** Resolves when every process says that it is ready; rejects with what the slowest one waits for, or at once when `signal` aborts. */
    ready: async (signal) => {
      const untilMs = Date.now() + READY_WITHIN_MS;
      for (const worker of workers) {
        for (;;) {
          const waitsFor = await notReady(worker);
          if (waitsFor === null) break;
          signal?.throwIfAborted();
          if (worker.ended !== null) throw new CommandError(endedText(worker.name, worker.ended, worker.tail));
          if (Date.now() > untilMs)
            throw new CommandError(`worker ${worker.name} is not ready after ${READY_WITHIN_MS / 1000} s: ${waitsFor}`);
          await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
        }
      }
    },
    /** Sums over all processes, looked at together. `series` begin as their lines do, without the prefix: `name` or `name{label="x"`. */
    sums: async (...series) => {
      const texts = await Promise.all(workers.map(metricsOf));
      const lines = texts.flatMap((text) => text.split('\n'));
      return series.map((one) =>
        lines
          .filter((line) => [' ', '{', ',', '}'].some((end) => line.startsWith(`wardwatch_${one}${end}`)))
          .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0),
      );
    },
    addresses: () => ({
      metrics: workers.map((worker) => ({ name: worker.name, port: worker.port })),
      console: workers.map((worker) => worker.consoleUrl).find(Boolean) ?? null,
    }),
    /** SIGTERM to all; whoever has not ended in time is killed and named. Answers [{name, code}] of those that did not end with 0. */
    stop: () => {
      ends ??= stopAll();
      return ends;
    },
    /** SIGKILL, where their work no longer matters. */
    kill: async () => {
      stopping = true;
      for (const worker of workers) if (worker.ended === null) worker.child.kill('SIGKILL');
      await Promise.all(workers.map((worker) => worker.gone));
    },
  };

  async function stopAll() {
    stopping = true;
    const late = setTimeout(() => {
      for (const worker of workers) if (worker.ended === null) worker.child.kill('SIGKILL');
    }, STOP_WITHIN_MS);
    // What ended by our own doing is no news.
    const running = workers.filter((worker) => worker.ended === null || !worker.asked);
    for (const worker of running) worker.child.kill('SIGCONT');
    for (const worker of running) worker.child.kill('SIGTERM');
    const all = await Promise.all(running.map(async (worker) => ({ name: worker.name, code: await worker.gone })));
    clearTimeout(late);
    return all.filter((end) => end.code !== 0);
  }
}

/** What is said of a worker that ended unasked: its last words are the reason. */
export function endedText(name, how, tail) {
  return `worker ${name} ended by itself (${how}):\n${tail.join('\n')}`;
}

function alive({ child }) {
  return child.exitCode === null && child.signalCode === null;
}

/** A line of the log; undefined for words meant for people. */
function eventOf(line) {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function noteAddress(worker, entry) {
  if (entry.what === 'console') worker.consoleUrl = `http://127.0.0.1:${entry.port}`;
  else worker.port = entry.port;
}

/** Empty where it does not answer: the sum is then short, and asked for again. */
async function metricsOf(worker) {
  if (worker.port === null) return '';
  return await get(worker.port, '/metrics').then(
    (answer) => answer.body,
    () => '',
  );
}

async function notReady(worker) {
  if (worker.port === null) return 'its port is not known yet';
  try {
    const { status, body } = await get(worker.port, '/ready');
    return status === 200 ? null : body;
  } catch (error) {
    return String(error);
  }
}

async function get(port, path) {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(5_000) });
  return { status: response.status, body: await response.text() };
}
