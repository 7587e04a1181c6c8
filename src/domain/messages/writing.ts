// How values, units and times are written in every message.
import { ATTRIBUTES } from '../attributes.js';
import type { EpisodeEvent } from '../events.js';
import { bounded, escapeAscii, line, timeInZone, toAscii } from '../message-text.js';
import { msOfIso } from '../time.js';
import type { MessageOptions } from './content.js';

const NAME_CHARACTERS = 30;
const ATTRIBUTE_OF_ABSENCE = '~data';

/** UCUM codes as people write them. */
const UNIT_TEXT: Readonly<Record<string, string>> = { 'mm[Hg]': 'mmHg', Cel: '\u00b0C' };

/** The longest values, in characters. */
export interface Bounds {
  readonly whole: number;
  /** In the plain message. */
  readonly safe: number;
}

export interface Writer {
  /** A value from outside, bounded; `unknown` where there is none. It may still hold line breaks: only for `line`. */
  text(value: string | null): string;
  /** With a blank before it; empty where there is none. */
  unit(ucum: string | null): string;
  /** In the hospital's time zone and in UTC. */
  time(iso: string): string;
}

export function writer(options: MessageOptions, bounds: Bounds): Writer {
  const text = (value: string | null): string => {
    if (value === null) return 'unknown';
    return options.safe ? bounded(escapeAscii(value), bounds.safe) : bounded(value, bounds.whole);
  };
  return {
    text,
    unit: (ucum) => (ucum === null ? '' : ` ${text(UNIT_TEXT[ucum] ?? ucum)}`),
    time: (iso) => timeInZone(msOfIso(iso), options.timeZone),
  };
}

/** One short line whatever the attribute's name holds: for subjects and first lines. */
export function attributeName(event: EpisodeEvent): string {
  if (isAbsence(event)) return 'data';
  return toAscii(event.attribute, NAME_CHARACTERS) || 'attribute';
}

/** The episode of a patient who is expected to send data, and doesn't. */
export function isAbsence(event: EpisodeEvent): boolean {
  return event.attribute === ATTRIBUTE_OF_ABSENCE;
}

/** The unit of another sign of the reading, as the attribute table has it. */
export function unitText(name: string, { unit }: Writer): string {
  return unit(ATTRIBUTES.find((attribute) => attribute.name === name)?.unit ?? null);
}

/** The value with its unit; where it is no number, its text stands among the reading's signs. */
export function valueText(event: EpisodeEvent, { text, unit }: Writer): string {
  if (event.value !== null) return `${event.value}${unit(event.unit)}`;
  const raw = event.vitals[event.attribute];
  if (raw === undefined) return 'none';
  return event.reason === 'implausible-value' ? text(String(raw)) : `not a number: ${text(String(raw))}`;
}

export function rangeText({ range, unit: ucum }: EpisodeEvent, { unit }: Writer): string {
  return range === null ? 'unknown' : `${range.low} to ${range.high}${unit(ucum)}`;
}

/** The episode's page in the console, which only shows: nothing is acknowledged by following a link. */
export function linkTo(event: EpisodeEvent, { consoleUrl }: MessageOptions): string[] {
  return consoleUrl === undefined ? [] : [line('Link', `${consoleUrl}/episodes/${event.episodeId}`)];
}
