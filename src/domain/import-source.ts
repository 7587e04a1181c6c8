// What imports and the lookup ask of the hospital's reference tables.
import type { ImportTable } from './import-settings.js';
import type { Patient } from './patient.js';
import type { ThresholdRow } from './threshold.js';

/** A whole patients table at one moment. */
export interface PatientSnapshot {
  /** One per id, in no particular order. */
  readonly patients: readonly Patient[];
  /** Rows whose id another row has too: one of them was chosen, always the same one. */
  readonly duplicates: number;
  /** Rows without id, which belong to nobody. */
  readonly withoutId: number;
}

/** A whole table of limits at one moment; `problems` say what can't be read, by row: then the table is broken. */
export interface ThresholdSnapshot {
  readonly rows: readonly ThresholdRow[];
  readonly problems: readonly string[];
}

/** What has become of a table since a position; of one patient the row that counts. */
export interface Increment {
  /** The whole table: what was known before does not count any more. */
  readonly anew: boolean;
  readonly patients: readonly Patient[];
  readonly limits: ThresholdSnapshot;
  /** Every patient of the table, so that the deleted ones are known; null: not known (limits have no ids). */
  readonly ids: ReadonlySet<string> | null;
  /** For the next time, to be recorded together with the rows. */
  readonly position: string;
}

/** Where an import goes on. */
export interface IncrementFrom {
  readonly position: string | null;
  /** The ids that the version in force has. */
  known(): Promise<ReadonlySet<string>>;
}

export interface TableSource {
  /** The names for logs: `rds:<table>`; null where a deployment has no table of limits. */
  readonly names: { readonly patients: string; readonly thresholds: string | null };
  /** Reads in one consistent snapshot. Throws when the source is away or refuses. */
  patients(): Promise<PatientSnapshot>;
  /** Undefined where a deployment has no table of limits: they come from a file. */
  thresholds(): Promise<ThresholdSnapshot | undefined>;
  /** Undefined for a table in mode full. Repeatable from the same position. */
  increment(table: ImportTable, from: IncrementFrom): Promise<Increment | undefined>;
  /** Single patients; ids that are nowhere are left out. */
  patientsById(ids: readonly string[]): Promise<readonly Patient[]>;
}
