// Evidence for the gaps, asked for while there are any and no more often than it can be new.
import { foldAge, foldProbes, foldTransactions, type Ledger, oldestGap } from '../src/domain/gap-ledger.js';
import type { Clock, Metrics, OnStep } from '../src/domain/ports.js';
import { listAgainMs } from '../src/mysql/evidence.js';
import type { EvidenceLook, VitalsSession } from '../src/mysql/vitals-source.js';
import type { PollAlarms } from './poll-alarms.js';

/** Answers the ledger with what was found out, or as it was where it is too soon to ask. */
export type FoldEvidence = (session: VitalsSession, ledger: Ledger) => Promise<Ledger>;

export function createFoldEvidence(parts: {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly onStep: OnStep;
  readonly alarms: PollAlarms;
  /** The clock that the ledger is timed by. */
  readonly steadyMs: () => number;
}): FoldEvidence {
  const { clock, metrics, steadyMs } = parts;
  let lastMs = Number.NEGATIVE_INFINITY;
  let stale = 0;
  return async (session, ledger) => {
    if (!oldestGap(ledger) || clock.monotonicMs() - lastMs < listAgainMs(stale)) return ledger;
    // Timed by the moment before the question: the answer is no older.
    const askedMs = steadyMs();
    const look = await session.look(ledger.gaps, askedMs);
    lastMs = clock.monotonicMs();
    stale = look.kind === 'trx-none' ? stale + 1 : 0;
    metrics.count('poll_evidence_total', { result: look.kind === 'trx-none' ? look.result : 'fresh' });
    parts.alarms.evidence(look);
    await parts.onStep('poll.evidence');
    return foldLook(ledger, look, askedMs);
  };
}

function foldLook(ledger: Ledger, look: EvidenceLook, askedMs: number): Ledger {
  switch (look.kind) {
    case 'trx':
      return foldTransactions(ledger, look.transactions, askedMs);
    case 'lock':
      return foldProbes(ledger, look.probes, askedMs, look.graceMs);
    case 'time':
      return foldAge(ledger, askedMs, look.graceMs);
    case 'trx-none':
      return ledger;
  }
}
