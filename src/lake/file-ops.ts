// The disk: node:fs behind the few calls of the folder store, so that tests can make each of them fail.
import { access, link, mkdir, open, readdir, readFile, rename, rmdir, stat, unlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { FileOps } from '../domain/ports.js';

/** Errors are Node's, with their codes (ENOSPC, EIO, EEXIST, ENOENT). */
export const diskFileOps: FileOps = {
  writeFile: (file, bytes) => writeFile(file, bytes),
  fsyncFile: (file) => fsync(file, 'r+'),
  fsyncFolder: (folder) => fsync(folder, 'r'),
  link,
  rename,
  readFile: (file) => readFile(file),
  readdir: async (folder) => {
    const entries = await readdir(folder, { withFileTypes: true });
    const found = await Promise.all(
      entries.map(async (entry) => {
        if (entry.isDirectory()) return { name: entry.name, folder: true, bytes: 0, modifiedMs: 0 };
        // Gone since the listing: as if it had been listed a moment later.
        const { size, mtimeMs = 0 } = await stat(path.join(folder, entry.name)).catch(ignoreMissing);
        return size === undefined ? undefined : { name: entry.name, folder: false, bytes: size, modifiedMs: mtimeMs };
      }),
    );
    return found.filter((entry) => entry !== undefined);
  },
  mkdir: async (folder) => {
    await mkdir(folder);
  },
  unlink,
  rmdir,
  exists: async (file) => {
    const missing = await access(file).catch(ignoreMissing);
    return missing === undefined;
  },
};

function ignoreMissing(error: NodeJS.ErrnoException): { readonly size: undefined; readonly mtimeMs: undefined } {
  if (error.code !== 'ENOENT') throw error;
  return { size: undefined, mtimeMs: undefined };
}

async function fsync(file: string, flags: string): Promise<void> {
  const handle = await open(file, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
