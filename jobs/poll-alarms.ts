// What the poller says aloud about gaps, evidence and values, each at most once a minute, and as reasons in its health.
import { holdersOf, type Ledger, oldestGap } from '../src/domain/gap-ledger.js';
import type { Clock, Logger } from '../src/domain/ports.js';
import type { EvidenceLook } from '../src/mysql/vitals-source.js';

const REPEAT_MS = 60_000;
/** Without a fresh list for this long nothing can be retired: said aloud. */
const NO_EVIDENCE_MS = 10_000;
/** A gap this old has a transaction that lives unusually long. */
const OLD_GAP_MS = 60_000;
/** Bad values logged a minute; the metric counts them all. */
const BAD_VALUES_LOGGED = 10;
const TRANSACTIONS_LOGGED = 10;

export interface PollAlarms {
  evidence(look: EvidenceLook): void;
  /** `nowMs` of the clock that the ledger is timed by. */
  gaps(ledger: Ledger, nowMs: number): void;
  positionFull(full: boolean): void;
  badValue(fields: { readonly row: string; readonly patientId: string; readonly attributes: readonly string[] }): void;
  /** For people: what stands still, and what to do. */
  reasons(): readonly string[];
}

export function createPollAlarms(log: Logger, clock: Clock): PollAlarms {
  const saidMs = new Map<string, number>();
  let noEvidenceSinceMs: number | undefined;
  let evidenceReason: string | undefined;
  let gapReason: string | undefined;
  let fullReason: string | undefined;
  let ageOnly: string | undefined;
  let badWindowMs = Number.NEGATIVE_INFINITY;
  let badInWindow = 0;

  const now = () => clock.monotonicMs();
  const seldom = (event: string, say: () => void): void => {
    if (now() - (saidMs.get(event) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return;
    saidMs.set(event, now());
    say();
  };

  return {
    evidence: (look) => {
      if (look.kind === 'time') {
        ageOnly = `POLL_EVIDENCE=time: rows of transactions longer than ${look.graceMs / 1_000} s are lost; GRANT PROCESS and set POLL_EVIDENCE=trx`;
        seldom('poll.evidence-by-age', () => log.warn('poll.evidence-by-age', { graceMs: look.graceMs }));
      }
      if (look.kind !== 'trx-none') {
        noEvidenceSinceMs = undefined;
        evidenceReason = undefined;
        return;
      }
      noEvidenceSinceMs ??= now();
      const forMs = now() - noEvidenceSinceMs;
      if (forMs < NO_EVIDENCE_MS) return;
      evidenceReason =
        look.result === 'stale'
          ? 'no new list of transactions: somebody else reads information_schema.innodb_trx more often than every 100 ms; nothing is lost, gaps stay open until that ends'
          : 'the list of transactions is too long to be whole; nothing is lost, gaps stay open';
      seldom('poll.no-evidence', () =>
        log.error('poll.no-evidence', { result: look.result, forSeconds: Math.round(forMs / 1_000) }),
      );
    },
    gaps: (ledger, nowMs) => {
      const oldest = oldestGap(ledger);
      const ageMs = oldest === undefined ? 0 : nowMs - oldest.bornMs;
      if (oldest === undefined || ageMs < OLD_GAP_MS) {
        gapReason = undefined;
        return;
      }
      const holders = holdersOf(ledger, oldest).map(({ id }) => id);
      const whom = holders[0] === undefined ? 'a list of transactions' : `transaction ${holders[0]}`;
      gapReason = `ids ${oldest.from} to ${oldest.to} wait for ${whom} for ${Math.round(ageMs / 1_000)} s: \`wardwatch source status\` says whose it is`;
      seldom('poll.gap-old', () =>
        log.warn('poll.gap-old', {
          from: String(oldest.from),
          to: String(oldest.to),
          ageSeconds: Math.round(ageMs / 1_000),
          gaps: ledger.gaps.length,
          transactions: holders.slice(0, TRANSACTIONS_LOGGED),
        }),
      );
    },
    positionFull: (full) => {
      fullReason = full ? 'too many open gaps: nothing new is read until they close' : undefined;
      if (full) seldom('poll.position-full', () => log.error('poll.position-full'));
    },
    badValue: ({ row, patientId, attributes }) => {
      if (now() - badWindowMs >= REPEAT_MS) {
        badWindowMs = now();
        badInWindow = 0;
      }
      badInWindow += 1;
      if (badInWindow <= BAD_VALUES_LOGGED) log.warn('poll.bad-value', { row, patientId, attributes });
    },
    reasons: () => [evidenceReason, gapReason, fullReason, ageOnly].filter((reason) => reason !== undefined),
  };
}
