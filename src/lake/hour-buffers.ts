// Rows of several tables, sorted into one buffer a table and UTC hour: what becomes one file each.
import { hourOf, type LakeTable } from './table.js';
import { TableBuffer } from './table-buffer.js';

/** Fills until it is flushed as a whole. */
export class HourBuffers {
  readonly #byTable = new Map<LakeTable<never>, Map<number, TableBuffer<never>>>();
  #rows = 0;
  #files = 0;
  /** Rows come in runs of one table and hour. */
  #newest: { readonly hour: number; readonly buffer: TableBuffer<never> } | undefined;

  get rows(): number {
    return this.#rows;
  }

  /** How many files they would be at most. */
  get files(): number {
    return this.#files;
  }

  /** Throws TableRowError, having kept nothing, where a column refuses its value. */
  append<Row>(table: LakeTable<Row>, row: Row): void {
    this.#buffer(table, hourOf(table.time(row))).append(row);
    this.#rows += 1;
  }

  /** One a file, never empty: a buffer whose only row was refused is left out. */
  filled(): readonly TableBuffer<never>[] {
    return [...this.#byTable.values()].flatMap((hours) => [...hours.values()]).filter(({ rows }) => rows > 0);
  }

  #buffer<Row>(table: LakeTable<Row>, hour: number): TableBuffer<Row> {
    if (this.#newest?.hour !== hour || this.#newest.buffer.table !== (table as LakeTable<never>))
      this.#newest = { hour, buffer: this.#find(table, hour) as TableBuffer<never> };
    return this.#newest.buffer as TableBuffer<Row>;
  }

  #find<Row>(table: LakeTable<Row>, hour: number): TableBuffer<Row> {
    let hours = this.#byTable.get(table as LakeTable<never>);
    if (!hours) {
      hours = new Map();
      this.#byTable.set(table as LakeTable<never>, hours);
    }
    let buffer = hours.get(hour) as TableBuffer<Row> | undefined;
    if (!buffer) {
      buffer = new TableBuffer(table);
      this.#files += 1;
      hours.set(hour, buffer as TableBuffer<never>);
    }
    return buffer;
  }
}
