// Rows of one lake table as columns in memory: validated before anything is kept, because parquetjs-lite corrupts silently.
import type { Micros } from '../domain/time.js';
import { type ColumnValues, columnValues, refusal } from './column-values.js';
import { TableRowError } from './errors.js';
import type { Column, ColumnType, ColumnValue, LakeTable } from './table.js';

const FIRST_ROOM = 32;

/** One column as the encoder takes it. */
export interface ColumnData {
  readonly name: string;
  readonly type: ColumnType;
  /** Without the NULLs. */
  readonly values: ColumnValues;
  /** Per row 1, or 0 for NULL; undefined for a required column. */
  readonly present: Uint8Array | undefined;
}

/** What the key column holds: first and last row for the read-back, least and greatest for the commit record. */
export interface KeyRange {
  readonly first: string;
  readonly last: string;
  readonly min: string;
  readonly max: string;
}

interface Filling<Row> {
  readonly column: Column<Row>;
  readonly values: ColumnValues;
  present: Uint8Array | undefined;
}

type Key = string | number | bigint;

/** Grows row by row. A row that a column refuses leaves no trace. */
export class TableBuffer<Row> {
  readonly table: LakeTable<Row>;
  readonly #columns: Filling<Row>[];
  readonly #scratch: ColumnValue[];
  readonly #keyAt: number;
  #keys: { first: Key; last: Key; min: Key; max: Key } | undefined;
  #rows = 0;
  #minTime = Number.POSITIVE_INFINITY;
  #maxTime = Number.NEGATIVE_INFINITY;

  constructor(table: LakeTable<Row>) {
    this.table = table;
    this.#columns = table.columns.map((column) => ({
      column,
      values: columnValues(column.type),
      present: column.required ? undefined : new Uint8Array(FIRST_ROOM),
    }));
    this.#scratch = new Array<ColumnValue>(table.columns.length);
    this.#keyAt = table.columns.findIndex(({ name, required }) => name === table.key && required);
    if (this.#keyAt < 0) throw new Error(`${table.name}: the key ${table.key} is no required column`);
  }

  get rows(): number {
    return this.#rows;
  }

  /** Of the instants that decide on the hour; infinite while there is no row. */
  get times(): { readonly min: Micros; readonly max: Micros } {
    return { min: this.#minTime, max: this.#maxTime };
  }

  /** Undefined while there is no row. */
  get keys(): KeyRange | undefined {
    const keys = this.#keys;
    if (!keys) return undefined;
    return { first: String(keys.first), last: String(keys.last), min: String(keys.min), max: String(keys.max) };
  }

  /** Throws TableRowError, having kept nothing of the row, where a value doesn't fit its column. */
  append(row: Row): void {
    const columns = this.#columns;
    const scratch = this.#scratch;
    for (let i = 0; i < columns.length; i++) {
      const { column } = columns[i] as Filling<Row>;
      const value = column.value(row);
      let why: string | undefined;
      if (value !== null && value !== undefined) why = refusal(column.type, value);
      else if (column.required) why = 'NULL in a required column';
      if (why) throw new TableRowError(this.table.name, column.name, why);
      scratch[i] = value;
    }
    for (let i = 0; i < columns.length; i++) this.#push(columns[i] as Filling<Row>, scratch[i]);
    this.#rows += 1;
    this.#note(scratch[this.#keyAt] as Key, this.table.time(row));
  }

  /** The columns so far; they must not be read any more after the next append. */
  columns(): readonly ColumnData[] {
    return this.#columns.map(({ column, values, present }) => ({
      name: column.name,
      type: column.type,
      values,
      present: present?.subarray(0, this.#rows),
    }));
  }

  #push(filling: Filling<Row>, value: ColumnValue): void {
    const absent = value === null || value === undefined;
    if (filling.present) {
      if (this.#rows === filling.present.length) {
        const more = new Uint8Array(this.#rows * 2);
        more.set(filling.present);
        filling.present = more;
      }
      filling.present[this.#rows] = absent ? 0 : 1;
    }
    if (!absent) filling.values.push(value);
  }

  #note(key: Key, time: Micros): void {
    if (time < this.#minTime) this.#minTime = time;
    if (time > this.#maxTime) this.#maxTime = time;
    const keys = this.#keys;
    if (!keys) {
      this.#keys = { first: key, last: key, min: key, max: key };
      return;
    }
    keys.last = key;
    if (key < keys.min) keys.min = key;
    else if (key > keys.max) keys.max = key;
  }
}
