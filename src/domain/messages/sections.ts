// The parts that messages about one event are put together from, and the lines that every message has.
import type { EpisodeEvent, EvaluationReason } from '../events.js';
import { reference } from '../identity.js';
import { line, timeInZone } from '../message-text.js';
import { parseMicros } from '../time.js';
import type { MessageOptions } from './content.js';
import { linkTo, rangeText, unitText, valueText, type Writer } from './writing.js';

const DELAYED_AFTER_MS = 5 * 60_000;
const MS_PER_MINUTE = 60_000;
const VITALS_SHOWN = 40;

const WHY: Readonly<Record<EvaluationReason, string>> = {
  'out-of-range': 'outside the normal range for the age',
  flagged: 'in a band that the limits table marks as abnormal',
  'back-in-range': 'back in the normal range',
  'no-data': 'no reading arrives',
  'data-back': 'readings arrive again',
  'no-longer-expected': 'readings are no longer expected',
  'bad-value': 'not classified: the value could not be read',
  'implausible-value': 'not classified: no device can mean this value',
  'unknown-patient': 'not classified: no such patient in the patients table',
  'unknown-age': "not classified: the patient's age is unknown",
  'no-threshold-for-attribute': 'not classified: no limits for this attribute',
  'no-band-for-age': "not classified: no limits for the patient's age",
  'no-band-for-value': 'not classified: no band of the limits table covers the value',
};

const FOOTER = 'Sent by wardwatch. Bedside monitors remain the primary alarm.';

/** The last lines of every message. */
export function footer(): string[] {
  return ['', FOOTER, ''];
}

/** Stands second, where it does. */
export function repeatNote({ possibleRepeat }: MessageOptions): string[] {
  if (!possibleRepeat) return [];
  return [
    'POSSIBLE REPEAT: an earlier sending of this message may have reached you; whether it did could not be learnt.',
  ];
}

/** Minutes from measured to evaluated where that is worth saying; where data stays away it says nothing. */
export function delayedMinutes(event: EpisodeEvent): number | undefined {
  if (event.reason === 'no-data') return undefined;
  const lateMs = ((parseMicros(event.evaluatedAt) ?? 0) - (parseMicros(event.measuredAt) ?? 0)) / 1000;
  return lateMs <= DELAYED_AFTER_MS ? undefined : Math.round(lateMs / MS_PER_MINUTE);
}

export function delayed(event: EpisodeEvent): string[] {
  const minutes = delayedMinutes(event);
  return minutes === undefined ? [] : [`DELAYED DATA: evaluated ${minutes} minutes after it was measured.`];
}

/** Where PRIVACY leaves them out, name, address and phone are all null; an unknown patient's are said to be unknown. */
export function isPersonal({ patient, reason }: EpisodeEvent): boolean {
  return reason === 'unknown-patient' || [patient.name, patient.address, patient.phone].some((one) => one !== null);
}

export function patientSection(event: EpisodeEvent, { text }: Writer): string[] {
  const { patient } = event;
  const personal = isPersonal(event);
  return [
    line('Patient id', text(patient.id)),
    ...(personal ? [line('Name', text(patient.name))] : []),
    line('Age', patient.age === null ? 'unknown' : String(patient.age)),
    line('Ward', text(patient.ward)),
    ...(personal ? [line('Address', text(patient.address)), line('Phone', text(patient.phone))] : []),
  ];
}

export function readingSection(event: EpisodeEvent, write: Writer): string[] {
  const { text } = write;
  return [
    line('Attribute', text(event.attribute)),
    line('Value', valueText(event, write)),
    line('Normal range', rangeText(event, write)),
    line('Judgement', WHY[event.reason] ?? text(event.reason)),
    line('Limits table', event.message === '' ? '-' : text(event.message)),
    line('Severity', event.severity),
    ...signs(event, write),
  ];
}

function signs(event: EpisodeEvent, write: Writer): string[] {
  const all = Object.entries(event.vitals);
  const shown = all
    .slice(0, VITALS_SHOWN)
    .map(([name, value]) =>
      line('All signs', `${write.text(name)} ${write.text(String(value))}${unitText(name, write)}`),
    );
  return all.length > VITALS_SHOWN ? [...shown, line('All signs', `and ${all.length - VITALS_SHOWN} more`)] : shown;
}

export function measuredLines(event: EpisodeEvent, { time }: Writer): string[] {
  return [line('Measured', time(event.measuredAt)), ...clockNote(event)];
}

export function clockNote({ clock }: EpisodeEvent): string[] {
  if (clock === undefined) return [];
  return [line('Device clock', `WRONG, ${clock === 'ahead' ? 'ahead' : 'behind'}: don't go by the time measured`)];
}

export function sentLine({ sentMs, timeZone }: MessageOptions): string {
  return line('Sent', timeInZone(sentMs, timeZone));
}

export function timesSection(event: EpisodeEvent, write: Writer, options: MessageOptions): string[] {
  return [
    line('Alert since', write.time(event.since)),
    ...measuredLines(event, write),
    line('Evaluated', write.time(event.evaluatedAt)),
    sentLine(options),
  ];
}

export function referenceSection(event: EpisodeEvent, { text }: Writer, options: MessageOptions): string[] {
  return [line('Reference', reference(event.episodeId)), line('Event', text(event.eventId)), ...linkTo(event, options)];
}
