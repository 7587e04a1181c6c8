// The producing side of every queue: the only `new Queue`.
import { type JobsOptions, Queue, QueueKeys } from 'bullmq';
import type { Redis } from 'ioredis';
import { type JobData, QUEUE_NAMES, QUEUES, type QueueName, type QueueOptions } from './table.js';

const JOB_ID = /^(?=.*[a-z-])[a-z0-9-]+$/;
/** BullMQ's own keys beside the jobs': a job of such a name would overwrite the queue's inside. */
const OWN_KEYS: ReadonlySet<string> = new Set(Object.keys(new QueueKeys('').getKeys('')));
const COUNTED_STATES = ['waiting', 'active', 'delayed', 'failed', 'completed', 'prioritized'] as const;

export interface QueueRegistry {
  /** Adds a job under a fixed id; an id that is there already, in any state, is left as it is. `delayMs`, `priority` (1 first) as in BullMQ. */
  add<N extends QueueName>(
    name: N,
    jobId: string,
    data: JobData<N>,
    options?: { readonly delayMs?: number; readonly priority?: number },
  ): Promise<void>;
  counts(name: QueueName): Promise<Readonly<Record<string, number>>>;
  /** For Bull Board and tests. */
  queue(name: QueueName): Queue;
  close(): Promise<void>;
}

/** `connection` is a `command` connection; the registry does not close it. */
export function createQueueRegistry(connection: Redis, prefix: string): QueueRegistry {
  const queues = new Map<QueueName, Queue>();
  for (const name of QUEUE_NAMES) {
    const queue = new Queue(name, { connection, prefix, skipVersionCheck: true });
    // Without a listener BullMQ prints errors of the connection, which logs its own outages.
    queue.on('error', () => undefined);
    queues.set(name, queue);
  }
  const get = (name: QueueName) => {
    const queue = queues.get(name);
    if (!queue) throw new Error(`queue ${name} is no row of queues/table.ts`);
    return queue;
  };
  return {
    add: async (name, jobId, data, options = {}) => {
      if (!JOB_ID.test(jobId) || OWN_KEYS.has(jobId))
        throw new Error(`job id ${jobId}: only a-z, 0-9 and '-', not digits alone, none of BullMQ's own keys`);
      await get(name).add(name, QUEUES[name].data.parse(data), { jobId, ...jobOptions(QUEUES[name].options, options) });
    },
    counts: (name) => get(name).getJobCounts(...COUNTED_STATES),
    queue: get,
    close: async () => {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}

function jobOptions(row: QueueOptions, own: { delayMs?: number; priority?: number }): JobsOptions {
  return {
    attempts: row.attempts,
    // The delay itself is the worker's (queues/worker.ts); without this line BullMQ retries at once.
    backoff: { type: 'custom' },
    removeOnComplete: row.removeOnComplete,
    removeOnFail: row.removeOnFail,
    ...(own.delayMs ? { delay: own.delayMs } : {}),
    ...(own.priority ? { priority: own.priority } : {}),
  };
}
