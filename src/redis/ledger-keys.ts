// The ledger's keys and how long what is finished stays. All share the prefix's hash tag, so that scripts work on a cluster.

import { hashId } from '../domain/identity.js';

const DAY_MS = 86_400_000;
/** Settled rows and closed episodes: longer than anybody asks why there was an e-mail, and than a replay may reach back. */
export const FINISHED_KEPT_MS = 7 * DAY_MS;
/** From the time a row should have moved until the sweeper looks after it: the ordinary way is faster. */
export const SWEEP_GRACE_MS = 2_000;
/** A row that another stands for moves with that one; how often the sweeper asks whether it still can. */
export const COVERED_GRACE_MS = 60_000;

export interface LedgerKeys {
  readonly epoch: string;
  readonly lock: string;
  readonly due: string;
  /** Rows that a person has to look at: HELD and DEAD. */
  readonly trouble: string;
  /** Rows of high severity that nobody has been told of. */
  readonly unsent: string;
  notification(id: string): string;
  /** The limiter's keys of one destination. */
  limiter(destination: string): readonly string[];
}

/** `prefix` is REDIS_PREFIX, with its braces. */
export function ledgerKeys(prefix: string): LedgerKeys {
  return {
    epoch: `${prefix}:epoch`,
    lock: `${prefix}:epoch:lock`,
    due: `${prefix}:notif:due`,
    trouble: `${prefix}:notif:trouble`,
    unsent: `${prefix}:notif:unsent`,
    notification: (id) => `${prefix}:notif:${id}`,
    limiter: (destination) =>
      ['bucket', 'line', 'pool', 'asked', 'raised'].map((what) => `${prefix}:limit:${hashId(destination)}:${what}`),
  };
}
