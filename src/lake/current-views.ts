// Views of the newest version of each reference table, under the original names: the tables themselves keep every version.

export interface LakeView {
  readonly name: string;
  /** The statement behind it, for DuckDB and Hive alike. */
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
