// How a reference table is imported: what wardwatch.yaml says under `imports`, and what an import answers.

export const IMPORT_TABLES = ['patients', 'thresholds'] as const;
export type ImportTable = (typeof IMPORT_TABLES)[number];

/**
 * `full` reads the whole table each time and finds changes and deletions by row hash: right for any table.
 * `append` reads only rows above the last value of `checkColumn`, an ascending unique integer (Sqoop's --check-column):
 * for tables that are only ever added to. Changes in place are not seen; of several rows of one patient the one with the
 * greatest value counts.
 * `lastmodified` reads the rows whose `checkColumn`, a time that every change sets, is new enough, and those whose id is new:
 * for large tables with a unique id. Not for limits, whose rows have no id.
 * Deleted patients are found in every mode, since their ids are missing from the table.
 */
export interface ImportMode {
  readonly mode: 'full' | 'append' | 'lastmodified';
  readonly checkColumn: string | null;
}

/** How an import ended: a closed set, also the metric label. */
export type ImportOutcome =
  /** A new version is in force. */
  | 'changed'
  /** The table holds what the last version held. */
  | 'unchanged'
  /** Nothing was read: Redis had lost the version, it came back from the lake. */
  | 'restored'
  /** The table is broken (or suddenly empty): the last good version stays in force. */
  | 'refused'
  /** Neither a table nor a file nor an earlier version: there is nothing to load. */
  | 'nothing'
  /** Another import of the table is running. */
  | 'skipped';
