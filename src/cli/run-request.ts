// What `source reset`, `source backfill` and `dead replay` do: hand a request to the active poller, and wait for its answer.
import { randomUUID } from 'node:crypto';
import { userInfo } from 'node:os';
import type { QueueRegistry } from '../../queues/registry.js';
import { type JobData, REPLAYED_AT_ONCE } from '../../queues/table.js';
import type { JobAnswer } from '../../queues/worker.js';
import { type BaseOptions, createBase } from '../app/base.js';
import type { Base, Connections } from '../app/connections.js';
import { type Deployment, deploymentOf } from '../app/deployment.js';
import { SayError } from '../app/explain.js';
import { lookAtRedis } from '../app/looks.js';
import { withConnections } from '../app/once.js';
import { EXIT } from '../app/process.js';
import { ConfigError } from '../config/problems.js';
import type { CliContext } from './program.js';

const LOOK_EVERY_MS = 250;
/** Nobody has it in hand for this long: no process with the role poll runs, or none reaches the source. */
const UNTAKEN_MS = 60_000;
const USER_CHARACTERS = 100;

type Request = JobData<'source-command'>;
type Asked<K extends Request['kind']> = Omit<Extract<Request, { kind: K }>, 'v' | 'source' | 'by'>;
type AnyAsked = { [K in Request['kind']]: Asked<K> }[Request['kind']];

export async function runReset(asked: Omit<Asked<'reset'>, 'kind'>, context: CliContext): Promise<number> {
  return withPoller(context, async (ask) => {
    const answer = await ask({ kind: 'reset', ...asked });
    if (!answer) return EXIT.failed;
    context.out(
      `✓ the source begins at id ${answer.firstId} now; its readings are called ${answer.readingSource}:<id>`,
    );
    if (answer.givenUp !== 0)
      context.out(
        `! ${answer.givenUp} ids below are given up, in the lake's table gap with evidence reset; wardwatch source backfill reads what is there of them`,
      );
    return EXIT.ok;
  });
}

export async function runBackfill(asked: Omit<Asked<'backfill'>, 'kind'>, context: CliContext): Promise<number> {
  return withPoller(context, async (ask) => {
    const answer = await ask({ kind: 'backfill', ...asked });
    if (!answer) return EXIT.failed;
    const { read, added, held, dead, left } = answer;
    context.out(
      `✓ ids ${asked.from} to ${asked.to}: ${read} rows read, ${added} added, ${held} were in the lake, ${dead} lie there dead`,
    );
    if (left !== 0) context.out(`  ${left} ids are left to polling: above its position, or in open gaps`);
    return EXIT.ok;
  });
}

/** 1 where one of them could not be replayed. */
export async function replayDead(
  places: Asked<'replay'>['places'],
  base: Base,
  connections: Connections,
  context: CliContext,
): Promise<number> {
  const ask = askPoller(base, connections, deploymentOf(base.config), context);
  const sum = { added: 0, held: 0, unknown: 0, unreadable: 0, left: 0 };
  for (let at = 0; at < places.length; at += REPLAYED_AT_ONCE) {
    const answer = await ask({ kind: 'replay', places: places.slice(at, at + REPLAYED_AT_ONCE) });
    if (!answer) return EXIT.failed;
    for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += Number(answer[name]);
  }
  context.out(`✓ ${sum.added} replayed, ${sum.held} were in the lake already`);
  if (sum.left > 0) context.out(`! ${sum.left} name rows that polling has yet to bring`);
  if (sum.unknown > 0) context.out(`✗ ${sum.unknown}: no dead record lies there`);
  if (sum.unreadable > 0)
    context.out(
      `✗ ${sum.unreadable}: can't be decoded, or fit no column of the lake, and name no row that is in the table`,
    );
  return sum.unknown + sum.unreadable > 0 ? EXIT.failed : EXIT.ok;
}

/** Who types, for the record. */
export function whoAsks(): string {
  return userInfo().username.slice(0, USER_CHARACTERS);
}

export const REQUEST_NEEDS: Pick<BaseOptions, 'needs' | 'needsSource'> = { needs: ['REDIS_URL'], needsSource: true };

/** Resolves with the answer, or undefined where the request was refused, failed, or nobody took it: said by then. */
type Ask = (request: AnyAsked) => Promise<JobAnswer | undefined>;

async function withPoller(context: CliContext, work: (ask: Ask) => Promise<number>): Promise<number> {
  const base = createBase({ envFile: context.envFile(), ...REQUEST_NEEDS, quiet: true });
  return withConnections(base, (connections) => work(askPoller(base, connections, deploymentOf(base.config), context)));
}

function askPoller(base: Base, connections: Connections, deployment: Deployment, context: CliContext): Ask {
  return async (request) => {
    const problems = await lookAtRedis({ ...base, connections, deployment, write: false });
    if (problems.length > 0) throw new ConfigError(problems);
    const queues = connections.queues();
    const jobId = `${request.kind}-${randomUUID()}`;
    const asked = { v: 1, source: deployment.source, by: whoAsks() } as const;
    await queues.add('source-command', jobId, { ...asked, ...request });
    return waitFor(queues, jobId, base, context);
  };
}

async function waitFor(
  queues: QueueRegistry,
  jobId: string,
  { clock }: Base,
  context: CliContext,
): Promise<JobAnswer | undefined> {
  let inHandMs = clock.monotonicMs();
  let said = '';
  for (;;) {
    // In this order: a job that was read before it ended has no answer yet.
    const state = await queues.queue('source-command').getJobState(jobId);
    const job = await queues.queue('source-command').getJob(jobId);
    if (!job)
      throw new SayError('the request is gone: Redis was emptied or restarted. It is safe to ask for the same again');
    if (state === 'completed') return answerOf(job.returnvalue as JobAnswer, context);
    if (state === 'failed') {
      context.out(`✗ failed: ${job.failedReason}; the log of the active poller says more. It is safe to ask again`);
      return undefined;
    }
    const far = describe(job.progress);
    if (far !== said && far !== '') context.out(`  ${far}`);
    said = far;
    if (state === 'active' && far !== '') inHandMs = clock.monotonicMs();
    if (clock.monotonicMs() - inHandMs > UNTAKEN_MS && (await takenBack(job))) {
      context.out(
        `✗ no poller took the request within ${UNTAKEN_MS / 1_000} s, and it is taken back: does a worker with the role poll run, and does /ready of it say that it polls? It is safe to ask again`,
      );
      return undefined;
    }
    await clock.sleep(LOOK_EVERY_MS);
  }
}

function answerOf({ outcome, reason, ...answer }: JobAnswer, context: CliContext): JobAnswer | undefined {
  if (outcome === 'done') return answer;
  context.out(`✗ refused: ${reason}`);
  return undefined;
}

/** False where somebody has just taken it. */
async function takenBack(job: { remove(): Promise<void> }): Promise<boolean> {
  return job.remove().then(
    () => true,
    () => false,
  );
}

function describe(progress: unknown): string {
  const far = progress as {
    phase?: string;
    partition?: number;
    at?: number;
    end?: number;
    read?: number;
    added?: number;
  };
  if (far?.phase === 'begun') return 'in hand';
  if (far?.phase === 'archive')
    return `waits for the archive: partition ${far.partition} is at ${far.at} of ${far.end}`;
  if (far?.phase === 'rows') return `${far.read === undefined ? '' : `${far.read} rows read, `}${far.added} added`;
  return '';
}
