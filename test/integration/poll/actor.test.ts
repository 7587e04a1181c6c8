// The poller as processes run it: turns of a BullMQ job, two replicas, a zombie, and a Redis that is away.
import { afterAll, expect, test } from 'vitest';
import type { Actor } from '../../../jobs/actor.js';
import { createPollActor } from '../../../jobs/poll.js';
import { createQueueRegistry } from '../../../queues/registry.js';
import type { OnStep } from '../../../src/domain/ports.js';
import { connectRedis, redisReady } from '../../../src/redis/connections.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { until } from '../../helpers/kafka.js';
import { commandParts, type PollWorld, pollWorlds } from '../../helpers/poll-world.js';
import { startProxy } from '../../helpers/proxy.js';
import { recordingLogger } from '../../helpers/recorders.js';
import { testStack, uniqueName } from '../../helpers/stack.js';

const pollWorld = pollWorlds('actor');
const queuePrefix = `{${uniqueName('poll')}}`;
const ends: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const end of ends.reverse()) await end();
  const redis = connectRedis({ url: testStack().redisUrl }, 'command', recordingLogger());
  await redisReady(redis);
  for (const key of await redis.keys(`${queuePrefix.replaceAll(/[{}]/g, '?')}:*`)) await redis.del(key);
  redis.disconnect();
});

async function replica(world: PollWorld, redisUrl = testStack().redisUrl, onStep: OnStep = () => {}) {
  const log = recordingLogger();
  const command = connectRedis({ url: redisUrl }, 'command', log);
  const blocking = connectRedis({ url: redisUrl }, 'blocking', log);
  await Promise.all([redisReady(command), redisReady(blocking)]);
  const registry = createQueueRegistry(command, `${queuePrefix}:${world.prefix}`);
  const actor: Actor = createPollActor({
    ...world.parts({ start: 'beginning', parts: { log, onStep } }),
    registry,
    connection: blocking,
    queuePrefix: `${queuePrefix}:${world.prefix}`,
    intervalMs: 20,
    commands: commandParts(world),
    turnMs: 700,
    stuckAfterMs: 500,
  });
  ends.push(async () => {
    await actor.stop();
    await registry.close();
    command.disconnect();
    blocking.disconnect();
  });
  return { actor, log, said: (event: string) => log.lines.filter((line) => line.event === event).length };
}

let inserted = 0;
async function insert(world: PollWorld): Promise<void> {
  await world.sql("INSERT INTO patients_vital_info (customerId, recorded_at, heartBeat) VALUES ('p', NOW(6), 72)");
  inserted += 1;
}

async function rowsOf(world: PollWorld): Promise<number[]> {
  return (await world.readings()).map(({ row }) => Number(row)).sort((a, b) => a - b);
}

const upTo = (n: number) => Array.from({ length: n }, (_, index) => index + 1);

test('two replicas share the turns; one leaves, the other goes on; each row is there once', async () => {
  const world = await pollWorld('pair');
  inserted = 0;
  const [one, other] = [await replica(world), await replica(world)];
  await Promise.all([one.actor.start(), other.actor.start()]);
  const owned = () => one.said('poll.owned') + other.said('poll.owned');
  // Turns go round: whoever has waited longest gets the next one, and owns the source anew if another had it in between.
  await until('turns of both', async () => {
    await insert(world);
    return one.said('poll.owned') > 0 && other.said('poll.owned') > 0 && owned() > 3;
  });
  expect(one.actor.health()).toEqual({ ready: true, live: true, reasons: [] });
  await one.actor.stop();
  await insert(world);
  await until('the other reads on', async () => (await rowsOf(world)).length === inserted);
  expect(await rowsOf(world)).toEqual(upTo(inserted));
  expect(one.said('poll.commit-in-doubt') + other.said('poll.commit-in-doubt')).toBe(0);
  expect(other.actor.health().ready).toBe(true);
});

test('without Redis the turn goes on past its end; a zombie is fenced by its successor and takes nothing back', async () => {
  const world = await pollWorld('zombie');
  inserted = 0;
  const redis = new URL(testStack().redisUrl);
  const proxy = await startProxy(Number(redis.port));
  ends.push(() => proxy.close());
  redis.port = String(proxy.port);
  const zombie = await replica(world, redis.toString());
  await zombie.actor.start();
  await insert(world);
  await until('the first row', async () => (await rowsOf(world)).length === inserted);
  proxy.stall();
  // Longer than its turn and than the lock.
  const stalledMs = systemClock.monotonicMs();
  while (systemClock.monotonicMs() - stalledMs < 3_000) {
    await insert(world);
    await systemClock.sleep(50);
  }
  await until('rows without Redis', async () => (await rowsOf(world)).length === inserted);
  const successor = await replica(world);
  await successor.actor.start();
  await until('the successor owns the source', async () => {
    await insert(world);
    await systemClock.sleep(20);
    return successor.said('poll.owned') > 0 && zombie.said('poll.fenced') > 0;
  });
  await until('all rows', async () => (await rowsOf(world)).length === inserted);
  proxy.restore();
  await until('turns go round again', async () => {
    await insert(world);
    await systemClock.sleep(20);
    return zombie.said('poll.owned') > 1;
  });
  await until('all rows', async () => (await rowsOf(world)).length === inserted);
  expect(await rowsOf(world)).toEqual(upTo(inserted));
  expect(zombie.said('poll.commit-in-doubt') + successor.said('poll.commit-in-doubt')).toBe(0);
});

test('a start is refused where rows would be lost, and waits where the source is only away', async () => {
  const world = await pollWorld('start', {
    sql: ['CREATE TABLE patients_vital_info (customerId INT, heartBeat INT, bp INT, recorded_at DATETIME)'],
  });
  const refused = await replica(world);
  await expect(refused.actor.start()).rejects.toMatchObject({ name: 'SourceRefused', code: 'no-key' });

  const mysql = new URL(world.url);
  const proxy = await startProxy(Number(mysql.port));
  ends.push(() => proxy.close());
  mysql.port = String(proxy.port);
  await world.sql('ALTER TABLE patients_vital_info ADD COLUMN id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE');
  proxy.cut();
  const through = {
    ...world,
    parts: (options: object) => world.parts({ ...options, url: mysql.toString() }),
  } as PollWorld;
  const waiting = await replica(through);
  await waiting.actor.start();
  await until('it says why it is not ready', () => waiting.actor.health().reasons.join().includes('RDS_URL'));
  expect(waiting.actor.health()).toMatchObject({ ready: false, live: true });
  await world.sql('INSERT INTO patients_vital_info (customerId) VALUES (1)');
  proxy.restore();
  await until('it reads', async () => (await world.readings()).length > 0);
  await until('it is ready', () => waiting.actor.health().ready);
  proxy.cut();
  await until('it notices', () => !waiting.actor.health().ready);
  proxy.restore();
  await world.sql('INSERT INTO patients_vital_info (customerId) VALUES (2)');
  const rows = (await world.sql('SELECT COUNT(*) AS n FROM patients_vital_info'))[0]?.n;
  await until('it reads on', async () => (await world.readings()).length === rows);
  expect(await rowsOf(world)).toEqual(upTo(rows));
});

test('a look that never ends is not alive', async () => {
  const world = await pollWorld('stuck');
  let release = () => {};
  const stuck = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { actor } = await replica(world, undefined, (step) => (step === 'poll.before-commit' ? stuck : undefined));
  await actor.start();
  expect(actor.health().live).toBe(true);
  await until('it says so', () => !actor.health().live);
  expect(actor.health().reasons.join()).toContain('no look at the source has ended');
  release();
  await until('it lives again', () => actor.health().live && actor.health().ready);
});
