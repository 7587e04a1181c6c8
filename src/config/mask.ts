// What may be shown of a setting: addresses yes, passwords no.
import type { SettingRow } from './setting-row.js';
import { SETTINGS, type SettingName } from './settings.js';

const MASK = '***';

/** The value of a setting as it may be printed: of a secret URL everything but user info and query, of another secret nothing. */
export function shown(name: SettingName, value: string): string {
  const row: SettingRow<unknown> = SETTINGS[name];
  return row.secret ? maskUrl(value) : value;
}

/** `mysql://user:***@host/db`; anything that is no URL becomes `***`. */
export function maskUrl(value: string): string {
  if (!URL.canParse(value)) return MASK;
  const url = new URL(value);
  if (url.host === '') return MASK;
  const user = url.username || url.password ? `${url.username}:${MASK}@` : '';
  return `${url.protocol}//${user}${url.host}${url.pathname}`;
}
