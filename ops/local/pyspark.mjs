// PySpark into a virtual environment in the user's cache folder: whole or not at all.
// @ts-check
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { PYSPARK_REQUIREMENTS, pysparkFolder } from './cache.mjs';
import { CommandError } from './command-error.mjs';

const run = promisify(execFile);

/** The environment's Python; `ready` also says that the Python it was made with is still there. */
export function pyspark() {
  const python = join(pysparkFolder(), 'bin', 'python');
  return { python, ready: existsSync(python) };
}

/**
 * @param {string} python a Python with venv
 * @throws {CommandError} with pip's own words
 */
export async function installPyspark(python) {
  const target = pysparkFolder();
  await mkdir(dirname(target), { recursive: true });
  const temporary = await mkdtemp(`${target}.`);
  try {
    await run(python, ['-m', 'venv', temporary]);
    // Programs of the environment know its folder by name, so only its Python is used: that one asks where it lies.
    await run(join(temporary, 'bin', 'python'), [
      ...['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check', '--no-compile'],
      ...['--require-hashes', '--requirement', PYSPARK_REQUIREMENTS],
    ]);
    await rm(target, { recursive: true, force: true });
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    // Another run was faster: its folder is as good.
    if (pyspark().ready) return;
    const { stderr, message } = /** @type {{ stderr?: string, message: string }} */ (error);
    throw new CommandError(`PySpark could not be installed: ${stderr || message}`);
  }
}
