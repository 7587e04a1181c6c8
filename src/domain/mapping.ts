// How the hospital's tables and columns are called: wardwatch.yaml's mapping, validated by src/config.

/** patients_vital_info. Columns that are named nowhere here travel as `other`. */
export interface VitalsMapping {
  readonly table: string;
  /** An ascending unique integer column. */
  readonly key: string;
  readonly patientId: string;
  /** When it was measured, in RDS_TIMEZONE; null: the time of the poll stands in. */
  readonly recordedAt: string | null;
  readonly attributes: readonly { readonly name: string; readonly column: string }[];
}

/** patients_information; null = the hospital has no such column. */
export interface PatientsMapping {
  readonly table: string;
  readonly id: string;
  readonly name: string | null;
  readonly address: string | null;
  readonly phone: string | null;
  readonly ward: string | null;
  readonly age: string | null;
  /** A DATE, or text that begins like one. Where it is there the age comes from it. */
  readonly dateOfBirth: string | null;
  readonly otherDetails: string | null;
}

/** Threshold_Reference_table; table null = limits come from a file only. */
export interface ThresholdsMapping {
  readonly table: string | null;
  readonly attribute: string;
  readonly lowAge: string;
  readonly highAge: string;
  readonly lowValue: string;
  readonly highValue: string;
  readonly alertFlag: string;
  readonly alertMessage: string;
  readonly severity: string | null;
  readonly unit: string | null;
}

/** The names of the original project, and the key and time that the demo's table adds. */
export const DEFAULT_VITALS: VitalsMapping = {
  table: 'patients_vital_info',
  key: 'id',
  patientId: 'customerId',
  recordedAt: 'recorded_at',
  attributes: [
    { name: 'heartBeat', column: 'heartBeat' },
    { name: 'bp', column: 'bp' },
  ],
};

export const DEFAULT_PATIENTS: PatientsMapping = {
  table: 'patients_information',
  id: 'patientid',
  name: 'patientname',
  address: 'patientaddress',
  phone: 'phone_number',
  ward: 'admitted_ward',
  age: 'age',
  dateOfBirth: null,
  otherDetails: 'other_details',
};

export const DEFAULT_THRESHOLDS: ThresholdsMapping = {
  table: 'Threshold_Reference_table',
  attribute: 'attribute',
  lowAge: 'low_age_limit',
  highAge: 'high_age_limit',
  lowValue: 'low_value',
  highValue: 'high_value',
  alertFlag: 'alert_flag',
  alertMessage: 'alert_message',
  severity: null,
  unit: null,
};
