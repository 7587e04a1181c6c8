// The hospital's reference tables: whole ones in one consistent snapshot, page by page, and single patients (data-path.md 5 and 6).
import type { ImportTable } from '../domain/import-settings.js';
import type { Appended, PatientSnapshot, TableSource, ThresholdSnapshot } from '../domain/import-source.js';
import { thresholdColumns, thresholdOfRow } from '../domain/import-threshold-row.js';
import { entryOfPatient } from '../domain/import-version.js';
import type { PatientsMapping, ThresholdsMapping } from '../domain/mapping.js';
import type { Patient } from '../domain/patient.js';
import { patientColumns, patientOfRow, textOfCell } from '../domain/patient-row.js';
import type { ThresholdRow } from '../domain/threshold.js';
import { type AppendParts, readAppended } from './append-source.js';
import type { MysqlPool, MysqlRow, MysqlSession } from './pool.js';

const PAGE_ROWS = 10_000;
/** One page may sort the whole table where its id has no index. */
const PAGE_TIMEOUT_MS = 120_000;
const READ_THROUGH_TIMEOUT_MS = 5_000;
const IDS_AT_ONCE = 1_000;
/** A table of limits has tens of rows; this many are a mistake in the mapping, and refused. */
const MAX_THRESHOLD_ROWS = 100_000;

export interface TableSourceOptions {
  readonly patients: PatientsMapping;
  readonly thresholds: ThresholdsMapping;
  /** Tables that are imported in mode append, with their check columns. */
  readonly append?: AppendParts & { readonly checkColumns: Readonly<Record<ImportTable, string | null>> };
  /** Rows of one page. */
  readonly pageRows?: number;
}

/** Every method throws MysqlError when the source is away or refuses. */
export function createTableSource(
  pool: Pick<MysqlPool, 'query' | 'withConnection'>,
  options: TableSourceOptions,
): TableSource {
  const { patients: people, thresholds: limits } = options;
  return {
    names: { patients: `rds:${people.table}`, thresholds: limits.table === null ? null : `rds:${limits.table}` },
    patients: () => inSnapshot(pool, (session) => readPatients(session, people, options.pageRows ?? PAGE_ROWS)),
    thresholds: async () => {
      if (limits.table === null) return undefined;
      return readThresholds(
        await pool.query(`SELECT ?? FROM ?? LIMIT ?`, [thresholdColumns(limits), limits.table, MAX_THRESHOLD_ROWS]),
        limits,
      );
    },
    appended: async (table, position) => {
      const { append } = options;
      const check = append?.checkColumns[table] ?? null;
      if (!append || check === null) return undefined;
      if (table === 'patients')
        return pool.withConnection((session) => patientsAdded(session, people, check, position, append));
      if (limits.table === null) return undefined;
      const at = { table: limits.table, check, columns: thresholdColumns(limits) };
      const { rows, ...rest } = await pool.withConnection((session) => readAppended(session, at, position, append));
      return { ...rest, patients: [], limits: readThresholds(rows, limits) };
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

/** READ COMMITTED, the pool's level, would give each page a snapshot of its own, and ignore CONSISTENT SNAPSHOT. */
async function inSnapshot<T>(
  pool: Pick<MysqlPool, 'withConnection'>,
  work: (session: MysqlSession) => Promise<T>,
): Promise<T> {
  return pool.withConnection(async (session) => {
    await session.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    await session.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
    try {
      return await work(session);
    } finally {
      // On a connection that is gone the rollback fails too: the first error is the one that tells.
      await session.query('ROLLBACK').catch(() => undefined);
    }
  });
}

/**
 * By key, each page from the last key *inclusive*: keys that differ in bytes may be equal to the database ('a', 'A', 'a '),
 * and the table need not be unique. What is read twice merges into the same patient.
 */
async function readPatients(
  session: MysqlSession,
  mapping: PatientsMapping,
  pageRows: number,
): Promise<PatientSnapshot> {
  const columns = patientColumns(mapping);
  const from = [columns, mapping.table, mapping.id];
  const [count] = await session.query(
    'SELECT COUNT(*) AS total, COALESCE(SUM(?? IS NULL OR LENGTH(??) = 0), 0) AS nobody FROM ??',
    [mapping.id, mapping.id, mapping.table],
    PAGE_TIMEOUT_MS,
  );
  const found = new Map<string, Patient>();
  let last: unknown;
  let limit = pageRows;
  for (;;) {
    const rows: readonly MysqlRow[] =
      last === undefined
        ? await session.query(
            'SELECT ?? FROM ?? WHERE ?? IS NOT NULL ORDER BY ?? LIMIT ?',
            [...from, mapping.id, limit],
            PAGE_TIMEOUT_MS,
          )
        : await session.query(
            'SELECT ?? FROM ?? WHERE ?? >= ? ORDER BY ?? LIMIT ?',
            [...from, last, mapping.id, limit],
            PAGE_TIMEOUT_MS,
          );
    let news = 0;
    for (const row of rows) if (merge(found, patientOfRow(mapping, row))) news += 1;
    if (rows.length < limit) break;
    const next = rows.at(-1)?.[mapping.id];
    // A page full of one key (for the database): only a larger page gets past it.
    limit = news === 0 || next === last ? limit * 2 : pageRows;
    last = next;
  }
  const withoutId = Number(count?.nobody ?? 0);
  return { patients: [...found.values()], duplicates: Number(count?.total ?? 0) - withoutId - found.size, withoutId };
}

async function patientsAdded(
  session: MysqlSession,
  mapping: PatientsMapping,
  check: string,
  position: string | null,
  append: AppendParts,
): Promise<Appended> {
  const columns = patientColumns(mapping);
  const { rows, ...rest } = await readAppended(session, { table: mapping.table, check, columns }, position, append);
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
  return { ...rest, patients: [...newest.values()], limits: { rows: [], problems: [] } };
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
