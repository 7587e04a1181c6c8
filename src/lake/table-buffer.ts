// Rows of one lake table as columns in memory: validated before anything is kept, because parquetjs-lite corrupts silently.
import type { Micros } from '../domain/time.js';
import { TableRowError } from './errors.js';
import type { Column, ColumnType, ColumnValue, LakeTable } from './table.js';

const INT32_MAX = 2 ** 31 - 1;
const INT64_MAX = 2n ** 63n - 1n;
const FIRST_ROOM = 256;

type Values = Float64Array | BigInt64Array | Int32Array | (string | Uint8Array | boolean)[];

/** One column's values as the encoder takes them. */
export interface ColumnData {
  readonly name: string;
  readonly type: ColumnType;
  readonly required: boolean;
  /** Values without the NULLs. */
  readonly values: Values;
  /** How many of `values` count. */
  readonly filled: number;
  /** Per row 1, or 0 for NULL; undefined for a required column. */
  readonly present: Uint8Array | undefined;
}

interface Filling<Row> {
  readonly column: Column<Row>;
  values: Values;
  filled: number;
  present: Uint8Array | undefined;
}

/** Grows row by row. A row that a column refuses leaves no trace. */
export class TableBuffer<Row> {
  readonly table: LakeTable<Row>;
  readonly #columns: Filling<Row>[];
  readonly #scratch: ColumnValue[];
  #rows = 0;
  #minTime = Number.POSITIVE_INFINITY;
  #maxTime = Number.NEGATIVE_INFINITY;

  constructor(table: LakeTable<Row>) {
    this.table = table;
    this.#columns = table.columns.map((column) => ({
      column,
      values: emptyValues(column.type),
      filled: 0,
      present: column.required ? undefined : new Uint8Array(FIRST_ROOM),
    }));
    this.#scratch = new Array<ColumnValue>(table.columns.length);
  }

  get rows(): number {
    return this.#rows;
  }

  /** Of the instants that decide on the hour; infinite while there is no row. */
  get times(): { readonly min: Micros; readonly max: Micros } {
    return { min: this.#minTime, max: this.#maxTime };
  }

  /** Throws TableRowError, having kept nothing of the row, where a value doesn't fit its column. */
  append(row: Row): void {
    const columns = this.#columns;
    const scratch = this.#scratch;
    for (let i = 0; i < columns.length; i++) {
      const { column } = columns[i] as Filling<Row>;
      const value = column.value(row);
      const why = value === null || value === undefined ? nullRefused(column.required) : refused(column.type, value);
      if (why) throw new TableRowError(this.table.name, column.name, why);
      scratch[i] = value;
    }
    for (let i = 0; i < columns.length; i++) push(columns[i] as Filling<Row>, scratch[i], this.#rows);
    this.#rows += 1;
    const time = this.table.time(row);
    if (time < this.#minTime) this.#minTime = time;
    if (time > this.#maxTime) this.#maxTime = time;
  }

  /** The columns so far; they must not be read any more after the next append. */
  columns(): readonly ColumnData[] {
    return this.#columns.map(({ column, values, filled, present }) => ({
      name: column.name,
      type: column.type,
      required: column.required,
      values: Array.isArray(values) ? values : values.subarray(0, filled),
      filled,
      present: present?.subarray(0, this.#rows),
    }));
  }
}

function nullRefused(required: boolean): string | undefined {
  return required ? 'NULL in a required column' : undefined;
}

function refused(type: ColumnType, value: NonNullable<ColumnValue>): string | undefined {
  switch (type) {
    case 'string':
      return typeof value === 'string' ? (isWellFormed(value) ? undefined : 'half a surrogate pair') : 'not a string';
    case 'bytes':
      return value instanceof Uint8Array ? undefined : 'not bytes';
    case 'int32':
      return typeof value === 'number' && Number.isInteger(value) && value <= INT32_MAX && value >= -INT32_MAX - 1
        ? undefined
        : 'not a 32-bit integer';
    case 'int64':
      return typeof value === 'bigint' && value <= INT64_MAX && value >= -INT64_MAX - 1n
        ? undefined
        : 'not a bigint of 64 bits';
    case 'count':
    case 'timestamp':
      return Number.isSafeInteger(value) ? undefined : 'not a safe integer';
    case 'double':
      return typeof value === 'number' && Number.isFinite(value) ? undefined : 'not a finite number';
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'not a boolean';
  }
}

/** In Node 20 and newer, but not in the es2023 library's types. */
function isWellFormed(text: string): boolean {
  return (text as string & { isWellFormed(): boolean }).isWellFormed();
}

function emptyValues(type: ColumnType): Values {
  switch (type) {
    case 'int64':
      return new BigInt64Array(FIRST_ROOM);
    case 'count':
    case 'timestamp':
    case 'double':
      return new Float64Array(FIRST_ROOM);
    case 'int32':
      return new Int32Array(FIRST_ROOM);
    default:
      return [];
  }
}

function push<Row>(filling: Filling<Row>, value: ColumnValue, row: number): void {
  const absent = value === null || value === undefined;
  if (filling.present) {
    if (row === filling.present.length) filling.present = grown(filling.present, new Uint8Array(row * 2));
    filling.present[row] = absent ? 0 : 1;
  }
  if (absent) return;
  const { values, filled } = filling;
  if (Array.isArray(values)) values.push(value as string);
  else if (values instanceof Float64Array) {
    const room = filled < values.length ? values : grown(values, new Float64Array(filled * 2));
    room[filled] = value as number;
    filling.values = room;
  } else if (values instanceof BigInt64Array) {
    const room = filled < values.length ? values : grown(values, new BigInt64Array(filled * 2));
    room[filled] = value as bigint;
    filling.values = room;
  } else {
    const room = filled < values.length ? values : grown(values, new Int32Array(filled * 2));
    room[filled] = value as number;
    filling.values = room;
  }
  filling.filled += 1;
}

function grown<T extends Float64Array | BigInt64Array | Int32Array | Uint8Array>(from: T, to: T): T {
  (to as { set(array: T): void }).set(from);
  return to;
}
