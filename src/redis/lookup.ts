// Who is this patient, which limits apply: a version in memory, changed between batches, with a way through to RDS (data-path.md 5).
import type { Redis } from 'ioredis';
import { IMPORT_TABLES, type ImportTable } from '../domain/import-settings.js';
import type { TableSource } from '../domain/import-source.js';
import {
  type Entry,
  entriesOfThresholds,
  entryOfPatient,
  patientOfEntry,
  thresholdOfEntry,
  versionOf,
} from '../domain/import-version.js';
import type { Lookup, LookupView } from '../domain/lookup.js';
import type { Patient } from '../domain/patient.js';
import type { Clock, Logger, Metrics } from '../domain/ports.js';
import type { ThresholdRow } from '../domain/threshold.js';
import { createReadThrough } from './lookup-read-through.js';
import type { LookupStore, VersionMeta } from './lookup-store.js';

/** How often the pointers are looked at when no change message came. */
const REFRESH_MS = 5_000;

export interface LookupParts {
  readonly store: Pick<LookupStore, 'current' | 'read' | 'entries' | 'channel'>;
  /** A `subscriber` connection, not closed by the lookup. */
  readonly subscriber: Redis;
  /** RDS, for patients that are in no version yet and for a cold start without Redis; undefined: Redis only. */
  readonly source?: Pick<TableSource, 'patients' | 'thresholds' | 'patientsById'> | undefined;
  /** What is wrong with a table of limits; limits read past the import are held to the same rules. */
  readonly thresholdProblems: (rows: readonly ThresholdRow[]) => readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly refreshMs?: number;
}

export interface LookupHealth {
  /** True once valid limits are there. */
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

export interface RunningLookup extends Lookup {
  /** Loads what is there and keeps it up to date. Resolves after the first try, with or without success: look at hasThresholds(). */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Looks at the pointers now. Never throws. */
  refresh(): Promise<void>;
  health(): LookupHealth;
}

interface View extends LookupView {
  readonly patients: ReadonlyMap<string, Patient>;
  /** Read through since this version was loaded. */
  readonly extra: Map<string, Patient>;
}

const EMPTY = makeView([], '', new Map(), '');

export function createLookup(parts: LookupParts): RunningLookup {
  const { store, clock, log, metrics } = parts;
  const confirmedAtMs: Record<ImportTable, number> = { patients: 0, thresholds: 0 };
  const stopped = new AbortController();
  let view = EMPTY;
  let previousExtra = EMPTY.extra;
  let redisDown = false;
  let refreshing: Promise<void> | undefined;
  let again = false;
  let loop: Promise<void> = Promise.resolve();

  const put = (next: View) => {
    previousExtra = view.extra;
    view = next;
  };
  const readThrough = createReadThrough({
    ...parts,
    known: (id) => view.patient(id) !== undefined,
    versionInMemory: () => view.patientVersion,
    // A batch may still hold the view before the newest one.
    found: (patient) => {
      view.extra.set(patient.id, patient);
      previousExtra.set(patient.id, patient);
    },
  });

  const putThresholds = (thresholds: readonly ThresholdRow[], version: string) =>
    put(makeView(thresholds, version, view.patients, view.patientVersion, view.extra));
  const putPatients = (patients: ReadonlyMap<string, Patient>, version: string) =>
    put(makeView(view.thresholds, view.thresholdVersion, patients, version));
  const inMemory = (table: ImportTable) => (table === 'patients' ? view.patientVersion : view.thresholdVersion);

  const load = async (table: ImportTable, meta: VersionMeta) => {
    const from = clock.monotonicMs();
    if (table === 'patients') {
      const patients = new Map<string, Patient>();
      await store.read(table, meta, (entry) => patients.set(entry.key, patientOfEntry(entry)));
      putPatients(patients, meta.version);
    } else {
      const entries: Entry[] = [];
      await store.read(table, meta, (entry) => entries.push(entry));
      entries.sort((a, b) => (a.key < b.key ? -1 : 1));
      putThresholds(entries.map(thresholdOfEntry), meta.version);
    }
    const tookMs = Math.round(clock.monotonicMs() - from);
    log.info('lookup.loaded', { table, version: meta.version, rows: meta.rows, source: meta.source, tookMs });
  };

  const loadFromSource = async (table: ImportTable) => {
    if (!parts.source) return;
    if (table === 'patients') {
      const { patients } = await parts.source.patients();
      putPatients(new Map(patients.map((p) => [p.id, p])), versionOf(table, patients.map(entryOfPatient)).version);
    } else {
      const limits = await parts.source.thresholds();
      if (!limits || limits.rows.length === 0) return;
      const problems = [...limits.problems, ...parts.thresholdProblems(limits.rows)];
      if (problems.length > 0) {
        log.error('lookup.thresholds-broken', { source: 'rds', problems });
        return;
      }
      const entries = entriesOfThresholds(limits.rows);
      putThresholds(entries.map(thresholdOfEntry), versionOf(table, entries).version);
    }
    confirmedAtMs[table] = clock.nowMs();
    log.warn('lookup.loaded-from-source', { table, version: inMemory(table) });
  };

  const refreshTable = async (table: ImportTable) => {
    try {
      const meta = await store.current(table);
      if (redisDown) log.info('lookup.redis-back');
      redisDown = false;
      if (meta) {
        confirmedAtMs[table] = meta.confirmedAtMs;
        if (meta.version !== inMemory(table)) await load(table, meta);
        return;
      }
    } catch (error) {
      // A version that is switched away or torn while it is read: the next look finds the newer one. Memory stays.
      if (!redisDown) log.warn('lookup.redis-unavailable', { table, error: errorName(error) });
      redisDown = true;
    }
    if (inMemory(table) !== '') return;
    try {
      await loadFromSource(table);
    } catch (error) {
      log.warn('lookup.source-unavailable', { table, error: errorName(error) });
    }
  };

  const refreshOnce = async () => {
    for (const table of IMPORT_TABLES) {
      await refreshTable(table);
      if (inMemory(table) === '') continue;
      metrics.gauge('lookup_age_seconds', Math.max(0, clock.nowMs() - confirmedAtMs[table]) / 1000, { table });
      metrics.gauge('lookup_rows', table === 'patients' ? view.patients.size : view.thresholds.length, { table });
    }
  };
  // One at a time; a change message that comes in the middle is looked at afterwards.
  const refresh = (): Promise<void> => {
    again = true;
    refreshing ??= (async () => {
      while (again && !stopped.signal.aborted) {
        again = false;
        await refreshOnce();
      }
    })().finally(() => {
      refreshing = undefined;
    });
    return refreshing;
  };
  const onMessage = (channel: string) => {
    if (channel === store.channel) void refresh();
  };

  return {
    current: () => view,
    hasThresholds: () => view.thresholdVersion !== '',
    resolve: readThrough.resolve,
    refresh,
    start: async () => {
      parts.subscriber.on('message', onMessage);
      // Not awaited: while Redis is away it waits for it, and ioredis subscribes anew after each reconnect.
      parts.subscriber.subscribe(store.channel).catch((error: unknown) => {
        if (!stopped.signal.aborted) log.warn('lookup.subscribe-failed', { error: errorName(error) });
      });
      await refresh();
      loop = (async () => {
        for (;;) {
          await clock.sleep(parts.refreshMs ?? REFRESH_MS, stopped.signal);
          if (stopped.signal.aborted) return;
          await refresh();
        }
      })();
    },
    stop: async () => {
      stopped.abort();
      parts.subscriber.off('message', onMessage);
      if (parts.subscriber.status === 'ready') await parts.subscriber.unsubscribe(store.channel);
      await loop;
      await refreshing;
    },
    health: () => {
      const reasons: string[] = [];
      if (view.thresholdVersion === '')
        reasons.push('no thresholds yet: run `wardwatch import thresholds` (with --file where RDS has no such table)');
      if (view.patientVersion === '') reasons.push('no patients yet: run `wardwatch import patients`');
      if (redisDown) reasons.push('the lookup works from memory: Redis is out of reach or holds a torn version');
      return { ready: view.thresholdVersion !== '', reasons };
    },
  };
}

function makeView(
  thresholds: readonly ThresholdRow[],
  thresholdVersion: string,
  patients: ReadonlyMap<string, Patient>,
  patientVersion: string,
  extra = new Map<string, Patient>(),
): View {
  return {
    thresholds,
    thresholdVersion,
    patients,
    patientVersion,
    extra,
    patient: (id) => patients.get(id) ?? extra.get(id),
  };
}

function errorName(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
