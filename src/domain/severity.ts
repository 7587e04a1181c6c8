// The order of severities: one table, so that "more severe" means the same everywhere.
import type { Severity } from './events.js';

/** Larger is more severe. */
export const SEVERITY_RANK: Readonly<Record<Severity, number>> = { low: 1, medium: 2, high: 3 };

/** What can't be judged may be the worst: fail towards alarming. */
export const UNCLASSIFIED_SEVERITY: Severity = 'high';

export function isMoreSevere(one: Severity, other: Severity): boolean {
  return SEVERITY_RANK[one] > SEVERITY_RANK[other];
}
