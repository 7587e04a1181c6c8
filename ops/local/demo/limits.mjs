// The limits that a demo runs with: the sample table, the NEWS2-like one, or a file.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { contentOfThresholdsFile } from '../../../dist/src/domain/import-content.js';
import { thresholdOfEntry } from '../../../dist/src/domain/import-version.js';
import { NotPreparedError } from '../bootstrap.mjs';
import { ROOT } from '../cache.mjs';
import { SHIPPED_LIMITS } from './names.mjs';

/**
 * Reads it as `wardwatch import thresholds --file` does. `which` is seed, news2 or a file's path. Answers {rows, warnings}; those of the shipped
 * tables are known.
 * Throws NotPreparedError with every line that is wrong.
 */
export function loadLimits(which) {
  const shipped = SHIPPED_LIMITS[which];
  const file = shipped ? join(ROOT, shipped) : resolve(which);
  const { entries, problems, warnings } = contentOfThresholdsFile(readFileSync(file), {});
  if (problems.length > 0) throw new NotPreparedError([`${file} can't be used as limits:`, ...problems].join('\n  - '));
  return { rows: entries.map(thresholdOfEntry), warnings: shipped ? [] : warnings };
}
