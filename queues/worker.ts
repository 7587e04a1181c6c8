// The shell round every job handler: the only `new Worker`. Parses the data, counts, logs a failure once, stores nothing of it but its code.
import { DelayedError, type Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { JobError } from '../src/domain/job-error.js';
import type { Clock, Logger, Metrics } from '../src/domain/ports.js';
import { type JobData, QUEUES, type QueueName, type QueueOptions } from './table.js';

const MAX_STALLED = 1_000;
const RETRY_FIRST_MS = 250;
const RETRY_MOST_MS = 30_000;
/** While Redis refuses (full, its disk failing), BullMQ would ask again at once, thousands of times a second. */
const REFUSED_PAUSE_MS = 1_000;
const REFUSED_SAID_EVERY_MS = 60_000;

/** Thrown by a handler: put the job back, to run again after `delayMs`, with no attempt counted. */
export class RunLater extends Error {
  override readonly name = 'RunLater';
  readonly delayMs: number;
  constructor(delayMs: number) {
    super('run later');
    this.delayMs = delayMs;
  }
}

/** What a handler answers, for whoever asked: kept with the finished job, so numbers and words of ours, never data. */
export type JobAnswer = Readonly<Record<string, string | number | boolean>>;

export interface JobContext {
  readonly jobId: string;
  readonly attempt: number;
  /** Aborts when the lock is gone or someone else's, or the worker stops: end soon, take nothing new. Redis out of reach does not abort it. */
  readonly signal: AbortSignal;
  /** Says how far it is, for whoever asked. A Redis that is away is no failure of the job. */
  progress(answer: JobAnswer): Promise<void>;
}

export interface QueueWorkerParts {
  /** A `blocking` connection, not closed by the worker. */
  readonly connection: Redis;
  readonly prefix: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Overrides the row's concurrency. */
  readonly concurrency?: number;
  /** A job of this worker's has ended and left the queue as its row says: its id can be added again. */
  readonly onEnded?: (jobId: string) => void;
}

export interface QueueWorker {
  /** Begins to take jobs. */
  start(): void;
  /** Takes no more, aborts the signals of running jobs, resolves when they have ended or `withinMs` is over (then false). */
  stop(withinMs: number): Promise<boolean>;
  running(): number;
}

export function createQueueWorker<N extends QueueName>(
  name: N,
  parts: QueueWorkerParts,
  handle: (data: JobData<N>, context: JobContext) => Promise<JobAnswer> | Promise<void>,
): QueueWorker {
  const row: QueueOptions = QUEUES[name].options;
  const { log, metrics } = parts;
  const aborts = new Map<string, AbortController>();
  let stopping = false;
  const putBack = async (job: Job, delayMs: number, token: string | undefined) => {
    try {
      await job.moveToDelayed(parts.clock.nowMs() + delayMs, token);
    } catch (error) {
      // Lock lost or Redis gone: the job is somebody else's, or is found stalled. What BullMQ stores of this must not be the driver's words.
      throw new JobError('redis-unavailable', error);
    }
    throw new DelayedError();
  };
  const worker = new Worker(
    name,
    async (job, token) => {
      const abort = new AbortController();
      const id = String(job.id);
      // Fetched while the worker was told to stop: not ours to begin.
      if (stopping) await putBack(job, 0, token);
      aborts.set(id, abort);
      try {
        const data = QUEUES[name].data.safeParse(job.data);
        if (!data.success) throw new JobError('invalid-job-data');
        const answer = await handle(data.data as JobData<N>, {
          jobId: id,
          attempt: job.attemptsMade,
          signal: abort.signal,
          progress: (far) => job.updateProgress(far).catch(() => undefined),
        });
        metrics.count('jobs_total', { queue: name, outcome: 'done' });
        return answer;
      } catch (error) {
        if (error instanceof RunLater) {
          metrics.count('jobs_total', { queue: name, outcome: 'later' });
          await putBack(job, error.delayMs, token);
        }
        metrics.count('jobs_total', { queue: name, outcome: 'failed' });
        const code = error instanceof JobError ? error.code : 'unexpected';
        const cause = error instanceof JobError ? error.cause : error;
        log.error('job.failed', { queue: name, jobId: id, attempt: job.attemptsMade, code }, cause);
        throw new JobError(code);
      } finally {
        aborts.delete(id);
      }
    },
    {
      connection: parts.connection,
      prefix: parts.prefix,
      autorun: false,
      concurrency: parts.concurrency ?? row.concurrency,
      lockDuration: row.lockDurationMs,
      stalledInterval: row.stalledIntervalMs,
      maxStalledCount: MAX_STALLED,
      // No skipVersionCheck: BullMQ then takes Redis for an old one and rounds every delay up to whole seconds.
      settings: {
        backoffStrategy: (attempts: number) => Math.random() * Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** attempts),
      },
    },
  );
  worker.on('lockRenewalFailed', (jobIds: string[]) => {
    for (const id of jobIds) aborts.get(id)?.abort();
  });
  worker.on('completed', (job) => parts.onEnded?.(String(job.id)));
  worker.on('failed', (job) => job && parts.onEnded?.(String(job.id)));
  let saidMs = Number.NEGATIVE_INFINITY;
  worker.on('error', (error: Error) => {
    const now = parts.clock.monotonicMs();
    if (now - saidMs >= REFUSED_SAID_EVERY_MS) {
      log.warn('queue.error', { queue: name, error: error.name });
      saidMs = now;
    }
    if (error.name === 'ReplyError') void rest();
  });
  /** Takes nothing for a while; what runs goes on. */
  const rest = async () => {
    if (stopping || worker.isPaused()) return;
    await worker.pause(true);
    await parts.clock.sleep(REFUSED_PAUSE_MS);
    if (!stopping) await worker.resume();
  };
  return {
    start: () => {
      void worker.run().catch((error: unknown) => log.error('queue.stopped', { queue: name }, error));
    },
    stop: async (withinMs) => {
      stopping = true;
      for (const abort of aborts.values()) abort.abort();
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<boolean>((resolve) => {
        timer = setTimeout(() => resolve(false), withinMs);
      });
      const closed = worker.close().then(() => true);
      return Promise.race([closed, late]).finally(() => clearTimeout(timer));
    },
    running: () => aborts.size,
  };
}
