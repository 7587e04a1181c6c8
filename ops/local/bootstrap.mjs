// Makes a fresh checkout on a fresh machine ready: programs, dependencies, build. Needs nothing but Node.
// What can't be had is one message that lists all of it and what to do (exit code 2).
// @ts-check
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { build, dependenciesAreStale, distIsStale, installDependencies } from './checkout.mjs';
import { CommandError } from './command-error.mjs';
import { dockerAnswers } from './docker-stack.mjs';
import { ownServices, UnsafeSettingError } from './environment.mjs';
import { fetchJars } from './jars.mjs';
import {
  aptIsOurs,
  hadoopLibs,
  hiveLibs,
  InterruptedError,
  kafkaLibs,
  lookAround,
  lookForHdfs,
  lookForSpark,
} from './machine.mjs';
import { installPyspark, pyspark } from './pyspark.mjs';

const NODE_AT_LEAST = [20, 19];
const EXIT_NOT_PREPARED = 2;
const EXIT_INTERRUPTED = 130;
const MS_PER_S = 1_000;

/** Something that only the user can mend. The message says what and how. */
export class NotPreparedError extends Error {
  /** @override */
  name = 'NotPreparedError';
  exitCode = EXIT_NOT_PREPARED;
}

/**
 * @param {object} [options]
 * @param {'native' | 'docker' | null | undefined} [options.stack] default: native where its parts can be had, else Docker
 * @param {boolean} [options.forTests] also what only the tests need
 * @param {boolean} [options.hdfs] also Hadoop: it runs natively whatever the stack is
 * @param {boolean} [options.spark] also PySpark with Hive, natively
 * @param {(text: string) => void} [options.write] gets text with its line ends
 * @throws {NotPreparedError | UnsafeSettingError}
 */
export async function bootstrap({
  stack,
  forTests = false,
  hdfs = false,
  spark = false,
  write = (text) => process.stdout.write(text),
} = {}) {
  checkNode();
  /**
   * @param {string} what
   * @param {() => unknown} work
   */
  const phase = async (what, work) => {
    write(`  ${what} … `);
    const started = performance.now();
    try {
      await work();
    } catch (error) {
      write('failed\n');
      throw error;
    }
    write(`${((performance.now() - started) / MS_PER_S).toFixed(1)} s\n`);
  };
  // Tests start private services beside the stack that the user brings.
  if (forTests || !ownServices(process.env)) await prepareMachine(stack, forTests, phase);
  if (hdfs) await prepareHdfs(phase);
  if (spark) await prepareSpark(phase);
  if (dependenciesAreStale()) await phase('installing dependencies (npm ci)', installDependencies);
  if (distIsStale()) await phase('building (npm run build)', build);
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [atLeastMajor = 0, atLeastMinor = 0] = NODE_AT_LEAST;
  if (major > atLeastMajor || (major === atLeastMajor && minor >= atLeastMinor)) return;
  throw new NotPreparedError(
    `Node ${process.versions.node} is too old: wardwatch needs ${NODE_AT_LEAST.join('.')} or newer`,
  );
}

/**
 * @param {'native' | 'docker' | null | undefined} stack
 * @param {boolean} forTests
 * @param {(what: string, work: () => unknown) => Promise<void>} phase
 */
async function prepareMachine(stack, forTests, phase) {
  if (stack === 'docker' && !dockerAnswers()) {
    throw new NotPreparedError(
      '--stack docker: no Docker engine with Compose 2 answers. Start Docker, or use --stack native.',
    );
  }
  if (stack === 'docker') return;
  const { missing } = lookAround({ forTests });
  if (missing.length > 0) {
    const packages = [...new Set(missing.map(({ debian }) => debian))];
    if (aptIsOurs()) {
      await phase(`installing from Debian: ${packages.join(' ')} (no system service is started)`, () =>
        aptInstall(packages),
      );
    } else if (!forTests && stack !== 'native' && dockerAnswers()) {
      return;
    } else {
      throw new NotPreparedError(notPrepared(missing, existsSync('/etc/debian_version') ? packages : []));
    }
  }
  const still = lookAround({ forTests });
  if (still.missing.length > 0) throw new NotPreparedError(notPrepared(still.missing, []));
  const mvn = still.found.mvn;
  if (!kafkaLibs().ready && mvn) await phase('fetching Kafka with Maven', () => fetchJars('kafka', mvn));
}

/** @typedef {(what: string, work: () => unknown) => Promise<void>} Phase */

/** @param {Phase} phase */
async function prepareHdfs(phase) {
  const { mvn } = await installMissing(lookForHdfs, phase);
  if (!hadoopLibs().ready && mvn) await phase('fetching Hadoop with Maven', () => fetchJars('hadoop', mvn));
}

/** @param {Phase} phase */
async function prepareSpark(phase) {
  const { mvn, python } = await installMissing(lookForSpark, phase);
  if (!hiveLibs().ready && mvn) await phase("fetching a part of Hive's with Maven", () => fetchJars('hive', mvn));
  if (!pyspark().ready && python) await phase('installing PySpark with pip', () => installPyspark(python));
}

/**
 * @param {() => import('./machine.mjs').Found} look
 * @param {Phase} phase
 * @returns {Promise<Readonly<Record<string, string>>>} paths by key
 */
async function installMissing(look, phase) {
  const { missing } = look();
  const packages = existsSync('/etc/debian_version') ? missing.map(({ debian }) => debian) : [];
  if (packages.length > 0 && aptIsOurs())
    await phase(`installing from Debian: ${packages.join(' ')}`, () => aptInstall(packages));
  const still = look();
  if (still.missing.length > 0) throw new NotPreparedError(notPrepared(still.missing, packages));
  return still.found;
}

/**
 * @param {readonly import('./machine.mjs').Requirement[]} missing
 * @param {readonly string[]} packages of Debian; empty where they are not the answer
 */
export function notPrepared(missing, packages) {
  const lines = ['This machine lacks what is needed:', ...missing.map(({ range }) => `  - ${range}`)];
  if (packages.length > 0) {
    lines.push(
      'Install it with (no system service is started):',
      `  sudo ${['apt-get', ...aptArguments(packages)].join(' ')}`,
    );
  } else {
    lines.push('Install these so that they are found on the PATH and `--version` works.');
  }
  lines.push('Or start Docker with Compose 2: all of it then runs there (--stack docker).');
  return lines.join('\n');
}

/** @param {readonly string[]} packages */
const aptArguments = (packages) => ['install', '-y', '--no-install-recommends', ...packages];

/** @param {readonly string[]} packages */
function aptInstall(packages) {
  for (const args of [['update'], aptArguments(packages)]) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const { status, stdout, stderr } = spawnSync('apt-get', args, { encoding: 'utf8', env });
    if (status !== 0) throw new NotPreparedError(`apt-get ${args.join(' ')} failed:\n${stdout}${stderr}`);
  }
}

/**
 * The value of `--stack`, where it is given.
 * @param {readonly string[]} words
 * @returns {'native' | 'docker' | undefined}
 */
export function stackOption(words) {
  const at = words.indexOf('--stack');
  if (at === -1) return undefined;
  const value = words[at + 1];
  if (value !== 'native' && value !== 'docker') throw new NotPreparedError('--stack takes native or docker');
  return value;
}

/**
 * Ends a program of ops/local: a plain message for what the user can mend, a stack trace for what only we can.
 * @param {unknown} error
 */
export function exitWithMessage(error) {
  const unprepared = error instanceof NotPreparedError || error instanceof UnsafeSettingError;
  const interrupted = error instanceof InterruptedError;
  console.error(unprepared || interrupted || error instanceof CommandError ? error.message : error);
  if (interrupted) process.exitCode = EXIT_INTERRUPTED;
  else process.exitCode = unprepared ? EXIT_NOT_PREPARED : 1;
}

if (process.argv[1] && import.meta.filename === process.argv[1]) {
  await bootstrap({ stack: stackOption(process.argv.slice(2)) }).catch(exitWithMessage);
}
