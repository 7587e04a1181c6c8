// The import actor: reference tables by cron, at once where there is no version, and again after a loss of Redis.
import type { Redis } from 'ioredis';
import type { QueueRegistry } from '../queues/registry.js';
import { createScheduler, type ScheduleName, type TickSource } from '../queues/schedules.js';
import type { JobData } from '../queues/table.js';
import { createQueueWorker, RunLater } from '../queues/worker.js';
import { IMPORT_TABLES, type ImportTable } from '../src/domain/import-settings.js';
import { MysqlError } from '../src/mysql/pool.js';
import { SourceRefused } from '../src/mysql/refusal.js';
import type { Actor } from './actor.js';
import { type ImportParts, type ImportResult, runImport } from './import-run.js';

/** How often the version in Redis is compared with the lake's; sooner while one of them is out of reach, and when Redis comes back. */
const LOOK_MS = 60_000;
const LOOK_AGAIN_MS = 5_000;
const LOCKED_RETRY_MS = 2_000;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 60_000;
/** A missing table or right needs a person; looked at again now and then, so that mending it is enough. */
const REFUSED_RETRY_MS = 300_000;
/** The largest tables take minutes. */
const STUCK_MS = 1_800_000;

export interface ImportActorParts extends ImportParts {
  /** A `blocking` connection, not closed by the actor. */
  readonly connection: Redis;
  readonly registry: Pick<QueueRegistry, 'add'>;
  /** REDIS_PREFIX. */
  readonly prefix: string;
  /** A schedule without an expression does not tick. */
  readonly crons: Readonly<Partial<Record<ImportSchedule, string>>>;
  /** How long a stop waits for a running import. */
  readonly drainMs: number;
  readonly ticks?: TickSource;
  readonly lookMs?: number;
}

type ImportSchedule = Extract<ScheduleName, `import-${string}`>;

const TABLE_OF = { 'import-patients': 'patients', 'import-thresholds': 'thresholds' } as const satisfies Record<
  ImportSchedule,
  ImportTable
>;

export function createImportActor(parts: ImportActorParts): Actor {
  const { store, lake, clock, log, metrics } = parts;
  const stopped = new AbortController();
  const originless = new Set<ImportTable>();
  const failures = new Map<ImportTable, number>();
  const troubles = new Map<ImportTable, string>();
  let busySinceMs: number | undefined;
  let seen = false;
  let loop: Promise<void> = Promise.resolve();

  const handle = async ({ table, tickMs }: JobData<'import-table'>) => {
    try {
      if (await isCovered(table, tickMs)) return;
      const startedAtMs = clock.nowMs();
      busySinceMs = clock.monotonicMs();
      const onEnd = ({ outcome }: ImportResult) =>
        store.recordRun(table, { tickMs, startedAtMs, endedAtMs: clock.nowMs(), refused: outcome === 'refused' });
      const result = await runImport(table, parts, { tickMs, onEnd });
      // Whoever holds the lock may have died: looked at again, until its import covers this tick or the lock is free.
      if (result.outcome === 'skipped') throw new RunLater(LOCKED_RETRY_MS);
      failures.delete(table);
      troubles.delete(table);
      if (result.outcome === 'refused')
        troubles.set(table, `refused, the last good version stays: ${result.problems[0]}`);
    } catch (error) {
      if (error instanceof RunLater) throw error;
      throw await retry(table, tickMs, error);
    } finally {
      busySinceMs = undefined;
    }
  };
  /** Ticks that an import has been run for already, or that came while one ran, or that a newer job is being tried again for. */
  const isCovered = async (table: ImportTable, tickMs: number): Promise<boolean> => {
    const lastRun = await store.lastRun(table);
    if (lastRun && lastRun.endedAtMs >= tickMs && !(await isLost(table))) {
      if (lastRun.startedAtMs < tickMs) skip(table, tickMs);
      return true;
    }
    return ((await store.retrying(table)) ?? 0) > tickMs;
  };
  const skip = (table: ImportTable, tickMs: number) => {
    metrics.count('import_skipped_ticks_total', { table });
    log.info('import.tick-skipped', { table, tickMs });
  };
  /** Whatever failed is tried again for as long as it takes: a job that gives up would wait for tomorrow's tick. */
  const retry = async (table: ImportTable, tickMs: number, error: unknown): Promise<RunLater> => {
    const n = (failures.get(table) ?? 0) + 1;
    failures.set(table, n);
    metrics.count('import_runs_total', { table, outcome: 'failed' });
    const forPerson = error instanceof SourceRefused || (error instanceof MysqlError && error.answered);
    const delayMs = forPerson ? REFUSED_RETRY_MS : Math.min(RETRY_MIN_MS * 2 ** (n - 1), RETRY_MAX_MS);
    const trouble = troubleOf(error);
    troubles.set(table, trouble);
    log.error('import.failed', { table, failures: n, retryInMs: delayMs, trouble }, error);
    // Twice its delay: a job that is lost with a part of Redis must not silence the others for long.
    await store.recordRetry(table, tickMs, 2 * delayMs).catch(() => undefined);
    return new RunLater(delayMs);
  };

  /** True where Redis holds no version, or another one than the lake's newest. */
  const isLost = async (table: ImportTable): Promise<boolean> => {
    const [inForce, newest] = await Promise.all([store.current(table), lake.peek(table)]);
    return !inForce || (newest !== undefined && newest.version !== inForce.version);
  };
  const hasOrigin = async (table: ImportTable) =>
    parts.source.names[table] !== null || (await lake.peek(table)) !== undefined;
  const look = async (atStart: boolean) => {
    let all = true;
    for (const table of IMPORT_TABLES) {
      try {
        originless.delete(table);
        if (!(await isLost(table))) continue;
        if (!(await hasOrigin(table))) {
          originless.add(table);
          if (atStart) log.warn('import.nothing-yet', { table });
          continue;
        }
        // One of all replicas a minute, by the job's id.
        const tickMs = Math.floor(clock.nowMs() / LOOK_MS) * LOOK_MS;
        log.info('import.no-version-in-force', { table, atStart });
        await parts.registry.add('import-table', `import-${table}-reload-${tickMs}`, { v: 1, table, tickMs });
      } catch (error) {
        all = false;
        log.warn('import.look-failed', { table, error: error instanceof Error ? error.name : 'unknown' });
      }
    }
    seen = all;
  };

  // It may have come back empty.
  const onRedisBack = () => void look(false);
  const worker = createQueueWorker('import-table', parts, handle);
  const scheduler = createScheduler({
    crons: parts.crons,
    registry: parts.registry,
    // Asked each minute, so that every replica tells of the newest import.
    doneUpTo: async (name) => {
      const table = TABLE_OF[name as ImportSchedule];
      const [run, inForce] = await Promise.all([store.lastRun(table), store.current(table)]);
      // One by hand may have been taken since.
      const refused = run?.refused === true && (inForce?.confirmedAtMs ?? 0) < run.endedAtMs;
      metrics.gauge('import_refused', Number(refused), { table });
      return run?.tickMs;
    },
    clock,
    log,
    ...(parts.ticks ? { ticks: parts.ticks } : {}),
  });

  return {
    role: 'import',
    start: async () => {
      worker.start();
      await look(true);
      parts.connection.on('ready', onRedisBack);
      await scheduler.start();
      loop = (async () => {
        for (;;) {
          await clock.sleep(seen ? (parts.lookMs ?? LOOK_MS) : LOOK_AGAIN_MS, stopped.signal);
          if (stopped.signal.aborted) return;
          await look(false);
        }
      })();
    },
    stop: async () => {
      stopped.abort();
      parts.connection.off('ready', onRedisBack);
      await scheduler.stop();
      await loop;
      // What is cut off here is found stalled, and converges elsewhere.
      if (!(await worker.stop(parts.drainMs))) log.warn('import.stopped-in-the-middle');
    },
    health: () => {
      const stuck = busySinceMs !== undefined && clock.monotonicMs() - busySinceMs > STUCK_MS;
      const reasons = [
        ...[...troubles].map(([table, trouble]) => `import of ${table}: ${trouble}`),
        ...[...originless].map(
          (table) => `no ${table} in RDS and none loaded: run \`wardwatch import ${table} --file\``,
        ),
        ...(seen ? [] : ['Redis or the lake is out of reach: which versions are in force is not known']),
        ...(stuck ? ['an import has been running for more than half an hour'] : []),
      ];
      return { ready: seen, live: !stuck, reasons };
    },
  };
}

/** For people, without data: only our own messages are quoted. */
function troubleOf(error: unknown): string {
  if (error instanceof MysqlError) return `RDS: ${error.code}`;
  if (error instanceof SourceRefused) return error.message;
  return error instanceof Error ? error.name : 'unknown';
}
