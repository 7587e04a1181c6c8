// The watchdog: a process whose work has not moved for too long ends, for whoever runs it to start another.
import type { ProcessHealth } from '../console/health.js';
import type { Clock, Logger } from '../domain/ports.js';

/** PM2 and systemd ask no /live. Long enough for a prober (Kubernetes) to act before. */
export const NOT_LIVE_LIMIT_MS = 120_000;
const LOOK_MS = 5_000;

export class NotLiveError extends Error {
  override readonly name = 'NotLiveError';
}

export interface KeepLiveParts {
  readonly check: () => Pick<ProcessHealth, 'live' | 'reasons'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

/** Resolves when the signal comes. Rejects with NotLiveError once the process has not been live for NOT_LIVE_LIMIT_MS without a break. */
export async function keepLive({ check, clock, log, signal }: KeepLiveParts): Promise<void> {
  let sinceMs: number | undefined;
  while (!signal.aborted) {
    const { live, reasons } = check();
    const nowMs = clock.monotonicMs();
    sinceMs = live ? undefined : (sinceMs ?? nowMs);
    if (sinceMs !== undefined && nowMs - sinceMs > NOT_LIVE_LIMIT_MS) {
      log.error('worker.not-live', { reasons });
      throw new NotLiveError(`no work has moved for ${NOT_LIVE_LIMIT_MS / 1_000} s`);
    }
    await clock.sleep(LOOK_MS, signal);
  }
}
