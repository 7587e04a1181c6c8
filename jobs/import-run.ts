// One import: read, refuse what is broken, stage and record in the lake, load into Redis, switch, tell (data-path.md 6). Every step can be repeated.
import { setImmediate } from 'node:timers/promises';
import {
  contentOfIncrement,
  contentOfPatients,
  contentOfPatientsFile,
  contentOfThresholds,
  contentOfThresholdsFile,
  type ImportContent,
} from '../src/domain/import-content.js';
import { type ImportedVersion, importedAtAfter, type ReferenceLake } from '../src/domain/import-lake.js';
import type { ImportOutcome, ImportTable } from '../src/domain/import-settings.js';
import type { TableSource } from '../src/domain/import-source.js';
import { Checksum, diffEntries, type Entry, type VersionInfo } from '../src/domain/import-version.js';
import type { Clock, Logger, Metrics, OnStep } from '../src/domain/ports.js';
import type { ThresholdCheckOptions } from '../src/domain/threshold-check.js';
import { microsOfMs } from '../src/domain/time.js';
import type { LookupStore } from '../src/redis/lookup-store.js';

/** An import that died lets the next one in after this; a living one renews its lock three times as often. */
const LOCK_TTL_MS = 30_000;
/** Rows hashed between two looks at everything else. */
const ROWS_A_TURN = 2_000;
/** Problems and warnings that one log line quotes. */
const MAX_QUOTED = 20;

export interface ImportParts {
  readonly source: TableSource;
  readonly lake: ReferenceLake;
  readonly store: LookupStore;
  readonly thresholdOptions: ThresholdCheckOptions;
  /** Unique for each call. */
  readonly newToken: () => string;
  readonly onStep: OnStep;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface ImportRequest {
  /** Under the lock still: whoever waits for it finds what was noted. */
  readonly onEnd?: (result: ImportResult) => Promise<void>;
  /** CSV instead of RDS. `name` is shown as the version's source. */
  readonly file?: { readonly name: string; readonly bytes: Uint8Array };
  /** The nominal instant, UTC milliseconds; default: now. */
  readonly tickMs?: number;
}

export interface ImportResult {
  readonly outcome: ImportOutcome;
  /** The version in force afterwards, where this import knows it. */
  readonly version: string | null;
  readonly rows: number;
  readonly added: number;
  readonly changed: number;
  readonly deleted: number;
  /** Why it was refused; for people, without patient data. */
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

interface Read extends ImportContent {
  /** Modes append and lastmodified: where the next import goes on. Recorded with the version, so an import that changes nothing is repeated. */
  readonly position: string | null;
}

const NOTHING: ImportResult = {
  outcome: 'nothing',
  version: null,
  rows: 0,
  added: 0,
  changed: 0,
  deleted: 0,
  problems: [],
  warnings: [],
};

/**
 * Imports one table, from RDS or from a file. Answers what became of it; throws when the source, the lake or Redis is away,
 * or another import was faster: then run it again.
 */
export async function runImport(
  table: ImportTable,
  parts: ImportParts,
  request: ImportRequest = {},
): Promise<ImportResult> {
  const { store, clock, log, metrics } = parts;
  const token = parts.newToken();
  const from = clock.monotonicMs();
  if (!(await store.lock(table, token, LOCK_TTL_MS))) return { ...NOTHING, outcome: 'skipped' };
  const result = await whileLocked(table, parts, token, async () => {
    const ended = await importLocked(table, parts, request, token);
    await request.onEnd?.(ended);
    return ended;
  });
  metrics.count('import_runs_total', { table, outcome: result.outcome });
  const { outcome, version, rows, added, changed, deleted } = result;
  const tookMs = Math.round(clock.monotonicMs() - from);
  log.info('import.done', { table, outcome, version, rows, added, changed, deleted, tookMs });
  return result;
}

async function whileLocked<T>(
  table: ImportTable,
  { store, clock, log }: ImportParts,
  token: string,
  work: () => Promise<T>,
): Promise<T> {
  const ended = new AbortController();
  // A lost lock is no reason to stop at once: the switch itself asks for it.
  const renewing = (async () => {
    while (!ended.signal.aborted) {
      await clock.sleep(LOCK_TTL_MS / 3, ended.signal);
      if (!ended.signal.aborted) await store.renew(table, token, LOCK_TTL_MS).catch(() => false);
    }
  })();
  try {
    return await work();
  } finally {
    ended.abort();
    await renewing;
    await store.unlock(table, token).catch(() => log.warn('import.unlock-failed', { table }));
  }
}

async function importLocked(
  table: ImportTable,
  parts: ImportParts,
  request: ImportRequest,
  lock: string,
): Promise<ImportResult> {
  const { lake, onStep, log, metrics, clock } = parts;
  const before = await lake.newest(table);
  let content: Read | undefined;
  try {
    content = await read(table, parts, request, before);
  } catch (error) {
    // Limits of yesterday are better than none: what the lake has comes back while the source is away.
    await restoreIfLost(table, parts, before, lock);
    throw error;
  }
  if (!content) return restoreIfLost(table, parts, before, lock);
  await onStep('import.snapshot');

  const problems = [...content.problems, ...suddenlyEmpty(table, content, before)];
  const warnings = [...content.warnings, ...replacedSoon(table, parts, request)];
  if (warnings.length > 0) log.warn('import.warnings', { table, warnings: quoted(warnings) });
  if (problems.length > 0) {
    log.error('import.refused', { table, problems: quoted(problems), stays: before?.version ?? 'none' });
    await restoreIfLost(table, parts, before, lock);
    return { ...NOTHING, outcome: 'refused', version: before?.version ?? null, problems, warnings };
  }

  const info = await versionInTurns(table, content.entries);
  const source = request.file ? `file:${request.file.name}` : (parts.source.names[table] ?? 'none');
  const diff = { added: 0, changed: 0, deleted: 0 };
  if (info.version !== before?.version) {
    const found = diffEntries(table, before ? await lake.read(table) : [], content.entries);
    Object.assign(diff, { added: found.added, changed: found.changed, deleted: found.deleted.length });
    const importedAt = importedAtAfter(before, microsOfMs(request.tickMs ?? clock.nowMs()));
    const version = { ...info, importedAt, source, position: content.position };
    await lake.commit(table, before, version, content.entries, found.deleted, onStep);
    for (const [change, n] of Object.entries(diff)) metrics.count('import_rows_total', { table, change }, n);
  }
  await load(table, parts, info, content.entries, source, lock);
  return {
    outcome: info.version === before?.version ? 'unchanged' : 'changed',
    version: info.version,
    rows: info.rows,
    ...diff,
    problems,
    warnings,
  };
}

/** What the new version holds. Undefined: there is nothing to read, the deployment has no such table. */
async function read(
  table: ImportTable,
  parts: ImportParts,
  { file }: ImportRequest,
  before: ImportedVersion | undefined,
): Promise<Read | undefined> {
  const { source, thresholdOptions } = parts;
  if (file) {
    const content =
      table === 'patients' ? contentOfPatientsFile(file.bytes) : contentOfThresholdsFile(file.bytes, thresholdOptions);
    return { ...content, position: null };
  }
  let entries: Promise<readonly Entry[]> | undefined;
  const known = () => {
    entries ??= parts.lake.read(table);
    return entries;
  };
  const increment = await source.increment(table, {
    position: before?.position ?? null,
    known: async () => new Set((await known()).map((entry) => entry.key)),
  });
  if (increment) {
    const content = contentOfIncrement(table, increment.anew ? [] : await known(), increment, thresholdOptions);
    return { ...content, position: increment.position };
  }
  if (table === 'patients') return { ...contentOfPatients(await source.patients()), position: null };
  const limits = await source.thresholds();
  return limits && { ...contentOfThresholds(limits, thresholdOptions), position: null };
}

/** A hospital that loads its table by emptying it first must not make strangers of all its patients. */
function suddenlyEmpty(
  table: ImportTable,
  content: ImportContent,
  before: ImportedVersion | undefined,
): readonly string[] {
  if (content.problems.length > 0 || content.entries.length > 0 || !before || before.rows === 0) return [];
  return [`${table}: the table is empty, the version in force has ${before.rows} rows`];
}

function replacedSoon(table: ImportTable, { source }: ImportParts, { file }: ImportRequest): readonly string[] {
  if (!file || source.names[table] === null) return [];
  const remedy = table === 'thresholds' ? ' (set thresholds.table to null in wardwatch.yaml to keep the file)' : '';
  return [`the next import of ${source.names[table]} replaces what the file brought${remedy}`];
}

async function restoreIfLost(
  table: ImportTable,
  parts: ImportParts,
  newest: ImportedVersion | undefined,
  lock: string,
): Promise<ImportResult> {
  if (!newest) return NOTHING;
  const inForce = await parts.store.current(table);
  const result = { ...NOTHING, version: newest.version, rows: newest.rows };
  if (inForce?.version === newest.version) return { ...result, outcome: 'unchanged' };
  await load(table, parts, newest, await parts.lake.read(table), newest.source, lock);
  parts.log.warn('import.restored-from-lake', { table, version: newest.version, rows: newest.rows });
  return { ...result, outcome: 'restored' };
}

async function load(
  table: ImportTable,
  { store, clock, onStep }: ImportParts,
  info: VersionInfo,
  entries: readonly Entry[],
  source: string,
  lock: string,
): Promise<void> {
  await store.write(table, info, entries, source, lock, clock.nowMs());
  await onStep('import.before-switch');
  await store.switchTo(table, info, lock, clock.nowMs());
  await onStep('import.after-switch');
}

/** The process may be everybody's: a large table must not stop alerts while it is hashed. */
async function versionInTurns(table: ImportTable, entries: readonly Entry[]): Promise<VersionInfo> {
  const sum = new Checksum();
  for (const [i, entry] of entries.entries()) {
    sum.add(entry);
    if (i % ROWS_A_TURN === 0) await setImmediate();
  }
  return sum.info(table);
}

function quoted(lines: readonly string[]): readonly string[] {
  const rest = lines.length - MAX_QUOTED;
  return rest > 0 ? [...lines.slice(0, MAX_QUOTED), `and ${rest} more`] : lines;
}
