// The lake on HDFS: a file gets its name by a rename that refuses a second one, once it is whole. Durable as HDFS is: on as many
// DataNodes as dfs.replication says (through a power cut of all of them at once only with dfs.datanode.synconclose).
import { randomUUID } from 'node:crypto';
import type { LakeStore } from '../domain/ports.js';
import { HdfsError, LakeFileMissingError, LakePathError } from './errors.js';
import { checkedPath, LEFTOVER_AFTER_MS, STAGING, TEMPORARY_PREFIX } from './lake-path.js';
import type { WebHdfs } from './webhdfs.js';

const LISTS_AT_ONCE = 8;

/**
 * `location` is hdfs://host:port/path as Hadoop's own clients name it; its folders are made at the first write. Throws
 * LakePathError for another kind of URL. `unique` names temporary files.
 */
export function createWebHdfsStore(location: string, hdfs: WebHdfs, unique: () => string = randomUUID): LakeStore {
  const root = hdfsRootOf(location);
  const absolute = (name: string): string => `${root}/${checkedPath(name)}`;

  /** Whatever HDFS refuses, it leaves nothing. Without an answer there may be nobody to ask: removeLeftovers comes by. */
  const orRemove = async <T>(temporary: string, work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      if (exceptionOf(error) !== undefined) await hdfs.remove(temporary).catch(() => undefined);
      throw error;
    }
  };

  /** The whole file under a hidden name beside its own. */
  const writeTemporary = async (target: string, bytes: Uint8Array): Promise<string> => {
    const temporary = `${folderOf(target)}/${TEMPORARY_PREFIX}${unique()}`;
    await orRemove(temporary, hdfs.create(temporary, bytes));
    return temporary;
  };

  /** Staging folders are named by tokens, so the last file out removes its folder. */
  const pruneStaging = async (file: string): Promise<void> => {
    const folder = folderOf(file);
    if (folderOf(folder) !== `${root}/${STAGING}`) return;
    await hdfs.remove(folder).catch(allow('PathIsNotEmptyDirectoryException'));
  };

  /** Calls `onFile` for every file below the folder, hidden ones too. */
  const walk = async (
    folder: string,
    onFile: (
      path: string,
      file: { readonly name: string; readonly bytes: number; readonly modifiedMs: number },
    ) => void,
  ): Promise<void> => {
    const entries = await hdfs.list(folder);
    const folders: string[] = [];
    for (const entry of entries) {
      const path = `${folder}/${entry.name}`;
      if (entry.folder) folders.push(path);
      else onFile(path, entry);
    }
    for (let i = 0; i < folders.length; i += LISTS_AT_ONCE)
      await Promise.all(folders.slice(i, i + LISTS_AT_ONCE).map((below) => walk(below, onFile)));
  };

  return {
    url: location.replace(/\/+$/, ''),

    write: async (name, bytes) => {
      const target = absolute(name);
      const temporary = await writeTemporary(target, bytes);
      await orRemove(temporary, hdfs.rename(temporary, target, true));
    },

    createExclusive: async (name, bytes) => {
      const target = absolute(name);
      const temporary = await writeTemporary(target, bytes);
      try {
        await orRemove(temporary, hdfs.rename(temporary, target, false));
        return true;
      } catch (error) {
        if (exceptionOf(error) === 'FileAlreadyExistsException') return false;
        throw error;
      }
    },

    publish: async (from, to) => {
      const [source, target] = [absolute(from), absolute(to)];
      await hdfs.mkdirs(folderOf(target));
      try {
        await hdfs.rename(source, target, true);
      } catch (error) {
        if (exceptionOf(error) !== 'FileNotFoundException') throw error;
        if (!(await hdfs.status(target))) throw new LakeFileMissingError(`${from} is gone and ${to} is not there`);
      }
      await pruneStaging(source);
    },

    read: async (name) => hdfs.open(absolute(name)).catch(allow('FileNotFoundException')),

    list: async (folder) => {
      const found: { path: string; bytes: number }[] = [];
      await walk(absolute(folder), (path, { name, bytes }) => {
        if (!name.startsWith('.')) found.push({ path: path.slice(root.length + 1), bytes });
      });
      return found.sort((a, b) => (a.path < b.path ? -1 : 1));
    },

    delete: async (name) => {
      const file = absolute(name);
      await hdfs.remove(file);
      await pruneStaging(file);
    },

    removeLeftovers: async (folder, nowMs) => {
      const leftovers: string[] = [];
      await walk(absolute(folder), (path, { name, modifiedMs }) => {
        if (name.startsWith(TEMPORARY_PREFIX) && nowMs - modifiedMs > LEFTOVER_AFTER_MS) leftovers.push(path);
      });
      for (const path of leftovers) {
        await hdfs.remove(path);
        await pruneStaging(path);
      }
      return leftovers.length;
    },
  };
}

/** The lake's folder as HDFS names it. Throws LakePathError for another kind of URL. */
export function hdfsRootOf(location: string): string {
  const url = URL.canParse(location) ? new URL(location) : undefined;
  if (url?.protocol !== 'hdfs:' || url.hostname === '')
    throw new LakePathError('a lake on HDFS is hdfs://host:port/path; LAKE_URL names none');
  return decodeURIComponent(url.pathname).replace(/\/+$/, '');
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

/** Undefined where HDFS gave no answer, or the error is another's. */
function exceptionOf(error: unknown): string | undefined {
  return error instanceof HdfsError ? error.exception : undefined;
}

/** For `catch`: undefined for this answer of HDFS, any other error goes on. */
function allow(exception: string): (error: unknown) => undefined {
  return (error) => {
    if (exceptionOf(error) !== exception) throw error;
    return undefined;
  };
}
