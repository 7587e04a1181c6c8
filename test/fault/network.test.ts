// What lies between wardwatch and its services breaks: answers lost, requests lost, results cut, stalls, restarts. After each, work goes on; in the end it adds up.
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startRoles } from '../../ops/local/demo/roles.mjs';
import { freePort } from '../../ops/local/ports.mjs';
import { systemClock } from '../../src/telemetry/clock.js';
import { MAIN } from '../helpers/deployment.js';
import { expectItAddsUp, importTables } from '../helpers/fault-checks.js';
import { setUpFaultWorld } from '../helpers/fault-world.mjs';
import { startProxy, type Which } from '../helpers/proxy.js';
import { type PrivateKafka, type PrivateUrl, startKafka, startMysql, startRedis } from '../helpers/services.js';

/** Rows a second. */
const PATIENTS = 60;
const EXCURSION_SHARE = 0.02;
/** For what hangs: the longest way back is a group's session and a transaction's time-out. */
const BACK_WITHIN_MS = 90_000;
/** Longer than any time-out of a request, and than a BullMQ lock. */
const STALL_MS = 12_000;
const SETTLED_WITHIN_MS = 120_000;
const RESTART_AFTER_MS = 7_000;
const CUT_AFTER_BYTES = 700;
const PROCESSES = ['poll', 'archive', 'watch,dispatch', 'deliver'].map((roles) => ({ name: roles, roles }));

type Way = Awaited<ReturnType<typeof startProxy>>;

/** Kafka's protocol: length, then which request it is. */
const API_KEY_AT = 4;
const asks = (apiKey: number): Which => {
  return (chunk) => chunk.length > API_KEY_AT + 1 && chunk.readInt16BE(API_KEY_AT) === apiKey;
};
const PRODUCE = asks(0);
const OFFSET_COMMIT = asks(8);
const ADD_PARTITIONS_TO_TXN = asks(24);
const END_TXN = asks(26);
const says =
  (text: string): Which =>
  (chunk) =>
    chunk.includes(text);
const PAGE = says('ORDER BY');
const EVIDENCE = says('innodb_trx');
const SCRIPT = says('evalsha');

let kafka: PrivateKafka;
let redis: PrivateUrl;
let rds: PrivateUrl;
let proxies: Record<'kafka' | 'redis' | 'rds', Way>;
let world: Awaited<ReturnType<typeof setUpFaultWorld>>;
let roles: ReturnType<typeof startRoles>;
let admin: Redis;
const ended: string[] = [];

beforeAll(async () => {
  const second = await freePort();
  const before = await startProxy(second);
  [kafka, redis, rds] = await Promise.all([
    startKafka({ second: { port: second, advertised: before.port } }),
    startRedis({ appendonly: true }),
    startMysql(),
  ]);
  proxies = { kafka: before, redis: await startProxy(redis.port), rds: await startProxy(rds.port) };
  admin = new Redis(redis.url, { maxRetriesPerRequest: null });
  admin.on('error', () => undefined);
  world = await setUpFaultWorld({
    name: `wardwatch_demo_network_${randomBytes(4).toString('hex')}`,
    endpoints: { rdsUrl: rds.url, kafkaBrokers: kafka.brokers, redisUrl: redis.url },
    patients: PATIENTS,
    excursionShare: EXCURSION_SHARE,
    seed: 1,
  });
  const through = (url: string, { port }: Way) => Object.assign(new URL(url), { port: String(port) }).href;
  const env = Object.assign(world.env, {
    RDS_URL: through(world.settings.RDS_URL, proxies.rds),
    REDIS_URL: through(redis.url, proxies.redis),
    KAFKA_BROKERS: `127.0.0.1:${proxies.kafka.port}`,
    ARCHIVE_FLUSH_MS: '500',
    IMPORT_PATIENTS_CRON: 'off',
    IMPORT_THRESHOLDS_CRON: 'off',
  });
  await importTables(world);
  roles = startRoles({
    words: [MAIN, 'worker'],
    processes: PROCESSES,
    env,
    logFolder: world.logFolder,
    onPid: world.onPid,
    onExit: (name: string, how: unknown) => ended.push(`${name}: ${String(how)}`),
    onEvent: undefined,
    restartAfterMs: RESTART_AFTER_MS,
  });
  await roles.ready(undefined);
  void world.simulator.start();
  await world.moves(BACK_WITHIN_MS);
});

afterAll(async () => {
  admin?.disconnect();
  await roles?.kill();
  await world?.close();
  await Promise.all([kafka, redis, rds].map((service) => service?.close()));
  await Promise.all(Object.values(proxies ?? {}).map((proxy) => proxy.close()));
});

const restart = async (service: PrivateKafka | PrivateUrl) => {
  await service.stop();
  await service.start();
};
const killed = async (service: PrivateKafka | PrivateUrl) => {
  await service.kill();
  await service.start();
};
const stalled = async (proxy: Way) => {
  proxy.stall();
  await systemClock.sleep(STALL_MS);
  proxy.restore();
};
const cut = async (proxy: Way) => {
  proxy.cut();
  proxy.restore();
};

test.each<[string, () => Promise<unknown>]>([
  ['RDS: a page is cut in the middle', () => proxies.rds.loseAnswer(PAGE, CUT_AFTER_BYTES)],
  ['RDS: a page is not answered', () => proxies.rds.loseAnswer(PAGE)],
  ['RDS: the list of transactions is not answered', () => proxies.rds.loseAnswer(EVIDENCE)],
  ['RDS stalls', () => stalled(proxies.rds)],
  ['RDS is cut off', () => cut(proxies.rds)],
  ['Kafka: a commit is carried out and not answered', () => proxies.kafka.loseAnswer(END_TXN)],
  ['Kafka: a commit never arrives', () => proxies.kafka.loseRequest(END_TXN)],
  ['Kafka: records are written and not answered', () => proxies.kafka.loseAnswer(PRODUCE)],
  ['Kafka: records never arrive', () => proxies.kafka.loseRequest(PRODUCE)],
  ['Kafka: a transaction is cut off at its beginning', () => proxies.kafka.loseAnswer(ADD_PARTITIONS_TO_TXN)],
  ['Kafka: a hint of a position is lost', () => proxies.kafka.loseAnswer(OFFSET_COMMIT)],
  ['Kafka is cut off', () => cut(proxies.kafka)],
  ['Kafka stalls', () => stalled(proxies.kafka)],
  ['Kafka is stopped and started', () => restart(kafka)],
  ['Kafka is killed and started', () => killed(kafka)],
  ['Redis: a script is carried out and not answered', () => proxies.redis.loseAnswer(SCRIPT)],
  ['Redis: a script never arrives', () => proxies.redis.loseRequest(SCRIPT)],
  ['Redis is cut off', () => cut(proxies.redis)],
  ['Redis stalls', () => stalled(proxies.redis)],
  ['Redis is restarted', () => restart(redis)],
  ['Redis is killed and started', () => killed(redis)],
  ['Redis is emptied', () => admin.flushall()],
  [
    'Redis is full',
    async () => {
      await admin.config('SET', 'maxmemory', '1');
      await systemClock.sleep(STALL_MS);
      await admin.config('SET', 'maxmemory', '0');
    },
  ],
])('%s', async (_what, deed) => {
  await deed();
  await world.moves(BACK_WITHIN_MS);
});

test('nothing is lost, nothing twice, nothing unchecked, nobody untold', async () => {
  await expectItAddsUp(world, SETTLED_WITHIN_MS);
  expect(ended, 'no process ended over it').toEqual([]);
  expect(await roles.stop()).toEqual([]);
});
