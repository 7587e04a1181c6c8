// Does the lake take what is written? A full disk or a folder that became read-only is said by name, and until a write succeeds again.
import type { Logger, Metrics } from '../src/domain/ports.js';
import type { Chain } from '../src/lake/chain.js';
import { HdfsError } from '../src/lake/errors.js';

/** ENOSPC, EROFS, EACCES, EIO … */
const SYSTEM_CODE = /^E[A-Z0-9]+$/;

export interface LakeTrouble {
  /** Notes an error that comes from the disk or the store; others are no trouble of the lake's. */
  failed(error: unknown): void;
  /** Undefined while all is well. */
  code(): string | undefined;
  /** The chain, with what becomes of its commits noted. */
  watched(chain: Chain): Chain;
}

export function createLakeTrouble({ log, metrics }: { readonly log: Logger; readonly metrics: Metrics }): LakeTrouble {
  let code: string | undefined;
  const failed = (error: unknown) => {
    const found = (error as { code?: unknown } | undefined)?.code;
    if (typeof found !== 'string' || !SYSTEM_CODE.test(found)) return;
    // HDFS's class says more than the code it is mapped to.
    const exception = error instanceof HdfsError ? error.exception : undefined;
    if (code !== found) log.error('lake.refuses', { errorCode: found, ...(exception ? { exception } : {}) });
    code = found;
    metrics.gauge('service_up', 0, { service: 'lake' });
  };
  const wrote = () => {
    if (code !== undefined) log.info('lake.writes-again');
    code = undefined;
    metrics.gauge('service_up', 1, { service: 'lake' });
  };
  return {
    failed,
    code: () => code,
    watched: (chain) => ({
      ...chain,
      commit: async (change) => {
        try {
          const record = await chain.commit(change);
          wrote();
          return record;
        } catch (error) {
          failed(error);
          throw error;
        }
      },
    }),
  };
}
