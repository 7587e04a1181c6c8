// The maintain actor: the nightly audit by cron, and a look at the readers of our topics.
import type { Redis } from 'ioredis';
import type { QueueRegistry } from '../queues/registry.js';
import { createScheduler, type TickSource } from '../queues/schedules.js';
import type { JobData } from '../queues/table.js';
import { createQueueWorker, type JobContext, RunLater } from '../queues/worker.js';
import {
  AUDIT_TERMS,
  AuditImpossible,
  type AuditReport,
  type AuditTermName,
  offendingOf,
} from '../src/domain/audit.js';
import type { Metrics } from '../src/domain/ports.js';
import type { AuditRun, AuditRuns } from '../src/redis/audit-runs.js';
import type { Actor } from './actor.js';
import { type AuditParts, type AuditRequest, runAudit } from './audit.js';

const RETRY_MIN_MS = 10_000;
const RETRY_MAX_MS = 900_000;
/** Hours are fine for a large lake; a day is not. */
const STUCK_MS = 86_400_000;
/** Offending ids that one log line quotes, of each kind. */
const QUOTED = 5;
const MS_PER_S = 1_000;

export interface MaintainParts extends AuditParts {
  readonly runs: AuditRuns;
  /** A `blocking` connection, not closed by the actor. */
  readonly connection: Redis;
  readonly registry: Pick<QueueRegistry, 'add'>;
  /** REDIS_PREFIX. */
  readonly queuePrefix: string;
  readonly metrics: Metrics;
  /** Undefined: never by itself. */
  readonly auditCron: string | undefined;
  /** Looks at the readers of our topics until the signal comes. */
  readonly subscriptions: (signal: AbortSignal) => Promise<void>;
  /** How long a stop waits for a running task. */
  readonly drainMs: number;
  readonly ticks?: TickSource;
  /** `runAudit`, unless a test says otherwise. */
  readonly audit?: (parts: AuditParts, request: AuditRequest) => Promise<AuditReport>;
}

export function createMaintainActor(parts: MaintainParts): Actor {
  const { runs, clock, log, metrics } = parts;
  const audit = parts.audit ?? runAudit;
  const startedMs = clock.nowMs();
  const stopped = new AbortController();
  let looking: Promise<void> = Promise.resolve();
  let busySinceMs: number | undefined;
  let failures = 0;
  let trouble: string | undefined;
  let last: AuditRun | undefined;

  const remember = (run: AuditRun | undefined) => {
    if (!run) return;
    last = run;
    tell(metrics, run);
  };

  const handle = async ({ tickMs }: JobData<'maintain-lake'>, { signal }: JobContext): Promise<void> => {
    const done = await runs.last();
    if (done && done.tickMs >= tickMs) return;
    busySinceMs = clock.monotonicMs();
    try {
      const run = await auditOnce(tickMs, signal);
      await runs.record(run);
      remember(run);
      failures = 0;
      trouble = undefined;
    } catch (error) {
      failures += 1;
      const delayMs = Math.min(RETRY_MIN_MS * 2 ** (failures - 1), RETRY_MAX_MS);
      trouble = error instanceof Error ? error.name : 'unknown';
      metrics.count('audit_runs_total', { outcome: 'failed' });
      log.error('audit.failed', { failures, retryInMs: delayMs }, error);
      throw new RunLater(delayMs);
    } finally {
      busySinceMs = undefined;
    }
  };

  const auditOnce = async (tickMs: number, signal: AbortSignal): Promise<AuditRun> => {
    const fromMs = clock.monotonicMs();
    try {
      const report = await audit(parts, { signal });
      const { ok, source, ids } = report;
      const tookMs = Math.round(clock.monotonicMs() - fromMs);
      metrics.count('audit_runs_total', { outcome: ok ? 'holds' : 'broken' });
      const about = { source, from: ids?.from ?? null, to: ids?.to ?? null, tookMs };
      if (ok) log.info('audit.holds', about);
      else log.error('audit.broken', { ...about, found: wordsOf(report) });
      const counts = AUDIT_TERMS.map((term) => [term, offendingOf(report, term)]);
      return { tickMs, endedAtMs: clock.nowMs(), ok, offending: Object.fromEntries(counts) };
    } catch (error) {
      if (!(error instanceof AuditImpossible) || signal.aborted) throw error;
      metrics.count('audit_runs_total', { outcome: 'impossible' });
      log.warn('audit.impossible', { why: error.message });
      const none = Object.fromEntries(AUDIT_TERMS.map((term) => [term, 0])) as Record<AuditTermName, number>;
      return { tickMs, endedAtMs: clock.nowMs(), ok: null, offending: none };
    }
  };

  const worker = createQueueWorker('maintain-lake', { ...parts, prefix: parts.queuePrefix }, handle);
  const scheduler = createScheduler({
    crons: parts.auditCron === undefined ? {} : { audit: parts.auditCron },
    registry: parts.registry,
    // Asked each minute, so that every replica tells of the newest audit. The first start makes nothing up.
    doneUpTo: async () => {
      remember(await runs.last());
      return last?.tickMs ?? startedMs;
    },
    clock,
    log,
    ...(parts.ticks ? { ticks: parts.ticks } : {}),
  });

  return {
    role: 'maintain',
    start: async () => {
      worker.start();
      looking = parts.subscriptions(stopped.signal);
      await scheduler.start();
    },
    stop: async () => {
      stopped.abort();
      await scheduler.stop();
      await looking;
      // What is cut off here is found stalled, and begun anew elsewhere: it only reads.
      if (!(await worker.stop(parts.drainMs))) log.warn('maintain.stopped-in-the-middle');
    },
    health: () => {
      const stuck = busySinceMs !== undefined && clock.monotonicMs() - busySinceMs > STUCK_MS;
      const reasons = [
        ...(last?.ok === false ? ['the newest audit does not hold: run `wardwatch audit`'] : []),
        ...(trouble === undefined ? [] : [`the audit fails: ${trouble}`]),
        ...(stuck ? ['an audit has been running for more than a day'] : []),
      ];
      return { ready: true, live: !stuck, reasons };
    },
  };
}

function tell(metrics: Metrics, { ok, endedAtMs, offending }: AuditRun): void {
  metrics.gauge('audit_ended_seconds', endedAtMs / MS_PER_S);
  if (ok === null) return;
  metrics.gauge('audit_holds', Number(ok));
  for (const term of AUDIT_TERMS) metrics.gauge('audit_offending', offending[term], { term });
}

function wordsOf({ terms }: AuditReport): readonly string[] {
  return terms.flatMap(({ name, offending }) =>
    Object.entries(offending)
      .filter(([, { count }]) => count > 0)
      .map(([what, { count, first }]) => `${name}: ${count} ${what}: ${first.slice(0, QUOTED).join(', ')}`),
  );
}
