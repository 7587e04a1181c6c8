// Text from the database inside an e-mail: whole, but never able to look like a line of ours.

const UNPRINTED = /[^\x20-\x7e]+/g;
const COMBINING = /\p{M}+/gu;
const LONE_SURROGATE = /\p{Surrogate}/gu;
/** All that some mail reader shows as a new line. */
const LINE_BREAK = /\r\n|[\n\r\v\f\u0085\u2028\u2029]/g;
const LABEL_WIDTH = 15;
const CONTINUATION = '   | ';

/** ASCII without control characters, blanks folded, at most `max` characters: for subjects. */
export function toAscii(text: string, max: number): string {
  const plain = text.normalize('NFKD').replace(COMBINING, '').replace(UNPRINTED, ' ').replace(/ +/g, ' ').trim();
  return plain.slice(0, max).trim();
}

/** ASCII with everything else escaped as in JSON: for the plain message after a refused one. */
export function escapeAscii(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    out += unit >= 0x20 && unit < 0x7f ? text[i] : `\\u${unit.toString(16).padStart(4, '0')}`;
  }
  return out;
}

/** `Label:         value`. A line break in the value is kept, and what follows it is indented behind a bar: lines of ours never are. */
export function line(label: string, value: string): string {
  return `${`${label}:`.padEnd(LABEL_WIDTH)}${value.replace(LINE_BREAK, (found) => `${found}${CONTINUATION}`)}`;
}

/** At most `max` characters (not half of a pair); says how many were left out. */
export function bounded(text: string, max: number): string {
  const whole = text.replace(LONE_SURROGATE, '\ufffd');
  if (whole.length <= max) return whole;
  const points = [...whole];
  return points.length <= max ? whole : `${points.slice(0, max).join('')} ... (${points.length - max} more characters)`;
}

/** `2026-11-24 23:03:48 Europe/Berlin (22:03:48 UTC)`; the date stands twice where the two differ. */
export function timeInZone(ms: number, timeZone: string): string {
  const utc = new Date(ms).toISOString().replace('T', ' ').slice(0, 19);
  if (timeZone === 'UTC') return `${utc} UTC`;
  const parts = new Map(
    zoned(timeZone)
      .formatToParts(ms)
      .map(({ type, value }) => [type, value]),
  );
  const get = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? '';
  const local = `${get('year')}-${get('month')}-${get('day')} ${get('hour')}:${get('minute')}:${get('second')}`;
  const sameDay = local.slice(0, 10) === utc.slice(0, 10);
  return `${local} ${timeZone} (${sameDay ? utc.slice(11) : utc} UTC)`;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function zoned(timeZone: string): Intl.DateTimeFormat {
  const made = formats.get(timeZone);
  if (made) return made;
  const two = '2-digit';
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    year: 'numeric',
    month: two,
    day: two,
    hour: two,
    minute: two,
    second: two,
    hourCycle: 'h23',
  });
  formats.set(timeZone, format);
  return format;
}
