// The ledger in Redis: each method one script, checked against the epoch.
import type { Redis } from 'ioredis';
import type { EpisodeEvent } from '../domain/events.js';
import { type FoldResult, type Ledger, type LedgerEpoch, LedgerLostError } from '../domain/ledger.js';
import type { Limiter } from '../domain/limiter.js';
import type { Decision } from '../domain/notification.js';
import { createEpoch } from './ledger-epoch.js';
import { ledgerKeys } from './ledger-keys.js';
import { createNotificationLedger } from './ledger-notifications.js';
import { foldArgs, parseView } from './ledger-rows.js';
import { createLimiter } from './limiter.js';
import { createScriptRunner, type ScriptName } from './script-runner.js';

export interface RedisLedger extends Ledger, LedgerEpoch {
  readonly limiter: Limiter;
}

/** `redis` is a `command` connection, not closed here. Use it after `attach()` has said `ready`; until then every method throws LedgerLostError. `time`: another expression for Redis's clock, for tests of long times. */
export function createLedger(redis: Redis, prefix: string, time?: string): RedisLedger {
  const keys = ledgerKeys(prefix);
  const run = createScriptRunner(redis, time);
  const epoch = createEpoch(run, keys);
  const guarded = async (name: ScriptName, on: readonly string[], args: readonly (string | number)[]) => {
    const current = epoch.current();
    if (current === undefined) throw new LedgerLostError('the ledger is not attached');
    return run(name, [keys.epoch, ...on], [current, ...args]);
  };
  return {
    attach: epoch.attach,
    rebuild: epoch.rebuild,
    view: async (episodeId, eventId) => parseView(await guarded('view', [keys.episode(episodeId)], [eventId])),
    fold: async (input) => {
      const { event, view } = input;
      const answer = await guarded(
        'fold',
        [keys.episode(event.episodeId), keys.openEpisodes],
        foldArgs({ ...input, version: view.version }),
      );
      const [outcome, decision] = answer as readonly [FoldResult['outcome'], string];
      return outcome === 'folded' || outcome === 'stored'
        ? { outcome, decision: JSON.parse(decision) as Decision }
        : { outcome };
    },
    event: async (episodeId, eventId) => {
      const text = (await guarded('event', [keys.episode(episodeId)], [eventId])) as string | null;
      return text === null ? undefined : (JSON.parse(text) as EpisodeEvent);
    },
    ...createNotificationLedger(guarded, keys),
    limiter: createLimiter(guarded, keys),
  };
}
