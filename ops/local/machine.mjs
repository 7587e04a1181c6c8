// What this machine has of what a native stack needs. A program counts only if `--version` exits 0 and is in range.
// @ts-check
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { jarsFolder } from './cache.mjs';

const VERSION_TIMEOUT_MS = 20_000;
/** Servers live here on Debian, outside a user's PATH. */
const MORE_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/sbin', '/opt/homebrew/bin', '/opt/homebrew/sbin'];

/**
 * @typedef {object} Requirement
 * @property {string} key
 * @property {readonly (string | readonly [string, ...string[]])[]} names the same program's names, the first that counts is
 *   taken; a list: that name with other arguments in place of versionArgs
 * @property {RegExp} [version] its first group is the version; none: a script that knows no version
 * @property {readonly [number, number]} [atLeast] major, minor
 * @property {string} range for people
 * @property {string} debian the package
 * @property {string} [argv0] the name it must be started under
 * @property {readonly string[]} [versionArgs] --version by default
 * @property {true} [forTests] the demo does without
 * @property {true} [forSpark] everything but the peers tier does without
 */

/** @type {readonly Requirement[]} */
export const REQUIREMENTS = [
  {
    key: 'mariadbd',
    names: ['mariadbd'],
    version: /Ver (\d+\.\d+).*MariaDB/,
    atLeast: [10, 6],
    range: 'MariaDB server 10.6 or newer',
    debian: 'mariadb-server-core',
  },
  {
    key: 'installDb',
    names: ['mariadb-install-db'],
    range: 'mariadb-install-db',
    debian: 'mariadb-server-core',
  },
  {
    key: 'mariadb',
    names: ['mariadb'],
    version: /Distrib (\d+\.\d+)|from (\d+\.\d+)/,
    atLeast: [10, 6],
    range: 'MariaDB client 10.6 or newer',
    debian: 'mariadb-client-core',
  },
  {
    key: 'redis',
    // Debian's redis-tools has the server under the second name only.
    names: ['redis-server', 'redis-check-rdb'],
    argv0: 'redis-server',
    version: /Redis server v=(\d+\.\d+)/,
    atLeast: [6, 2],
    range: 'Redis 6.2 or newer',
    debian: 'redis-tools',
  },
  {
    key: 'java',
    names: ['java'],
    // macOS has a stub of that name that only fails.
    version: /(?:openjdk|java) (\d+(?:\.\d+)?)/,
    atLeast: [17, 0],
    range: 'Java 17 or newer',
    debian: 'openjdk-17-jre-headless',
  },
  {
    key: 'mvn',
    names: ['mvn'],
    version: /Apache Maven (\d+\.\d+)/,
    atLeast: [3, 6],
    range: 'Maven 3.6 or newer (or KAFKA_HOME set to a Kafka 4 folder)',
    debian: 'maven',
  },
  {
    key: 'openssl',
    names: ['openssl'],
    version: /OpenSSL (\d+\.\d+)|LibreSSL (\d+\.\d+)/,
    versionArgs: ['version'],
    atLeast: [1, 1],
    range: 'OpenSSL 1.1 or newer',
    debian: 'openssl',
    forTests: true,
  },
  {
    key: 'compose',
    // Debian's own program, or the plugin of Docker's command.
    names: ['docker-compose', ['docker', 'compose', 'version']],
    version: /version v?(\d+\.\d+)/,
    atLeast: [1, 29],
    range: 'Docker Compose 1.29 or newer (an engine is not needed)',
    debian: 'docker-compose',
    forTests: true,
  },
  {
    // PM2 finds the processes that it reloads with it; without it a reload fails ("process already started").
    key: 'ps',
    names: ['ps'],
    range: 'ps',
    debian: 'procps',
    forTests: true,
  },
  {
    key: 'python',
    // Debian's python3 alone can't make an environment.
    names: [['python3', '-c', 'import ensurepip, sys; print("Python %d.%d" % sys.version_info[:2])']],
    version: /Python (\d+\.\d+)/,
    atLeast: [3, 10],
    range: 'Python 3.10 or newer with venv',
    debian: 'python3-venv',
    forSpark: true,
  },
];

/** May we install what is missing: Debian, and root? */
export function aptIsOurs() {
  return existsSync('/etc/debian_version') && process.getuid?.() === 0;
}

/** Ctrl-C reached a program that we were looking at, and not yet us. */
export class InterruptedError extends Error {
  /** @override */
  name = 'InterruptedError';
}

/**
 * @typedef {object} Found
 * @property {Readonly<Record<string, string>>} found absolute paths by key
 * @property {readonly Requirement[]} missing without Maven where the jars are there already
 */

/** @type {{ readonly forTests: boolean, readonly all: Found } | undefined} a machine that has all keeps it while we run */
let complete;

/**
 * @param {{ readonly forTests?: boolean }} [options] forTests: also what only the tests need
 * @returns {Found}
 * @throws {InterruptedError}
 */
export function lookAround({ forTests = false } = {}) {
  if (complete && (complete.forTests || !forTests)) return complete.all;
  /** @type {Record<string, string>} */
  const found = {};
  const missing = [];
  for (const requirement of REQUIREMENTS) {
    if (requirement.key === 'mvn' && kafkaLibs().ready) continue;
    if (requirement.forSpark || (requirement.forTests && !forTests)) continue;
    const path = findProgram(requirement, process.env);
    if (path) found[requirement.key] = path;
    else missing.push(requirement);
  }
  const all = { found, missing };
  if (missing.length === 0) complete = { forTests, all };
  return all;
}

/**
 * Kafka's jars: KAFKA_HOME's, or those in the cache.
 * @param {Readonly<Record<string, string | undefined>>} env
 * @returns {{ readonly folder: string, readonly ready: boolean }}
 */
export function kafkaLibs(env = process.env) {
  const home = env.KAFKA_HOME;
  if (home) {
    const folder = join(home, 'libs');
    return { folder, ready: existsSync(folder) && readdirSync(folder).some((name) => /^kafka_2\.\d+-4\./.test(name)) };
  }
  const folder = join(jarsFolder('kafka'), 'libs');
  return { folder, ready: existsSync(folder) };
}

/** Hadoop's jars: those in the cache. */
export function hadoopLibs() {
  return cachedJars('hadoop');
}

/** What PySpark's Hive lacks: in the cache. */
export function hiveLibs() {
  return cachedJars('hive');
}

/** @param {import('./cache.mjs').JavaProduct} product */
function cachedJars(product) {
  const folder = join(jarsFolder(product), 'libs');
  return { folder, ready: existsSync(folder) };
}

/**
 * What HDFS needs, whatever the rest of the stack runs on.
 * @returns {Found} missing without Maven where Hadoop's jars are there already
 */
export function lookForHdfs() {
  return lookFor(hadoopLibs().ready ? ['java'] : ['java', 'mvn']);
}

/**
 * What PySpark needs.
 * @returns {Found} missing without Maven where its jars are there already
 */
export function lookForSpark() {
  return lookFor(hiveLibs().ready ? ['java', 'python'] : ['java', 'python', 'mvn']);
}

/**
 * @param {readonly string[]} keys of requirements
 * @returns {Found}
 */
function lookFor(keys) {
  /** @type {Record<string, string>} */
  const found = {};
  const missing = [];
  for (const requirement of REQUIREMENTS) {
    if (!keys.includes(requirement.key)) continue;
    const path = findProgram(requirement, process.env);
    if (path) found[requirement.key] = path;
    else missing.push(requirement);
  }
  return { found, missing };
}

/**
 * @param {Requirement} requirement
 * @param {Readonly<Record<string, string | undefined>>} env
 * @returns {string | undefined}
 */
export function findProgram(requirement, env) {
  const folders = [
    ...(requirement.key === 'java' && env.JAVA_HOME ? [join(env.JAVA_HOME, 'bin')] : []),
    ...(env.PATH ?? '').split(delimiter).filter(Boolean),
    ...MORE_FOLDERS,
  ];
  for (const candidate of requirement.names) {
    const [name, ...args] = typeof candidate === 'string' ? [candidate] : candidate;
    for (const folder of folders) {
      const path = join(folder, name);
      if (isExecutable(path) && inRange(requirement, path, args)) return path;
    }
  }
  return undefined;
}

/**
 * @param {Requirement} requirement
 * @param {string} path
 * @param {readonly string[]} args empty: the requirement's own
 */
function inRange({ version, versionArgs = ['--version'], atLeast = [0, 0], argv0 }, path, args) {
  if (!version) return true;
  const result = spawnSync(path, args.length > 0 ? [...args] : [...versionArgs], {
    encoding: 'utf8',
    timeout: VERSION_TIMEOUT_MS,
    ...(argv0 ? { argv0 } : {}),
  });
  // That it is missing is no conclusion to draw from that.
  if (result.signal === 'SIGINT') throw new InterruptedError('interrupted');
  const match = result.status === 0 ? version.exec(`${result.stdout}\n${result.stderr}`) : null;
  if (!match) return false;
  const [major = 0, minor = 0] = (match.slice(1).find((group) => group !== undefined) || '0').split('.').map(Number);
  return major > atLeast[0] || (major === atLeast[0] && minor >= atLeast[1]);
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
