// The private services that other tests lean on: they demand what they say they demand, and come back on their port and data.
import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import { createConnection } from 'mysql2/promise';
import { afterEach, expect, test } from 'vitest';
import { startProxy } from '../../helpers/proxy.js';
import { type PrivateService, startKafka, startMysql, startRedis } from '../../helpers/services.js';

/** Two starts of a JVM and a broker's session time-out between them, on a machine that is busy with other tests. */
const KAFKA_TEST_MS = 120_000;

const open: { close(): Promise<void> }[] = [];
const closing = <T extends { close(): Promise<void> }>(service: T): T => {
  open.push(service);
  return service;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((service) => service.close()));
});

const connectRedis = (url: string, ca?: string) =>
  new Redis(url, { lazyConnect: true, retryStrategy: () => null, ...(ca ? { tls: { ca } } : {}) }).on(
    'error',
    () => {},
  );

test('Redis with TLS and a password refuses those without, keeps its data over kill -9, and stands still on SIGSTOP', async () => {
  const service = closing(await startRedis({ tls: true, password: 'secret', appendonly: true }));
  const redis = connectRedis(service.url, service.ca);
  await redis.connect();
  await redis.set('key', 'kept');
  expect(await redis.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
  // appendfsync everysec: written at once, so that a killed process (not a killed machine) loses nothing.
  await restart(service);
  redis.disconnect();

  const again = connectRedis(service.url, service.ca);
  await again.connect();
  expect(await again.get('key')).toBe('kept');
  service.pause();
  const answer = again.get('key');
  expect(await within(answer, 200)).toBe('nothing');
  service.cont();
  expect(await answer).toBe('kept');
  again.disconnect();

  const plain = connectRedis(service.url.replace('rediss:', 'redis:'));
  await expect(plain.connect()).rejects.toThrow();
  const nobody = new Redis(service.url.replace(':secret@', ''), { tls: { ca: service.ca }, enableReadyCheck: false });
  await expect(nobody.get('key')).rejects.toThrow(/NOAUTH/);
  nobody.disconnect();
});

test('a Redis that may evict', async () => {
  const service = closing(await startRedis({ maxmemoryPolicy: 'allkeys-lru' }));
  const redis = connectRedis(service.url);
  await redis.connect();
  expect(await redis.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'allkeys-lru']);
  redis.disconnect();
});

test('MariaDB with TLS refuses a connection without, and keeps its rows over kill -9', async () => {
  const service = closing(await startMysql({ tls: true }));
  const ssl = { ca: service.ca };
  const first = await createConnection({ uri: service.url, ssl });
  await first.query('CREATE DATABASE wardwatch_test_tls');
  await first.query('CREATE TABLE wardwatch_test_tls.t (a INT) ENGINE=InnoDB');
  await first.query('INSERT INTO wardwatch_test_tls.t VALUES (7)');
  first.on('error', () => {});
  // The same root without a password as above, so what is denied is the plain connection.
  await expect(createConnection({ uri: service.url })).rejects.toThrow(/Access denied|secure transport/);
  await restart(service);
  const second = await createConnection({ uri: service.url, ssl });
  const [rows] = await second.query('SELECT a, @@global.time_zone AS zone FROM wardwatch_test_tls.t');
  expect(rows).toEqual([{ a: 7, zone: '+00:00' }]);
  await second.end();
});

test(
  'Kafka with SASL_SSL and SCRAM-SHA-512 refuses a wrong password, and keeps its topics over kill -9',
  async () => {
    const sasl = { username: 'ward', password: 'watch-secret' };
    const service = closing(await startKafka({ tls: true, sasl }));
    const kafka = (password: string) =>
      new Kafka({
        brokers: [service.brokers],
        ssl: { ca: service.ca, servername: 'localhost' },
        sasl: { mechanism: 'scram-sha-512', username: sasl.username, password },
        logLevel: logLevel.NOTHING,
        retry: { retries: 0 },
      });
    const stranger = kafka('wrong').admin();
    await expect(stranger.connect()).rejects.toThrow(/[Aa]uthentication/);
    const admin = kafka(sasl.password).admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 1 }], waitForLeaders: false });
    await admin.disconnect();
    await restart(service);
    const again = kafka(sasl.password).admin();
    await again.connect();
    // A broker that has just started hears of its topics a moment after it answers.
    await expect.poll(() => again.listTopics(), { timeout: 20_000 }).toContain('kept');
    await again.disconnect();
  },
  KAFKA_TEST_MS,
);

test('the proxy passes, stalls, cuts and restores', async () => {
  const service = closing(await startRedis());
  const proxy = closing(await startProxy(service.port));
  const redis = connectRedis(`redis://127.0.0.1:${proxy.port}`);
  await redis.connect();
  expect(await redis.ping()).toBe('PONG');
  proxy.stall();
  const answer = redis.ping();
  expect(await within(answer, 200)).toBe('nothing');
  proxy.restore();
  expect(await answer).toBe('PONG');
  const ended = new Promise((resolve) => redis.once('end', resolve));
  proxy.cut();
  await ended;
  expect(proxy.connections()).toBe(0);
  await expect(connectRedis(`redis://127.0.0.1:${proxy.port}`).connect()).rejects.toThrow();
  proxy.restore();
  const back = connectRedis(`redis://127.0.0.1:${proxy.port}`);
  await back.connect();
  expect(await back.ping()).toBe('PONG');
  back.disconnect();
});

test('the proxy loses a request, an answer, or the rest of an answer', async () => {
  const service = closing(await startRedis());
  const proxy = closing(await startProxy(service.port));
  const direct = connectRedis(service.url);
  await direct.connect();
  const long = 'x'.repeat(10_000);
  await direct.set('long', long);
  const says = (text: string) => (chunk: Buffer) => chunk.includes(text);
  const client = async () => {
    const redis = connectRedis(`redis://127.0.0.1:${proxy.port}`);
    await redis.connect();
    return redis;
  };
  for (const [lost, asked, left] of [
    [proxy.loseRequest(says('one')), 'one', null],
    [proxy.loseAnswer(says('two')), 'two', '1'],
  ] as const) {
    const redis = await client();
    expect(await redis.set('other', '1')).toBe('OK');
    await expect(redis.set(asked, '1')).rejects.toThrow();
    await lost;
    expect(await direct.get(asked)).toBe(left);
  }
  const cut = proxy.loseAnswer(says('long'), 100);
  await expect((await client()).get('long')).rejects.toThrow();
  await cut;
  const back = await client();
  expect(await back.get('long')).toBe(long);
  for (const redis of [direct, back]) redis.disconnect();
});

async function restart(service: PrivateService): Promise<void> {
  await service.kill();
  await service.start();
}

/** What a promise brings within a time in which a working service answers many times over; 'nothing' otherwise. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | 'nothing'> {
  return Promise.race([promise, new Promise<'nothing'>((resolve) => setTimeout(() => resolve('nothing'), ms))]);
}
