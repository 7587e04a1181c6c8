// Many alerts in one message: the most severe first, each with all that a doctor needs, split so that SNS takes every part.
import type { EpisodeEvent } from '../events.js';
import { reference } from '../identity.js';
import { line } from '../message-text.js';
import { SEVERITY_RANK } from '../severity.js';
import type { ListedAlert, MessageOptions } from './content.js';
import { eventOpening } from './event-message.js';
import { clockNote, delayedMinutes, footer, isPersonal, repeatNote, sentLine } from './sections.js';
import { type Bounds, linkTo, rangeText, valueText, writer } from './writing.js';

/** Alerts of one message. */
export const LISTED_MAX_ALERTS = 100;
/** Bytes of one message, UTF-8: SNS stops at 262,144. */
export const LISTED_MAX_BYTES = 200_000;

/** First lines, footer and numbers. */
const FRAME_BYTES = 2_000;
const PARTING_BYTES = '[100] '.length + '\n\n'.length;
/** Whole names of 300 characters; and the plain message of 100 alerts stays below SNS's size. */
const BOUNDS: Bounds = { whole: 400, safe: 80 };

type SplitOptions = Pick<MessageOptions, 'timeZone' | 'consoleUrl'>;

/**
 * The parts that `alerts` have to be told in, each of which fits into one message; the same alerts are always split in the
 * same way. The most severe come first, of those the oldest.
 */
export function splitAlerts(alerts: readonly ListedAlert[], options: SplitOptions): ListedAlert[][] {
  const parts: ListedAlert[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const alert of [...alerts].sort(bySeverity)) {
    const own = PARTING_BYTES + Buffer.byteLength(entry(alert, { ...options, ...MEASURED }).join('\n'));
    const last = parts.at(-1);
    if (!last || last.length >= LISTED_MAX_ALERTS || bytes + own > LISTED_MAX_BYTES) {
      parts.push([alert]);
      bytes = FRAME_BYTES + own;
    } else {
      last.push(alert);
      bytes += own;
    }
  }
  return parts;
}

const MEASURED = { sentMs: 0, possibleRepeat: false, safe: false } as const;

/** `first`: what all of them are. */
export function listBody(first: readonly string[], alerts: readonly ListedAlert[], options: MessageOptions): string {
  const entries = [...alerts].sort(bySeverity).map((alert, i) => {
    const [opening, ...rest] = entry(alert, options);
    return ['', `[${i + 1}] ${opening}`, ...rest].join('\n');
  });
  return [...first, ...repeatNote(options), sentLine(options), ...entries, ...footer()].join('\n');
}

function entry({ kind, event }: ListedAlert, options: MessageOptions): string[] {
  const write = writer(options, BOUNDS);
  const { text, time } = write;
  const { patient } = event;
  const minutes = delayedMinutes(event);
  const personal = isPersonal(event);
  return [
    eventOpening(kind, event),
    line('Patient id', text(patient.id)),
    ...(personal ? [line('Name', text(patient.name))] : []),
    line('Age', patient.age === null ? 'unknown' : String(patient.age)),
    line('Ward', text(patient.ward)),
    ...(personal ? [line('Address', text(patient.address)), line('Phone', text(patient.phone))] : []),
    line('Attribute', text(event.attribute)),
    line('Value', `${valueText(event, write)} (normal: ${rangeText(event, write)})`),
    ...(event.message === '' ? [] : [line('Limits table', text(event.message))]),
    line('Alert since', time(event.since)),
    line(
      'Measured',
      `${time(event.measuredAt)}${minutes === undefined ? '' : `, ${minutes} minutes before it was read`}`,
    ),
    ...clockNote(event),
    line('Reference', reference(event.episodeId)),
    ...linkTo(event, options),
  ];
}

/** `2 high, 1 low, 3 resolved` */
export function severityCounts(alerts: readonly ListedAlert[]): string {
  const classes = alerts.map(({ kind, event }) => (kind === 'resolved' ? kind : event.severity));
  return (['high', 'medium', 'low', 'resolved'] as const)
    .map((name) => ({ name, n: classes.filter((one) => one === name).length }))
    .filter(({ n }) => n > 0)
    .map(({ name, n }) => `${n} ${name}`)
    .join(', ');
}

export function mostSevere(alerts: readonly ListedAlert[]): EpisodeEvent['severity'] {
  return [...alerts].sort(bySeverity)[0]?.event.severity ?? 'low';
}

/** The ward, where all have the same; `several` otherwise. */
export function commonWard(alerts: readonly ListedAlert[]): string | null {
  const wards = new Set(alerts.map(({ event }) => event.patient.ward));
  const [only = null] = wards;
  return wards.size === 1 ? only : 'several';
}

/** What is over comes last. */
function bySeverity(one: ListedAlert, other: ListedAlert): number {
  const rank = (alert: ListedAlert) => (alert.kind === 'resolved' ? 0 : SEVERITY_RANK[alert.event.severity]);
  if (rank(one) !== rank(other)) return rank(other) - rank(one);
  return compare(one.event.since, other.event.since) || compare(one.event.eventId, other.event.eventId);
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
