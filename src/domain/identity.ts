// Identities that are functions of content: the same input gives the same id, so every step can be repeated.
import { createHash } from 'node:crypto';

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
const ID_LENGTH = 26;

/** First 26 characters of lower-case RFC 4648 base32 of sha256 over the parts joined by NUL (contracts.md, Ids). */
export function hashId(...parts: readonly string[]): string {
  const digest = createHash('sha256').update(parts.join('\0')).digest();
  let out = '';
  let buffer = 0;
  let bits = 0;
  for (const byte of digest) {
    buffer = (buffer << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out += BASE32[(buffer >> bits) & 31];
      if (out.length === ID_LENGTH) return out;
    }
    buffer &= (1 << bits) - 1;
  }
  return out;
}

/** `<source>:<row id>`, the identity of one reading everywhere. */
export function readingId(source: string, row: string): string {
  return `${source}:${row}`;
}

/** An episode is named by the reading that began it. */
export function episodeId(patientId: string, attribute: string, direction: string, firstReadingId: string): string {
  return hashId(patientId, attribute, direction, firstReadingId);
}

/** A patient's silence is named by the last reading before it. */
export function dataEpisodeId(patientId: string, lastReadingId: string): string {
  return hashId(patientId, '~data', lastReadingId);
}

/** Events written by watch: the index counts an episode's events of watch. */
export function watchEventId(episode: string, kind: string, index: number): string {
  return `${episode}-${kind}-${index}`;
}

/** One notification: one destination of one thing that happened. `n` is the event index, reminder number or level. */
export function notificationId(trigger: string, kind: string, n: number, destination: string): string {
  return hashId(trigger, kind, String(n), destination);
}

/** What a person reads out on the phone: first six characters of the episode id, upper case. */
export function reference(episode: string): string {
  return episode.slice(0, 6).toUpperCase();
}
