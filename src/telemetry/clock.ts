// The one place that reads the machine's clock.
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../domain/ports.js';

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, signal ? { signal } : {}).catch(ignoreAbort),
};

/** An aborted sleep is over early: that is what the caller asked for. */
function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error && error.name === 'AbortError')) throw error;
}
