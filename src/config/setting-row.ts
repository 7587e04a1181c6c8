// What a row of the table of settings says (settings.ts, and beside it the rows of the lake).
import type { RoleName } from '../domain/roles.js';
import type { Parse } from './parsers.js';

export interface SettingRow<T> {
  readonly help: string;
  readonly parse: Parse<T>;
  /** As it would stand in the environment; undefined: none. */
  readonly fallback?: string;
  /** For the example file and for messages. */
  readonly example: string;
  readonly unit?: string;
  /** Never printed, and also read from the file that `<NAME>_FILE` names. */
  readonly secret?: boolean;
  /** Roles that can't run without it. */
  readonly roles?: readonly RoleName[];
  /** Where it may stand in a file instead; the environment wins. */
  readonly file?: { readonly in: 'config' | 'policy'; readonly path: string };
}

interface Given<T> extends SettingRow<T> {
  readonly fallback: string;
}

/** Keeps the row's type: a row with a fallback always has a value. */
export function row<T>(given: Given<T>): Given<T>;
export function row<T>(given: SettingRow<T>): SettingRow<T>;
export function row<T>(given: SettingRow<T>): SettingRow<T> {
  return given;
}
