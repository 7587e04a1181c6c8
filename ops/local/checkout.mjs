// Are dependencies and build as new as the lock and the sources? If not: `npm ci`, `npm run build`.
// @ts-check
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './cache.mjs';
import { CommandError } from './command-error.mjs';

const SOURCES = ['src', 'queues', 'jobs', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'];
const DIST = join(ROOT, 'dist');
const STAMP = '.built-from';
/** As `npm run build` leaves it: npx runs the file itself. */
const EXECUTABLE = 0o755;

/** True where node_modules lacks, or has in another version, what the lock names for every platform. */
export function dependenciesAreStale() {
  const installedLock = join(ROOT, 'node_modules/.package-lock.json');
  if (!existsSync(installedLock)) return true;
  const wanted = readLock(join(ROOT, 'package-lock.json'));
  const installed = readLock(installedLock);
  return Object.entries(wanted).some(
    ([path, { version, optional, devOptional }]) =>
      path !== '' && !optional && !devOptional && installed[path]?.version !== version,
  );
}

/**
 * @param {string} file
 * @returns {Record<string, { version?: string, optional?: boolean, devOptional?: boolean }>}
 */
function readLock(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages;
}

export function installDependencies() {
  npm(['ci', '--no-progress']);
}

/** True where dist was not made of exactly these sources. */
export function distIsStale() {
  const stamp = join(DIST, STAMP);
  return !existsSync(stamp) || readFileSync(stamp, 'utf8') !== sourceHash();
}

/** Builds beside dist and changes over at the end: what runs from dist never sees half of it. */
export function build() {
  const fresh = `dist.new-${process.pid}`;
  const hash = sourceHash();
  try {
    npm(['exec', '--', 'tsc', '-p', 'tsconfig.build.json', '--outDir', fresh]);
    chmodSync(join(ROOT, fresh, 'src/main.js'), EXECUTABLE);
    writeFileSync(join(ROOT, fresh, STAMP), hash);
    rmSync(DIST, { recursive: true, force: true });
    renameSync(join(ROOT, fresh), DIST);
  } finally {
    rmSync(join(ROOT, fresh), { recursive: true, force: true });
  }
}

function sourceHash() {
  const hash = createHash('sha256');
  for (const source of SOURCES) {
    for (const file of filesOf(source))
      hash
        .update(`${file}\0`)
        .update(readFileSync(join(ROOT, file)))
        .update('\0');
  }
  return hash.digest('hex');
}

/**
 * @param {string} path relative to the checkout
 * @returns {string[]} sorted
 */
function filesOf(path) {
  if (path.includes('.')) return [path];
  return readdirSync(join(ROOT, path), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1))
    .sort();
}

/**
 * @param {readonly string[]} args
 * @throws {CommandError} with npm's own words
 */
function npm(args) {
  // The npm that runs us, where there is one: a PATH may hold another.
  const own = process.env.npm_execpath?.endsWith('.js') ? [process.execPath, process.env.npm_execpath] : ['npm'];
  const [file = 'npm', ...before] = own;
  const { status, stdout, stderr, error } = spawnSync(file, [...before, ...args], { cwd: ROOT, encoding: 'utf8' });
  if (error) throw error;
  if (status !== 0) throw new CommandError(`npm ${args.join(' ')} failed:\n${stdout}${stderr}`);
}
