// What follows from a failed publish, by its class (alerts.md, Delivery): what is recorded, and how the row goes on.
import { type Backoff, backoffMs } from '../src/domain/backoff.js';
import type { DeliveryFact } from '../src/domain/delivery.js';
import type { NotificationRow, Settlement } from '../src/domain/ledger.js';
import type { FailureClass } from '../src/domain/notification.js';

const RETRY: Backoff = { firstMs: 500, mostMs: 30_000 };
const THROTTLED: Backoff = { firstMs: 2_000, mostMs: 30_000 };
/** From this many failures of identity on it is no hiccup of expiring credentials. */
const IDENTITY_SERIOUS_AFTER = 2;

export interface Outcome {
  readonly fact: DeliveryFact;
  readonly settlement: Settlement;
  /** The destination refuses everything until somebody mends it. */
  readonly closesDestination: boolean;
  /** A person has to look. */
  readonly serious: boolean;
}

/** `random` in [0, 1) is for the jitter; `heldRetryMs` is how often a refusing destination is tried again. */
export function afterFailure(
  failure: FailureClass,
  row: Pick<NotificationRow, 'failures' | 'possibleRepeat' | 'safe'>,
  random: number,
  heldRetryMs: number,
): Outcome {
  const base = { closesDestination: false, serious: false };
  const fact = (state: 'failed' | 'unknown' | 'held' | 'dead', possibleRepeat = row.possibleRepeat): DeliveryFact => ({
    state,
    reason: failure,
    possibleRepeat,
  });
  const again = (backoff: Backoff, more: Partial<Settlement> = {}): Settlement => ({
    state: 'PENDING',
    reason: failure,
    dueInMs: backoffMs(backoff, row.failures + 1, random),
    countFailure: true,
    ...more,
  });
  switch (failure) {
    case 'throttled':
      return { ...base, fact: fact('failed'), settlement: again(THROTTLED, { countFailure: false }) };
    case 'definite-transport':
      return { ...base, fact: fact('failed'), settlement: again(RETRY) };
    case 'identity':
      return {
        ...base,
        fact: fact('failed'),
        settlement: again(RETRY),
        serious: row.failures + 1 >= IDENTITY_SERIOUS_AFTER,
      };
    case 'ambiguous':
      return { ...base, fact: fact('unknown', true), settlement: again(RETRY, { possibleRepeat: true }) };
    case 'configuration':
      return {
        fact: fact('held'),
        settlement: { state: 'HELD', reason: failure, dueInMs: heldRetryMs, countFailure: true },
        closesDestination: true,
        serious: true,
      };
    case 'payload':
      if (row.safe)
        return { ...base, fact: fact('dead'), settlement: { state: 'DEAD', reason: failure }, serious: true };
      return {
        ...base,
        fact: fact('failed'),
        settlement: again({ firstMs: 0, mostMs: 0 }, { safe: true }),
        serious: true,
      };
  }
}
