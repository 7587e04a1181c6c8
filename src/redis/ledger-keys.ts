// The ledger's keys and how long what is finished stays. All share the prefix's hash tag, so that scripts work on a cluster.

const DAY_MS = 86_400_000;
/** Settled rows and closed episodes: longer than anybody asks why there was an e-mail, and than a replay may reach back. */
export const FINISHED_KEPT_MS = 7 * DAY_MS;
/** From the time a row should have moved until the sweeper looks after it: the ordinary way is faster. */
export const SWEEP_GRACE_MS = 2_000;

export interface LedgerKeys {
  readonly epoch: string;
  readonly lock: string;
  readonly due: string;
  notification(id: string): string;
}

/** `prefix` is REDIS_PREFIX, with its braces. */
export function ledgerKeys(prefix: string): LedgerKeys {
  return {
    epoch: `${prefix}:epoch`,
    lock: `${prefix}:epoch:lock`,
    due: `${prefix}:notif:due`,
    notification: (id) => `${prefix}:notif:${id}`,
  };
}
