// Numbers as options.
import { InvalidArgumentError } from 'commander';

/** From 0 on, exact. */
export function wholeNumber(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) throw new InvalidArgumentError('It is no whole number.');
  return number;
}
