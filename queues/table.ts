// Every BullMQ queue: one row each, with its contract and options. Job data is ids and a version, never patient data.
import { z } from 'zod';

const JobV1 = z.object({ v: z.literal(1) });

/** Two days, seconds: a replica that ticks late must still find the finished job of that tick and be refused. */
const FINISHED_TICKS_KEPT_S = 172_800;
const FAILED_KEPT = 1_000;
/** An hour, seconds: whoever asked reads the answer from the finished job. */
const ANSWERS_KEPT_S = 3_600;
/** Dead records asked for in one job. */
export const REPLAYED_AT_ONCE = 500;
const REASON_CHARACTERS = 500;

const Decimal = z.string().regex(/^\d{1,20}$/);
/** `by`: who asked, an account of the operating system. */
const CommandV1 = JobV1.extend({ source: z.string().min(1), by: z.string().max(100) });

/** How a queue keeps, retries and locks its jobs. Milliseconds. */
export interface QueueOptions {
  readonly removeOnComplete: boolean | { readonly age: number };
  readonly removeOnFail: boolean | { readonly count: number };
  readonly attempts: number;
  /** A job whose worker died is taken over after lock + stalled interval. */
  readonly lockDurationMs: number;
  readonly stalledIntervalMs: number;
  readonly concurrency: number;
}

/** One task at a time, each the job of its tick. */
const FILLED_BY_CRON = {
  removeOnComplete: { age: FINISHED_TICKS_KEPT_S },
  removeOnFail: { count: FAILED_KEPT },
  attempts: 5,
  lockDurationMs: 30_000,
  stalledIntervalMs: 5_000,
  concurrency: 1,
} as const satisfies QueueOptions;

export const QUEUES = {
  'poll-vitals': {
    purpose: 'The turn of the active poller: one job per source, re-added by every replica.',
    data: JobV1.extend({ source: z.string().min(1) }),
    options: {
      removeOnComplete: true,
      removeOnFail: true,
      attempts: 1,
      lockDurationMs: 5_000,
      stalledIntervalMs: 2_000,
      concurrency: 1,
    },
  },
  'source-command': {
    purpose: 'A request to the active poller: reset, backfill, replay. Carried out in its own transactions.',
    data: z.discriminatedUnion('kind', [
      CommandV1.extend({
        kind: z.literal('reset'),
        from: z.union([z.enum(['end', 'beginning']), Decimal]),
        reason: z.string().min(1).max(REASON_CHARACTERS),
      }),
      CommandV1.extend({ kind: z.literal('backfill'), from: Decimal, to: Decimal }),
      CommandV1.extend({
        kind: z.literal('replay'),
        places: z
          .array(z.object({ partition: z.number().int().nonnegative(), offset: z.number().int().nonnegative() }))
          .min(1)
          .max(REPLAYED_AT_ONCE),
      }),
    ]),
    options: {
      removeOnComplete: { age: ANSWERS_KEPT_S },
      removeOnFail: { count: FAILED_KEPT },
      attempts: 1,
      lockDurationMs: 10_000,
      stalledIntervalMs: 5_000,
      // A reset must not wait behind a backfill that waits for the archive.
      concurrency: 4,
    },
  },
  'import-table': {
    purpose: 'One import of a reference table, filled by cron.',
    data: JobV1.extend({ table: z.enum(['patients', 'thresholds']), tickMs: z.number().int() }),
    options: FILLED_BY_CRON,
  },
  'maintain-lake': {
    purpose: 'Looking after the lake, filled by cron: the nightly audit.',
    data: JobV1.extend({ task: z.enum(['audit']), tickMs: z.number().int() }),
    options: FILLED_BY_CRON,
  },
  'follow-up': {
    purpose:
      'A timer of an alert: a reminder, an escalation, the end of a silence. The ledger knows what, and when it is due.',
    data: JobV1.extend({ timerId: z.string().regex(/^[a-z0-9-]{1,100}$/) }),
    options: {
      removeOnComplete: true,
      // The sweep adds it again: an id among the failed ones would swallow that.
      removeOnFail: true,
      attempts: 20,
      lockDurationMs: 10_000,
      stalledIntervalMs: 5_000,
      concurrency: 4,
    },
  },
  'deliver-alert': {
    purpose: 'One notification to publish: the ledger knows the rest.',
    data: JobV1.extend({ notificationId: z.string().regex(/^[a-z2-7]{26}$/) }),
    options: {
      removeOnComplete: true,
      removeOnFail: { count: FAILED_KEPT },
      attempts: 20,
      lockDurationMs: 10_000,
      stalledIntervalMs: 5_000,
      concurrency: 8,
    },
  },
} as const satisfies Record<string, { purpose: string; data: z.ZodType; options: QueueOptions }>;

export type QueueName = keyof typeof QUEUES;
export const QUEUE_NAMES = Object.keys(QUEUES) as QueueName[];
export type JobData<N extends QueueName> = z.infer<(typeof QUEUES)[N]['data']>;
