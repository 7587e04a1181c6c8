// Instants: UTC microseconds since 1970 as a number (exact until the year 2255), written as ISO 8601 with six decimals and Z.

/** UTC microseconds since 1970-01-01. */
export type Micros = number;

const ISO = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?Z?$/;

/** `2026-11-24T22:03:48.123456Z`. */
export function formatMicros(us: Micros): string {
  const ms = Math.floor(us / 1000);
  const rest = String(us - ms * 1000).padStart(3, '0');
  return `${new Date(ms).toISOString().slice(0, -1)}${rest}Z`;
}

/** Parses ISO 8601 UTC (also MySQL's `YYYY-MM-DD hh:mm:ss.ffffff` of a UTC session); undefined where it is no instant. */
export function parseMicros(text: string): Micros | undefined {
  const match = ISO.exec(text);
  if (!match) return undefined;
  const ms = Date.parse(`${match[1]}T${match[2]}Z`);
  if (Number.isNaN(ms)) return undefined;
  return ms * 1000 + Number((match[3] ?? '').padEnd(6, '0'));
}

/** Milliseconds (the clock's unit) to microseconds. */
export function microsOfMs(ms: number): Micros {
  return Math.round(ms * 1000);
}

/** The clock's milliseconds as an instant's text. */
export function isoOfMs(ms: number): string {
  return formatMicros(microsOfMs(ms));
}

/** Milliseconds of an instant's text, with fractions; 0 where it is none. */
export function msOfIso(iso: string): number {
  return (parseMicros(iso) ?? 0) / 1000;
}

/** `parse` for texts of which many in a row are the same, as the times of one page of readings are. */
export function remembering(parse: (text: string) => Micros | undefined): (text: string) => Micros | undefined {
  let known = '';
  let us: Micros | undefined;
  return (text) => {
    if (text !== known) {
      us = parse(text);
      known = text;
    }
    return us;
  };
}
