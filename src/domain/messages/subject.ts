// Subjects: ASCII, at most 99 characters, of the patient nothing but the ward.
import type { EpisodeEvent } from '../events.js';
import { reference } from '../identity.js';
import { toAscii } from '../message-text.js';
import { attributeName } from './writing.js';

/** SNS: "less than 100 characters long". */
export const SUBJECT_MAX_CHARACTERS = 99;
const WARD_CHARACTERS = 24;

export function wardName(ward: string | null, characters = WARD_CHARACTERS): string {
  return toAscii(ward ?? '', characters) || 'unknown';
}

/** `[HIGH] heartBeat alert, ward 4B, ref 7F3K2Q` */
export function episodeSubject(tag: string, event: EpisodeEvent, headline: string): string {
  const { patient, episodeId } = event;
  return cut(
    `[${tag}] ${attributeName(event)} ${headline}, ward ${wardName(patient.ward)}, ref ${reference(episodeId)}`,
  );
}

/** `[TAG] rest`, of ours or of settings. */
export function plainSubject(tag: string, rest: string): string {
  return cut(`[${tag}] ${toAscii(rest, SUBJECT_MAX_CHARACTERS)}`);
}

function cut(subject: string): string {
  return subject.slice(0, SUBJECT_MAX_CHARACTERS);
}
