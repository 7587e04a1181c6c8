// From a row of the hospital's patients table, or of a CSV file, to a Patient: texts stay as they are, byte for byte.
import { dateOfText, MAX_AGE_YEARS } from './age.js';
import type { PatientsMapping } from './mapping.js';
import type { Patient } from './patient.js';

/** A value as the MySQL driver or the CSV reader hands it over. */
export type Cell = unknown;

const DECIMAL = /^\d{1,3}(?:\.\d*)?$/;

/**
 * The text of a column, or null for NULL. Binary that is no UTF-8 becomes `0x…`, as MySQL shows it: unlike a
 * replacement character that keeps every byte.
 */
export function textOfCell(cell: Cell): string | null {
  if (cell === null || cell === undefined) return null;
  if (typeof cell === 'string') return cell;
  if (cell instanceof Uint8Array) return textOfBytes(cell);
  if (cell instanceof Date) return cell.toISOString();
  if (typeof cell === 'object') return JSON.stringify(cell);
  return String(cell);
}

function textOfBytes(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return `0x${Buffer.from(bytes).toString('hex').toUpperCase()}`;
  }
}

/** Completed years from an integer or decimal text; null for absent, negative, absurd or unreadable ones. */
export function ageOfCell(cell: Cell): number | null {
  const text = textOfCell(cell)?.trim();
  if (text === undefined || !DECIMAL.test(text)) return null;
  const years = Math.floor(Number(text));
  return years <= MAX_AGE_YEARS ? years : null;
}

/** `YYYY-MM-DD`; null for absent ones and those that no calendar has (0000-00-00). */
export function dateOfCell(cell: Cell): string | null {
  const text = textOfCell(cell)?.trim();
  return text === undefined ? null : dateOfText(text);
}

/** Undefined where the row has no id: such a row can't belong to any reading. */
export function patientOfRow(mapping: PatientsMapping, row: Readonly<Record<string, Cell>>): Patient | undefined {
  const id = textOfCell(row[mapping.id]);
  if (id === null || id === '') return undefined;
  const text = (column: string | null) => (column === null ? null : textOfCell(row[column]));
  const dateOfBirth = mapping.dateOfBirth === null ? null : dateOfCell(row[mapping.dateOfBirth]);
  return {
    id,
    name: text(mapping.name),
    address: text(mapping.address),
    phone: text(mapping.phone),
    ward: text(mapping.ward),
    age: mapping.age === null ? null : ageOfCell(row[mapping.age]),
    ...(dateOfBirth === null ? {} : { dateOfBirth }),
    otherDetails: text(mapping.otherDetails),
  };
}

/** The columns that an import of patients reads, each once. */
export function patientColumns(mapping: PatientsMapping): readonly string[] {
  const { table: _, ...columns } = mapping;
  return [...new Set(Object.values(columns).filter((column) => column !== null))];
}
