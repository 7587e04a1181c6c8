// The audit's equation: its terms, what offends against each, and how it is told. Pure.
import type { IdRange } from './gap-ledger.js';

/** Offending ids of one kind that are listed; all are counted. */
export const LISTED = 100;

/** There is nothing to compare, or with what: for people. */
export class AuditImpossible extends Error {
  override readonly name = 'AuditImpossible';
}

/** What is counted of one kind, with the first of them. */
export interface Found {
  readonly count: number;
  readonly first: readonly string[];
}

export const AUDIT_TERMS = ['lake', 'rows', 'gaps', 'evaluated', 'alerts', 'delivered'] as const;
export type AuditTermName = (typeof AUDIT_TERMS)[number];

/** One term of the equation. `offending`: what must be nothing. */
export interface AuditTerm {
  readonly name: AuditTermName;
  readonly ok: boolean;
  readonly says: string;
  readonly offending: Readonly<Record<string, Found>>;
}

export interface AuditReport {
  readonly v: 1;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly source: string;
  /** Ids that were compared, inclusive; null: there are none. */
  readonly ids: { readonly from: string; readonly to: string } | null;
  readonly ok: boolean;
  readonly terms: readonly AuditTerm[];
  /** Counted and listed apart: says nothing against the equation. */
  readonly apart: Readonly<Record<string, Found>>;
}

/** A term that holds where nothing offends. */
export function auditTerm(name: AuditTermName, says: string, offending: Readonly<Record<string, Found>>): AuditTerm {
  return { name, ok: Object.values(offending).every(({ count }) => count === 0), says, offending };
}

/** Of what is known whole. */
export function found(all: readonly string[]): Found {
  return { count: all.length, first: all.slice(0, LISTED) };
}

/** From the larger of the oldest id in RDS and the first that counts, up to below the lowest open gap, within what was asked for. */
export function auditedIds(
  position: { readonly startId: bigint; readonly ledger: { readonly high: bigint; readonly gaps: readonly IdRange[] } },
  oldestInSource: bigint | undefined,
  asked: { readonly from?: bigint | undefined; readonly to?: bigint | undefined },
): IdRange | undefined {
  const lowestGap = position.ledger.gaps[0]?.from;
  const cut = lowestGap === undefined ? position.ledger.high : lowestGap - 1n;
  const from = largest([position.startId, oldestInSource ?? position.startId, asked.from ?? position.startId]);
  const to = asked.to === undefined || asked.to > cut ? cut : asked.to;
  return from > to ? undefined : { from, to };
}

function largest(ids: readonly bigint[]): bigint {
  // Math.max takes no bigint.
  return ids.reduce((most, id) => {
    if (id > most) return id;
    return most;
  });
}

/** For people: one line a term, then what offends and what is counted apart. */
export function describeAudit(report: AuditReport): string {
  const lines = [
    `audit of ${report.source} at ${report.at}: ${report.ids ? `ids ${report.ids.from} to ${report.ids.to}` : 'no ids yet'}`,
  ];
  for (const { name, ok, says, offending } of report.terms) {
    lines.push(`${ok ? '✓' : '✗'} ${name.padEnd(10)} ${says}`);
    for (const [what, { count, first }] of Object.entries(offending))
      if (count > 0) lines.push(`    ${count} ${what}: ${listed(count, first)}`);
  }
  const apart = Object.entries(report.apart).filter(([, { count }]) => count > 0);
  if (apart.length > 0) lines.push('counted apart:');
  for (const [what, { count, first }] of apart) lines.push(`  · ${count} ${what}: ${listed(count, first)}`);
  lines.push(report.ok ? 'The equation holds.' : 'The equation does NOT hold.');
  return lines.join('\n');
}

function listed(count: number, first: readonly string[]): string {
  return `${first.join(', ')}${count > first.length ? ', …' : ''}`;
}

/** How much offends against one term. */
export function offendingOf({ terms }: AuditReport, name: AuditTermName): number {
  const term = terms.find((one) => one.name === name);
  return Object.values(term?.offending ?? {}).reduce((sum, { count }) => sum + count, 0);
}
