// The limits that a demo runs with: the sample table, the NEWS2-like one, or a file.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ROOT } from '../cache.mjs';

/** @type {Readonly<Record<string, string>>} */
const SHIPPED = { seed: 'ops/sql/thresholds-seed.csv', news2: 'ops/sql/thresholds-news2.csv' };

/**
 * @param {string} which seed, news2 or a file's path
 * @returns {Promise<readonly import('../../../src/domain/threshold.js').ThresholdRow[]>}
 * @throws with every line that is wrong
 */
export async function loadLimits(which) {
  const shipped = SHIPPED[which];
  const file = shipped ? join(ROOT, shipped) : resolve(which);
  const { parseCsv } = await import('../../../dist/src/domain/csv.js');
  const { thresholdColumns, thresholdOfRow } = await import('../../../dist/src/domain/import-threshold-row.js');
  const { DEFAULT_THRESHOLDS } = await import('../../../dist/src/domain/mapping.js');
  const mapping = { ...DEFAULT_THRESHOLDS, severity: 'severity', unit: 'unit' };
  const optional = ['severity', 'unit'];
  const required = thresholdColumns(mapping).filter((name) => !optional.includes(name));
  const rows = [];
  const problems = [];
  for (const { line, values } of parseCsv(readFileSync(file), { required, optional })) {
    const read = thresholdOfRow(mapping, values);
    if (read.ok) rows.push(read.row);
    else problems.push(`line ${line}: ${read.problem}`);
  }
  if (problems.length > 0) throw new Error(`${file} can't be used:\n${problems.join('\n')}`);
  return rows;
}
