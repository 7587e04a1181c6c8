// From a row of patients_vital_info to its message on vital-info: what is usable as numbers, what isn't as it came.
import type { Attribute } from './attributes.js';
import type { VitalsMapping } from './mapping.js';
import { NUMBER_TEXT, REPEATED_AT_MOST, type Reading } from './reading.js';
import { createWallReader, type WallReader } from './zone.js';

/** How a column's text is to be read: `datetime` in the database's zone, `timestamp` in UTC. */
export type ColumnKind = 'datetime' | 'timestamp' | 'other';

export interface RowColumn {
  readonly name: string;
  readonly kind: ColumnKind;
}

/** One reading, ready for Kafka. */
export interface EncodedReading {
  /** The row's key as decimal text without leading zeros. */
  readonly row: string;
  /** Kafka's key; empty where the row has none, and the beginning of one that no reading can hold. */
  readonly patientId: string;
  /** The message, JSON. */
  readonly value: string;
  readonly recordedAt: string;
  /** Attributes whose value can't be used. */
  readonly bad: readonly string[];
  /** Columns were left out because the message would have been too large for Kafka. */
  readonly cut: boolean;
}

/** Both ISO 8601 UTC. `notBefore`: the last read that reached the table's end without this row. */
export interface ReadStamp {
  readonly readAt: string;
  readonly notBefore: string | null;
}

export type RowEncoder = (row: readonly unknown[], stamp: ReadStamp) => EncodedReading;

/** Columns of the mapping that the table does not have. */
export class ColumnsMissingError extends Error {
  override readonly name = 'ColumnsMissingError';
  readonly columns: readonly string[];
  constructor(columns: readonly string[]) {
    super(`columns missing: ${columns.join(', ')}`);
    this.columns = columns;
  }
}

/** Key and value together: below the topic's max.message.bytes (1 MiB), with room for what Kafka adds. */
const MESSAGE_BYTES_AT_MOST = 960 * 1024;
/** A character of JavaScript's is three bytes of UTF-8 at most. */
const BYTES_A_CHARACTER = 3;
const BAD_TEXT_KEPT = 1_000;
const NONE: readonly string[] = [];
const PLAIN = /^[\w .:@/+-]*$/;

/**
 * Builds the encoder for rows of these columns. The first column is the key, whatever its name. Column names are compared
 * as MySQL does, without case. Throws ColumnsMissingError.
 */
export function createRowEncoder(
  options: {
    readonly source: string;
    readonly mapping: VitalsMapping;
    readonly attributes: readonly Attribute[];
    readonly wall: WallReader;
  },
  columns: readonly RowColumn[],
): RowEncoder {
  const { mapping, wall } = options;
  const places = new Map<string, number>();
  columns.forEach((column, index) => {
    const name = column.name.toLowerCase();
    if (index > 0 && !places.has(name)) places.set(name, index);
  });
  const missing: string[] = [];
  const place = (name: string): number => {
    const index = places.get(name.toLowerCase());
    if (index === undefined) missing.push(name);
    return index ?? 0;
  };
  const patientAt = place(mapping.patientId);
  const recordedAtPlace = mapping.recordedAt === null ? undefined : place(mapping.recordedAt);
  const signs = mapping.attributes.map(({ name, column }) => {
    const { low, high } = options.attributes.find((known) => known.name === name)?.plausible ?? {
      low: Number.NEGATIVE_INFINITY,
      high: Number.POSITIVE_INFINITY,
    };
    return { name, json: JSON.stringify(name), index: place(column), low, high };
  });
  if (missing.length > 0) throw new ColumnsMissingError(missing);
  const mapped = new Set(
    [mapping.key, mapping.patientId, mapping.recordedAt ?? mapping.key].map((n) => n.toLowerCase()),
  );
  for (const { column } of mapping.attributes) mapped.add(column.toLowerCase());
  const others = [...places]
    .filter(([name]) => !mapped.has(name))
    .map(([, index]) => {
      const { name, kind } = columns[index] as RowColumn;
      return { json: JSON.stringify(name), index, kind };
    });
  const recordedKind = recordedAtPlace === undefined ? 'other' : (columns[recordedAtPlace] as RowColumn).kind;
  const utc = createWallReader('UTC');
  const head = `{"v":1,"source":${JSON.stringify(options.source)},"row":"`;

  const instant = (value: unknown, kind: ColumnKind): string | undefined => {
    if (typeof value !== 'string') return undefined;
    return kind === 'timestamp' ? utc(value) : wall(value);
  };

  return (row, stamp) => {
    const id = keyText(row[0]);
    const patient = row[patientAt];
    const named = patient === null || patient === undefined ? '' : textOf(patient);
    // Kafka takes no key of any length. Without a patient the message is no reading: the row is a dead one, by its id.
    const isEndless = named.length > REPEATED_AT_MOST;
    const patientId = isEndless ? named.slice(0, BAD_TEXT_KEPT) : named;
    const own = recordedAtPlace === undefined ? undefined : instant(row[recordedAtPlace], recordedKind);
    const recordedAt = own ?? stamp.readAt;
    let values = '';
    let bad = '';
    let badNames: string[] | undefined;
    for (const { name, json, index, low, high } of signs) {
      const value = row[index];
      if (value === null || value === undefined) continue;
      const number =
        typeof value === 'number'
          ? value
          : typeof value === 'string' && NUMBER_TEXT.test(value)
            ? Number(value)
            : Number.NaN;
      if (number >= low && number <= high && Number.isFinite(number)) {
        values += `${values === '' ? '' : ','}${json}:${number}`;
      } else {
        bad += `${bad === '' ? '' : ','}${json}:${JSON.stringify(textOf(value).slice(0, BAD_TEXT_KEPT))}`;
        badNames = badNames ?? [];
        badNames.push(name);
      }
    }
    let other = '';
    for (const { json, index, kind } of others)
      other += `${other === '' ? '' : ','}${json}:${otherJson(row[index], kind, instant)}`;
    const start =
      `${head}${id}","patientId":${isEndless ? `null,"~patientId":${named.length}` : jsonText(patientId)},"recordedAt":"${recordedAt}"` +
      `,"timeSource":"${own === undefined ? 'poll' : 'row'}","readAt":"${stamp.readAt}"` +
      `,"notBefore":${stamp.notBefore === null ? 'null' : `"${stamp.notBefore}"`},"values":{${values}},"bad":{${bad}},"other":`;
    let value = `${start}{${other}}}`;
    const cut =
      (value.length + patientId.length) * BYTES_A_CHARACTER > MESSAGE_BYTES_AT_MOST &&
      Buffer.byteLength(value) + Buffer.byteLength(patientId) > MESSAGE_BYTES_AT_MOST;
    if (cut) value = `${start}{"~cut":${other.length}}}`;
    return { row: id, patientId, value, recordedAt, bad: badNames ?? NONE, cut };
  };
}

const BEFORE_VALUES = ',"values":{';

/** The message with a mark. Inside a JSON text no quote stands bare, so the first such place is the message's own. */
export function markedMessage(value: string, mark: NonNullable<Reading['mark']>): string {
  const at = value.indexOf(BEFORE_VALUES);
  if (at < 0) throw new Error('no message of a reading');
  return `${value.slice(0, at)},"mark":"${mark}"${value.slice(at)}`;
}

function keyText(value: unknown): string {
  const text = String(value);
  // ZEROFILL pads; ids are compared as text.
  return text.length > 1 && text.startsWith('0') ? String(BigInt(text)) : text;
}

function jsonText(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Buffer.isBuffer(value)) return value.toString('base64');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function otherJson(
  value: unknown,
  kind: ColumnKind,
  instant: (value: unknown, kind: ColumnKind) => string | undefined,
): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : `"${value}"`;
  if (Buffer.isBuffer(value)) return `"${value.toString('base64')}"`;
  if (typeof value !== 'string') return JSON.stringify(value);
  if (kind === 'other') return jsonText(value);
  return jsonText(instant(value, kind) ?? value);
}
