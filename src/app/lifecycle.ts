// Stopping in phases under one deadline: what is later in the list is still there while the earlier ones drain.
import type { Clock, Logger } from '../domain/ports.js';

/** Steps of one phase run beside each other; the next phase begins when all have ended. */
export interface Phase {
  readonly name: string;
  readonly steps: readonly (() => Promise<unknown>)[];
}

/** `done`: every step ended well. `failed`: all ended, some with an error. `late`: the deadline came first. */
export type StopOutcome = 'done' | 'failed' | 'late';

/** A step that fails is logged and the others go on: a broken connection must not keep the rest from draining. Never throws. */
export async function runPhases(
  phases: readonly Phase[],
  deadlineMs: number,
  clock: Clock,
  log: Logger,
): Promise<StopOutcome> {
  let failed = false;
  let late = false;
  const over = new AbortController();
  const deadline = clock.sleep(deadlineMs, over.signal).then(() => {
    late = !over.signal.aborted;
  });
  for (const phase of phases) {
    const began = clock.monotonicMs();
    const all = Promise.allSettled(phase.steps.map((step) => step()));
    const results = await Promise.race([all, deadline]);
    if (late || results === undefined) {
      log.error('stop.late', { phase: phase.name, deadlineMs });
      return 'late';
    }
    for (const result of results) {
      if (result.status === 'fulfilled') continue;
      failed = true;
      log.error('stop.step-failed', { phase: phase.name }, result.reason);
    }
    log.debug('stop.phase', { phase: phase.name, ms: Math.round(clock.monotonicMs() - began) });
  }
  over.abort();
  return failed ? 'failed' : 'done';
}
