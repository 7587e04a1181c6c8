// What must be right about the lake, a folder or a path of HDFS, before a role begins; and what the doctor says of it.
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from '../config/load.js';
import type { Problem } from '../config/problems.js';
import { HdfsError } from '../lake/errors.js';
import { isOnHdfs, openHdfs, webHdfsUrl } from '../lake/open-lake.js';
import { hdfsRootOf } from '../lake/webhdfs-store.js';
import { lakeLocation } from './connections.js';
import { claimLake } from './deployment.js';
import { type Finding, failed, ok, warning } from './doctor.js';
import type { LookParts } from './looks.js';

/** The place, or the nearest one above it that is there. */
interface Nearest {
  readonly path: string;
  readonly there: boolean;
  readonly problem?: Problem;
}

/** This user must be able to write to the lake, or to make it, and it must belong to this deployment. Throws while HDFS is away. */
export async function lookAtLake(parts: LookParts): Promise<Problem[]> {
  const { problem } = await nearest(parts.config);
  return problem ? [problem] : claimLake(parts.connections.lake(), parts.deployment, parts.write);
}

/** For the doctor. */
export async function checkLake({ config }: LookParts): Promise<Finding> {
  const location = lakeLocation(config.settings);
  const onHdfs = isOnHdfs(location.url);
  const expected = 'a folder that this user may read and write';
  const { path, there, problem } = await nearest(config);
  if (problem) return failed(problem.what, expected, problem.mend);
  const root = onHdfs ? hdfsRootOf(location.url) : path;
  if (!there) {
    const place = onHdfs ? root : folderOf(location.url);
    return warning(
      `${place} is not there yet; the first start makes it`,
      expected,
      `${onHdfs ? 'hdfs dfs -mkdir' : 'mkdir'} -p ${place}`,
    );
  }
  if (!onHdfs) return ok(`${root} can be read and written`, expected);
  const found = `${root} can be read and written as ${location.hdfsUser} over ${webHdfsUrl(location.url, location.hdfsHttpUrl)}`;
  const copies = await openHdfs(location).replication();
  if (copies > 1) return ok(`${found}; each file lies on ${copies} DataNodes`, expected);
  return warning(`${found}; each file lies on one DataNode, and is lost with it`, expected, 'Set dfs.replication to 3');
}

/** Looks, without making anything. */
async function nearest(config: Config): Promise<Nearest> {
  const { url } = lakeLocation(config.settings);
  return isOnHdfs(url) ? nearestOnHdfs(config) : nearestFolder(folderOf(url));
}

async function nearestFolder(folder: string, there = true): Promise<Nearest> {
  try {
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return { path: folder, there };
  } catch (error) {
    const code = String((error as { code?: unknown }).code);
    const parent = dirname(folder);
    if (code === 'ENOENT' && parent !== folder) return nearestFolder(parent, false);
    const what = `${folder} can't be used (${code})`;
    return { path: folder, there, problem: { setting: 'LAKE_URL', what, mend: `chown or chmod ${folder}` } };
  }
}

async function nearestOnHdfs(config: Config): Promise<Nearest> {
  const location = lakeLocation(config.settings);
  const hdfs = openHdfs(location);
  const root = hdfsRootOf(location.url);
  const user = location.hdfsUser;
  const look = async (path: string): Promise<Nearest> => {
    const there = path === root;
    const found = await hdfs.status(path);
    if (!found && path !== '/') return look(dirname(path));
    if (found?.folder !== true) {
      const what = `${path} on HDFS is a file`;
      return { path, there, problem: { setting: 'LAKE_URL', what, mend: 'Name a folder' } };
    }
    await hdfs.access(path, there ? 'rwx' : '-wx');
    return { path, there };
  };
  try {
    return await look(root);
  } catch (error) {
    if (!(error instanceof HdfsError) || error.code !== 'EACCES') throw error;
    const mend = `As HDFS's superuser: hdfs dfs -mkdir -p ${root} && hdfs dfs -chown ${user} ${root}`;
    return {
      path: root,
      there: false,
      problem: { setting: 'LAKE_URL', what: `HDFS lets the user ${user} not read and write ${root}`, mend },
    };
  }
}

function folderOf(url: string): string {
  return url.startsWith('file:') ? fileURLToPath(url) : url;
}
