// A patient as the lookup holds it: one row of patients_information.

export interface Patient {
  readonly id: string;
  readonly name: string | null;
  readonly address: string | null;
  readonly phone: string | null;
  readonly ward: string | null;
  /** Whole years; null where the source has none or an impossible one (the reading is then unclassified: unknown-age). */
  readonly age: number | null;
  /** `YYYY-MM-DD`; where it is known the age comes from it (age.ts). Absent where the source has none, or none that a calendar has. */
  readonly dateOfBirth?: string;
  readonly otherDetails: string | null;
}
