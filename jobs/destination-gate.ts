// Destinations that refuse us for a reason somebody has to mend: one probe at a time instead of every notification's own attempt.
import type { Clock } from '../src/domain/ports.js';

/** How often a refusing destination is tried again. */
export const HELD_RETRY_MS = 30_000;
/** Those that wait while one is probing look again soon. */
const PROBE_WAIT_MS = 1_000;

export interface DestinationGate {
  readonly retryMs: number;
  /** Milliseconds to wait; 0: go on. Where the destination refused, whoever gets 0 is the probe and must report. */
  enter(destination: string): number;
  /** It refused. */
  close(destination: string): void;
  /** It answered, whatever else went wrong. */
  open(destination: string): void;
}

export function createDestinationGate(clock: Clock, retryMs: number = HELD_RETRY_MS): DestinationGate {
  const closed = new Map<string, { untilMs: number }>();
  return {
    retryMs,
    enter: (destination) => {
      const gate = closed.get(destination);
      if (!gate) return 0;
      const left = gate.untilMs - clock.monotonicMs();
      if (left > 0) return Math.ceil(left);
      // A probe that never reports is followed by another.
      gate.untilMs = clock.monotonicMs() + Math.min(PROBE_WAIT_MS, retryMs);
      return 0;
    },
    close: (destination) => closed.set(destination, { untilMs: clock.monotonicMs() + retryMs }),
    open: (destination) => closed.delete(destination),
  };
}
