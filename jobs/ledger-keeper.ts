// Keeps the ledger usable: attaches to its epoch, notices that Redis lost it, and lets one replica rebuild it.
import type { Ledger, LedgerEpoch, LedgerRebuild } from '../src/domain/ledger.js';
import type { Clock, Logger } from '../src/domain/ports.js';

/** How soon a loss is noticed while nothing happens. */
const CHECK_EVERY_MS = 1_000;
const RETRY_MS = 250;
/** The lock of a rebuild lasts a few times longer. */
const RENEW_EVERY_MS = 3_000;

export interface LedgerKeeper {
  start(): void;
  /** Resolves when nothing runs any more; a rebuild of ours is left to the next replica. */
  stop(): Promise<void>;
  isReady(): boolean;
  /** A write was refused: look at once. */
  lost(): void;
}

export interface LedgerKeeperParts {
  readonly ledger: Ledger & LedgerEpoch;
  /** Fills an empty or doubtful ledger. Throws when it could not: then it is tried again. */
  readonly rebuild: (into: LedgerRebuild, signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
}

export function createLedgerKeeper(parts: LedgerKeeperParts): LedgerKeeper {
  const { ledger, clock, log } = parts;
  const stopped = new AbortController();
  let ready = false;
  let complained = false;
  let running: Promise<void> = Promise.resolve();
  let wake = new AbortController();

  const rebuild = async (): Promise<void> => {
    const into = await ledger.rebuild();
    if (!into) return;
    log.warn('ledger.rebuild.begun');
    const ended = new AbortController();
    const renewing = renew(into, ended.signal);
    const began = clock.monotonicMs();
    let finished = false;
    try {
      await parts.rebuild(into, stopped.signal);
      if (stopped.signal.aborted) return;
      await into.finish();
      finished = true;
      log.warn('ledger.rebuild.done', { ms: Math.round(clock.monotonicMs() - began) });
    } finally {
      ended.abort();
      await renewing;
      // Otherwise alerts would wait until the lock of a rebuild that nobody carries out has run out.
      if (!finished) await into.abandon().catch(() => undefined);
    }
  };

  /** A renewal that fails is no news here: the next write of the rebuild fails too. */
  const renew = async (into: LedgerRebuild, signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      await clock.sleep(RENEW_EVERY_MS, signal);
      if (!signal.aborted) await into.renew().catch(() => undefined);
    }
  };

  const look = async (): Promise<void> => {
    try {
      let state = await ledger.attach();
      if (state === 'lost') {
        ready = false;
        await rebuild();
        state = await ledger.attach();
      }
      if (state === 'ready' && !ready) log.info('ledger.ready');
      ready = state === 'ready';
      complained = false;
    } catch (error) {
      ready = false;
      if (!complained) log.error('ledger.unavailable', {}, error);
      complained = true;
    }
  };

  const run = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      await look();
      if (!stopped.signal.aborted) await clock.sleep(ready ? CHECK_EVERY_MS : RETRY_MS, wake.signal);
      wake = new AbortController();
    }
  };

  return {
    start: () => {
      running = run();
    },
    stop: async () => {
      stopped.abort();
      wake.abort();
      await running;
      ready = false;
    },
    isReady: () => ready,
    lost: () => {
      ready = false;
      wake.abort();
    },
  };
}
