// An alert that was over before anybody could be told of it: one message for its beginning, its worsening and its end.
import type { EpisodeEvent } from '../events.js';
import { line } from '../message-text.js';
import type { ListedAlert, MessageOptions } from './content.js';
import {
  clockNote,
  delayed,
  footer,
  patientSection,
  readingSection,
  referenceSection,
  repeatNote,
  sentLine,
} from './sections.js';
import { episodeSubject } from './subject.js';
import { attributeName, type Bounds, valueText, type Writer, writer } from './writing.js';

const BOUNDS: Bounds = { whole: 2_000, safe: 200 };
/** An episode has a beginning, two steps of severity and signs of silence: more are the newest of many. */
const EVENTS_SHOWN = 20;

export function recoveredSubject(resolved: EpisodeEvent): string {
  return episodeSubject('RESOLVED', resolved, 'raised and recovered');
}

export function recoveredBody(
  covered: readonly ListedAlert[],
  resolved: EpisodeEvent,
  options: MessageOptions,
): string {
  const write = writer(options, BOUNDS);
  return [
    `RAISED AND RECOVERED: ${attributeName(resolved)} was outside its limits and is back to normal. You could not be told earlier; this message stands for its beginning and its end.`,
    ...repeatNote(options),
    ...delayed(resolved),
    '',
    ...patientSection(resolved, write),
    '',
    ...covered.slice(0, EVENTS_SHOWN).flatMap((one) => earlier(one, write)),
    ...(covered.length > EVENTS_SHOWN ? [line('Then', `${covered.length - EVENTS_SHOWN} more events`)] : []),
    line('Recovered', write.time(resolved.measuredAt)),
    ...clockNote(resolved),
    '',
    ...readingSection(resolved, write),
    '',
    line('Alert since', write.time(resolved.since)),
    line('Evaluated', write.time(resolved.evaluatedAt)),
    sentLine(options),
    '',
    ...referenceSection(resolved, write, options),
    ...footer(),
  ].join('\n');
}

const LABELS: Readonly<Partial<Record<ListedAlert['kind'], string>>> = {
  raised: 'Raised',
  worsened: 'Worsened',
  stale: 'No data',
};

/** When, how severe, and the value of that reading. */
function earlier({ kind, event }: ListedAlert, write: Writer): string[] {
  const when = write.time(event.measuredAt);
  const message = event.message === '' ? '' : `, ${write.text(event.message)}`;
  return [
    line(LABELS[kind] ?? 'Told', `${when}, ${event.severity}, ${valueText(event, write)}${message}`),
    ...clockNote(event),
  ];
}
