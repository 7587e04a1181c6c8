// How a reference table is imported: what wardwatch.yaml says under `imports`, and what an import answers.

export const IMPORT_TABLES = ['patients', 'thresholds'] as const;
export type ImportTable = (typeof IMPORT_TABLES)[number];

/**
 * `full` reads the whole table each time and finds changes and deletions by row hash: right for any table.
 * `append` reads only rows above the last value of `checkColumn`, an ascending integer (Sqoop's --check-column): for
 * tables that are only ever added to; changes and deletions in place are not seen.
 */
export type ImportMode = { readonly mode: 'full' } | { readonly mode: 'append'; readonly checkColumn: string };

export const DEFAULT_IMPORT_MODE: ImportMode = { mode: 'full' };

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
