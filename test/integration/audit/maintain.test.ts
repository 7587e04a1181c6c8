// The maintain actor on a real Redis: one audit a tick however many replicas tick, its outcome in the metrics of each, tried again when it fails.
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Actor } from '../../../jobs/actor.js';
import { createMaintainActor, type MaintainParts } from '../../../jobs/maintain.js';
import { createQueueRegistry, type QueueRegistry } from '../../../queues/registry.js';
import type { TickSource } from '../../../queues/schedules.js';
import { AuditImpossible, type AuditReport, auditTerm, found } from '../../../src/domain/audit.js';
import type { Clock } from '../../../src/domain/ports.js';
import { createAuditRuns } from '../../../src/redis/audit-runs.js';
import { connectRedis } from '../../../src/redis/connections.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { keysOf } from '../../helpers/deployment.js';
import { recordingLogger, recordingMetrics } from '../../helpers/recorders.js';
import { testStack, uniqueName } from '../../helpers/stack.js';

const until = (check: () => unknown) => vi.waitFor(check, { timeout: 20_000, interval: 20 });
const report = (...missing: string[]): AuditReport => {
  const terms = [auditTerm('rows', '', { 'ids of RDS that are not in the lake': found(missing) })];
  return { v: 1, at: '', source: 'rds', ids: { from: '1', to: '9' }, ok: missing.length === 0, terms, apart: {} };
};

let redis: Redis;
let prefix: string;
let registry: QueueRegistry;
let closing: (() => Promise<unknown>)[];
let onTicks: ((tickMs: number) => void)[];
const ticks: TickSource = {
  every: (_cron, onTick) => {
    onTicks.push(onTick);
    return { stop: () => undefined };
  },
};

beforeEach(() => {
  redis = new Redis(testStack().redisUrl);
  prefix = `{${uniqueName('maintain')}}`;
  registry = createQueueRegistry(redis, prefix);
  closing = [];
  onTicks = [];
});
afterEach(async () => {
  for (const close of closing) await close();
  await registry.close();
  for (const key of await keysOf(redis, prefix)) await redis.del(key);
  redis.disconnect();
});

/** One replica. The scheduler's minute is 50 ms. */
async function replica(audit: NonNullable<MaintainParts['audit']>) {
  const log = recordingLogger();
  const metrics = recordingMetrics();
  const clock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 50), signal) };
  const connection = connectRedis({ url: testStack().redisUrl }, 'blocking', log);
  const actor: Actor = createMaintainActor({
    ...({} as MaintainParts),
    runs: createAuditRuns(redis, prefix),
    connection,
    registry,
    queuePrefix: prefix,
    subscriptions: async () => undefined,
    metrics,
    auditCron: '0 0 1 1 *',
    drainMs: 5_000,
    ticks,
    audit,
    clock,
    log,
  });
  closing.push(async () => {
    await actor.stop();
    connection.disconnect();
  });
  await actor.start();
  const value = (name: Parameters<typeof metrics.value>[0], labels = {}) => metrics.value(name, labels);
  return { actor, log, value };
}

it('asks once a tick, and says on every replica how it ended', async () => {
  const asked: number[] = [];
  const answers = [report(), report('7', '8')];
  const audit = async () => answers[asked.push(asked.length) - 1] as AuditReport;
  const replicas = [await replica(audit), await replica(audit)];
  const tickMs = Date.UTC(2027, 0, 1);
  for (const tick of onTicks) tick(tickMs);
  for (const { value } of replicas) await until(async () => expect(await value('audit_holds')).toBe(1));
  expect(asked).toHaveLength(1);

  for (const tick of onTicks) tick(tickMs + 60_000);
  for (const { value, actor } of replicas) {
    await until(async () => expect(await value('audit_holds')).toBe(0));
    expect(await value('audit_offending', { term: 'rows' })).toBe(2);
    expect(actor.health().reasons).toEqual(['the newest audit does not hold: run `wardwatch audit`']);
  }
  expect(asked).toHaveLength(2);
  const said = replicas.flatMap(({ log }) => log.lines).filter(({ event }) => event === 'audit.broken');
  expect(said.map(({ level, fields }) => [level, fields.found])).toEqual([
    ['error', ['rows: 2 ids of RDS that are not in the lake: 7, 8']],
  ]);
});

it('tries again when it fails, and does not when there is nothing to compare', async () => {
  const outcomes: (() => AuditReport)[] = [
    () => {
      throw new Error('Kafka is away');
    },
    () => report(),
    () => {
      throw new AuditImpossible('no poller has ever owned the source');
    },
  ];
  let asked = 0;
  // A job that is put back for 10 s is promoted by hand.
  const { value, log, actor } = await replica(async () => (outcomes[asked++] as () => AuditReport)());
  onTicks[0]?.(Date.UTC(2027, 0, 1));
  await until(async () => expect(await value('audit_runs_total', { outcome: 'failed' })).toBe(1));
  expect(actor.health()).toEqual({ ready: true, live: true, reasons: ['the audit fails: Error'] });
  await until(async () => {
    for (const job of await registry.queue('maintain-lake').getDelayed()) await job.promote();
    expect(await value('audit_holds')).toBe(1);
  });
  expect(actor.health().reasons).toEqual([]);
  onTicks[0]?.(Date.UTC(2027, 0, 2));
  await until(async () => expect(await value('audit_runs_total', { outcome: 'impossible' })).toBe(1));
  await until(async () => expect((await registry.counts('maintain-lake')).completed).toBe(2));
  expect(log.lines.filter(({ event }) => event === 'audit.impossible')).toHaveLength(1);
});
