// What the messages about one event differ in; everything else is sections.ts.
import type { EpisodeEvent } from '../events.js';

export interface EventTemplate {
  /** In brackets at the subject's beginning. */
  tag(event: EpisodeEvent): string;
  /** In the subject, after the attribute. */
  headline(event: EpisodeEvent): string;
  /** The body's first line; `name` is the attribute's, safe for one line. Also the first line in a list. */
  opening(event: EpisodeEvent, name: string): string;
}

export function severityTag({ severity }: EpisodeEvent): string {
  return severity.toUpperCase();
}

/** What is wrong, as a clause: `heartBeat is too high`. */
export function wrong({ direction }: EpisodeEvent, name: string): string {
  if (direction === 'unclassified') return `${name} could not be judged`;
  return `${name} is ${direction === 'low' ? 'too low' : 'too high'}`;
}
