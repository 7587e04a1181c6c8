// Where DuckDB puts what does not fit into memory: patient data, so a folder of this user's alone, and gone at the end.
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';

/** Containers may share a folder for temporary files, but no host name. */
const PREFIX = `wardwatch-spill-${hostname()}-`;
/** Ours says more than the process's number: a container that was killed begins again with the same one. */
const OURS = `${PREFIX}${process.pid}-${randomBytes(4).toString('hex')}-`;
const PID = /^(\d+)-/;

/** `work` is given a folder with mode 0700 in the system's folder for temporary files (TMPDIR). What killed processes left there goes first. */
export async function withSpillFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  await removeLeftovers();
  const folder = await mkdtemp(path.join(tmpdir(), OURS));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = name.startsWith(PREFIX) ? PID.exec(name.slice(PREFIX.length))?.[1] : undefined;
    if (pid === undefined || name.startsWith(OURS) || (Number(pid) !== process.pid && isAlive(Number(pid)))) continue;
    // Another user's stays: it is not ours to remove.
    await rm(path.join(tmpdir(), name), { recursive: true, force: true }).catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
