// Which store a LAKE_URL means.
import type { LakeStore } from '../domain/ports.js';
import { diskFileOps } from './file-ops.js';
import { createFolderStore } from './folder-store.js';
import { createWebHdfs, type WebHdfs } from './webhdfs.js';
import { createWebHdfsStore } from './webhdfs-store.js';

/** Of a NameNode's web server, where nothing else is said. */
const WEB_HDFS_PORT = 9_870;

export interface LakeLocation {
  /** A folder's path or file:// URL, or hdfs://host:port/path. */
  readonly url: string;
  /** http://host:port of WebHDFS. */
  readonly hdfsHttpUrl?: string | undefined;
  readonly hdfsUser: string;
}

export const isOnHdfs = (url: string): boolean => url.startsWith('hdfs:');

/** Throws LakePathError for a kind of URL that no store is made for. Connects to nothing yet. */
export function openLake(location: LakeLocation): LakeStore {
  if (isOnHdfs(location.url)) return createWebHdfsStore(location.url, openHdfs(location));
  return createFolderStore(location.url, diskFileOps);
}

/** The HDFS that an hdfs:// lake lies on. */
export function openHdfs({ url, hdfsHttpUrl, hdfsUser }: LakeLocation): WebHdfs {
  return createWebHdfs({ httpUrl: webHdfsUrl(url, hdfsHttpUrl), user: hdfsUser });
}

/** The address of WebHDFS, without a slash at its end. */
export function webHdfsUrl(url: string, httpUrl: string | undefined): string {
  return httpUrl?.replace(/\/+$/, '') ?? `http://${new URL(url).hostname}:${WEB_HDFS_PORT}`;
}
