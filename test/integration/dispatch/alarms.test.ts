// Technical alarms and heartbeats on real Redis and Kafka: one message when it opens and one when it ends, whoever dies in between.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createAlarmKeeper } from '../../../jobs/alarm-keeper.js';
import { rebuildLedger } from '../../../jobs/ledger-rebuild.js';
import { CONDITION_HOLDS_MS } from '../../../src/domain/alarm-book.js';
import { ALARMS } from '../../../src/domain/alarms.js';
import type { DeliveryRecord } from '../../../src/domain/events.js';
import { connectRedis, redisReady } from '../../../src/redis/connections.js';
import { createLedger, type RedisLedger } from '../../../src/redis/ledger.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { recordingLogger, recordingMetrics } from '../../helpers/recorders.js';
import { testStack, uniqueName } from '../../helpers/stack.js';

const OPERATORS = 'arn:aws:sns:eu-west-1:000000000000:operators';
const LAG = { name: 'consumer-lag', subject: 'w.watch' } as const;
const PARTITIONS = 2;
const SOON = ALARMS['consumer-lag'].opensAfterMs + 1;
const AWAY = CONDITION_HOLDS_MS + ALARMS['consumer-lag'].endsAfterMs + 1;

describe('the keeper of alarms', () => {
  const log = recordingLogger();
  let redis: ReturnType<typeof connectRedis>;
  let ledger: RedisLedger;
  let prefix: string;
  let records: DeliveryRecord[];
  let jobs: string[];

  /** Redis's clock as the scripts see it, moved by hand. */
  const shift = (ms: number) => redis.incrby(`${prefix}:shift`, ms);
  const opened = async () => {
    redis = connectRedis({ url: testStack().redisUrl }, 'command', log);
    await redisReady(redis);
    prefix = `{${uniqueName('alarms')}}`;
    await shift(0);
    const time = `{math.floor((redis.call('TIME')[1] * 1000 + redis.call('GET', '${prefix}:shift')) / 1000), 0}`;
    ledger = createLedger(redis, prefix, time);
    expect(await ledger.attach()).toBe('lost');
    await (await ledger.rebuild())?.finish();
    expect(await ledger.attach()).toBe('ready');
  };
  /** `dies`: throws at that call of the ledger, alert-deliveries or the mailbox. */
  const keeper = (operatorsTopic: string | null = OPERATORS, dies = Number.POSITIVE_INFINITY, clock = systemClock) => {
    let calls = 0;
    const call = <A extends readonly unknown[], R>(work: (...args: A) => Promise<R>) => {
      return async (...args: A): Promise<R> => {
        calls += 1;
        if (calls === dies) throw new Error('killed');
        return work(...args);
      };
    };
    const deliveries = {
      append: call(async (more: readonly DeliveryRecord[]) => {
        records.push(...more);
        return more.map((_, i) => ({ partition: 0, offset: records.length - more.length + i }));
      }),
    };
    const queues = { add: call(async (_queue: string, jobId: string) => void jobs.push(jobId)) };
    const guarded = {
      ...ledger,
      moveAlarm: call(ledger.moveAlarm),
      open: call(ledger.open),
    };
    const metrics = recordingMetrics();
    const made = createAlarmKeeper({
      ...{ ledger: guarded, deliveries, queues: queues as never, operatorsTopic: operatorsTopic ?? undefined },
      ...{ clock, log, metrics, partitions: async () => PARTITIONS },
    });
    return { look: made.look, calls: () => calls, metrics };
  };
  const told = () => {
    const all = records.map(
      ({ kind, n, state, destination }) => `${kind} ${n} ${state} ${destination.split(':').at(-1)}`,
    );
    return [...new Set(all)];
  };

  beforeEach(async () => {
    records = [];
    jobs = [];
    await opened();
  });
  afterEach(async () => {
    const keys = await redis.keys(`${prefix.replace(/[{}]/g, '\\$&')}*`);
    if (keys.length > 0) await redis.del(...keys);
    redis.disconnect();
  });

  test('holds: opens once; away: ends once; in between nothing, however many look', async () => {
    const [one, other] = [keeper(), keeper()];
    await ledger.conditions([LAG]);
    await one.look();
    expect(records).toEqual([]);
    for (let waited = 0; waited < SOON; waited += 10_000) {
      await shift(10_000);
      await ledger.conditions([LAG]);
    }
    await Promise.all([one.look(), other.look()]);
    await other.look();
    expect(told()).toEqual(['technical 0 decided operators']);
    expect(new Set(jobs).size).toBe(1);
    expect(await one.metrics.value('alarm_open', { alarm: 'consumer-lag' })).toBe(1);
    await shift(AWAY - 5_000);
    await one.look();
    expect(told()).toEqual(['technical 0 decided operators']);
    await shift(5_000);
    await Promise.all([one.look(), other.look()]);
    await one.look();
    expect(told()).toEqual(['technical 0 decided operators', 'technical 1 decided operators']);
    expect(await ledger.openAlarms()).toEqual([]);
    const rows = await Promise.all([...new Set(records.map((record) => record.notificationId))].map(ledger.read));
    expect(rows.map((row) => [row?.n, row?.after.length, row?.severity])).toEqual([
      [0, 0, 'high'],
      [1, 1, 'high'],
    ]);
  });

  test('killed at any call: the next one carries on, and everything is as if nobody had died', async () => {
    for (let dies = 1; ; dies += 1) {
      records = [];
      jobs = [];
      await redis.del(`${prefix}:alarms:open`, `${prefix}:alarms:seen`, `${prefix}:alarms:since`);
      const subject = `group-${dies}`;
      const alarm = { ...LAG, subject };
      for (let waited = 0; waited < SOON; waited += 10_000) {
        await ledger.conditions([alarm]);
        await shift(10_000);
      }
      const [dying, next] = [keeper(OPERATORS, dies), keeper()];
      await ledger.conditions([alarm]);
      const died = await dying.look().then(
        () => false,
        () => true,
      );
      await next.look();
      await shift(AWAY);
      await (died ? next : dying).look().catch(() => undefined);
      await next.look();
      expect(told(), `call ${dies}`).toEqual(['technical 0 decided operators', 'technical 1 decided operators']);
      expect(new Set(jobs).size).toBe(2);
      expect(await ledger.openAlarms()).toEqual([]);
      if (dies > dying.calls()) break;
    }
  });

  test('a partition without heartbeats is missed; Redis that forgets them is no alarm', async () => {
    let laterMs = 0;
    const { look, metrics } = keeper(OPERATORS, undefined, {
      ...systemClock,
      monotonicMs: () => systemClock.monotonicMs() + laterMs,
    });
    const pass = async (ms: number) => {
      laterMs += ms;
      await shift(ms);
    };
    const beat = async (...partitions: readonly number[]) => {
      const { nowMs } = await ledger.heartbeats();
      for (const partition of partitions) await ledger.heartbeatAccepted(partition, nowMs);
      await look();
    };
    await beat(0, 1);
    for (let minute = 0; minute < 10; minute += 1) {
      await pass(60_000);
      await beat(0, 1);
    }
    await redis.del(`${prefix}:heartbeats`);
    await look();
    expect(told()).toEqual([]);
    expect(await metrics.value('heartbeat_age_seconds')).toBeLessThan(60);
    // One goes on.
    for (let minute = 0; minute < 4; minute += 1) {
      await pass(60_000);
      await beat(0);
    }
    expect(told()).toEqual(['technical 0 decided operators']);
    expect(records[0]?.trigger).toMatch(/^technical:heartbeat-missing::/);
    // Nor does a new keeper forget one that it has never heard.
    const other = keeper(OPERATORS, undefined, {
      ...systemClock,
      monotonicMs: () => systemClock.monotonicMs() + laterMs,
    });
    await redis.del(`${prefix}:heartbeats`);
    await pass(200_000);
    const { nowMs } = await ledger.heartbeats();
    await ledger.heartbeatAccepted(0, nowMs);
    await other.look();
    expect(await other.metrics.value('heartbeat_age_seconds')).toBeGreaterThanOrEqual(200);
  });

  test('nobody to be told: recorded, counted and logged all the same', async () => {
    const { look } = keeper(null);
    const dead = { name: 'dead-rows', subject: 'watch' } as const;
    await ledger.conditions([dead]);
    await look();
    expect(told()).toEqual(['technical 0 suppressed ']);
    expect(jobs).toEqual([]);
    expect(log.lines.some(({ event, fields }) => event === 'alarm.open' && fields.alarm === 'dead-rows')).toBe(true);
  });

  test('Redis emptied: what was open is open again, and ends only when its condition has stayed away', async () => {
    const dead = { name: 'dead-rows', subject: 'watch' } as const;
    await ledger.conditions([dead]);
    await keeper().look();
    expect(told()).toEqual(['technical 0 decided operators']);
    const before = await ledger.openAlarms();
    expect(before).toHaveLength(1);
    await redis.del(...(await redis.keys(`${prefix.replace(/[{}]/g, '\\$&')}:*`)));
    await shift(0);
    expect(await ledger.attach()).toBe('lost');
    const into = await ledger.rebuild();
    if (!into) throw new Error('no rebuild');
    const reader = {
      offsets: async () => ({ start: 0, stableEnd: records.length }),
      read: async (topic: string, _partition: number, _range: object, onRecord: (record: never) => void) => {
        if (topic === 'deliveries')
          for (const [offset, record] of records.entries())
            onRecord({
              offset,
              timestamp: 0,
              key: null,
              value: Buffer.from(JSON.stringify(record)),
              headers: {},
            } as never);
        return { next: records.length };
      },
      close: async () => undefined,
    };
    await rebuildLedger(
      {
        ...{ reader, doctorsQueue: 'events', alertDeliveries: 'deliveries', leaseMs: 1, clock: systemClock, log },
        offsetsAt: async () => new Map([[0, 0]]),
      },
      into,
      new AbortController().signal,
    );
    await into.finish();
    expect(await ledger.attach()).toBe('ready');
    expect(await ledger.openAlarms()).toEqual(before);
    await keeper().look();
    expect(told()).toEqual(['technical 0 decided operators']);
    await shift(CONDITION_HOLDS_MS + ALARMS['dead-rows'].endsAfterMs + 1_000);
    await vi.waitFor(async () => {
      await keeper().look();
      expect(told()).toEqual(['technical 0 decided operators', 'technical 1 decided operators']);
    });
  });
});
