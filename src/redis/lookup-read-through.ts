// Patients that no version in memory has: asked for once for many waiters, in Redis and then in RDS, within a time limit.
import type { TableSource } from '../domain/import-source.js';
import { patientOfEntry } from '../domain/import-version.js';
import type { Patient } from '../domain/patient.js';
import type { Clock, Logger, Metrics } from '../domain/ports.js';
import type { LookupStore } from './lookup-store.js';

/** Who is found nowhere is not asked for again for this long: one unknown wristband must not become a query a batch. */
const UNKNOWN_FOR_MS = 5_000;
/** After a failure or time-out the way through is closed this long, or each batch would wait for a source that is down. */
const CLOSED_FOR_MS = 1_000;
/** Ids of one query. */
const CHUNK = 500;
/** Remembered unknown ids, at most; beyond it the oldest are forgotten and may be asked for again. */
const MAX_UNKNOWN = 10_000;

export interface ReadThroughParts {
  readonly store: Pick<LookupStore, 'current' | 'entries'>;
  readonly source?: Pick<TableSource, 'patientsById'> | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  known(id: string): boolean;
  versionInMemory(): string;
  found(patient: Patient): void;
}

export interface ReadThrough {
  resolve(ids: readonly string[], timeoutMs: number): Promise<void>;
}

export function createReadThrough(parts: ReadThroughParts): ReadThrough {
  const { clock, log, metrics } = parts;
  const inFlight = new Map<string, Promise<void>>();
  /** Monotonic ms until which an id is not asked for. */
  const unknownUntil = new Map<string, number>();
  let closedUntil = 0;

  const notFor = (id: string, ms: number) => {
    unknownUntil.delete(id);
    unknownUntil.set(id, clock.monotonicMs() + ms);
    if (unknownUntil.size > MAX_UNKNOWN) unknownUntil.delete(unknownUntil.keys().next().value as string);
  };
  const isClosed = (id: string) => {
    const now = clock.monotonicMs();
    if (now < closedUntil) return true;
    const until = unknownUntil.get(id);
    if (until !== undefined && now >= until) unknownUntil.delete(id);
    return until !== undefined && now < until;
  };
  const take = (patients: readonly Patient[], missing: Set<string>, where: 'redis' | 'rds') => {
    let n = 0;
    for (const patient of patients) {
      if (!missing.delete(patient.id)) continue;
      unknownUntil.delete(patient.id);
      parts.found(patient);
      n += 1;
    }
    if (n > 0) metrics.count('lookup_misses_total', { found: where }, n);
  };

  const fromRedis = async (missing: Set<string>) => {
    const meta = await parts.store.current('patients');
    // The version in memory has been looked through already.
    if (!meta || meta.version === parts.versionInMemory()) return;
    const entries = await parts.store.entries('patients', meta.version, [...missing]);
    take(entries.filter((entry) => entry !== undefined).map(patientOfEntry), missing, 'redis');
  };
  const fetch = async (ids: readonly string[]) => {
    const missing = new Set(ids);
    // Redis away is no reason to stop: RDS knows more.
    await fromRedis(missing).catch((error: unknown) => log.debug('lookup.read-through-redis', nameOf(error)));
    if (missing.size === 0) return;
    try {
      const asked = [...missing];
      for (let i = 0; parts.source && i < asked.length; i += CHUNK)
        take(await parts.source.patientsById(asked.slice(i, i + CHUNK)), missing, 'rds');
      for (const id of missing) notFor(id, UNKNOWN_FOR_MS);
      if (missing.size > 0) metrics.count('lookup_misses_total', { found: 'nowhere' }, missing.size);
    } catch (error) {
      closedUntil = clock.monotonicMs() + CLOSED_FOR_MS;
      metrics.count('lookup_misses_total', { found: 'failed' }, missing.size);
      log.warn('lookup.read-through-failed', { ids: missing.size, ...nameOf(error) });
    }
  };

  return {
    resolve: async (ids, timeoutMs) => {
      const waits = new Set<Promise<void>>();
      const fresh = new Set<string>();
      for (const id of ids) {
        if (parts.known(id) || isClosed(id)) continue;
        const running = inFlight.get(id);
        if (running) waits.add(running);
        else fresh.add(id);
      }
      if (fresh.size > 0) {
        const running = fetch([...fresh]).finally(() => {
          for (const id of fresh) inFlight.delete(id);
        });
        for (const id of fresh) inFlight.set(id, running);
        waits.add(running);
      }
      if (waits.size === 0) return;
      const timer = new AbortController();
      const late = clock.sleep(timeoutMs, timer.signal).then(() => !timer.signal.aborted);
      const timedOut = await Promise.race([Promise.all(waits).then(() => false), late]);
      timer.abort();
      if (!timedOut) return;
      closedUntil = clock.monotonicMs() + CLOSED_FOR_MS;
      log.warn('lookup.read-through-late', { ids: fresh.size, timeoutMs });
    },
  };
}

function nameOf(error: unknown): { readonly error: string } {
  return { error: error instanceof Error ? error.name : typeof error };
}
