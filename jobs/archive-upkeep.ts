// What the archive does for its chains beside writing them: looks each over when it takes it, and folds its older records away.
import type { Clock, LakeStore, Logger, Metrics, OnStep } from '../src/domain/ports.js';
import { isoOfMs } from '../src/domain/time.js';
import { examineChain } from '../src/lake/chain-exam.js';
import { foldChain } from '../src/lake/checkpoint.js';

const LOOK_EVERY_MS = 60_000;
/** `YYYY-MM-DD`. */
const DAY_TEXT = 10;

export interface ArchiveUpkeepParts {
  readonly store: LakeStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly onStep: OnStep;
  readonly newToken: () => string;
}

/** A chain while it is ours. */
export interface KeptChain {
  readonly topic: string;
  readonly partition: number;
}

export interface ArchiveUpkeep {
  /** Ours from now on: it is looked over soon, beside the work. */
  took(chain: KeptChain): void;
  lost(chain: KeptChain): void;
  /** Does what is due, one chain after the other, until the signal comes. */
  run(stop: AbortSignal): Promise<void>;
  /** What was found in the chains that are ours; each line names a file or record. */
  damage(): readonly string[];
}

/** Nothing here stops the archive: rows go on into the lake, and what is wrong with the old ones is said until it is mended. */
export function createArchiveUpkeep(parts: ArchiveUpkeepParts): ArchiveUpkeep {
  const { store, clock, log, metrics } = parts;
  const kept = new Map<KeptChain, { damage: readonly string[]; examined: boolean }>();
  let wake: () => void = () => undefined;

  const told = () => metrics.gauge('archive_damaged', [...kept.values()].flatMap(({ damage }) => damage).length);

  const examine = async (chain: KeptChain): Promise<void> => {
    const { topic, partition } = chain;
    const damage = await examineChain(store, topic, partition);
    const before = kept.get(chain);
    if (!before) return;
    kept.set(chain, { damage, examined: true });
    for (const reason of damage)
      if (!before.damage.includes(reason)) log.error('archive.damaged', { topic, partition, reason });
    told();
  };

  const fold = async ({ topic, partition }: KeptChain): Promise<void> => {
    const today = isoOfMs(clock.nowMs()).slice(0, DAY_TEXT);
    const token = parts.newToken();
    const checkpoint = await foldChain({ store, topic, partition, token, today, onStep: parts.onStep });
    if (!checkpoint) return;
    metrics.count('archive_checkpoints_total', { topic });
    const records = checkpoint.folded?.records ?? 0;
    log.info('archive.folded', { topic, partition, start: checkpoint.start, next: checkpoint.next, records });
  };

  const keep = async (chain: KeptChain): Promise<void> => {
    try {
      const state = kept.get(chain);
      if (state && (!state.examined || state.damage.length > 0)) await examine(chain);
      // Evidence is left as it is.
      if (kept.get(chain)?.damage.length === 0) await fold(chain);
    } catch (error) {
      // The next look tries again; the archive itself meets the same lake, and its failures are told by its health.
      log.warn('archive.upkeep-failed', {
        topic: chain.topic,
        partition: chain.partition,
        error: error instanceof Error ? error.name : 'unknown',
      });
    }
  };

  return {
    took: (chain) => {
      kept.set(chain, { damage: [], examined: false });
      wake();
    },
    lost: (chain) => {
      kept.delete(chain);
      told();
    },
    run: async (stop) => {
      while (!stop.aborted) {
        const awake = new AbortController();
        wake = () => awake.abort();
        const end = () => awake.abort();
        stop.addEventListener('abort', end);
        const due = [...kept].filter(([, state]) => !state.examined);
        for (const [chain] of due.length > 0 ? due : kept) if (!stop.aborted) await keep(chain);
        await clock.sleep(LOOK_EVERY_MS, awake.signal);
        stop.removeEventListener('abort', end);
      }
    },
    damage: () => [...kept.values()].flatMap(({ damage }) => damage),
  };
}
