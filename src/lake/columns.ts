// The one column table of the lake: it drives row validation, Parquet schema, DuckDB's views and Hive's DDL.

import { clockFlag } from '../domain/event-time.js';
import type { Patient } from '../domain/patient.js';
import type { DeadReason, Reading } from '../domain/reading.js';
import type { ThresholdRow } from '../domain/threshold.js';
import type { Micros } from '../domain/time.js';
import { microsOfMs } from '../domain/time.js';
import { instantOf } from './instant.js';
import { type Column, type ColumnType, type ColumnValue, type LakeTable, PARTITION_COLUMNS } from './table.js';

/** A decoded message and where in Kafka it lies. */
export interface Placed<Message> {
  readonly message: Message;
  readonly partition: number;
  readonly offset: number;
}

/** A reading with its instants read. */
export interface ReadingRow {
  readonly reading: Reading;
  /** BIGINT UNSIGNED in RDS, but no table hands out ids above 2^63 - 1: such a row is dead, with all its bytes, rather than wrong. */
  readonly rowId: bigint;
  readonly recordedUs: Micros;
  readonly readUs: Micros;
  readonly notBeforeUs: Micros | null;
}

/** A message of an event topic, checked for what makes it a row; the rest is taken as far as it fits and kept whole in `body`. */
export interface EventRow {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly atUs: Micros;
  /** The message as it came. */
  readonly body: string;
}

/** A record that can't be decoded, as it came. */
export interface DeadRow {
  readonly value: Uint8Array | null;
  readonly key: Uint8Array | null;
  /** JSON: name → base64 of the bytes. */
  readonly headers: string | null;
  readonly timestampMs: number;
  readonly reason: DeadReason;
}

/** A row of a reference table in one version of it. */
export interface ImportedRow<Row> {
  readonly version: string;
  readonly importedAt: Micros;
  readonly row: Row;
  readonly deleted: boolean;
}

function column<Row>(
  name: string,
  type: ColumnType,
  required: 'required' | 'optional',
  value: (row: Row) => ColumnValue,
): Column<Row> {
  return { name, type, required: required === 'required', value };
}

const KAFKA_PLACE: readonly Column<Placed<unknown>>[] = [
  column('kafka_partition', 'int32', 'required', (p) => p.partition),
  column('kafka_offset', 'count', 'required', (p) => p.offset),
];

/** heartBeat → heart_beat. */
export function columnName(attribute: string): string {
  return attribute
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replace(/[^a-z0-9_]/g, '_');
}

/** Columns of the view patients_vital_info besides the attributes, folded. */
const READINGS_VIEW_COLUMNS = ['id', 'customerid', 'recorded_at', ...PARTITION_COLUMNS];

/** Attributes are data: one optional column each, so that one configured later is one column more. A value without a column goes to `other`. */
export function vitalInfoTable(attributes: readonly string[]): LakeTable<Placed<ReadingRow>> {
  const known = new Set(attributes);
  const vitals = attributes.map((name) =>
    column<Placed<ReadingRow>>(columnName(name), 'double', 'optional', (p) => p.message.reading.values[name]),
  );
  const columns: Column<Placed<ReadingRow>>[] = [
    column('source', 'string', 'required', (p) => p.message.reading.source),
    column('row_id', 'int64', 'required', (p) => p.message.rowId),
    column('patient_id', 'string', 'required', (p) => p.message.reading.patientId),
    column('recorded_at', 'timestamp', 'required', (p) => p.message.recordedUs),
    column('time_source', 'string', 'required', (p) => p.message.reading.timeSource),
    column('read_at', 'timestamp', 'required', (p) => p.message.readUs),
    column('not_before', 'timestamp', 'optional', (p) => p.message.notBeforeUs),
    column('clock', 'string', 'optional', (p) =>
      clockFlag(p.message.recordedUs, p.message.readUs, p.message.notBeforeUs),
    ),
    column('mark', 'string', 'optional', (p) => p.message.reading.mark),
    ...vitals,
    column('bad', 'string', 'optional', (p) => jsonUnlessEmpty(p.message.reading.bad)),
    column('other', 'string', 'optional', (p) => otherOf(p.message.reading, known)),
    ...KAFKA_PLACE,
  ];
  // Engines fold case, and the view under the original name has columns of its own beside the attributes.
  const names = [...columns.map(({ name }) => name), ...PARTITION_COLUMNS];
  const shown = [...READINGS_VIEW_COLUMNS, ...attributes.map((name) => name.toLowerCase())];
  for (const [table, all] of [
    ['vital_info', names],
    ['patients_vital_info', shown],
  ] as const) {
    const twice = all.find((name, i) => all.indexOf(name) !== i);
    if (twice) throw new Error(`two columns of ${table} would be called ${twice}: rename the attribute`);
  }
  return { name: 'vital_info', columns, key: 'row_id', time: (p) => p.message.recordedUs };
}

function otherOf({ values, other }: Reading, known: ReadonlySet<string>): string | null {
  let extra: Record<string, unknown> | undefined;
  for (const name in values) {
    if (known.has(name)) continue;
    extra ??= { ...other };
    extra[name] = values[name];
  }
  return jsonUnlessEmpty(extra ?? other);
}

function jsonUnlessEmpty(object: Readonly<Record<string, unknown>>): string | null {
  for (const _ in object) return JSON.stringify(object);
  return null;
}

export function deadTable(of: string): LakeTable<Placed<DeadRow>> {
  return {
    name: `${of}_dead`,
    columns: [
      column('reason', 'string', 'required', (p) => p.message.reason),
      column('raw', 'bytes', 'optional', (p) => p.message.value),
      column('record_key', 'bytes', 'optional', (p) => p.message.key),
      column('headers', 'string', 'optional', (p) => p.message.headers),
      column('kafka_timestamp', 'timestamp', 'required', (p) => plausibleMicros(p.message.timestampMs)),
      ...KAFKA_PLACE,
    ],
    key: 'kafka_offset',
    time: (p) => plausibleMicros(p.message.timestampMs),
  };
}

const YEAR_10000_MS = 253_402_300_800_000;

/** A producer may write any number as a record's timestamp; a folder needs a date. What is none becomes 1970. */
export function plausibleMicros(ms: number): Micros {
  return ms >= 0 && ms < YEAR_10000_MS ? microsOfMs(ms) : 0;
}

type Event = Placed<EventRow>;

const at: Column<Event> = column('at', 'timestamp', 'required', (p) => p.message.atUs);
const body: Column<Event> = column('body', 'string', 'required', (p) => p.message.body);

/** A field of the message, NULL where it is absent or of another type: `body` has it whole. */
function field(
  name: string,
  from: string,
  type: 'string' | 'double' | 'int32' | 'boolean' | 'timestamp',
): Column<Event> {
  return column(name, type, 'optional', (p) => {
    const value = from.split('.').reduce<unknown>(inner, p.message.fields);
    if (type === 'timestamp') return typeof value === 'string' ? instantOf(value) : null;
    if (type === 'int32') return typeof value === 'number' && (value | 0) === value ? value : null;
    if (type === 'double') return typeof value === 'number' && Number.isFinite(value) ? value : null;
    return typeof value === type ? (value as string | boolean) : null;
  });
}

/** Watch's events carry the patient, those of people only the id. */
function patientIdOf(fields: Readonly<Record<string, unknown>>): string | null {
  const id = inner(fields.patient, 'id') ?? fields.patientId;
  return typeof id === 'string' ? id : null;
}

function inner(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function eventTable(name: string, fields: readonly Column<Event>[]): LakeTable<Event> {
  return { name, columns: [...fields, at, body, ...KAFKA_PLACE], key: 'kafka_offset', time: (p) => p.message.atUs };
}

/** Ranges of ids that were proved to be rolled back: the audit looks at them again. */
export const GAP_TABLE = eventTable('gap', [
  field('source', 'source', 'string'),
  column('first_id', 'int64', 'required', (p) => bigintOf(p.message.fields.from)),
  column('last_id', 'int64', 'required', (p) => bigintOf(p.message.fields.to)),
  field('evidence', 'evidence', 'string'),
]);

/** What doctors-queue carried: the alert's history. */
export const ALERT_TABLE = eventTable('alert', [
  column('event_id', 'string', 'required', (p) => p.message.fields.eventId as string),
  column('kind', 'string', 'required', (p) => p.message.fields.kind as string),
  field('episode_id', 'episodeId', 'string'),
  field('event_index', 'index', 'int32'),
  field('written_by', 'by', 'string'),
  column('patient_id', 'string', 'optional', (p) => patientIdOf(p.message.fields)),
  field('ward', 'patient.ward', 'string'),
  field('attribute', 'attribute', 'string'),
  field('direction', 'direction', 'string'),
  field('reason', 'reason', 'string'),
  field('value', 'value', 'double'),
  field('unit', 'unit', 'string'),
  field('range_low', 'range.low', 'double'),
  field('range_high', 'range.high', 'double'),
  field('severity', 'severity', 'string'),
  field('message', 'message', 'string'),
  field('reading_id', 'readingId', 'string'),
  field('since', 'since', 'timestamp'),
  field('measured_at', 'measuredAt', 'timestamp'),
  field('clock', 'clock', 'string'),
  field('evaluated_at', 'evaluatedAt', 'timestamp'),
  field('threshold_version', 'thresholdVersion', 'string'),
  field('patient_version', 'patientVersion', 'string'),
  field('policy_version', 'policyVersion', 'string'),
]);

/** What alert-deliveries carried: each notification's decisions, attempts and outcomes. */
export const DELIVERY_TABLE = eventTable('delivery', [
  column('notification_id', 'string', 'required', (p) => p.message.fields.notificationId as string),
  column('state', 'string', 'required', (p) => p.message.fields.state as string),
  column('kind', 'string', 'required', (p) => p.message.fields.kind as string),
  field('trigger_id', 'trigger', 'string'),
  field('event_id', 'eventId', 'string'),
  field('episode_id', 'episodeId', 'string'),
  field('n', 'n', 'int32'),
  field('destination', 'destination', 'string'),
  field('reason', 'reason', 'string'),
  field('attempt', 'attempt', 'int32'),
  field('due', 'due', 'timestamp'),
  field('sns_message_id', 'snsMessageId', 'string'),
  field('covered_by', 'coveredBy', 'string'),
  field('possible_repeat', 'possibleRepeat', 'boolean'),
]);

/** What access-audit carried: who looked at whom. */
export const ACCESS_AUDIT_TABLE = eventTable('access_audit', [
  field('user_name', 'user', 'string'),
  field('action', 'action', 'string'),
  field('patient_id', 'patientId', 'string'),
]);

function imported<Row>(
  name: string,
  key: string,
  columns: readonly Column<ImportedRow<Row>>[],
): LakeTable<ImportedRow<Row>> {
  return {
    name,
    columns: [
      column('version', 'string', 'required', (r) => r.version),
      column('imported_at', 'timestamp', 'required', (r) => r.importedAt),
      column('deleted', 'boolean', 'required', (r) => r.deleted),
      ...columns,
    ],
    key,
    time: (r) => r.importedAt,
  };
}

export const PATIENT_TABLE = imported<Patient>('patient', 'patient_id', [
  column('patient_id', 'string', 'required', (r) => r.row.id),
  column('name', 'string', 'optional', (r) => r.row.name),
  column('address', 'string', 'optional', (r) => r.row.address),
  column('phone', 'string', 'optional', (r) => r.row.phone),
  column('ward', 'string', 'optional', (r) => r.row.ward),
  column('age', 'int32', 'optional', (r) => r.row.age),
  column('other_details', 'string', 'optional', (r) => r.row.otherDetails),
  column('date_of_birth', 'string', 'optional', (r) => r.row.dateOfBirth ?? null),
]);

export const THRESHOLD_TABLE = imported<ThresholdRow>('threshold', 'attribute', [
  column('attribute', 'string', 'required', (r) => r.row.attribute),
  column('low_age', 'double', 'required', (r) => r.row.lowAge),
  column('high_age', 'double', 'required', (r) => r.row.highAge),
  column('low_value', 'double', 'required', (r) => r.row.lowValue),
  column('high_value', 'double', 'required', (r) => r.row.highValue),
  column('alert', 'boolean', 'required', (r) => r.row.alert),
  column('message', 'string', 'required', (r) => r.row.message),
  column('severity', 'string', 'required', (r) => r.row.severity),
  column('unit', 'string', 'optional', (r) => r.row.unit),
]);

const DECIMAL = /^-?\d{1,19}$/;

/** Decimal text as a bigint, undefined where it is none (a required column then refuses the row). */
export function bigintOf(text: unknown): bigint | undefined {
  return typeof text === 'string' && DECIMAL.test(text) ? BigInt(text) : undefined;
}

/** All tables of a lake, for views and DDL. */
export function lakeTables(attributes: readonly string[]): readonly LakeTable<never>[] {
  const archived = [vitalInfoTable(attributes), GAP_TABLE, ALERT_TABLE, DELIVERY_TABLE, ACCESS_AUDIT_TABLE];
  return [...archived, ...archived.map(({ name }) => deadTable(name)), PATIENT_TABLE, THRESHOLD_TABLE];
}
