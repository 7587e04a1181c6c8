// Views under the original names: readings as the hospital's table has them, and the newest version of each reference table.
import { columnName } from './columns.js';

export interface LakeView {
  readonly name: string;
  /** The statement behind it, for DuckDB; ops/hive/views.sql has Hive's. */
  readonly select: string;
}

/** Each import that found a change writes the whole table with one `imported_at`, and what it found deleted marked as such. */
function newest(table: string): string {
  return `FROM ${table} WHERE NOT deleted AND imported_at IN (SELECT MAX(imported_at) FROM ${table})`;
}

export const CURRENT_VIEWS: readonly LakeView[] = [
  {
    name: 'patients_information',
    select: `SELECT patient_id AS patientid, name AS patientname, address AS patientaddress, phone AS phone_number,
      ward AS admitted_ward, age, other_details ${newest('patient')}`,
  },
  {
    name: 'threshold_reference_table',
    select: `SELECT attribute, low_age AS low_age_limit, high_age AS high_age_limit, low_value, high_value,
      CASE WHEN alert THEN 1 ELSE 0 END AS alert_flag, message AS alert_message, severity, unit ${newest('threshold')}`,
  },
];

/** Readings with the columns that the original's table had: the vital signs under their own names. */
export function vitalInfoView(attributes: readonly string[]): LakeView {
  const vitals = attributes.map((name) => `"${columnName(name)}" AS "${name.replaceAll('"', '""')}"`);
  return {
    name: 'patients_vital_info',
    select: `SELECT row_id AS id, patient_id AS customerId, ${[...vitals, 'recorded_at'].join(', ')} FROM vital_info`,
  };
}
