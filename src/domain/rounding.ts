// Values are compared on a decimal grid: 36.05 read with one decimal is 36.1, whatever binary floating point makes of it.

/** Beyond this, and this close to a half, the product with a power of ten may have lost the digit that decides. */
const EXACT_BELOW = 1e9;
const HALF_MARGIN = 1e-6;

/** `value` × 10^`decimals`, exact for the shortest decimal text of `value` (36.05 → 360.5). */
export function shiftDecimal(value: number, decimals: number): number {
  if (!Number.isFinite(value)) return value;
  const [digits, exponent = '0'] = String(value).split('e');
  return Number(`${digits}e${Number(exponent) + decimals}`);
}

/** `value` rounded to `decimals`, in units of the last decimal; a half goes away from zero, as in SQL's ROUND. */
export function toGrid(value: number, decimals: number): number {
  const size = Math.abs(value);
  if (decimals === 0) return value < 0 ? -Math.round(size) : Math.round(size);
  let shifted = size * 10 ** decimals;
  const fraction = shifted - Math.floor(shifted);
  if (shifted > EXACT_BELOW || Math.abs(fraction - 0.5) < HALF_MARGIN) shifted = shiftDecimal(size, decimals);
  return value < 0 ? -Math.round(shifted) : Math.round(shifted);
}

/** Decimals that the shortest text of `value` has: 36.1 → 1. */
export function decimalsOf(value: number): number {
  const [digits = '', exponent = '0'] = String(value).split('e');
  const fraction = digits.split('.')[1] ?? '';
  return Math.max(0, fraction.length - Number(exponent));
}
