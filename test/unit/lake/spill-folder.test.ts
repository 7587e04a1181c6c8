import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { diskFileOps } from '../../../src/lake/file-ops.js';
import { createFolderStore } from '../../../src/lake/folder-store.js';
import { lakeQuery, withLakeSql } from '../../../src/lake/query.js';
import { withSpillFolder } from '../../../src/lake/spill-folder.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'wardwatch-spilling-'));
  vi.stubEnv('TMPDIR', folder);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

const store = () => createFolderStore(path.join(folder, 'lake'), diskFileOps);
const spills = () => readdirSync(folder).filter((name) => name.startsWith('wardwatch-spill-'));

describe('What DuckDB does not keep in memory', () => {
  it('goes into a folder of this user alone, not to where the process was started, and is gone at the end', async () => {
    const seen = await withLakeSql(store(), [], [{ name: 'heartBeat', decimals: 0 }], async (lake) => {
      await lake.run("SET memory_limit = '16MB'");
      await lake.run('SET threads = 1');
      await lake.run('CREATE TABLE big AS SELECT i, md5(i::VARCHAR) AS text FROM range(800000) t(i)');
      return spills().map((name) => {
        const own = path.join(folder, name);
        return { mode: statSync(own).mode & 0o777, spilled: readdirSync(own).length > 0 };
      });
    });
    expect(seen).toEqual([{ mode: 0o700, spilled: true }]);
    expect(spills()).toEqual([]);
  });

  it('is gone after a failure too', async () => {
    await expect(lakeQuery(store(), 'SELECT nothing')).rejects.toThrow('nothing');
    expect(spills()).toEqual([]);
  });

  it('that a killed process left is cleared up by the next one; what a living one uses is not', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    const dead = `wardwatch-spill-${hostname()}-${pid}-00000000-abc`;
    // A container's first process has the same number after a restart.
    const earlier = `wardwatch-spill-${hostname()}-${process.pid}-00000000-abc`;
    const living = `wardwatch-spill-${hostname()}-${process.ppid}-00000000-abc`;
    const elsewhere = `wardwatch-spill-other-${pid}-00000000-abc`;
    for (const name of [dead, earlier, living, elsewhere]) mkdirSync(path.join(folder, name));
    await withSpillFolder(async (own) => {
      await withSpillFolder(async () => undefined);
      expect(existsSync(own)).toBe(true);
    });
    expect(spills().sort()).toEqual([living, elsewhere].sort());
  });
});
