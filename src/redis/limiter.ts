// The limiter in Redis: one bucket a topic, shared by all replicas.
import { type Limiter, mayBePooled, sendOrder } from '../domain/limiter.js';
import type { LedgerKeys } from './ledger-keys.js';
import type { RunScript, ScriptName } from './script-runner.js';

/** More new episodes than the policy's number within this time make digests. */
const WINDOW_MS = 60_000;
/** Whoever is later than this at its turn has lost it: its job died. Thousands may come back at a window's end. */
const TURN_GRACE_MS = 15_000;
/** A wait that is no longer than this is waited for in one. */
const LOOK_AGAIN_MS = 2_000;
/** Nobody in the line waits longer without looking again. */
const LOOK_AGAIN_AT_MOST_MS = 5_000;
/** A topic that nothing was sent to for so long has a full bucket. */
const KEPT_MS = 3_600_000;
/** Those that a digest will stand for come back one after the other: the first makes it. */
const SPREAD_EACH_MS = 5;
const SPREAD_AT_MOST_MS = 30_000;
const SLOWER = 0.5;
const FASTER = 2;
/** The slowest, as a share of the policy's rate. */
const SLOWEST = 1 / 16;

export function createLimiter(guarded: RunScript, keys: LedgerKeys): Limiter {
  const on = (name: ScriptName, destination: string, args: readonly (string | number)[]) =>
    guarded(name, keys.limiter(destination), args);
  return {
    admit: async (row, limits) => {
      const answer = (await on('admit', row.destination, [
        ...[row.notificationId, sendOrder(row), mayBePooled(row) ? 1 : 0, row.kind === 'raised' ? 1 : 0],
        ...[limits.perSecond, limits.burst, limits.digestAbove, limits.digestEveryMs],
        ...[WINDOW_MS, TURN_GRACE_MS, LOOK_AGAIN_MS, KEPT_MS, SPREAD_AT_MOST_MS, SPREAD_EACH_MS],
        LOOK_AGAIN_AT_MOST_MS,
      ])) as readonly (string | number)[];
      const [outcome, what, why] = answer;
      if (outcome === 'go') return { outcome, slowed: Number(what) < 1 };
      if (outcome === 'digest') return { outcome, windowMs: Number(what) };
      return { outcome: 'wait', waitMs: Number(what), why: why === 'digest' ? 'digest' : 'limited' };
    },
    pool: async (destination, limit) => (await on('pool', destination, [limit])) as readonly string[],
    leave: async (destination, ids) => {
      if (ids.length > 0) await on('leave', destination, ids);
    },
    slow: async (destination) => {
      await on('pace', destination, [SLOWER, SLOWEST, 1, KEPT_MS, 1]);
    },
    ease: async (destination) => {
      await on('pace', destination, [FASTER, SLOWEST, 1, KEPT_MS, 0]);
    },
  };
}
