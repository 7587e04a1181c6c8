// A reading: one row of patients_vital_info as it travels on vital-info, and the tick that proves that silence means silence.

/** The message on vital-info (contracts.md). Times are ISO 8601 UTC with six decimals. */
export interface Reading {
  readonly v: 1;
  readonly source: string;
  /** The row's key as decimal text: BIGINT UNSIGNED exceeds a JavaScript number. */
  readonly row: string;
  readonly patientId: string;
  readonly recordedAt: string;
  readonly timeSource: 'row' | 'poll';
  readonly readAt: string;
  /** The poller's last read that reached the table's end without this row; null at a first start. */
  readonly notBefore: string | null;
  readonly mark?: 'backfill' | 'replayed';
  readonly values: Readonly<Record<string, number>>;
  /** Attributes whose value can't be used: the text as it came. Raises "unclassified". */
  readonly bad: Readonly<Record<string, string>>;
  /** Unmapped columns. */
  readonly other: Readonly<Record<string, unknown>>;
}

/** Written to each partition every 2 s while the poller reads to the table's end. */
export interface Tick {
  readonly v: 1;
  readonly kind: 'tick';
  readonly source: string;
  readonly partition: number;
  readonly at: string;
}

/** Why a record is dead: a closed set, also the metric label and the column `reason` of the dead table. */
export type DeadReason = 'empty' | 'not-json' | 'unknown-version' | 'wrong-shape';

export type VitalInfo =
  | { readonly type: 'reading'; readonly reading: Reading }
  | { readonly type: 'tick'; readonly tick: Tick }
  | { readonly type: 'dead'; readonly reason: DeadReason };

/** How a number stands in text: what MySQL writes, and devices that write into text columns. */
export const NUMBER_TEXT = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?\s*$/i;

const TIME_TEXT = '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{6}Z';
const TIME = new RegExp(`^${TIME_TEXT}$`);
/** Text in which nothing is escaped. */
const PLAIN_TEXT = '[\\w .:@/+-]*';
/** A reading as the poller writes nearly all of them. One match costs a third of parsing the whole as JSON. */
const USUAL = new RegExp(
  `^\\{"v":1,"source":"(${PLAIN_TEXT})","row":"(${PLAIN_TEXT})","patientId":"(${PLAIN_TEXT})",` +
    `"recordedAt":"(${TIME_TEXT})","timeSource":"(row|poll)","readAt":"(${TIME_TEXT})","notBefore":(?:null|"(${TIME_TEXT})"),` +
    '"values":(\\{[^}]*\\}),"bad":\\{\\},"other":(\\{.*\\})\\}$',
);
const NAMES = /^\{"v":\d+,"source":"([\w .:@/+-]*)","row":"(\d+)"/;
const ROW_ID = /^(?:0|[1-9]\d{0,19})$/;
const NOTHING = Object.freeze({});
/** Characters of ids, names of signs and unusable texts: an event repeats them, and one that Kafka can't take would hold up all behind it. */
export const REPEATED_AT_MOST = 131_072;
/** Each sign may raise an event. */
const SIGNS_AT_MOST = 1_000;
/** A text that is no longer can't have more of either. */
const SURELY_FITS = 4_096;

/** Decodes one record of vital-info. Checked by hand, not by a schema library: this runs for every reading of the hospital. */
export function decodeVitalInfo(value: Buffer | string | null): VitalInfo {
  if (value === null || value.length === 0) return { type: 'dead', reason: 'empty' };
  const text = typeof value === 'string' ? value : value.toString('utf8');
  const usual = usualReading(text);
  if (usual) return fitting(usual, text);
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return { type: 'dead', reason: 'not-json' };
  }
  if (!isObject(message)) return { type: 'dead', reason: 'wrong-shape' };
  if (message.v !== 1) return { type: 'dead', reason: 'unknown-version' };
  if (message.kind === 'tick') {
    return typeof message.at === 'string' && TIME.test(message.at) && Number.isInteger(message.partition)
      ? { type: 'tick', tick: message as unknown as Tick }
      : { type: 'dead', reason: 'wrong-shape' };
  }
  return isReading(message) ? fitting(message as unknown as Reading, text) : { type: 'dead', reason: 'wrong-shape' };
}

/** No poller writes more than events can hold. */
function fitting(reading: Reading, text: string): VitalInfo {
  if (text.length <= SURELY_FITS) return { type: 'reading', reading };
  const signs = [...Object.entries(reading.values), ...Object.entries(reading.bad)];
  const named = signs.reduce((sum, [name, value]) => sum + name.length + String(value).length, 0);
  const repeated = named + reading.source.length + reading.row.length + reading.patientId.length;
  const fits = signs.length <= SIGNS_AT_MOST && repeated <= REPEATED_AT_MOST;
  return fits ? { type: 'reading', reading } : { type: 'dead', reason: 'wrong-shape' };
}

/** Which reading a record is about that can't be decoded, as far as its bytes still say; undefined where they don't. */
export function readingNamedBy(value: Buffer | null): { readonly source: string; readonly row: string } | undefined {
  if (value === null) return undefined;
  const text = value.toString('utf8');
  let named: unknown;
  try {
    named = JSON.parse(text);
  } catch {
    // Cut off or damaged further behind: both names stand in the head.
    const [, source, row] = NAMES.exec(text) ?? [];
    named = { source, row };
  }
  if (!isObject(named) || typeof named.source !== 'string' || typeof named.row !== 'string') return undefined;
  return ROW_ID.test(named.row) ? { source: named.source, row: named.row } : undefined;
}

/** Exactly what parsing the whole would give; undefined where the text is no usual one, whatever else it may be. */
function usualReading(text: string): Reading | undefined {
  const match = USUAL.exec(text);
  if (!match) return undefined;
  const [, source = '', row = '', patientId = '', recordedAt = '', timeSource, readAt = '', notBefore = null] = match;
  const values = objectOf(match[8] ?? '');
  const other = match[9] === '{}' ? NOTHING : objectOf(match[9] ?? '');
  if (!isRecordOf(values, 'number') || !other) return undefined;
  return {
    v: 1,
    source,
    row,
    patientId,
    recordedAt,
    timeSource: timeSource === 'row' ? 'row' : 'poll',
    readAt,
    notBefore,
    values: values as Readonly<Record<string, number>>,
    bad: NOTHING,
    other,
  };
}

function objectOf(json: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return JSON.parse(json) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}

function isReading(m: Record<string, unknown>): boolean {
  return (
    typeof m.source === 'string' &&
    typeof m.row === 'string' &&
    typeof m.patientId === 'string' &&
    typeof m.recordedAt === 'string' &&
    TIME.test(m.recordedAt) &&
    (m.timeSource === 'row' || m.timeSource === 'poll') &&
    typeof m.readAt === 'string' &&
    TIME.test(m.readAt) &&
    (m.notBefore === null || (typeof m.notBefore === 'string' && TIME.test(m.notBefore))) &&
    (m.mark === undefined || m.mark === 'backfill' || m.mark === 'replayed') &&
    isRecordOf(m.values, 'number') &&
    isRecordOf(m.bad, 'string') &&
    isObject(m.other)
  );
}

function isRecordOf(value: unknown, type: 'number' | 'string'): boolean {
  if (!isObject(value)) return false;
  for (const key in value) if (typeof value[key] !== type) return false;
  return true;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
