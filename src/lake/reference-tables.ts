// The reference tables in the lake: each import that found a change writes the whole version, in one commit record with where it got to.
import { setImmediate } from 'node:timers/promises';
import { parquetReadObjects } from 'hyparquet';
import type { ImportedVersion, ReferenceLake } from '../domain/import-lake.js';
import type { ImportTable } from '../domain/import-settings.js';
import {
  type Entry,
  entriesOfThresholds,
  entryOfPatient,
  patientOfEntry,
  thresholdOfEntry,
  versionOf,
} from '../domain/import-version.js';
import type { Patient } from '../domain/patient.js';
import type { LakeStore, Logger, OnStep } from '../domain/ports.js';
import type { ThresholdRow } from '../domain/threshold.js';
import { type Chain, openChain } from './chain.js';
import { readTail } from './chain-reader.js';
import { PATIENT_TABLE, THRESHOLD_TABLE } from './columns.js';
import type { CommitRecord } from './commit-record.js';
import { LakeChainError, LakeFileMissingError, LakeRaceLostError } from './errors.js';
import { HourBuffers } from './hour-buffers.js';
import { encodeParquet } from './parquet-encoder.js';
import { parquetInput } from './parquet-input.js';
import { verifyParquet } from './parquet-verify.js';

const TOPICS = { patients: 'import.patient', thresholds: 'import.threshold' } as const satisfies Record<
  ImportTable,
  string
>;
const PARTITION = 0;
const ROWS_A_TURN = 2_000;
const noStep: OnStep = () => undefined;

export interface ReferenceLakeParts {
  readonly store: LakeStore;
  /** Name of the source: a lake that another one began is refused. */
  readonly source: string;
  /** Unique for each call. */
  readonly newToken: () => string;
  readonly log: Logger;
}

/** Methods throw LakeChainError, LakeFileMissingError, or the store's failures. */
export function createReferenceLake(parts: ReferenceLakeParts): ReferenceLake {
  const open = (table: ImportTable, onStep: OnStep): Promise<Chain> =>
    openChain({
      store: parts.store,
      encode: encodeParquet,
      verify: verifyParquet,
      topic: TOPICS[table],
      partition: PARTITION,
      clusterId: parts.source,
      token: parts.newToken(),
      steps: { staged: 'import.staged', beforeRecord: 'import.before-record', afterRecord: 'import.after-record' },
      onStep,
      log: parts.log,
    });
  return {
    peek: async (table) => versionOfRecord(table, (await readTail(parts.store, TOPICS[table], PARTITION))?.record),
    newest: async (table) => versionOfRecord(table, (await open(table, noStep)).tail()),
    read: async (table) => {
      const record = (await open(table, noStep)).tail();
      const version = versionOfRecord(table, record);
      if (!record || !version) return [];
      const entries = (
        await Promise.all(record.files.map((file) => readEntries(parts.store, table, file.path)))
      ).flat();
      if (versionOf(table, entries).version !== version.version)
        throw new LakeChainError(`${TOPICS[table]}: the files of record ${record.start} don't hold its version`);
      return entries;
    },
    commit: async (table, before, version, entries, deleted, onStep) => {
      const chain = await open(table, onStep);
      // Whoever slept since it read the table must not put what it read on top of what others have read since. Instants only grow.
      if (versionOfRecord(table, chain.tail())?.importedAt !== before?.importedAt)
        throw new LakeRaceLostError(`${TOPICS[table]}: another import was faster`);
      await chain.commit({
        start: 0,
        next: (chain.tail()?.next ?? 0) + 1,
        rows: await rowsOf(table, version, entries, deleted),
        last: null,
        state: version,
      });
    },
  };
}

async function rowsOf(
  table: ImportTable,
  { version, importedAt }: ImportedVersion,
  entries: readonly Entry[],
  deleted: readonly Entry[],
): Promise<HourBuffers> {
  const buffers = new HourBuffers();
  let rows = 0;
  for (const [some, gone] of [
    [entries, false],
    [deleted, true],
  ] as const) {
    for (const entry of some) {
      const row = { version, importedAt, deleted: gone };
      if (table === 'patients') buffers.append(PATIENT_TABLE, { ...row, row: patientOfEntry(entry) });
      else buffers.append(THRESHOLD_TABLE, { ...row, row: thresholdOfEntry(entry) });
      // The process may be everybody's: a large table must not stop alerts.
      if (++rows % ROWS_A_TURN === 0) await setImmediate();
    }
  }
  return buffers;
}

function versionOfRecord(table: ImportTable, record: CommitRecord | undefined): ImportedVersion | undefined {
  if (!record) return undefined;
  const state = record.state as Partial<ImportedVersion> | undefined;
  if (typeof state?.version !== 'string' || typeof state.importedAt !== 'number')
    throw new LakeChainError(`${TOPICS[table]}: record ${record.start} names no version`);
  return state as ImportedVersion;
}

async function readEntries(store: LakeStore, table: ImportTable, path: string): Promise<readonly Entry[]> {
  const bytes = await store.read(path);
  if (!bytes) throw new LakeFileMissingError(`${path} is named by the commit log and is gone`);
  const rows = (await parquetReadObjects({ file: parquetInput(bytes) })).filter((row) => row.deleted === false);
  return table === 'patients'
    ? rows.map((row) => entryOfPatient(patientOfRow(row)))
    : entriesOfThresholds(rows.map(thresholdOfRow));
}

function patientOfRow(row: Record<string, unknown>): Patient {
  return {
    id: row.patient_id as string,
    name: textOf(row.name),
    address: textOf(row.address),
    phone: textOf(row.phone),
    ward: textOf(row.ward),
    age: (row.age ?? null) as number | null,
    ...(typeof row.date_of_birth === 'string' ? { dateOfBirth: row.date_of_birth } : {}),
    otherDetails: textOf(row.other_details),
  };
}

function thresholdOfRow(row: Record<string, unknown>): ThresholdRow {
  return {
    attribute: row.attribute as string,
    lowAge: row.low_age as number,
    highAge: row.high_age as number,
    lowValue: row.low_value as number,
    highValue: row.high_value as number,
    alert: row.alert as boolean,
    message: row.message as string,
    severity: row.severity as ThresholdRow['severity'],
    unit: textOf(row.unit),
  };
}

function textOf(value: unknown): string | null {
  return (value ?? null) as string | null;
}
