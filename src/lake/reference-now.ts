// The newest version of the reference tables, as a query over the lake finds it: for what looks back, beside a lookup in Redis or without one.
import type { Severity } from '../domain/events.js';
import type { Patient } from '../domain/patient.js';
import type { ThresholdRow } from '../domain/threshold.js';
import type { LakeSql } from './query.js';

const newest = (table: string) =>
  `SELECT * FROM ${table} WHERE NOT deleted AND version = (SELECT arg_max(version, imported_at) FROM ${table})`;

/** Empty where no import has written any. */
export async function newestLimits(lake: LakeSql): Promise<readonly ThresholdRow[]> {
  const { rows } = await lake.query(newest('threshold'));
  return rows.map((row) => ({
    attribute: String(row.attribute),
    lowAge: Number(row.low_age),
    highAge: Number(row.high_age),
    lowValue: Number(row.low_value),
    highValue: Number(row.high_value),
    alert: row.alert === true,
    message: String(row.message),
    severity: row.severity as Severity,
    unit: textOf(row.unit),
  }));
}

/** By id. */
export async function newestPatients(lake: LakeSql): Promise<ReadonlyMap<string, Patient>> {
  const { rows } = await lake.query(newest('patient'));
  return new Map(
    rows.map((row) => {
      const id = String(row.patient_id);
      const patient: Patient = {
        ...{
          id,
          name: textOf(row.name),
          address: textOf(row.address),
          phone: textOf(row.phone),
          ward: textOf(row.ward),
        },
        age: row.age === null || row.age === undefined ? null : Number(row.age),
        ...(typeof row.date_of_birth === 'string' ? { dateOfBirth: row.date_of_birth } : {}),
        otherDetails: textOf(row.other_details),
      };
      return [id, patient];
    }),
  );
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
