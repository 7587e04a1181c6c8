// How fast a topic is written to (alerts.md, Notifications). It delays or groups, and never drops: what waits stays a row of the ledger.
import type { NotificationKind, Severity } from './events.js';
import type { NotificationRow } from './ledger.js';
import type { SendLimits } from './policy.js';
import { SEVERITY_RANK } from './severity.js';

/** `go`: publish now. `slowed`: say so when it was accepted. `digest`: make the digests of that window, then look again. */
export type Admission =
  | { readonly outcome: 'go'; readonly slowed: boolean }
  | { readonly outcome: 'wait'; readonly waitMs: number; readonly why: 'limited' | 'digest' }
  | { readonly outcome: 'digest'; readonly windowMs: number };

export interface Limiter {
  /** One token of the topic's, in strict order: high before low, old before new. */
  admit(row: NotificationRow, limits: SendLimits): Promise<Admission>;
  /** Those that a digest may stand for, in the order in which they go. */
  pool(destination: string, limit: number): Promise<readonly string[]>;
  /** Settled, or another stands for them. */
  leave(destination: string, notificationIds: readonly string[]): Promise<void>;
  /** SNS throttles: everybody's rate for that topic is halved. */
  slow(destination: string): Promise<void>;
  /** SNS accepts again: doubled, up to what the policy says. */
  ease(destination: string): Promise<void>;
}

/** Further apart than any two rows are in age. */
const SEVERITY_APART_MS = 1e13;

/** Smaller goes first: the more severe, then the older. A heartbeat is in nobody's way. */
export function sendOrder(row: Pick<NotificationRow, 'severity' | 'kind' | 'createdAt'>): number {
  const rank = row.kind === 'heartbeat' ? 0 : SEVERITY_RANK[row.severity];
  return (SEVERITY_RANK.high - rank) * SEVERITY_APART_MS + row.createdAt;
}

const ALONE: ReadonlySet<NotificationKind> = new Set(['digest', 'technical', 'heartbeat']);

/** What is about a patient's episode may be told among others in one digest; what already stands in for another row may not. */
export function mayBePooled(row: Pick<NotificationRow, 'kind' | 'fallbackFor'>): boolean {
  return !ALONE.has(row.kind) && row.fallbackFor === '';
}

/** BullMQ's: 1 first. None at all would run before all others. A digest goes before the many of its severity that it may stand for. */
export function jobPriority(severity: Severity, kind: NotificationKind): number {
  const rank = kind === 'heartbeat' ? 0 : SEVERITY_RANK[severity];
  return 2 * (SEVERITY_RANK.high + 1 - rank) - (kind === 'digest' ? 1 : 0);
}
