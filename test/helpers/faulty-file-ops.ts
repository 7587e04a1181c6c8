// A disk that fails on demand, round the real one.
import type { FileOps } from '../../src/domain/ports.js';
import { diskFileOps } from '../../src/lake/file-ops.js';

export interface FaultyDisk {
  readonly files: FileOps;
  /** From now on calls of `op` whose path contains `part` fail with `code`; `done` first carries the call out. Replaces the fault before it. */
  fail(op: keyof FileOps, code: string, options?: { part?: string; done?: boolean; times?: number }): void;
  heal(): void;
}

export function faultyDisk(): FaultyDisk {
  let fault: { op: string; code: string; part: string; done: boolean; left: number } | undefined;
  const files = Object.fromEntries(
    Object.entries(diskFileOps).map(([op, call]) => [
      op,
      async (...args: unknown[]) => {
        const hit = fault?.op === op && args.some((arg) => String(arg).includes(fault?.part ?? '')) ? fault : undefined;
        if (!hit || hit.left === 0) return (call as (...a: unknown[]) => unknown)(...args);
        hit.left -= 1;
        if (hit.done) await (call as (...a: unknown[]) => unknown)(...args);
        // A full disk leaves the beginning of the file.
        if (op === 'writeFile' && !hit.done)
          await diskFileOps.writeFile(args[0] as string, (args[1] as Uint8Array).subarray(0, 3));
        throw Object.assign(new Error(`${hit.code}: injected`), { code: hit.code });
      },
    ]),
  ) as unknown as FileOps;
  return {
    files,
    fail: (op, code, { part = '', done = false, times = Number.POSITIVE_INFINITY } = {}) => {
      fault = { op, code, part, done, left: times };
    },
    heal: () => {
      fault = undefined;
    },
  };
}
