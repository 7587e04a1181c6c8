// The message about one event of one episode.
import type { EpisodeEvent } from '../events.js';
import type { EventMessageKind, MessageOptions } from './content.js';
import { escalated } from './escalated.js';
import { raised } from './raised.js';
import { reminder } from './reminder.js';
import { resolved } from './resolved.js';
import {
  delayed,
  footer,
  patientSection,
  readingSection,
  referenceSection,
  repeatNote,
  timesSection,
} from './sections.js';
import { silenceEnded } from './silence-ended.js';
import { stale } from './stale.js';
import { episodeSubject } from './subject.js';
import type { EventTemplate } from './template.js';
import { unstable } from './unstable.js';
import { worsened } from './worsened.js';
import { attributeName, type Bounds, writer } from './writing.js';

/** Long enough for any name or address; with 40 signs still far below what SNS takes. */
const BOUNDS: Bounds = { whole: 2_000, safe: 200 };

const TEMPLATES: Readonly<Record<EventMessageKind, EventTemplate>> = {
  raised,
  worsened,
  stale,
  resolved,
  reminder,
  escalated,
  unstable,
  'silence-ended': silenceEnded,
};

export function eventSubject(kind: EventMessageKind, event: EpisodeEvent): string {
  const template = TEMPLATES[kind];
  return episodeSubject(template.tag(event), event, template.headline(event));
}

/** The first line of the message, also of its entry in a list. */
export function eventOpening(kind: EventMessageKind, event: EpisodeEvent): string {
  return TEMPLATES[kind].opening(event, attributeName(event));
}

export function eventBody(kind: EventMessageKind, event: EpisodeEvent, options: MessageOptions): string {
  const write = writer(options, BOUNDS);
  return [
    eventOpening(kind, event),
    ...repeatNote(options),
    ...delayed(event),
    '',
    ...patientSection(event, write),
    '',
    ...readingSection(event, write),
    '',
    ...timesSection(event, write, options),
    '',
    ...referenceSection(event, write, options),
    ...footer(),
  ].join('\n');
}
