// From a row of Threshold_Reference_table, or of a CSV file, to a ThresholdRow. Strict: a limit that can't be read is a broken table.
import type { Severity } from './events.js';
import type { ThresholdsMapping } from './mapping.js';
import { type Cell, textOfCell } from './patient-row.js';
import type { ThresholdRow } from './threshold.js';

const NUMBER = /^[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i;
const FLAGS = new Map([
  ['1', true],
  ['true', true],
  ['\u0001', true],
  ['0', false],
  ['false', false],
  ['\u0000', false],
]);
const SEVERITIES: readonly string[] = ['high', 'medium', 'low'] satisfies Severity[];

/** The row, or what is wrong with it, for a person who mends the table. */
export type ThresholdRowResult =
  | { readonly ok: true; readonly row: ThresholdRow }
  | { readonly ok: false; readonly problem: string };

/** Reads one row; BIT(1) flags are read as 0 and 1. An absent severity is high, an absent message empty. */
export function thresholdOfRow(mapping: ThresholdsMapping, row: Readonly<Record<string, Cell>>): ThresholdRowResult {
  const problems: string[] = [];
  const text = (column: string | null) => (column === null ? null : textOfCell(row[column]));
  const number = (column: string): number => {
    const raw = text(column)?.trim() ?? '';
    const value = NUMBER.test(raw) ? Number(raw) : Number.NaN;
    if (!Number.isFinite(value)) problems.push(`${column} is no number`);
    return value;
  };
  const attribute = text(mapping.attribute)?.trim() ?? '';
  if (attribute === '') problems.push(`${mapping.attribute} is empty`);
  const flagText = text(mapping.alertFlag) ?? '';
  const alert = FLAGS.get(flagText) ?? FLAGS.get(flagText.trim().toLowerCase());
  if (alert === undefined) problems.push(`${mapping.alertFlag} is neither 0 nor 1`);
  const severity = text(mapping.severity)?.trim().toLowerCase() || 'high';
  if (!SEVERITIES.includes(severity)) problems.push(`${mapping.severity} is none of ${SEVERITIES.join(', ')}`);
  const read: ThresholdRow = {
    attribute,
    lowAge: number(mapping.lowAge),
    highAge: number(mapping.highAge),
    lowValue: number(mapping.lowValue),
    highValue: number(mapping.highValue),
    alert: alert ?? true,
    message: text(mapping.alertMessage) ?? '',
    severity: severity as Severity,
    unit: text(mapping.unit),
  };
  return problems.length > 0 ? { ok: false, problem: problems.join('; ') } : { ok: true, row: read };
}

/** The columns that an import of thresholds reads, each once. */
export function thresholdColumns(mapping: ThresholdsMapping): readonly string[] {
  const { table: _, ...columns } = mapping;
  return [...new Set(Object.values(columns).filter((column) => column !== null))];
}
