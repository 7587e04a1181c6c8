// The hospital's reference tables: whole ones in one consistent snapshot, page by page, and single patients (data-path.md 5 and 6).
import { hashId } from '../domain/identity.js';
import type { ImportTable } from '../domain/import-settings.js';
import type {
  Increment,
  IncrementFrom,
  PatientSnapshot,
  TableSource,
  ThresholdSnapshot,
} from '../domain/import-source.js';
import { thresholdColumns, thresholdOfRow } from '../domain/import-threshold-row.js';
import { entryOfPatient } from '../domain/import-version.js';
import type { PatientsMapping, ThresholdsMapping } from '../domain/mapping.js';
import type { Patient } from '../domain/patient.js';
import { patientColumns, patientOfRow, textOfCell } from '../domain/patient-row.js';
import type { ThresholdRow } from '../domain/threshold.js';
import { readAppended } from './append-source.js';
import { inSnapshot, PAGE_TIMEOUT_MS, readByKey } from './key-pages.js';
import { type ModifiedParts, readModified } from './modified-source.js';
import type { MysqlPool, MysqlRow, MysqlSession } from './pool.js';

const PAGE_ROWS = 10_000;
const READ_THROUGH_TIMEOUT_MS = 5_000;
const IDS_AT_ONCE = 1_000;
/** A table of limits has tens of rows; this many are a mistake in the mapping, and refused. */
const MAX_THRESHOLD_ROWS = 100_000;

const NO_LIMITS: ThresholdSnapshot = { rows: [], problems: [] };

export interface TableSourceOptions {
  readonly patients: PatientsMapping;
  readonly thresholds: ThresholdsMapping;
  /** Tables that are not read whole each time, with their check columns. */
  readonly increments?: ModifiedParts & { readonly of: Readonly<Record<ImportTable, IncrementMode | null>> };
  /** Rows of one page. */
  readonly pageRows?: number;
}

export interface IncrementMode {
  readonly mode: 'append' | 'lastmodified';
  readonly checkColumn: string;
}

/** Every method throws MysqlError when the source is away or refuses. */
export function createTableSource(
  pool: Pick<MysqlPool, 'query' | 'withConnection'>,
  options: TableSourceOptions,
): TableSource {
  const { patients: people, thresholds: limits, pageRows = PAGE_ROWS } = options;
  return {
    names: { patients: `rds:${people.table}`, thresholds: limits.table === null ? null : `rds:${limits.table}` },
    patients: () =>
      pool.withConnection((session) => inSnapshot(session, () => readPatients(session, people, pageRows))),
    thresholds: async () => {
      if (limits.table === null) return undefined;
      return readThresholds(
        await pool.query(`SELECT ?? FROM ?? LIMIT ?`, [thresholdColumns(limits), limits.table, MAX_THRESHOLD_ROWS]),
        limits,
      );
    },
    increment: async (table, { position: before, known }) => {
      const parts = options.increments;
      const own = parts?.of[table];
      if (!parts || !own) return undefined;
      const check = own.checkColumn;
      if (table === 'patients') {
        const from = { known, position: positionUnder(people, before) };
        const read = own.mode === 'append' ? patientsAdded : patientsModified;
        const found = await pool.withConnection((session) => read(session, people, check, from, parts, pageRows));
        return { ...found, position: withMapping(people, found.position) };
      }
      if (limits.table === null) return undefined;
      const at = { table: limits.table, check, columns: thresholdColumns(limits) };
      const from = positionUnder(limits, before);
      const { anew, rows, position } = await pool.withConnection((session) => readAppended(session, at, from, parts));
      const added = readThresholds(rows, limits);
      return { anew, position: withMapping(limits, position), patients: [], ids: null, limits: added };
    },
    patientsById: async (ids) => {
      if (ids.length === 0) return [];
      const rows = await pool.query(
        'SELECT ?? FROM ?? WHERE ?? IN (?)',
        [patientColumns(people), people.table, people.id, ids],
        READ_THROUGH_TIMEOUT_MS,
      );
      const found = new Map<string, Patient>();
      for (const row of rows) merge(found, patientOfRow(people, row));
      return [...found.values()];
    },
  };
}

type Mapping = PatientsMapping | ThresholdsMapping;

/** Null where it was read under other names of columns: what is known lacks what they would have said, so the table is read anew. */
function positionUnder(mapping: Mapping, position: string | null): string | null {
  if (position === null) return null;
  const stored = JSON.parse(position) as { readonly mapping?: unknown };
  return stored.mapping === mappingId(mapping) ? position : null;
}

function withMapping(mapping: Mapping, position: string): string {
  return JSON.stringify({ ...JSON.parse(position), mapping: mappingId(mapping) });
}

function mappingId(mapping: Mapping): string {
  return hashId('mapping', JSON.stringify(mapping));
}

async function readPatients(
  session: MysqlSession,
  mapping: PatientsMapping,
  pageRows: number,
): Promise<PatientSnapshot> {
  const [count] = await session.query(
    'SELECT COUNT(*) AS total, COALESCE(SUM(?? IS NULL OR LENGTH(??) = 0), 0) AS nobody FROM ??',
    [mapping.id, mapping.id, mapping.table],
    PAGE_TIMEOUT_MS,
  );
  const found = new Map<string, Patient>();
  const pages = { table: mapping.table, key: mapping.id, columns: patientColumns(mapping), pageRows };
  await readByKey(session, pages, (row) => merge(found, patientOfRow(mapping, row)));
  const withoutId = Number(count?.nobody ?? 0);
  return { patients: [...found.values()], duplicates: Number(count?.total ?? 0) - withoutId - found.size, withoutId };
}

async function patientsAdded(
  session: MysqlSession,
  mapping: PatientsMapping,
  check: string,
  { position }: IncrementFrom,
  parts: ModifiedParts,
  pageRows: number,
): Promise<Increment> {
  const columns = patientColumns(mapping);
  const { rows, ...rest } = await readAppended(session, { table: mapping.table, check, columns }, position, parts);
  const newest = new Map<string, Patient>();
  const take = (found: readonly MysqlRow[]) => {
    for (const patient of found.map((row) => patientOfRow(mapping, row))) if (patient) newest.set(patient.id, patient);
  };
  take(rows);
  // A row that committed late may be older than one that an earlier import has brought.
  const ids = rest.anew ? [] : [...newest.keys()];
  for (let i = 0; i < ids.length; i += IDS_AT_ONCE)
    take(
      await session.query(
        'SELECT ?? FROM ?? WHERE ?? IN (?) ORDER BY ??',
        [columns, mapping.table, mapping.id, ids.slice(i, i + IDS_AT_ONCE), check],
        PAGE_TIMEOUT_MS,
      ),
    );
  // After the rows: whom this one lacks was deleted, whether we had read them or not.
  const all = new Set<string>();
  const pages = { table: mapping.table, key: mapping.id, columns: [], pageRows };
  await inSnapshot(session, () =>
    readByKey(session, pages, (row) => {
      const id = idOf(mapping, row);
      const isNew = id !== null && !all.has(id);
      if (id !== null) all.add(id);
      return isNew;
    }),
  );
  return { ...rest, patients: [...newest.values()], ids: all, limits: NO_LIMITS };
}

async function patientsModified(
  session: MysqlSession,
  mapping: PatientsMapping,
  check: string,
  from: IncrementFrom,
  parts: ModifiedParts,
  pageRows: number,
): Promise<Increment> {
  const at = { table: mapping.table, key: mapping.id, check, columns: patientColumns(mapping), pageRows };
  const known = await from.known();
  const read = await readModified(session, at, from.position, known, (row) => idOf(mapping, row), parts);
  const found = new Map<string, Patient>();
  for (const row of read.rows) merge(found, patientOfRow(mapping, row));
  const { anew, keys, position } = read;
  return { anew, position, patients: [...found.values()], ids: keys, limits: NO_LIMITS };
}

/** Null where the row belongs to nobody. */
function idOf(mapping: PatientsMapping, row: MysqlRow): string | null {
  return textOfCell(row[mapping.id]) || null;
}

/** Of several rows with one id the greatest content wins: arbitrary, but always the same one. True if the patient is new or another. */
function merge(found: Map<string, Patient>, patient: Patient | undefined): boolean {
  if (!patient) return false;
  const other = found.get(patient.id);
  if (other && entryOfPatient(other).json >= entryOfPatient(patient).json) return false;
  found.set(patient.id, patient);
  return true;
}

function readThresholds(read: readonly MysqlRow[], mapping: ThresholdsMapping): ThresholdSnapshot {
  const rows: ThresholdRow[] = [];
  const problems: string[] = [];
  if (read.length >= MAX_THRESHOLD_ROWS)
    problems.push(`${MAX_THRESHOLD_ROWS} rows or more: is ${mapping.table} the table of limits?`);
  for (const [i, row] of read.entries()) {
    const result = thresholdOfRow(mapping, row);
    if (result.ok) rows.push(result.row);
    else problems.push(`row ${i + 1} (${textOfCell(row[mapping.attribute]) ?? 'no attribute'}): ${result.problem}`);
  }
  return { rows, problems };
}
