// A row of Threshold_Reference_table: which values of an attribute are normal at an age. All limits are inclusive.
import type { Severity } from './events.js';

export interface ThresholdRow {
  readonly attribute: string;
  readonly lowAge: number;
  readonly highAge: number;
  readonly lowValue: number;
  readonly highValue: number;
  /** True means abnormal, whatever the numbers. */
  readonly alert: boolean;
  readonly message: string;
  /** high where the table has no such column. */
  readonly severity: Severity;
  readonly unit: string | null;
}
