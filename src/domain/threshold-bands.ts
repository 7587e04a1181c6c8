// The limits of one attribute at one age, cut into values that don't overlap: overlaps are decided once, not per reading.
import type { Direction, EvaluationReason, Severity } from './events.js';
import { shiftDecimal } from './rounding.js';
import { SEVERITY_RANK, UNCLASSIFIED_SEVERITY } from './severity.js';
import type { ThresholdRow } from './threshold.js';

/** What the limits say about one value. Built once per band; readings share it. */
export interface Judgement {
  readonly verdict: 'normal' | 'abnormal' | 'unclassified';
  /** Null where normal. */
  readonly direction: Direction | null;
  readonly severity: Severity;
  readonly reason: EvaluationReason;
  readonly message: string;
  /** The normal band nearest to the value, as the table has it; null where the age has none or nothing is known. */
  readonly range: { readonly low: number; readonly high: number } | null;
}

/** What an unclassified event says where the table has no message. */
export const UNCLASSIFIED_MESSAGES = {
  'bad-value': 'The value cannot be read.',
  'implausible-value': 'The value is outside what a device can mean.',
  'unknown-patient': 'The patient is not known, so no limits can be applied.',
  'unknown-age': "The patient's age is not known, so no limits can be applied.",
  'no-threshold-for-attribute': 'There are no limits for this vital sign.',
  'no-band-for-age': "There are no limits for the patient's age.",
  'no-band-for-value': 'No limits cover this value.',
} as const satisfies Partial<Record<EvaluationReason, string>>;

export type UnclassifiedReason = keyof typeof UNCLASSIFIED_MESSAGES;

export function unclassified(reason: UnclassifiedReason, range: Judgement['range'] = null): Judgement {
  return {
    verdict: 'unclassified',
    direction: 'unclassified',
    severity: UNCLASSIFIED_SEVERITY,
    reason,
    message: UNCLASSIFIED_MESSAGES[reason],
    range,
  };
}

/** A row on the grid of its attribute: the whole numbers `low` to `high`, inclusive. Empty (low > high) rows match nothing. */
export interface Band {
  readonly low: number;
  readonly high: number;
  readonly row: ThresholdRow;
}

/** Limits between two grid points reach only the points inside them: 36.05 with one decimal is 36.1 as a low limit and 36.0 as a high one. */
export function bandOf(row: ThresholdRow, decimals: number): Band {
  return {
    low: Math.ceil(shiftDecimal(row.lowValue, decimals)),
    high: Math.floor(shiftDecimal(row.highValue, decimals)),
    row,
  };
}

/** A row without numbers, or upside down, matches nothing: its values become unclassified, never silently normal. */
export function isUsable(band: Band): boolean {
  const { row } = band;
  return (
    Number.isFinite(band.low) &&
    Number.isFinite(band.high) &&
    band.low <= band.high &&
    Number.isFinite(row.lowAge) &&
    Number.isFinite(row.highAge) &&
    row.lowAge <= row.highAge
  );
}

/** The extent of the normal bands. */
export interface Hull {
  readonly low: number;
  readonly high: number;
}

export function normalHull(bands: readonly Band[]): Hull | null {
  const normal = bands.filter((band) => !band.row.alert);
  if (normal.length === 0) return null;
  return { low: Math.min(...normal.map((band) => band.low)), high: Math.max(...normal.map((band) => band.high)) };
}

/** Judgements in ascending order of value: `ends[i]` is the last grid point of `judgements[i]`; the last end is Infinity. */
export interface Segments {
  readonly ends: readonly number[];
  readonly judgements: readonly Judgement[];
}

/** `elsewhere`: the normal values of the attribute at other ages, for an age that has none. */
export function cutSegments(bands: readonly Band[], elsewhere: Hull | null): Segments {
  const points = [...new Set(bands.flatMap((band) => [band.low, band.high + 1]))].sort((a, b) => a - b);
  const ends: number[] = [];
  const judgements: Judgement[] = [];
  let low = Number.NEGATIVE_INFINITY;
  for (const next of [...points, Number.POSITIVE_INFINITY]) {
    const high = next - 1;
    ends.push(high);
    judgements.push(judgeSegment(low, high, bands, elsewhere));
    low = next;
  }
  return { ends, judgements };
}

function judgeSegment(low: number, high: number, bands: readonly Band[], elsewhere: Hull | null): Judgement {
  const winner = bands.filter((band) => band.low <= low && high <= band.high).sort(strongerFirst)[0];
  const range = nearestNormal(low, high, bands);
  if (!winner) return unclassified('no-band-for-value', range);
  const { severity, message, alert } = winner.row;
  if (!alert) return { verdict: 'normal', direction: null, severity, reason: 'back-in-range', message, range };
  const hull = normalHull(bands);
  const outside = hull !== null && (high < hull.low || low > hull.high);
  return {
    verdict: 'abnormal',
    direction: directionOf(low, high, winner, hull ?? elsewhere, bands),
    severity,
    reason: outside ? 'out-of-range' : 'flagged',
    message,
    range,
  };
}

/**
 * Where bands overlap: abnormal before normal, then the more severe (fail towards alarming). A tie goes to the narrower
 * band, then the lower one, then the message's order: never to the order of rows, which a reload may change.
 */
function strongerFirst(a: Band, b: Band): number {
  return (
    Number(b.row.alert) - Number(a.row.alert) ||
    (a.row.alert ? SEVERITY_RANK[b.row.severity] - SEVERITY_RANK[a.row.severity] : 0) ||
    a.high - a.low - (b.high - b.low) ||
    a.low - b.low ||
    compareText(a.row.message, b.row.message)
  );
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/**
 * Below all normal values is low, above them high. Between or inside them (a flagged band there) the middle of the band
 * against the middle of the normal values decides, a tie is high. Without normal values at any age: the lower half of the
 * age's bands is low, the rest high. The direction names the episode; that it alarms never depends on it.
 */
function directionOf(low: number, high: number, winner: Band, hull: Hull | null, bands: readonly Band[]): Direction {
  if (hull !== null) {
    if (high < hull.low) return 'low';
    if (low > hull.high) return 'high';
    return winner.low + winner.high < hull.low + hull.high ? 'low' : 'high';
  }
  const below = bands.filter((band) => band.low < winner.low).length;
  return 2 * below < bands.length - 1 ? 'low' : 'high';
}

function nearestNormal(low: number, high: number, bands: readonly Band[]): Judgement['range'] {
  let best: Band | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const band of bands) {
    if (band.row.alert) continue;
    const distance = Math.max(band.low - high, low - band.high, 0);
    const better = distance < bestDistance || (distance === bestDistance && best !== undefined && band.low < best.low);
    if (!better) continue;
    best = band;
    bestDistance = distance;
  }
  return best ? { low: best.row.lowValue, high: best.row.highValue } : null;
}
