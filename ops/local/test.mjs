// `npm test`, `npm run test:fault`, `npm run test:peers`: prepares, starts a stack (or uses that of `npm run stack:up`), runs Vitest
// on it, stops it, passes the exit code on. Arguments go to Vitest: `npm test -- test/unit/x.test.ts` runs that file, of whatever tier.
// `--tier` chooses the tier, `--stack native|docker` the stack (docker: everything in one Debian container).
// @ts-check
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { bootstrap, exitWithMessage, stackOption } from './bootstrap.mjs';
import { ROOT } from './cache.mjs';
import { CommandError } from './command-error.mjs';
import { spawnTestsInDocker, testsNeedDocker } from './docker-tests.mjs';
import { childEnvironment, stackSettings } from './environment.mjs';
import { keptStack, startStack } from './stack.mjs';
import { cleanUp } from './state.mjs';

const SIGNAL_EXIT_BASE = 128;
/** Vitest's projects (vitest.config.ts) of each tier. */
const TIERS = { test: ['unit', 'integration', 'e2e'], fault: ['fault'], peers: ['peers'] };
/** Our own options; each takes a value, and all other words are Vitest's. */
const OWN_OPTIONS = ['--stack', '--tier'];

/**
 * @param {readonly string[]} words
 * @returns {Promise<number>} the exit code
 */
async function runTests(words) {
  /** @type {NodeJS.Signals | undefined} */
  let interrupted;
  const starting = new AbortController();
  /** @type {import('node:child_process').ChildProcess | undefined} */
  let vitest;
  // From here on a signal ends the run in order: Vitest first (Ctrl-C reaches it too), then the stack.
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => {
      interrupted ??= signal;
      starting.abort();
      if (signal !== 'SIGINT') vitest?.kill(signal);
    });
  }
  const stack = stackOption(words);
  if (testsNeedDocker(stack)) {
    console.log('The tests run in a Debian container.');
    const withoutStack = words.filter((word, i) => word !== '--stack' && words[i - 1] !== '--stack');
    vitest = spawnTestsInDocker(withoutStack);
    return await endOf(vitest);
  }
  const forVitest = words.filter((word, i) => ![word, words[i - 1] ?? ''].some((own) => OWN_OPTIONS.includes(own)));
  const namesFiles = forVitest.some((word) => !word.startsWith('-'));
  const projects = namesFiles ? [] : tierOption(words).map((project) => `--project=${project}`);
  // A file of the peers tier may be named alone.
  const hdfs = projects.includes('--project=peers') || forVitest.some((word) => word.includes('peers'));
  const spark = hdfs && !forVitest.some((word) => word.includes('peers/hdfs'));
  await bootstrap({ stack, forTests: true, hdfs, spark });
  const kept = keptStack();
  const options = { name: 'test', log: console.log, stack, signal: starting.signal };
  const started = kept
    ? undefined
    : await startStack(options).catch((error) => {
        if (!interrupted) throw error;
      });
  const endpoints = kept ?? started;
  try {
    if (!endpoints || interrupted) return signalCode(interrupted);
    vitest = spawn(process.execPath, [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', ...projects, ...forVitest], {
      cwd: ROOT,
      stdio: 'inherit',
      env: childEnvironment(process.env, stackSettings(endpoints)),
    });
    const code = await endOf(vitest);
    return interrupted ? signalCode(interrupted) : code;
  } finally {
    await started?.stop();
    // Private services of tests that were cut off.
    await cleanUp(console.log);
  }
}

/**
 * @param {readonly string[]} words
 * @returns {readonly string[]} Vitest's projects
 */
function tierOption(words) {
  const at = words.indexOf('--tier');
  const tier = at < 0 ? 'test' : words[at + 1];
  const known = Object.entries(TIERS).find(([name]) => name === tier);
  if (!known) throw new CommandError(`--tier ${tier}: one of ${Object.keys(TIERS).join(', ')}`);
  return known[1];
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @returns {Promise<number>} its exit code
 */
function endOf(child) {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (status, signal) => resolve(status ?? signalCode(signal)));
  });
}

/** @param {NodeJS.Signals | null | undefined} signal */
function signalCode(signal) {
  return SIGNAL_EXIT_BASE + (signal ? constants.signals[signal] : 0);
}

await runTests(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
}, exitWithMessage);
