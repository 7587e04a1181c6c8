// The e-mail: subject and body of one notification (alerts.md, The message). Pure; the values are text and never become structure.
import { ATTRIBUTES } from './attributes.js';
import type { EpisodeEvent, EvaluationReason, NotificationKind } from './events.js';
import { reference } from './identity.js';
import { bounded, escapeAscii, line, timeInZone, toAscii } from './message-text.js';
import type { OutgoingMessage } from './notification.js';
import { parseMicros } from './time.js';

export interface MessageOptions {
  /** IANA name: the hospital's. */
  readonly timeZone: string;
  readonly sentMs: number;
  /** An earlier attempt may have reached the reader. */
  readonly possibleRepeat: boolean;
  /** After a message that SNS refused for its content: ASCII, short values, no attributes. */
  readonly safe: boolean;
}

/** SNS: "less than 100 characters long". */
export const SUBJECT_MAX_CHARACTERS = 99;
/** SNS's limit is 262,144 bytes with attributes; the fields' bounds below keep the body far under it. */
export const BODY_MAX_BYTES = 200_000;

const DELAYED_AFTER_MS = 5 * 60_000;
const SUBJECT_ATTRIBUTE_CHARACTERS = 30;
const SUBJECT_WARD_CHARACTERS = 24;
const ATTRIBUTE_WARD_CHARACTERS = 100;
const VALUE_CHARACTERS = 2_000;
const SAFE_VALUE_CHARACTERS = 200;
const VITALS_SHOWN = 40;

/** UCUM codes as people write them. */
const UNIT_TEXT: Readonly<Record<string, string>> = { 'mm[Hg]': 'mmHg', Cel: '\u00b0C' };

const WHY: Readonly<Record<EvaluationReason, string>> = {
  'out-of-range': 'outside the normal range for the age',
  flagged: 'in a band that the limits table marks as abnormal',
  'back-in-range': 'back in the normal range',
  'bad-value': 'not classified: the value could not be read',
  'implausible-value': 'not classified: no device can mean this value',
  'unknown-patient': 'not classified: no such patient in the patients table',
  'unknown-age': "not classified: the patient's age is unknown",
  'no-threshold-for-attribute': 'not classified: no limits for this attribute',
  'no-band-for-age': "not classified: no limits for the patient's age",
  'no-band-for-value': 'not classified: no band of the limits table covers the value',
};

/** The message for one notification about `event`. */
export function buildMessage(
  event: EpisodeEvent,
  to: { readonly kind: NotificationKind; readonly destination: string },
  options: MessageOptions,
): OutgoingMessage {
  const body = bodyOf(event, to.kind, options);
  const ref = reference(event.episodeId);
  const whole = Buffer.byteLength(body) <= BODY_MAX_BYTES || options.safe;
  return {
    destination: to.destination,
    subject: subjectOf(event, to.kind),
    body: whole ? body : bodyOf(event, to.kind, { ...options, safe: true }),
    attributes: options.safe
      ? {}
      : {
          severity: event.severity,
          kind: to.kind,
          ward: toAscii(event.patient.ward ?? '', ATTRIBUTE_WARD_CHARACTERS) || 'unknown',
          ref,
        },
  };
}

/** ASCII, at most 99 characters, of the patient nothing but the ward. */
function subjectOf(event: EpisodeEvent, kind: NotificationKind): string {
  const tag = kind === 'resolved' ? 'RESOLVED' : event.severity.toUpperCase();
  const attribute = toAscii(event.attribute, SUBJECT_ATTRIBUTE_CHARACTERS) || 'attribute';
  const ward = toAscii(event.patient.ward ?? '', SUBJECT_WARD_CHARACTERS) || 'unknown';
  const subject = `[${tag}] ${attribute} ${headline(event, kind)}, ward ${ward}, ref ${reference(event.episodeId)}`;
  return subject.slice(0, SUBJECT_MAX_CHARACTERS);
}

function headline(event: EpisodeEvent, kind: NotificationKind): string {
  if (kind === 'resolved') return 'resolved';
  if (kind === 'worsened') return 'worsened';
  if (kind === 'stale') return 'no data';
  return event.direction === 'unclassified' ? 'unclassified' : 'alert';
}

function bodyOf(event: EpisodeEvent, kind: NotificationKind, options: MessageOptions): string {
  const text = (value: string | null): string => {
    if (value === null) return 'unknown';
    return options.safe ? bounded(escapeAscii(value), SAFE_VALUE_CHARACTERS) : bounded(value, VALUE_CHARACTERS);
  };
  const unit = (ucum: string | null) => (ucum === null ? '' : ` ${text(UNIT_TEXT[ucum] ?? ucum)}`);
  const time = (iso: string) => timeInZone((parseMicros(iso) ?? 0) / 1000, options.timeZone);
  const { patient, range } = event;
  // Where PRIVACY leaves them out, all three are null; an unknown patient's are said to be unknown.
  const named = patient.name !== null || patient.address !== null || patient.phone !== null;
  const personal = named || event.reason === 'unknown-patient';
  return [
    opening(event, kind, text(event.attribute)),
    ...(options.possibleRepeat
      ? [
          'POSSIBLE REPEAT: an earlier sending of this message may have reached you; whether it did could not be learnt.',
        ]
      : []),
    ...delayed(event),
    '',
    line('Patient id', text(patient.id)),
    ...(personal ? [line('Name', text(patient.name))] : []),
    line('Age', patient.age === null ? 'unknown' : String(patient.age)),
    line('Ward', text(patient.ward)),
    ...(personal ? [line('Address', text(patient.address)), line('Phone', text(patient.phone))] : []),
    '',
    line('Attribute', text(event.attribute)),
    line('Value', event.value === null ? unreadable(event, text) : `${event.value}${unit(event.unit)}`),
    line('Normal range', range === null ? 'unknown' : `${range.low} to ${range.high}${unit(event.unit)}`),
    line('Judgement', WHY[event.reason] ?? text(event.reason)),
    line('Limits table', event.message === '' ? '-' : text(event.message)),
    line('Severity', event.severity),
    ...vitals(event, text),
    '',
    line('Alert since', time(event.since)),
    line('Measured', time(event.measuredAt)),
    ...(event.clock === undefined
      ? []
      : [
          line('Device clock', `WRONG, ${event.clock === 'ahead' ? 'ahead' : 'behind'}: don't go by the time measured`),
        ]),
    line('Evaluated', time(event.evaluatedAt)),
    line('Sent', timeInZone(options.sentMs, options.timeZone)),
    '',
    line('Reference', reference(event.episodeId)),
    line('Event', text(event.eventId)),
    '',
    'Sent by wardwatch. Bedside monitors remain the primary alarm.',
    '',
  ].join('\n');
}

function opening(event: EpisodeEvent, kind: NotificationKind, attribute: string): string {
  // One line whatever the attribute's name holds.
  const name = toAscii(attribute, SUBJECT_ATTRIBUTE_CHARACTERS);
  const severity = event.severity.toUpperCase();
  if (kind === 'resolved') return `RESOLVED: ${name} is back to normal. This ends the alert with the reference below.`;
  if (kind === 'worsened') return `${severity} ALERT: ${name} has become worse.`;
  if (kind === 'stale') return `${severity} ALERT: no more readings of ${name}, while its alert is still open.`;
  if (event.direction === 'unclassified')
    return `${severity} ALERT: ${name} could not be judged. Look at the patient; nothing here says that the value is normal.`;
  return `${severity} ALERT: ${name} is ${event.direction === 'low' ? 'too low' : 'too high'}.`;
}

function delayed(event: EpisodeEvent): string[] {
  const measured = parseMicros(event.measuredAt) ?? 0;
  const lateMs = ((parseMicros(event.evaluatedAt) ?? 0) - measured) / 1000;
  if (lateMs <= DELAYED_AFTER_MS) return [];
  return [`DELAYED DATA: evaluated ${Math.round(lateMs / 60_000)} minutes after it was measured.`];
}

/** The text of a value that is no number stands among the reading's signs. */
function unreadable(event: EpisodeEvent, text: (value: string) => string): string {
  const raw = event.vitals[event.attribute];
  if (raw === undefined) return 'none';
  return event.reason === 'implausible-value' ? text(String(raw)) : `not a number: ${text(String(raw))}`;
}

/** The unit of another sign of the reading, as the attribute table has it. */
function unitOf(name: string): string {
  const ucum = ATTRIBUTES.find((attribute) => attribute.name === name)?.unit;
  return ucum === undefined ? '' : ` ${UNIT_TEXT[ucum] ?? ucum}`;
}

function vitals(event: EpisodeEvent, text: (value: string) => string): string[] {
  const signs = Object.entries(event.vitals);
  const shown = signs
    .slice(0, VITALS_SHOWN)
    .map(([name, value]) => line('All signs', `${text(name)} ${text(String(value))}${unitOf(name)}`));
  return signs.length > VITALS_SHOWN ? [...shown, line('All signs', `and ${signs.length - VITALS_SHOWN} more`)] : shown;
}
