// Where things that outlive a run are kept: the user's cache folder, and in it a place per checkout.
// @ts-check
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SHORT_HASH = 12;

/** This checkout's folder. */
export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** @param {string} text */
const shortHash = (text) => createHash('sha256').update(text).digest('hex').slice(0, SHORT_HASH);

/** @param {Readonly<Record<string, string | undefined>>} env */
export function cacheFolder(env = process.env) {
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'wardwatch');
}

/** State files of this checkout's stacks. */
export function stateFolder() {
  return join(cacheFolder(), 'stacks', shortHash(ROOT));
}

/** @typedef {'kafka' | 'hadoop' | 'hive'} JavaProduct what the stack runs on Java, each with a pinned pom.xml of its own */

/** @param {JavaProduct} product */
export function pomOf(product) {
  return join(ROOT, 'ops/local', product, 'pom.xml');
}

/**
 * The product's jars as its pinned pom.xml names them: another pom, another folder.
 * @param {JavaProduct} product
 */
export function jarsFolder(product) {
  return join(cacheFolder(), `${product}-${shortHash(readFileSync(pomOf(product), 'utf8'))}`);
}

export const PYSPARK_REQUIREMENTS = join(ROOT, 'ops/local/spark/requirements.txt');

/** PySpark's virtual environment as the pinned requirements name it. */
export function pysparkFolder() {
  return join(cacheFolder(), `pyspark-${shortHash(readFileSync(PYSPARK_REQUIREMENTS, 'utf8'))}`);
}
