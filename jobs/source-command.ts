// source-command: requests of people to the active poller. Whoever has no turn puts them back; whoever has one carries them out at its desk.
import type { Redis } from 'ioredis';
import type { JobData } from '../queues/table.js';
import { createQueueWorker, type JobAnswer, type JobContext, type QueueWorker, RunLater } from '../queues/worker.js';
import { JobError, type JobErrorCode } from '../src/domain/job-error.js';
import type { Clock, Logger, Metrics, OnStep } from '../src/domain/ports.js';
import { FencedError, KafkaOutcomeUnknownError } from '../src/kafka/errors.js';
import { LakeChainError, LakeFileMissingError } from '../src/lake/errors.js';
import { MysqlError } from '../src/mysql/pool.js';
import { SourceRefused } from '../src/mysql/refusal.js';
import type { VitalsSource } from '../src/mysql/vitals-source.js';
import { pollTopics } from './poll-records.js';
import type { AddParts, Progress } from './source-add.js';
import { backfill } from './source-backfill.js';
import { CommandRefused, NotOurTurn, type SourceDesk } from './source-desk.js';
import { type ReplayParts, replay } from './source-replay.js';
import { resetSource } from './source-reset.js';

/** The turn is another process's, or will be. */
const LATER_MS = 300;
/** Begun anew so often after a doubt that isn't a passing one; each makes the poller own its source anew. */
const DOUBTS_AT_MOST = 5;
/** The turn went to another, or the source is away: no fault of the request's. */
const PASSING = [FencedError, MysqlError];
/** Answers that are final, in our words. */
const ANSWERS = [CommandRefused, SourceRefused, LakeChainError, LakeFileMissingError];

type Request = JobData<'source-command'>;

/** What requests need beyond the poller's own parts. */
export interface CommandParts {
  readonly endOffsets: AddParts['endOffsets'];
  readonly lake: AddParts['lake'];
  readonly fitsLake: ReplayParts['fitsLake'];
}

export interface SourceCommandParts extends CommandParts {
  readonly kafka: AddParts['kafka'];
  readonly source: string;
  readonly vitals: VitalsSource;
  readonly prefix: string;
  readonly batchRows: number;
  readonly desk: SourceDesk;
  /** A reset makes everything that the poller remembers untrue. */
  readonly afterReset: () => Promise<void>;
  readonly connection: Redis;
  readonly queuePrefix: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly onStep: OnStep;
}

export interface SourceCommands extends QueueWorker {
  /** Requests are being carried out: the turn lasts until they are. */
  busy(): boolean;
}

export function createSourceCommands(parts: SourceCommandParts): SourceCommands {
  const { source, desk, clock, log, metrics } = parts;
  const add: ReplayParts & { batchRows: number } = { ...parts, topics: pollTopics(parts.prefix) };
  let atWork = 0;
  let adding: Promise<unknown> = Promise.resolve();
  const doubts = new Map<string, number>();

  /** One after the other: each has to find in the lake what the one before added. */
  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    const mine = adding.then(work);
    adding = mine.catch(() => undefined);
    return mine;
  };

  const carryOut = async (request: Request, jobId: string, progress: Progress): Promise<JobAnswer> => {
    switch (request.kind) {
      case 'reset':
        return desk.between(async (inHand) => {
          const { firstId, readingSource, givenUp } = await resetSource({ ...parts, topics: add.topics }, inHand, {
            ...request,
            id: jobId,
          });
          await parts.afterReset();
          return { firstId, readingSource, givenUp };
        });
      case 'backfill': {
        const range = { from: BigInt(request.from), to: BigInt(request.to) };
        return { ...(await inTurn(() => backfill(add, range, progress))) };
      }
      case 'replay':
        return { ...(await inTurn(() => replay(add, request.places, progress))) };
    }
  };

  /** For a request that is to begin anew: later, or never, where it has brought the poller into doubt too often. */
  const again = (jobId: string, cause: unknown): Error => {
    if (cause === undefined || PASSING.some((kind) => cause instanceof kind)) return new RunLater(LATER_MS);
    const doubt = (doubts.get(jobId) ?? 0) + 1;
    doubts.set(jobId, doubt);
    if (doubt < DOUBTS_AT_MOST) return new RunLater(LATER_MS);
    doubts.delete(jobId);
    return new JobError(cause instanceof KafkaOutcomeUnknownError ? 'kafka-unavailable' : 'unexpected', cause);
  };

  const handle = async (request: Request, { jobId, progress }: JobContext): Promise<JobAnswer> => {
    const about = { kind: request.kind, jobId, by: request.by };
    if (request.source !== source) {
      log.warn('source-command.foreign', { ...about, source: request.source });
      return { outcome: 'refused', reason: `this deployment's source is ${source}, not ${request.source}` };
    }
    if (!desk.turn()) throw new RunLater(LATER_MS);
    atWork += 1;
    log.info('source-command.begun', about);
    try {
      void progress({ phase: 'begun' });
      const answer = await carryOut(request, jobId, (far) => void progress(far));
      doubts.delete(jobId);
      log.info('source-command.done', { ...about, ...answer });
      return { outcome: 'done', ...answer };
    } catch (error) {
      if (error instanceof NotOurTurn) throw again(jobId, error.cause);
      if (!ANSWERS.some((kind) => error instanceof kind)) throw new JobError(codeOf(error), error);
      const reason = (error as Error).message;
      log.warn('source-command.refused', { ...about, reason });
      return { outcome: 'refused', reason };
    } finally {
      atWork -= 1;
    }
  };

  const worker = createQueueWorker(
    'source-command',
    { connection: parts.connection, prefix: parts.queuePrefix, clock, log, metrics },
    handle,
  );
  return { ...worker, busy: () => atWork > 0 };
}

/** What the lake's disk or server refuses carries a code; what doesn't is a mistake of ours. */
function codeOf(error: unknown): JobErrorCode {
  return typeof (error as { code?: unknown }).code === 'string' ? 'lake-unavailable' : 'unexpected';
}
