// poll: reads every committed row of the source into vital-info, once; one process at a time, by turns of a BullMQ job and fencing.
import type { Redis } from 'ioredis';
import type { QueueRegistry } from '../queues/registry.js';
import { createQueueWorker, type JobContext } from '../queues/worker.js';
import type { ActorHealth } from '../src/domain/actor-health.js';
import { hashId } from '../src/domain/identity.js';
import { PositionUnreadableError } from '../src/domain/position.js';
import { FencedError, KafkaGrantError, RecordTooLargeError } from '../src/kafka/errors.js';
import { MysqlError } from '../src/mysql/pool.js';
import { SourceRefused } from '../src/mysql/refusal.js';
import { type Actor, STUCK_AFTER_MS } from './actor.js';
import { createPollSource, type PollSourceParts, TopicMissingError } from './poll-source.js';
import { type CommandParts, createSourceCommands } from './source-command.js';
import { createSourceDesk } from './source-desk.js';

const DEFAULT_TURN_MS = 30_000;
const READD_EVERY_MS = 1_000;
const REDIS_ANSWERS_WITHIN_MS = 1_000;
const RETRY_FIRST_MS = 100;
const RETRY_MOST_MS = 5_000;
/** What a person has to mend is looked at again this often. */
const REFUSED_AGAIN_MS = 5_000;
const STOP_WITHIN_MS = 15_000;
/** Errors whose message is for people and quotes no data. */
const SAYS_WHAT_TO_DO = [KafkaGrantError, RecordTooLargeError, TopicMissingError];
const LOCK_WAIT_OVER = 'ER_LOCK_WAIT_TIMEOUT';
const JOB_NAME = /^[a-z0-9-]+$/;

export interface PollParts extends PollSourceParts {
  readonly registry: QueueRegistry;
  /** A `blocking` connection for the worker; not closed here. */
  readonly connection: Redis;
  /** REDIS_PREFIX as BullMQ's prefix. */
  readonly queuePrefix: string;
  /** POLL_INTERVAL_MS: from the end of the table to the next look. */
  readonly intervalMs: number;
  /** For requests: backfill, replay, reset. */
  readonly commands: CommandParts;
  /** How long a turn lasts while Redis answers; 30 s. */
  readonly turnMs?: number;
  /** How long a turn may go without finishing a look, or failing one, before `live` is false. */
  readonly stuckAfterMs?: number;
}

/** `start` throws SourceRefused where the source can't be polled without loss; a source or Kafka that is away is waited for. */
export function createPollActor(parts: PollParts): Actor {
  const { source, registry, clock, log, metrics } = parts;
  const jobId = `poll-${JOB_NAME.test(source) ? source : hashId(source)}`;
  const polling = createPollSource(parts);
  const desk = createSourceDesk();
  const commands = createSourceCommands({ ...parts, ...parts.commands, desk, afterReset: () => polling.letGo() });
  const stopped = new AbortController();
  let mailbox: Promise<void> = Promise.resolve();
  let mailboxDown = false;
  let started = false;
  let turnMovedMs: number | undefined;
  let trouble: string | undefined;
  let giveBack = false;

  const readd = async (): Promise<void> => {
    try {
      await registry.add('poll-vitals', jobId, { v: 1, source });
      mailboxDown = false;
    } catch (error) {
      // The turn under way goes on; the next one begins when Redis is back.
      if (!mailboxDown) log.warn('poll.mailbox-down', { error: (error as Error).name });
      mailboxDown = true;
    }
  };

  const keepMailbox = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      await readd();
      if (trouble !== undefined && turnMovedMs === undefined) await standbyInspect();
      await clock.sleep(READD_EVERY_MS, stopped.signal);
    }
  };

  /** Who stands by finds out by itself that what was wrong is mended. */
  const standbyInspect = async (): Promise<void> => {
    try {
      await inspect();
    } catch (error) {
      trouble = (error as Error).message;
    }
  };

  const redisAnswers = async (): Promise<boolean> => {
    const answer = registry.counts('poll-vitals').then(
      () => true,
      () => false,
    );
    return Promise.race([answer, clock.sleep(REDIS_ANSWERS_WITHIN_MS).then(() => false)]);
  };

  /** A failed look: says what it was, forgets what is in doubt. Answers how long to wait, or undefined where the turn ends. */
  const after = async (error: unknown, failures: number): Promise<number | undefined> => {
    const waitMs = Math.min(RETRY_FIRST_MS * 2 ** failures, RETRY_MOST_MS);
    polling.reportStandstill();
    if (error instanceof FencedError) {
      log.warn('poll.fenced', { source });
      await polling.letGo();
      giveBack = true;
      return undefined;
    }
    if (error instanceof SourceRefused || error instanceof PositionUnreadableError) {
      if (trouble !== error.message) log.error('poll.refused', { source, reason: error.message }, error);
      trouble = error.message;
      polling.forgetSession();
      return REFUSED_AGAIN_MS;
    }
    if (error instanceof MysqlError) {
      if (failures === 0) log.warn('poll.source-unavailable', { source, errorCode: error.code });
      trouble = awayInWords(error);
      polling.forgetSession();
      return waitMs;
    }
    if (failures === 0) log.error('poll.commit-in-doubt', { source }, error);
    trouble = SAYS_WHAT_TO_DO.some((kind) => error instanceof kind)
      ? (error as Error).message
      : `Kafka does not answer as it should (${(error as Error).name}): see the log`;
    await polling.letGo();
    return waitMs;
  };

  const turn = async (context: JobContext): Promise<void> => {
    const endMs = clock.monotonicMs() + (parts.turnMs ?? DEFAULT_TURN_MS);
    let failures = 0;
    let begun = false;
    /** Without Redis nobody could take over by the mailbox, so the turn goes on past its end until Redis answers. */
    let asking = false;
    let redisBack = false;
    giveBack = false;
    metrics.gauge('poll_active', 1);
    try {
      while (!context.signal.aborted && !redisBack) {
        turnMovedMs = clock.monotonicMs();
        if (turnMovedMs >= endMs && !asking && !commands.busy()) {
          asking = true;
          void redisAnswers().then((answered) => {
            redisBack = answered;
            asking = false;
          });
        }
        try {
          if (!begun) await polling.beginTurn();
          begun = true;
          desk.open();
          await desk.serve(polling);
          const found = await polling.look();
          failures = 0;
          trouble = undefined;
          if (found === 'end') await clock.sleep(parts.intervalMs, context.signal);
        } catch (error) {
          const waitMs = await after(error, failures);
          if (waitMs === undefined) return;
          failures += 1;
          await clock.sleep(waitMs, context.signal);
        }
      }
    } finally {
      desk.close();
      turnMovedMs = undefined;
      metrics.gauge('poll_active', 0);
    }
  };

  const worker = createQueueWorker(
    'poll-vitals',
    {
      connection: parts.connection,
      prefix: parts.queuePrefix,
      clock,
      log,
      metrics,
      // Whoever fenced us is polling: its own re-adding will do. Otherwise no reading waits for the next second.
      onEnded: () => {
        if (!giveBack && !stopped.signal.aborted) void readd();
      },
    },
    async (data, context) => {
      if (data.source === source) await turn(context);
      else log.warn('poll.foreign-job', { source: data.source });
    },
  );

  /** Refusals stop a start; a source that is away does not. */
  const inspect = async (): Promise<void> => {
    try {
      (await parts.vitals.open()).close();
      trouble = undefined;
    } catch (error) {
      if (!(error instanceof MysqlError)) throw error;
      if (trouble === undefined) log.warn('poll.source-unavailable', { source, errorCode: error.code });
      trouble = awayInWords(error);
    }
  };

  return {
    role: 'poll',
    start: async () => {
      await inspect();
      worker.start();
      commands.start();
      mailbox = keepMailbox();
      started = true;
      log.info('poll.started', { source, start: parts.start, evidence: parts.vitals.evidence });
    },
    stop: async () => {
      stopped.abort();
      const [drained] = await Promise.all([worker.stop(STOP_WITHIN_MS), commands.stop(STOP_WITHIN_MS)]);
      if (!drained) log.error('poll.stop-late', { source });
      await mailbox;
      await polling.letGo();
    },
    health: (): ActorHealth => {
      const stuckAfterMs = parts.stuckAfterMs ?? STUCK_AFTER_MS;
      const stuck = turnMovedMs !== undefined && clock.monotonicMs() - turnMovedMs > stuckAfterMs;
      const reasons = [
        started ? undefined : 'not started',
        trouble,
        mailboxDown ? 'Redis does not answer: turns go on, no new one begins' : undefined,
        stuck ? `no look at the source has ended for more than ${stuckAfterMs / 1_000} s` : undefined,
        ...polling.reasons(),
      ].filter((reason) => reason !== undefined);
      return { ready: started && trouble === undefined && !stuck, live: !stuck, reasons };
    },
  };
}

function awayInWords(error: MysqlError): string {
  return error.code === LOCK_WAIT_OVER
    ? 'the table is locked by somebody (LOCK TABLES, ALTER TABLE): its rows wait until it is released; SHOW FULL PROCESSLIST on the server says who it is'
    : `the source does not answer (${error.code}): is RDS_URL right, and the server up?`;
}
