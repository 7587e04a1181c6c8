// The ledger in Redis: each method one script, checked against the epoch.
import type { Redis } from 'ioredis';
import { type Ledger, type LedgerEpoch, LedgerLostError } from '../domain/ledger.js';
import type { Limiter } from '../domain/limiter.js';
import { alarmKeys, createAlarms, createConditions } from './alarm-book.js';
import { createEpoch } from './ledger-epoch.js';
import { ledgerKeys } from './ledger-keys.js';
import { createNotificationLedger } from './ledger-notifications.js';
import { createLimiter } from './limiter.js';
import { createScriptRunner, type ScriptName } from './script-runner.js';
import { viewKeys } from './view-keys.js';
import { createViews } from './views.js';

export interface RedisLedger extends Ledger, LedgerEpoch {
  readonly limiter: Limiter;
}

/** `redis` is a `command` connection, not closed here. Use it after `attach()` has said `ready`; until then every method throws LedgerLostError. `time`: another expression for Redis's clock, for tests of long times. */
export function createLedger(redis: Redis, prefix: string, time?: string): RedisLedger {
  const keys = ledgerKeys(prefix);
  const run = createScriptRunner(redis, time);
  const epoch = createEpoch(run, keys, viewKeys(prefix), alarmKeys(prefix));
  const guarded = async (name: ScriptName, on: readonly string[], args: readonly (string | number)[]) => {
    const current = epoch.current();
    if (current === undefined) throw new LedgerLostError('the ledger is not attached');
    return run(name, [keys.epoch, ...on], [current, ...args]);
  };
  return {
    ...createViews(guarded, viewKeys(prefix)),
    ...createConditions(run, alarmKeys(prefix)),
    ...createAlarms(guarded, alarmKeys(prefix)),
    attach: epoch.attach,
    rebuild: epoch.rebuild,
    ...createNotificationLedger(guarded, keys),
    limiter: createLimiter(guarded, keys),
  };
}
