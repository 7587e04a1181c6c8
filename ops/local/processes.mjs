// Child processes of the private stack: started detached, known by pid and start time, ended with certainty.
// @ts-check
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const STOP_GRACE_MS = 8_000;
const KILL_WAIT_MS = 5_000;
const POLL_MS = 20;
const LOG_TAIL_LINES = 15;
/** In /proc/PID/stat, counted after the name's closing bracket: the state, and field 22, start in clock ticks since boot. */
const STATE_FIELD = 0;
const START_FIELD = 19;

/**
 * @typedef {object} RunningProcess
 * @property {string} what
 * @property {number} pid
 * @property {string} start identity beside the pid, see processStart
 * @property {Promise<number | string>} exited resolves with exit code or signal name
 * @property {() => boolean} running
 * @property {(signal: NodeJS.Signals) => void} signal
 * @property {(graceMs?: number) => Promise<void>} stop SIGTERM, then SIGKILL after the grace; resolves when it is gone
 * @property {() => Promise<void>} kill SIGKILL; resolves when it is gone
 */

/**
 * When a process started, as text that no later process with the same pid shares. Undefined: there is none, or a zombie.
 * @param {number} pid
 * @returns {string | undefined}
 */
export function processStart(pid) {
  if (existsSync('/proc/self/stat')) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (fields[STATE_FIELD] === 'Z') return undefined;
      return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${fields[START_FIELD]}`;
    } catch {
      return undefined;
    }
  }
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch {
    return undefined;
  }
}

/**
 * Starts a program in a session of its own, so that Ctrl-C reaches us and not it: we stop it, in order.
 * @param {object} options
 * @param {string} options.what its name in messages
 * @param {string} options.file
 * @param {readonly string[]} options.args
 * @param {string} options.logFile gets stdout and stderr
 * @param {Record<string, string>} options.env
 * @param {string} [options.cwd]
 * @param {string} [options.argv0]
 * @returns {RunningProcess}
 */
export function launch({ what, file, args, logFile, env, cwd, argv0 }) {
  const log = openSync(logFile, 'a');
  const child = spawn(file, [...args], {
    detached: true,
    stdio: ['ignore', log, log],
    env,
    ...(cwd ? { cwd } : {}),
    ...(argv0 ? { argv0 } : {}),
  });
  closeSync(log);
  // A stack that is kept outlives us: its processes must not hold our event loop.
  child.unref();
  /** @type {number | string | undefined} */
  let ended;
  const exited = new Promise((resolve) => {
    /** @param {number | string} how */
    const end = (how) => {
      ended = how;
      resolve(how);
    };
    child.once('exit', (code, signal) => end(code ?? signal ?? 'unknown'));
    child.once('error', (error) => end(error.message));
  });
  const pid = child.pid ?? -1;
  const running = () => ended === undefined && pid > 0;
  /** @param {NodeJS.Signals} name */
  const signal = (name) => {
    if (running()) signalGroup(pid, name);
  };
  const kill = async () => {
    // Whoever waits for its end must live to see it.
    child.ref();
    signal('SIGKILL');
    await exited;
  };
  return {
    what,
    pid,
    start: processStart(pid) ?? '',
    exited,
    running,
    signal,
    kill,
    stop: async (graceMs = STOP_GRACE_MS) => {
      child.ref();
      // One that a test paused can't handle SIGTERM.
      signal('SIGCONT');
      signal('SIGTERM');
      // Without a reference: a timer that lost the race must not keep us from ending.
      await Promise.race([exited, delay(graceMs, undefined, { ref: false })]);
      await kill();
    },
  };
}

/**
 * Ends what a dead run left behind, if pid and start time say that it is still the same process.
 * @param {{ readonly what: string, readonly pid: number, readonly start: string }} recorded
 * @returns {Promise<boolean>} whether there was one
 */
export async function killRecorded({ pid, start }) {
  if (start === '' || processStart(pid) !== start) return false;
  signalGroup(pid, 'SIGKILL');
  const deadline = Date.now() + KILL_WAIT_MS;
  while (processStart(pid) === start && Date.now() < deadline) await delay(POLL_MS);
  return true;
}

/**
 * Polls until `check` answers true.
 * @param {RunningProcess} child fails at once when it ends
 * @param {() => Promise<boolean>} check may throw: that is a no
 * @param {{ readonly timeoutMs: number, readonly logFile: string }} options
 * @throws {Error} with the tail of the log
 */
export async function waitReady(child, check, { timeoutMs, logFile }) {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    if (await check().catch(() => false)) return;
    if (!child.running()) {
      throw new Error(`${child.what} ended while starting (${await child.exited})\n${logTail(logFile)}`);
    }
    if (Date.now() > deadline) {
      throw new Error(`${child.what} was not ready within ${timeoutMs / 1000} s\n${logTail(logFile)}`);
    }
    await delay(POLL_MS);
  }
}

/** @param {string} logFile */
export function logTail(logFile) {
  try {
    return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
  } catch {
    return '(no log)';
  }
}

/**
 * @param {number} pid leader of its group, since launch() detaches
 * @param {NodeJS.Signals} name
 */
function signalGroup(pid, name) {
  try {
    process.kill(-pid, name);
  } catch (error) {
    // Gone between the look and the signal.
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ESRCH') throw error;
  }
}
