// Keys of dispatch's views. All share the prefix's hash tag.
import { hashId } from '../domain/identity.js';

export interface ViewKeys {
  readonly openEpisodes: string;
  /** Hash of those that have not ended, by id. */
  readonly silences: string;
  /** Hash of pending timers by id, and their list by due. */
  readonly timers: string;
  readonly timersDue: string;
  episode(episodeId: string): string;
  /** Of patient, attribute and direction. */
  flapping(patientId: string, attribute: string, direction: string): string;
  silence(silenceId: string): string;
  /** The timers that wait for the end of a silence. */
  held(silenceId: string): string;
}

/** `prefix` is REDIS_PREFIX, with its braces. */
export function viewKeys(prefix: string): ViewKeys {
  return {
    openEpisodes: `${prefix}:episodes:open`,
    silences: `${prefix}:silences`,
    timers: `${prefix}:timers`,
    timersDue: `${prefix}:timers:due`,
    episode: (id) => `${prefix}:episode:${id}`,
    // Hashed: a patient's id may hold anything.
    flapping: (patientId, attribute, direction) => `${prefix}:flapping:${hashId(patientId, attribute, direction)}`,
    silence: (id) => `${prefix}:silence:${id}`,
    held: (id) => `${prefix}:silence:${id}:held`,
  };
}
