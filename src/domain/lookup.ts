// Who is this patient, which limits apply: what watch asks of the lookup.
import type { Patient } from './patient.js';
import type { ThresholdRow } from './threshold.js';

/** One consistent version of limits and patients. Empty version strings mean: none yet. */
export interface LookupView {
  readonly thresholds: readonly ThresholdRow[];
  readonly thresholdVersion: string;
  readonly patientVersion: string;
  /** Undefined: not in memory (resolve may find it). */
  patient(id: string): Patient | undefined;
}

export interface Lookup {
  /** The version in force. Take one per batch: it never changes under the caller, but for patients that `resolve` adds. */
  current(): LookupView;
  /** Reads missing patients through (Redis, then RDS), once for many waiters, within `timeoutMs`. Never throws: who isn't found stays unknown. */
  resolve(ids: readonly string[], timeoutMs: number): Promise<void>;
  /** True once a valid version of the thresholds is there. Until then no partition is taken. */
  hasThresholds(): boolean;
}
