// The lake on a local (or mounted) folder: everything that resolves has been synced, file and folder both.
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { FileOps, LakeStore } from '../domain/ports.js';
import { LakeFileMissingError, LakePathError } from './errors.js';
import { checkedPath, LEFTOVER_AFTER_MS, STAGING, TEMPORARY_PREFIX } from './lake-path.js';

/**
 * `location` is a file:// URL or a plain path; the folder is made at the first write, its parent must exist.
 * Throws LakePathError for another kind of URL. `unique` names temporary files.
 */
export function createFolderStore(
  location: string,
  files: FileOps,
  unique: () => string = randomUUID,
): LakeStore & { readonly root: string } {
  const root = rootOf(location);
  const folders = new Set<string>();

  const absolute = (name: string): string => path.join(root, checkedPath(name));

  /** Folders that somebody else made may not be durable yet: the parent is synced at first sight either way. */
  const ensureFolder = async (folder: string): Promise<void> => {
    if (folders.has(folder)) return;
    if (folder !== root) await ensureFolder(path.dirname(folder));
    await files.mkdir(folder).catch(allow('EEXIST'));
    await files.fsyncFolder(path.dirname(folder));
    folders.add(folder);
  };

  /** Folders are remembered; where one was removed behind our back the work is done once more. */
  const inFolder = async <T>(folder: string, work: () => Promise<T>): Promise<T> => {
    const remembered = folders.has(folder);
    await ensureFolder(folder);
    try {
      return await work();
    } catch (error) {
      if (!remembered || !hasCode(error, 'ENOENT') || (await files.exists(folder))) throw error;
      folders.clear();
      await ensureFolder(folder);
      return await work();
    }
  };

  /** The bytes under a hidden name, synced. After a failure nothing is left: a later fsync of the same file could lie. */
  const writeTemporary = async (folder: string, bytes: Uint8Array): Promise<string> => {
    const temporary = path.join(folder, TEMPORARY_PREFIX + unique());
    try {
      await files.writeFile(temporary, bytes);
      await files.fsyncFile(temporary);
      return temporary;
    } catch (error) {
      await removeQuietly(files, temporary);
      throw error;
    }
  };

  /** Staging folders are named by tokens, so the last file out removes its folder. */
  const pruneStaging = async (file: string): Promise<void> => {
    const folder = path.dirname(file);
    if (path.dirname(folder) !== path.join(root, STAGING)) return;
    folders.delete(folder);
    await files.rmdir(folder).catch(allow('ENOTEMPTY', 'EEXIST', 'ENOENT'));
  };

  const list = async (folder: string, prefix: string, found: { path: string; bytes: number }[]): Promise<void> => {
    const entries = await files.readdir(folder).catch(allow('ENOENT', 'ENOTDIR'));
    for (const entry of entries ?? []) {
      const name = `${prefix}${entry.name}`;
      if (entry.folder) await list(path.join(folder, entry.name), `${name}/`, found);
      else if (!entry.name.startsWith('.')) found.push({ path: name, bytes: entry.bytes });
    }
  };

  const removeLeftovers = async (folder: string, nowMs: number): Promise<number> => {
    let removed = 0;
    for (const entry of (await files.readdir(folder).catch(allow('ENOENT'))) ?? []) {
      const name = path.join(folder, entry.name);
      if (entry.folder) removed += await removeLeftovers(name, nowMs);
      else if (entry.name.startsWith(TEMPORARY_PREFIX) && nowMs - entry.modifiedMs > LEFTOVER_AFTER_MS) {
        await files.unlink(name).catch(allow('ENOENT'));
        await pruneStaging(name);
        removed += 1;
      }
    }
    return removed;
  };

  return {
    url: pathToFileURL(root).href,
    root,

    write: async (name, bytes) => {
      const target = absolute(name);
      const folder = path.dirname(target);
      return inFolder(folder, async () => {
        const temporary = await writeTemporary(folder, bytes);
        try {
          await files.rename(temporary, target);
        } catch (error) {
          await removeQuietly(files, temporary);
          throw error;
        }
        await files.fsyncFolder(folder);
      });
    },

    createExclusive: async (name, bytes) => {
      const target = absolute(name);
      const folder = path.dirname(target);
      return inFolder(folder, async () => {
        const temporary = await writeTemporary(folder, bytes);
        let won = true;
        try {
          await files.link(temporary, target);
        } catch (error) {
          if (!hasCode(error, 'EEXIST')) throw error;
          won = false;
        } finally {
          await removeQuietly(files, temporary);
        }
        // The loser syncs too: "there is one" must outlive a power cut as well. A failure here leaves the outcome unknown
        // (others may have seen the file, so it can't be taken back): the caller tries again and reads what is there.
        await files.fsyncFolder(folder);
        return won;
      });
    },

    publish: async (from, to) => {
      const [source, target] = [absolute(from), absolute(to)];
      const folder = path.dirname(target);
      await ensureFolder(folder);
      const move = () => inFolder(folder, () => files.rename(source, target));
      const missing = await move().then(() => false, onCode('ENOENT', true));
      if (missing && !(await files.exists(target)))
        throw new LakeFileMissingError(`${from} is gone and ${to} is not there`);
      await files.fsyncFolder(folder);
      if (!missing) await files.fsyncFolder(path.dirname(source));
      await pruneStaging(source);
    },

    read: async (name) => files.readFile(absolute(name)).catch(allow('ENOENT', 'ENOTDIR')),

    list: async (folder) => {
      const found: { path: string; bytes: number }[] = [];
      await list(absolute(folder), `${folder}/`, found);
      return found.sort((a, b) => (a.path < b.path ? -1 : 1));
    },

    delete: async (name) => {
      const file = absolute(name);
      const gone = await files.unlink(file).then(() => false, onCode('ENOENT', true));
      if (!gone) await files.fsyncFolder(path.dirname(file));
      await pruneStaging(file);
    },

    removeLeftovers: (folder, nowMs) => removeLeftovers(absolute(folder), nowMs),
  };
}

function rootOf(location: string): string {
  if (location.startsWith('file:')) return path.resolve(fileURLToPath(location));
  if (/^[a-z][a-z0-9+.-]*:/i.test(location) || location === '')
    throw new LakePathError('a folder lake is a file:// URL or a path; LAKE_URL names neither');
  return path.resolve(location);
}

function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '');
}

/** For `catch`: undefined for these codes, any other error goes on. */
function allow(...codes: readonly string[]): (error: unknown) => undefined {
  return (error) => {
    if (!hasCode(error, ...codes)) throw error;
    return undefined;
  };
}

function onCode<T>(code: string, answer: T): (error: unknown) => T {
  return (error) => {
    if (!hasCode(error, code)) throw error;
    return answer;
  };
}

/** A leftover is hidden and harmless; the failure that brought us here is what must be reported. */
async function removeQuietly(files: FileOps, file: string): Promise<void> {
  await files.unlink(file).catch(() => undefined);
}
