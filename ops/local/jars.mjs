// The jars of Kafka and of Hadoop into the user's cache folder: whole or not at all.
// @ts-check
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { jarsFolder, pomOf } from './cache.mjs';
import { CommandError } from './command-error.mjs';

/**
 * @param {import('./cache.mjs').JavaProduct} product
 * @param {string} mvn
 * @returns {Promise<string>} the folder with the jars
 * @throws {CommandError} with Maven's own words
 */
export async function fetchJars(product, mvn) {
  const target = jarsFolder(product);
  const libs = join(target, 'libs');
  if (existsSync(libs)) return libs;
  await mkdir(dirname(target), { recursive: true });
  const temporary = await mkdtemp(`${target}.`);
  try {
    await promisify(execFile)(mvn, [
      ...['-q', '-B', '-f', pomOf(product), 'dependency:copy-dependencies'],
      `-DoutputDirectory=${join(temporary, 'libs')}`,
    ]);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    // Another run was faster: its folder is as good.
    if (existsSync(libs)) return libs;
    const { stdout, message } = /** @type {{ stdout?: string, message: string }} */ (error);
    throw new CommandError(`The jars of ${product} could not be fetched with Maven: ${message}\n${stdout ?? ''}`);
  }
  return libs;
}
