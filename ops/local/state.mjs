// The state file of one run: folder and processes, so that the next run can end what a kill -9 left behind.
// @ts-check
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { stateFolder } from './cache.mjs';
import { killRecorded, processStart } from './processes.mjs';

/** Only folders of that name are ever removed. */
export const FOLDER_PREFIX = 'wardwatch-';

/**
 * @typedef {object} RunState
 * @property {string} name
 * @property {{ readonly pid: number, readonly start: string }} owner
 * @property {string | undefined} folder private; removed with the run
 * @property {boolean} kept outlives its owner (`npm run stack:up`)
 * @property {{ readonly what: string, readonly pid: number, readonly start: string }[]} processes
 * @property {string[] | undefined} dockerDown the command that ends its containers
 * @property {import('./environment.mjs').Endpoints | undefined} endpoints once all are up
 * @property {string | undefined} made what it made on services of the user's own, by name: removed with the run
 */

/**
 * Opens a state file for this process; each change is on disk when the call returns.
 * @param {string} name
 */
export function openState(name) {
  const file = join(stateFolder(), `${name}-${process.pid}.json`);
  /** @type {RunState} */
  const state = {
    name,
    owner: { pid: process.pid, start: processStart(process.pid) ?? '' },
    folder: undefined,
    kept: false,
    processes: [],
    dockerDown: undefined,
    endpoints: undefined,
    made: undefined,
  };
  /** @param {Partial<RunState>} change */
  const update = (change) => {
    Object.assign(state, change);
    mkdirSync(stateFolder(), { recursive: true });
    writeFileSync(`${file}.new`, JSON.stringify(state, undefined, 2));
    renameSync(`${file}.new`, file);
  };
  update({});
  return {
    update,
    /** @param {{ readonly what: string, readonly pid: number, readonly start: string }} started */
    addProcess: ({ what, pid, start }) => update({ processes: [...state.processes, { what, pid, start }] }),
    /** Names of the processes recorded so far. */
    processes: () => state.processes,
    /** The run is over and everything of it gone. */
    remove: () => rmSync(file, { force: true }),
  };
}

/**
 * All state files of this checkout.
 * @returns {{ readonly file: string, readonly state: RunState }[]}
 */
export function readStates() {
  const folder = stateFolder();
  if (!existsSync(folder)) return [];
  const states = [];
  for (const name of readdirSync(folder)) {
    if (!name.endsWith('.json')) continue;
    const file = join(folder, name);
    try {
      states.push({ file, state: /** @type {RunState} */ (JSON.parse(readFileSync(file, 'utf8'))) });
    } catch (error) {
      // Removed by its owner since we listed it.
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ENOENT') throw error;
    }
  }
  return states;
}

/** @param {RunState} state */
export function isAlive(state) {
  if (!state.kept) return processStart(state.owner.pid) === state.owner.start;
  return (
    state.dockerDown !== undefined ||
    (state.processes.length > 0 && state.processes.every(({ pid, start }) => processStart(pid) === start))
  );
}

/**
 * Ends and removes what dead runs of this checkout left. Runs whose owner lives, and kept stacks that are whole, stay.
 * @param {(line: string) => void} log
 */
export async function cleanUp(log) {
  for (const { file, state } of readStates()) {
    if (isAlive(state)) continue;
    log(`cleaning up after ${state.name} (process ${state.owner.pid}, which is gone)`);
    // Services of one's own may be gone with what was made on them: no reason not to start.
    await endRun(file, state).catch((error) => log(error.message));
  }
}

/** Ends and removes at once what this process has started, kept stacks excepted. */
export async function endOwnRuns() {
  const own = readStates().filter(({ state }) => !state.kept && state.owner.pid === process.pid && isAlive(state));
  for (const { file, state } of own) await endRun(file, state);
}

/**
 * @param {string} file
 * @param {RunState} state
 * @throws {Error} something made on the user's own services could not be removed; all else is
 */
export async function endRun(file, state) {
  await Promise.all(state.processes.map(killRecorded));
  if (state.dockerDown) {
    const { runDocker } = await import('./docker-stack.mjs');
    await runDocker(state.dockerDown);
  }
  removeFolder(state.folder);
  rmSync(file, { force: true });
  if (state.made && state.endpoints) {
    const { removeMade } = await import('./demo/made.mjs');
    await removeMade(state.endpoints, state.made);
  }
}

/** @param {string | undefined} folder */
export function removeFolder(folder) {
  if (!folder) return;
  if (!basename(folder).startsWith(FOLDER_PREFIX)) throw new Error(`refusing to remove ${folder}`);
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
