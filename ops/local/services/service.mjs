// One service of the private stack as something that can be stopped, killed, paused and started again on its port and data.
// @ts-check
import { join } from 'node:path';
import { launch, waitReady } from '../processes.mjs';

const READY_TIMEOUT_MS = 60_000;

/**
 * @typedef {object} Service
 * @property {string} what
 * @property {() => Promise<void>} start resolves when it answers; starts it again after stop or kill, with its data
 * @property {() => Promise<void>} stop SIGTERM, then SIGKILL
 * @property {() => Promise<void>} kill SIGKILL
 * @property {() => void} pause SIGSTOP: connections stay open and nothing answers
 * @property {() => void} cont SIGCONT
 */

/**
 * Told of each process right after it was started, so that a later run can end what this one left.
 * @typedef {(started: { readonly what: string, readonly pid: number, readonly start: string }) => void} OnProcess
 */

/**
 * @typedef {object} ServiceOptions
 * @property {string} what
 * @property {string} folder where its log goes
 * @property {{ readonly file: string, readonly args: readonly string[], readonly argv0?: string, readonly cwd?: string, readonly env: Record<string, string> }} command
 * @property {(logFile: string) => Promise<boolean>} ready
 * @property {OnProcess} [onProcess]
 */

/**
 * @param {ServiceOptions} options
 * @returns {Service}
 */
export function createService({ what, folder, command, ready, onProcess }) {
  const logFile = join(folder, `${what}.log`);
  /** @type {import('../processes.mjs').RunningProcess | undefined} */
  let child;
  return {
    what,
    start: async () => {
      if (child?.running()) throw new Error(`${what} runs already`);
      child = launch({ what, logFile, ...command });
      onProcess?.(child);
      await waitReady(child, () => ready(logFile), { timeoutMs: READY_TIMEOUT_MS, logFile });
    },
    stop: async () => {
      await child?.stop();
    },
    kill: async () => {
      await child?.kill();
    },
    pause: () => child?.signal('SIGSTOP'),
    cont: () => child?.signal('SIGCONT'),
  };
}
