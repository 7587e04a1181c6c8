// Limits compiled for judging every reading of the hospital: attribute → age → values in order, with ready-made answers.
import { ATTRIBUTES, type Attribute } from './attributes.js';
import { NUMBER_TEXT } from './reading.js';
import { decimalsOf, toGrid } from './rounding.js';
import type { ThresholdRow } from './threshold.js';
import {
  type Band,
  bandOf,
  cutSegments,
  type Hull,
  isUsable,
  type Judgement,
  normalHull,
  type Segments,
  unclassified,
} from './threshold-bands.js';

export type { Judgement } from './threshold-bands.js';

/** Older patients have no limits: their readings are unclassified. */
export const MAX_AGE = 150;
const MAX_DECIMALS = 6;

/** An age in whole years; null: the patient has none; undefined: the patient is not known. */
export type KnownAge = number | null | undefined;

export interface ThresholdTable {
  /** Never throws; whatever can't be judged is `unclassified` with its reason. The value is rounded to the attribute's decimals first. */
  judge(attribute: string, age: KnownAge, value: number): Judgement;
  /** A value that can't be used (Reading.bad), as it came: no number at all, or one that no device can mean. */
  judgeBad(attribute: string, age: KnownAge, raw: string): Judgement;
  /**
   * How far a value lies inside the age's normal values, in the attribute's unit, seen from the side on which `direction`
   * alarms: below their highest for `high`, above their lowest for `low`. Negative outside; Infinity where there are none.
   */
  depth(attribute: string, age: KnownAge, value: number, direction: 'low' | 'high'): number;
  /** The attribute's unit, else the one that the limits name. */
  unit(attribute: string): string | null;
}

interface AgeLimits extends Segments {
  readonly normal: Hull | null;
  readonly bad: Judgement;
  readonly implausible: Judgement;
}

interface AttributeLimits {
  readonly decimals: number;
  readonly plausibleLow: number;
  readonly plausibleHigh: number;
  readonly unit: string | null;
  /** Empty where the table has no row of the attribute. */
  readonly byAge: readonly (AgeLimits | undefined)[];
}

const BAD = unclassified('bad-value');
const IMPLAUSIBLE = unclassified('implausible-value');
const UNKNOWN_PATIENT = unclassified('unknown-patient');
const UNKNOWN_AGE = unclassified('unknown-age');
const NO_THRESHOLD = unclassified('no-threshold-for-attribute');
const NO_BAND_FOR_AGE = unclassified('no-band-for-age');

/**
 * `attributes` gives decimals, plausible range and unit. A row's attribute that is not among them is judged with as many
 * decimals as its limits have, and nothing is implausible but what is no number.
 */
export function compileThresholds(
  rows: readonly ThresholdRow[],
  attributes: readonly Attribute[] = ATTRIBUTES,
): ThresholdTable {
  const known = new Map(attributes.map((attribute) => [attribute.name, attribute]));
  const limits = new Map<string, AttributeLimits>();
  for (const name of new Set([...known.keys(), ...rows.map((row) => row.attribute)])) {
    const own = rows.filter((row) => row.attribute === name);
    limits.set(name, compileAttribute(own, known.get(name)));
  }
  return {
    judge: (attribute, age, value) => judge(limits.get(attribute), age, value),
    judgeBad: (attribute, age, raw) => {
      const here = ageLimits(limits.get(attribute), age);
      return NUMBER_TEXT.test(raw) ? (here?.implausible ?? IMPLAUSIBLE) : (here?.bad ?? BAD);
    },
    depth: (attribute, age, value, direction) => depth(limits.get(attribute), age, value, direction),
    unit: (attribute) => limits.get(attribute)?.unit ?? null,
  };
}

/** Decimals to which values of an attribute are rounded: its own, else those of its limits. */
export function decimalsFor(rows: readonly ThresholdRow[], attribute: Attribute | undefined): number {
  if (attribute) return attribute.decimals;
  const limits = rows.flatMap((row) => [row.lowValue, row.highValue]).filter(Number.isFinite);
  return Math.min(MAX_DECIMALS, Math.max(0, ...limits.map(decimalsOf)));
}

function compileAttribute(rows: readonly ThresholdRow[], attribute: Attribute | undefined): AttributeLimits {
  const decimals = decimalsFor(rows, attribute);
  const bands = rows.map((row) => bandOf(row, decimals)).filter(isUsable);
  return {
    decimals,
    plausibleLow: attribute?.plausible.low ?? -Number.MAX_VALUE,
    plausibleHigh: attribute?.plausible.high ?? Number.MAX_VALUE,
    unit: attribute?.unit ?? rows.find((row) => row.unit !== null)?.unit ?? null,
    byAge: compileAges(bands),
  };
}

function compileAges(bands: readonly Band[]): (AgeLimits | undefined)[] {
  if (bands.length === 0) return [];
  const everywhere = normalHull(bands);
  const shared = new Map<string, AgeLimits>();
  const byAge: (AgeLimits | undefined)[] = [];
  for (let age = 0; age <= MAX_AGE; age++) {
    const here = bands.filter((band) => band.row.lowAge <= age && age <= band.row.highAge);
    if (here.length === 0) {
      byAge.push(undefined);
      continue;
    }
    const key = here.map((band) => bands.indexOf(band)).join();
    let limits = shared.get(key);
    if (!limits) {
      const normal = here.filter((band) => !band.row.alert).sort((a, b) => a.low - b.low)[0]?.row;
      const range = normal ? { low: normal.lowValue, high: normal.highValue } : null;
      limits = {
        ...cutSegments(here, everywhere),
        normal: normalHull(here),
        bad: unclassified('bad-value', range),
        implausible: unclassified('implausible-value', range),
      };
      shared.set(key, limits);
    }
    byAge.push(limits);
  }
  return byAge;
}

function judge(limits: AttributeLimits | undefined, age: KnownAge, value: number): Judgement {
  const here = ageLimits(limits, age);
  if (limits === undefined) return Number.isFinite(value) ? unknown(age) : IMPLAUSIBLE;
  // Written so that NaN is implausible too.
  if (!(value >= limits.plausibleLow && value <= limits.plausibleHigh)) return here?.implausible ?? IMPLAUSIBLE;
  if (here === undefined) return limits.byAge.length === 0 ? unknown(age) : (ageUnknown(age) ?? NO_BAND_FOR_AGE);
  const point = toGrid(value, limits.decimals);
  const { ends } = here;
  let i = 0;
  while (point > (ends[i] as number)) i++;
  return here.judgements[i] as Judgement;
}

function depth(limits: AttributeLimits | undefined, age: KnownAge, value: number, direction: 'low' | 'high'): number {
  const normal = ageLimits(limits, age)?.normal;
  if (limits === undefined || !normal) return Number.POSITIVE_INFINITY;
  const point = toGrid(value, limits.decimals);
  // Whole numbers over a power of ten: the nearest number to the decimal text, as a margin read from a file is.
  return (direction === 'high' ? normal.high - point : point - normal.low) / 10 ** limits.decimals;
}

/** Ages are whole years: a fraction is cut off, a negative one is none. */
function ageLimits(limits: AttributeLimits | undefined, age: KnownAge): AgeLimits | undefined {
  return typeof age === 'number' && age >= 0 ? limits?.byAge[Math.floor(age)] : undefined;
}

/** Without limits for the attribute; the patient's own riddle comes first, since it must be solved for every attribute. */
function unknown(age: KnownAge): Judgement {
  return ageUnknown(age) ?? NO_THRESHOLD;
}

function ageUnknown(age: KnownAge): Judgement | undefined {
  if (age === undefined) return UNKNOWN_PATIENT;
  return age === null || !(age >= 0) ? UNKNOWN_AGE : undefined;
}
