// What is wrong with a table of limits, for people: an import refuses the fatal ones, `thresholds check` shows them all.
import { ATTRIBUTES, type Attribute } from './attributes.js';
import type { ThresholdRow } from './threshold.js';
import { type Band, bandOf, isUsable } from './threshold-bands.js';
import { decimalsFor, MAX_AGE } from './threshold-table.js';

/** Ages that a table should cover; older patients are few, and unclassified where no row reaches them. */
const OLDEST_CHECKED_AGE = 120;

export type ThresholdProblemKind =
  | 'empty'
  | 'bad-value'
  | 'inverted-range'
  | 'nothing-normal'
  | 'nothing-abnormal'
  | 'unknown-attribute'
  | 'missing-attribute'
  | 'unit-differs'
  | 'uncovered-ages'
  | 'no-normal-band'
  | 'gap'
  | 'overlap';

/**
 * Fatal where the table can't mean what it says (no rows, unreadable or inverted limits, nothing normal or nothing abnormal
 * at all, no known attribute). The rest are warnings: they fail towards alarming (gaps become "unclassified", overlaps the
 * more severe answer), and a hospital may have its reasons.
 */
export interface ThresholdProblem {
  readonly kind: ThresholdProblemKind;
  readonly fatal: boolean;
  /** Null: the whole table. */
  readonly attribute: string | null;
  readonly text: string;
}

export interface ThresholdCheckOptions {
  readonly attributes?: readonly Attribute[];
  /** Names of the attributes that this deployment reads: one without limits is reported. */
  readonly configured?: readonly string[];
}

/** Every problem, the whole table first, then by attribute in the table's order. Never throws. */
export function checkThresholds(
  rows: readonly ThresholdRow[],
  options: ThresholdCheckOptions = {},
): readonly ThresholdProblem[] {
  const { attributes = ATTRIBUTES, configured = [] } = options;
  if (rows.length === 0) return [problem('empty', true, null, 'the table has no rows')];
  const names = [...new Set(rows.map((row) => row.attribute))];
  return [
    ...checkWhole(rows, names, attributes),
    ...configured
      .filter((name) => !names.includes(name))
      .map((name) => problem('missing-attribute', false, name, `${name} is read but has no limits: ${UNCLASSIFIED}`)),
    ...names.flatMap((name) => {
      const own = rows.filter((row) => row.attribute === name);
      const attribute = attributes.find((known) => known.name === name);
      return checkAttribute(name, own, attribute, attributes);
    }),
  ];
}

const UNCLASSIFIED = 'its readings raise "unclassified"';

function problem(kind: ThresholdProblemKind, fatal: boolean, attribute: string | null, text: string): ThresholdProblem {
  return { kind, fatal, attribute, text };
}

function checkWhole(
  rows: readonly ThresholdRow[],
  names: readonly string[],
  attributes: readonly Attribute[],
): ThresholdProblem[] {
  const found: ThresholdProblem[] = [];
  if (!rows.some((row) => !row.alert))
    found.push(problem('nothing-normal', true, null, 'every row has alert_flag 1: every patient would alarm'));
  if (!rows.some((row) => row.alert))
    found.push(problem('nothing-abnormal', true, null, 'no row has alert_flag 1: no value would ever be abnormal'));
  if (!names.some((name) => attributes.some((known) => known.name === name))) {
    const known = attributes.map((attribute) => attribute.name).join(', ');
    found.push(problem('unknown-attribute', true, null, `no row names a known attribute (${known})`));
  }
  return found;
}

function checkAttribute(
  name: string,
  rows: readonly ThresholdRow[],
  attribute: Attribute | undefined,
  attributes: readonly Attribute[],
): ThresholdProblem[] {
  const decimals = decimalsFor(rows, attribute);
  const found: ThresholdProblem[] = [];
  if (!attribute) {
    const meant = attributes.find((known) => known.name.toLowerCase() === name.trim().toLowerCase());
    const hint = meant ? `; did you mean ${meant.name}?` : '';
    found.push(problem('unknown-attribute', false, name, `${name || '(empty)'} is no known attribute${hint}`));
  }
  for (const row of rows) found.push(...checkRow(name, row));
  if (!rows.some((row) => row.alert))
    found.push(problem('nothing-abnormal', false, name, `${name}: no row has alert_flag 1`));
  if (attribute) found.push(...checkUnits(name, rows, attribute));
  const bands = rows.map((row) => bandOf(row, decimals)).filter(isUsable);
  return [...found, ...checkAges(name, bands, decimals, attribute)];
}

function checkRow(name: string, row: ThresholdRow): ThresholdProblem[] {
  const text = `${name}, ages ${row.lowAge}–${row.highAge}, values ${row.lowValue}–${row.highValue}`;
  if (![row.lowAge, row.highAge, row.lowValue, row.highValue].every(Number.isFinite))
    return [problem('bad-value', true, name, `${text}: a limit is no number`)];
  const found: ThresholdProblem[] = [];
  if (row.lowAge > row.highAge)
    found.push(problem('inverted-range', true, name, `${text}: the ages are upside down, the row matches nobody`));
  if (row.lowValue > row.highValue)
    found.push(problem('inverted-range', true, name, `${text}: the values are upside down, the row matches nothing`));
  return found;
}

/** Compared by letters and digits alone: mmHg and mm[Hg] are the same. */
function checkUnits(name: string, rows: readonly ThresholdRow[], attribute: Attribute): ThresholdProblem[] {
  const plain = (unit: string) => unit.toLowerCase().replace(/[^a-z0-9%]/g, '');
  const others = new Set(rows.map((row) => row.unit).filter((unit) => unit !== null && unit !== ''));
  return [...others]
    .filter((unit) => unit !== null && plain(unit) !== plain(attribute.unit))
    .map((unit) =>
      problem(
        'unit-differs',
        false,
        name,
        `${name}: limits in ${unit}, readings in ${attribute.unit}; values are compared as they are`,
      ),
    );
}

/** Ages that see the same rows are looked at once. */
function checkAges(
  name: string,
  bands: readonly Band[],
  decimals: number,
  attribute: Attribute | undefined,
): ThresholdProblem[] {
  const found: ThresholdProblem[] = [];
  for (const { from, to, here } of ageGroups(bands)) {
    const ages = from === to ? `age ${from}` : `ages ${from}–${to}`;
    if (here.length === 0) {
      if (from <= OLDEST_CHECKED_AGE) {
        const shown = `${from}–${Math.min(to, OLDEST_CHECKED_AGE)}`;
        found.push(problem('uncovered-ages', false, name, `${name}: no limits for ages ${shown}: ${UNCLASSIFIED}`));
      }
      continue;
    }
    if (here.every((band) => band.row.alert))
      found.push(
        problem('no-normal-band', false, name, `${name}, ${ages}: no row has alert_flag 0, every value alarms`),
      );
    for (const text of gapTexts(here, decimals, attribute))
      found.push(problem('gap', false, name, `${name}, ${ages}: no limits for ${text}: ${UNCLASSIFIED}`));
    for (const text of overlapTexts(here, decimals))
      found.push(problem('overlap', false, name, `${name}, ${ages}: ${text}: abnormal wins, then the more severe`));
  }
  return found;
}

function ageGroups(bands: readonly Band[]): { from: number; to: number; here: readonly Band[] }[] {
  const groups: { from: number; to: number; here: readonly Band[]; key: string }[] = [];
  for (let age = 0; age <= MAX_AGE; age++) {
    const here = bands.filter((band) => band.row.lowAge <= age && age <= band.row.highAge);
    const key = here.map((band) => bands.indexOf(band)).join();
    const last = groups.at(-1);
    if (last?.key === key) last.to = age;
    else groups.push({ from: age, to: age, here, key });
  }
  return groups;
}

/** From the lowest plausible value (else the lowest limit) to the highest, on the attribute's grid. */
function gapTexts(bands: readonly Band[], decimals: number, attribute: Attribute | undefined): string[] {
  const scale = 10 ** decimals;
  const sorted = [...bands].sort((a, b) => a.low - b.low);
  const gaps: string[] = [];
  let covered = attribute ? Math.ceil(attribute.plausible.low * scale) - 1 : (sorted[0]?.low ?? 0) - 1;
  for (const band of sorted) {
    if (band.low > covered + 1) gaps.push(span(covered + 1, band.low - 1, decimals));
    covered = Math.max(covered, band.high);
  }
  const end = attribute ? Math.floor(attribute.plausible.high * scale) : covered;
  if (covered < end) gaps.push(span(covered + 1, end, decimals));
  return gaps;
}

function overlapTexts(bands: readonly Band[], decimals: number): string[] {
  const sorted = [...bands].sort((a, b) => a.low - b.low);
  const texts: string[] = [];
  for (const [i, band] of sorted.entries()) {
    for (const other of sorted.slice(i + 1)) {
      if (other.low > band.high) break;
      texts.push(`several rows for ${span(other.low, Math.min(band.high, other.high), decimals)}`);
    }
  }
  return [...new Set(texts)];
}

function span(low: number, high: number, decimals: number): string {
  const text = (point: number) => (point / 10 ** decimals).toFixed(decimals);
  return low === high ? text(low) : `${text(low)}–${text(high)}`;
}
