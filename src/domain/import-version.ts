// Versions of reference tables are functions of content: the same rows, in whatever order, give the same version.
import { createHash } from 'node:crypto';
import { hashId } from './identity.js';
import type { ImportTable } from './import-settings.js';
import type { Patient } from './patient.js';
import type { ThresholdRow } from './threshold.js';

/** One row as Redis holds it: its key within the table and its canonical JSON. */
export interface Entry {
  readonly key: string;
  readonly json: string;
}

export interface VersionInfo {
  /** contracts.md: 26 characters. */
  readonly version: string;
  readonly rows: number;
  /** 64 hexadecimal digits over all entries, whatever their order. */
  readonly checksum: string;
}

const MODULUS = 1n << 256n;

/** Sums sha256 over the entries modulo 2^256 (a multiset hash): entries may come in any order and in pieces, each key once. */
export class Checksum {
  #sum = 0n;
  #rows = 0;

  add(entry: Entry): void {
    this.#sum = (this.#sum + BigInt(`0x${rowHash(entry)}`)) % MODULUS;
    this.#rows += 1;
  }

  info(table: ImportTable): VersionInfo {
    const checksum = this.#sum.toString(16).padStart(64, '0');
    return { version: hashId(table, String(this.#rows), checksum), rows: this.#rows, checksum };
  }
}

/** sha256 of one entry, hexadecimal. */
export function rowHash(entry: Entry): string {
  return createHash('sha256').update(`${entry.key}\0${entry.json}`).digest('hex');
}

export function versionOf(table: ImportTable, entries: Iterable<Entry>): VersionInfo {
  const sum = new Checksum();
  for (const entry of entries) sum.add(entry);
  return sum.info(table);
}

/** Canonical: fields in one order, as an array without names. A date of birth stands last, so that tables without any keep their versions. */
export function entryOfPatient(p: Patient): Entry {
  const fields = [p.name, p.address, p.phone, p.ward, p.age, p.otherDetails];
  return { key: p.id, json: JSON.stringify(p.dateOfBirth === undefined ? fields : [...fields, p.dateOfBirth]) };
}

export function patientOfEntry({ key, json }: Entry): Patient {
  const [name, address, phone, ward, age, otherDetails, dateOfBirth] = JSON.parse(json);
  const born = dateOfBirth === undefined ? {} : { dateOfBirth };
  return { id: key, name, address, phone, ward, age, ...born, otherDetails };
}

/** Entries of a table of limits. The rows' order carries no meaning, so it is made canonical; a repeated row stays one. */
export function entriesOfThresholds(rows: readonly ThresholdRow[]): readonly Entry[] {
  const lines = rows.map((r) =>
    JSON.stringify([r.attribute, r.lowAge, r.highAge, r.lowValue, r.highValue, r.alert, r.message, r.severity, r.unit]),
  );
  return [...new Set(lines)].sort().map((json, i) => ({ key: String(i).padStart(6, '0'), json }));
}

export function thresholdOfEntry({ json }: Entry): ThresholdRow {
  const [attribute, lowAge, highAge, lowValue, highValue, alert, message, severity, unit] = JSON.parse(json);
  return { attribute, lowAge, highAge, lowValue, highValue, alert, message, severity, unit };
}

export interface ImportDiff {
  readonly added: number;
  readonly changed: number;
  /** As they were. */
  readonly deleted: readonly Entry[];
}

/** What a version adds, changes and deletes. Limits have no key of their own: a changed one is one deleted and one added. */
export function diffEntries(table: ImportTable, before: Iterable<Entry>, after: Iterable<Entry>): ImportDiff {
  const keyOf = (entry: Entry) => (table === 'patients' ? entry.key : entry.json);
  const old = new Map<string, Entry>();
  for (const entry of before) old.set(keyOf(entry), entry);
  let added = 0;
  let changed = 0;
  for (const entry of after) {
    const was = old.get(keyOf(entry));
    if (was === undefined) added += 1;
    else if (was.json !== entry.json) changed += 1;
    old.delete(keyOf(entry));
  }
  return { added, changed, deleted: [...old.values()] };
}
