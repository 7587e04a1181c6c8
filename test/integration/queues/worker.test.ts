// The shell round every job, on a real Redis: what is stored, put back, aborted, taken over and stopped.
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { createQueueRegistry, type QueueRegistry } from '../../../queues/registry.js';
import type { JobData, QueueName } from '../../../queues/table.js';
import { createQueueWorker, type JobContext, type QueueWorker, RunLater } from '../../../queues/worker.js';
import { JobError } from '../../../src/domain/job-error.js';
import { connectRedis, redisReady } from '../../../src/redis/connections.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { createLogger } from '../../../src/telemetry/logger.js';
import { recordingMetrics } from '../../helpers/recorders.js';
import { testStack, uniqueName } from '../../helpers/stack.js';

const PLANTED = 'Zyx Plantedname';
const prefix = `{${uniqueName('queues')}}`;
const settings = { url: testStack().redisUrl };
const metrics = recordingMetrics();
const lines: string[] = [];
const log = createLogger({ level: 'debug', write: (line) => lines.push(line) });
let command: Redis;
let registry: QueueRegistry;

beforeAll(async () => {
  command = connectRedis(settings, 'command', log);
  await redisReady(command);
  registry = createQueueRegistry(command, prefix);
});

afterAll(async () => {
  await registry.close();
  for (let cursor = '0', first = true; first || cursor !== '0'; first = false) {
    const [next, keys] = await command.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', 1_000);
    if (keys.length > 0) await command.del(...keys);
    cursor = next;
  }
  await command.quit();
});

function worker<N extends QueueName>(
  name: N,
  handle: (data: JobData<N>, context: JobContext) => Promise<void>,
  own?: Redis,
): QueueWorker {
  const connection = own ?? connectRedis(settings, 'blocking', log);
  const made = createQueueWorker(name, { connection, prefix, clock: systemClock, log, metrics }, handle);
  onTestFinished(async () => {
    await made.stop(2_000);
    connection.disconnect();
  });
  made.start();
  return made;
}

const until = (check: () => unknown, timeout = 15_000) => vi.waitFor(check, { timeout, interval: 20 });
const deliver = (n: number) => ({ v: 1, notificationId: `${'a'.repeat(24)}${'bcdefghijk'[n]}2` }) as const;

it('stores nothing of a failure but its code, and retries with a growing delay', async () => {
  const attempts: number[] = [];
  const stopped = worker('deliver-alert', async (_data, { attempt }) => {
    attempts.push(attempt);
    if (attempt === 0) throw new Error(`no route for ${PLANTED}`);
    if (attempt === 1) throw new JobError('delivery-retry', new Error(PLANTED));
    await new Promise(() => {});
  });
  await registry.add('deliver-alert', 'fails', deliver(0));
  await until(() => expect(attempts).toEqual([0, 1, 2]));
  const hash = await command.hgetall(`${prefix}:deliver-alert:fails`);
  expect(JSON.stringify(hash)).not.toContain('Plantedname');
  expect(hash.failedReason).toBe('delivery-retry');
  expect(JSON.parse(hash.stacktrace ?? '')).toEqual(['JobError: unexpected', 'JobError: delivery-retry']);
  expect(JSON.parse(hash.opts ?? '{}').backoff).toEqual({ type: 'custom' });
  expect(lines.join('')).not.toContain('Plantedname');
  const codes = lines.map((line) => JSON.parse(line)).filter((line) => line.event === 'job.failed');
  expect(codes.map((line) => line.code)).toEqual(['unexpected', 'delivery-retry']);
  expect(await metrics.value('jobs_total', { queue: 'deliver-alert', outcome: 'failed' })).toBe(2);
  expect(await stopped.stop(300)).toBe(false);
});

it('fails data that its schema refuses, by code, without calling the handler', async () => {
  const handle = vi.fn(async () => {});
  worker('import-table', handle);
  const queue = registry.queue('import-table');
  await queue.add('import-table', { v: 1, table: PLANTED, tickMs: 1 }, { jobId: 'bad-data', attempts: 1 });
  await until(async () => expect(await queue.getJobState('bad-data')).toBe('failed'));
  expect((await queue.getJob('bad-data'))?.failedReason).toBe('invalid-job-data');
  expect(handle).not.toHaveBeenCalled();
});

it('refuses ids that BullMQ or people would misread', async () => {
  for (const id of ['', '123', 'a:b', 'A', 'a b', '2026-01-01T00:00:00Z', 'failed', 'meta']) {
    await expect(registry.add('deliver-alert', id, deliver(1)), id).rejects.toThrow('job id');
  }
});

it('puts a job back for later without counting an attempt, and keeps one job of an id', async () => {
  const seen: number[] = [];
  await registry.add('poll-vitals', 'poll-later', { v: 1, source: 'later' });
  await registry.add('poll-vitals', 'poll-later', { v: 1, source: 'other' });
  expect((await registry.counts('poll-vitals')).waiting).toBe(1);
  worker('poll-vitals', async (data, { attempt }) => {
    expect(data.source).toBe('later');
    seen.push(attempt);
    if (seen.length < 3) throw new RunLater(20);
  });
  await until(() => expect(seen).toEqual([0, 0, 0]));
  await until(async () => expect(Object.values(await registry.counts('poll-vitals'))).toEqual([0, 0, 0, 0, 0, 0]));
  expect(await metrics.value('jobs_total', { queue: 'poll-vitals', outcome: 'later' })).toBe(2);
});

it('aborts the job whose lock is gone, and not the one beside it', async () => {
  const aborted: string[] = [];
  worker('deliver-alert', (_data, { jobId, signal }) => {
    signal.addEventListener('abort', () => aborted.push(jobId));
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  });
  await registry.add('deliver-alert', 'loses', deliver(2));
  await registry.add('deliver-alert', 'keeps', deliver(3));
  await until(async () => expect(await command.exists(`${prefix}:deliver-alert:loses:lock`)).toBe(1));
  await command.set(`${prefix}:deliver-alert:loses:lock`, 'somebody-else', 'PX', 60_000);
  await until(() => expect(aborted).toContain('loses'));
  expect(aborted).toEqual(['loses']);
});

it('hands a job on when its worker is cut off, and stops within its deadline', async () => {
  const cut = connectRedis(settings, 'blocking', log);
  const begun: string[] = [];
  const first = worker(
    'poll-vitals',
    async (_data, { signal }) => {
      begun.push('first');
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    },
    cut,
  );
  await registry.add('poll-vitals', 'poll-takeover', { v: 1, source: 'takeover' });
  await until(() => expect(begun).toEqual(['first']));
  cut.disconnect();
  let release = () => {};
  const second = worker('poll-vitals', async (_data, { signal }) => {
    begun.push('second');
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    expect(signal.aborted).toBe(true);
  });
  await until(() => expect(begun).toEqual(['first', 'second']), 20_000);
  const stopping = second.stop(10_000);
  release();
  expect(await stopping).toBe(true);
  expect(second.running()).toBe(0);
  await first.stop(100);
});

it('a Redis that refuses is asked again at a bearable rate, and work goes on when it refuses no more', async () => {
  const own = connectRedis(settings, 'blocking', log);
  await redisReady(own);
  const asked = vi.spyOn(own, 'sendCommand');
  // As when it is full, each try to take a job ends with an error of its own: this key should be a list.
  const broken = `${prefix}:import-table:active`;
  await command.set(broken, 'no list');
  await registry.add('import-table', 'waits', { v: 1, table: 'patients', tickMs: 0 });
  const handled: string[] = [];
  lines.length = 0;
  worker('import-table', async (_data, { jobId }) => void handled.push(jobId), own);
  const said = () => lines.filter((line) => line.includes('queue.error')).length;
  await until(() => expect(said()).toBe(1));
  const before = asked.mock.calls.length;
  await systemClock.sleep(2_500);
  expect(asked.mock.calls.length - before).toBeLessThan(50);
  expect(said()).toBe(1);
  expect(handled).toEqual([]);
  await command.del(broken);
  await until(() => expect(handled).toEqual(['waits']));
});
