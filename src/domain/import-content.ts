// What an import has read, from RDS or from a file, ready to become a version, or the reasons why it must not.
import { CsvError, type CsvRecord, parseCsv } from './csv.js';
import type { ImportTable } from './import-settings.js';
import type { Increment, PatientSnapshot, ThresholdSnapshot } from './import-source.js';
import { thresholdOfRow } from './import-threshold-row.js';
import { type Entry, entriesOfThresholds, entryOfPatient, thresholdOfEntry } from './import-version.js';
import { DEFAULT_PATIENTS, DEFAULT_THRESHOLDS, type PatientsMapping, type ThresholdsMapping } from './mapping.js';
import type { Patient } from './patient.js';
import { ageOfCell, dateOfCell, patientOfRow } from './patient-row.js';
import type { ThresholdRow } from './threshold.js';
import { checkThresholds, type ThresholdCheckOptions } from './threshold-check.js';

/** `problems` are for a person who mends the table: lines, columns and limits, never a patient's data. Any problem refuses the import. */
export interface ImportContent {
  readonly entries: readonly Entry[];
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** A file has the original columns, whatever RDS calls them; patients may also have a date of birth, and limits a severity and a unit. */
const FILE_PATIENTS: PatientsMapping = { ...DEFAULT_PATIENTS, dateOfBirth: 'date_of_birth' };
const FILE_THRESHOLDS: ThresholdsMapping = { ...DEFAULT_THRESHOLDS, severity: 'severity', unit: 'unit' };

export const PATIENT_HEADERS = {
  required: ['patientid', 'patientname', 'patientaddress', 'phone_number', 'admitted_ward', 'age'],
  optional: ['other_details', 'date_of_birth'],
};
export const THRESHOLD_HEADERS = {
  required: ['attribute', 'low_age_limit', 'high_age_limit', 'low_value', 'high_value', 'alert_flag', 'alert_message'],
  optional: ['severity', 'unit'],
};

export function contentOfPatients(snapshot: PatientSnapshot): ImportContent {
  const warnings: string[] = [];
  if (snapshot.duplicates > 0)
    warnings.push(`${snapshot.duplicates} rows share their id with another row: one of each is used, always the same`);
  if (snapshot.withoutId > 0) warnings.push(`${snapshot.withoutId} rows have no id and belong to nobody`);
  return { entries: sorted(snapshot.patients.map(entryOfPatient)), problems: [], warnings };
}

export function contentOfThresholds(snapshot: ThresholdSnapshot, options: ThresholdCheckOptions): ImportContent {
  const found = checkThresholds(snapshot.rows, options);
  // Of a table that can't be read the readable rest is not judged: it would only say what follows from the first.
  const fatal = found.filter((problem) => problem.fatal).map((problem) => problem.text);
  return {
    entries: entriesOfThresholds(snapshot.rows),
    problems: snapshot.problems.length > 0 ? snapshot.problems : fatal,
    warnings: found.filter((problem) => !problem.fatal).map((problem) => problem.text),
  };
}

/** What is known already, with what was added or changed, without what is gone. */
export function contentOfIncrement(
  table: ImportTable,
  known: readonly Entry[],
  increment: Increment,
  options: ThresholdCheckOptions,
): ImportContent {
  if (table === 'thresholds') {
    const { rows, problems } = increment.limits;
    return contentOfThresholds({ rows: [...known.map(thresholdOfEntry), ...rows], problems }, options);
  }
  const entries = new Map(known.map((entry) => [entry.key, entry]));
  for (const patient of increment.patients) entries.set(patient.id, entryOfPatient(patient));
  const { ids } = increment;
  const left = [...entries.values()].filter((entry) => ids === null || ids.has(entry.key));
  return { entries: sorted(left), problems: [], warnings: [] };
}

/** Strict: a file is made for this purpose, so what RDS is forgiven (repeated ids, ages that are none) is a mistake in it. */
export function contentOfPatientsFile(bytes: Uint8Array): ImportContent {
  const problems: string[] = [];
  const patients = new Map<string, { readonly line: number; readonly patient: Patient }>();
  for (const { line, values } of readFile(bytes, PATIENT_HEADERS, problems)) {
    const patient = patientOfRow(FILE_PATIENTS, values);
    const twice = patient && patients.get(patient.id);
    if (!patient) problems.push(`line ${line}: patientid is empty`);
    else if (twice) problems.push(`line ${line}: the patientid of line ${twice.line} again`);
    else {
      if (values.age != null && ageOfCell(values.age) === null)
        problems.push(`line ${line}: age is no number of years (leave it empty where it is unknown)`);
      if (values.date_of_birth != null && dateOfCell(values.date_of_birth) === null)
        problems.push(`line ${line}: date_of_birth is no date like 1961-04-23 (leave it empty where it is unknown)`);
      patients.set(patient.id, { line, patient });
    }
  }
  return {
    entries: sorted([...patients.values()].map(({ patient }) => entryOfPatient(patient))),
    problems,
    warnings: [],
  };
}

/** The same content makes the same files, whatever order the database had it in. */
function sorted(entries: Entry[]): readonly Entry[] {
  return entries.sort((a, b) => (a.key < b.key ? -1 : 1));
}

export function contentOfThresholdsFile(bytes: Uint8Array, options: ThresholdCheckOptions): ImportContent {
  const problems: string[] = [];
  const rows: ThresholdRow[] = [];
  for (const { line, values } of readFile(bytes, THRESHOLD_HEADERS, problems)) {
    const result = thresholdOfRow(FILE_THRESHOLDS, values);
    if (result.ok) rows.push(result.row);
    else problems.push(`line ${line}: ${result.problem}`);
  }
  return contentOfThresholds({ rows, problems }, options);
}

function readFile(
  bytes: Uint8Array,
  headers: { readonly required: readonly string[]; readonly optional: readonly string[] },
  problems: string[],
): readonly CsvRecord[] {
  try {
    return parseCsv(bytes, headers);
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    problems.push(error.message);
    return [];
  }
}
