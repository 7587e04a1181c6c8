// Which topics the archive keeps, and how a record of each becomes a row: one row a topic.
import { type DeadReason, decodeVitalInfo } from '../domain/reading.js';
import { remembering } from '../domain/time.js';
import {
  ACCESS_AUDIT_TABLE,
  ALERT_TABLE,
  bigintOf,
  DELIVERY_TABLE,
  type DeadRow,
  deadTable,
  type EventRow,
  GAP_TABLE,
  type Placed,
  type ReadingRow,
  vitalInfoTable,
} from './columns.js';
import { TableRowError } from './errors.js';
import { instantOf } from './instant.js';
import type { LakeTable } from './table.js';
import { TableBuffer } from './table-buffer.js';

/** `skip`: not for the lake (ticks). */
export type Decoded<Message> =
  | { readonly type: 'row'; readonly message: Message }
  | { readonly type: 'skip' }
  | { readonly type: 'dead'; readonly reason: DeadReason };

export interface ArchivedTopic<Message> {
  /** Without KAFKA_PREFIX. */
  readonly topic: string;
  readonly table: LakeTable<Placed<Message>>;
  readonly dead: LakeTable<Placed<DeadRow>>;
  readonly decode: (value: Buffer | null) => Decoded<Message>;
}

/** `attributes`: the vital signs that this deployment reads. */
export function archivedTopics(attributes: readonly string[]): readonly ArchivedTopic<ReadingRow | EventRow>[] {
  const topics = [
    topic('vital-info', vitalInfoTable(attributes), decodeReading),
    topic('vital-gaps', GAP_TABLE, decodeEvent),
    topic('doctors-queue', ALERT_TABLE, decodeEvent),
    topic('alert-deliveries', DELIVERY_TABLE, decodeEvent),
    topic('access-audit', ACCESS_AUDIT_TABLE, decodeEvent),
  ];
  return topics as unknown as readonly ArchivedTopic<ReadingRow | EventRow>[];
}

function topic<Message>(
  name: string,
  table: LakeTable<Placed<Message>>,
  decode: ArchivedTopic<Message>['decode'],
): ArchivedTopic<Message> {
  return { topic: name, table, dead: deadTable(table.name), decode };
}

const SKIP = { type: 'skip' } as const;
const WRONG_SHAPE = { type: 'dead', reason: 'wrong-shape' } as const;

const readAtOf = remembering(instantOf);
const notBeforeOf = remembering(instantOf);

function decodeReading(value: Buffer | null): Decoded<ReadingRow> {
  const decoded = decodeVitalInfo(value);
  if (decoded.type === 'tick') return SKIP;
  if (decoded.type === 'dead') return decoded;
  const { reading } = decoded;
  const rowId = bigintOf(reading.row);
  const recordedUs = instantOf(reading.recordedAt);
  const readUs = readAtOf(reading.readAt);
  const notBeforeUs = reading.notBefore === null ? null : notBeforeOf(reading.notBefore);
  if (rowId === undefined || recordedUs === undefined || readUs === undefined || notBeforeUs === undefined)
    return WRONG_SHAPE;
  return { type: 'row', message: { reading, rowId, recordedUs, readUs, notBeforeUs } };
}

function decodeEvent(value: Buffer | null): Decoded<EventRow> {
  if (value === null || value.length === 0) return { type: 'dead', reason: 'empty' };
  const body = value.toString('utf8');
  let fields: unknown;
  try {
    fields = JSON.parse(body);
  } catch {
    return { type: 'dead', reason: 'not-json' };
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) return WRONG_SHAPE;
  const { v, at } = fields as Record<string, unknown>;
  if (v !== 1) return { type: 'dead', reason: 'unknown-version' };
  const atUs = typeof at === 'string' ? instantOf(at) : undefined;
  if (atUs === undefined) return WRONG_SHAPE;
  return { type: 'row', message: { fields: fields as Record<string, unknown>, atUs, body } };
}

/** Whether a message of vital-info would be a row of the lake, rather than dead. */
export function fitsVitalInfo(attributes: readonly string[]): (message: string) => boolean {
  const table = vitalInfoTable(attributes);
  return (message) => {
    const decoded = decodeReading(Buffer.from(message));
    if (decoded.type !== 'row') return false;
    try {
      new TableBuffer(table).append({ message: decoded.message, partition: 0, offset: 0 });
      return true;
    } catch (error) {
      if (error instanceof TableRowError) return false;
      throw error;
    }
  };
}
