// Names inside a lake: what every store accepts and refuses, and which of them are half-written files.
import { LakePathError } from './errors.js';

export const STAGING = '_staging';
/** Half-written files: hidden, so that neither `list` nor any engine shows them. */
export const TEMPORARY_PREFIX = '.tmp-';
/** A living writer's stays for seconds. One that slept for longer finds its file gone, fails, and starts anew. */
export const LEFTOVER_AFTER_MS = 3_600_000;

/** Refuses what would leave the lake's folder and what HDFS refuses, so that a lake can be moved between stores. Throws LakePathError. */
export function checkedPath(name: string): string {
  const segments = name.split('/');
  const bad = segments.some(
    (part) => part === '' || part === '.' || part === '..' || part.startsWith(TEMPORARY_PREFIX),
  );
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
  if (bad || /[:\\\u0000-\u001f]/.test(name)) throw new LakePathError(`no path of a lake: ${JSON.stringify(name)}`);
  return name;
}
