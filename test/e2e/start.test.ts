// What stops a start, said in words; what does not; and that looking (`--check`, doctor) touches nothing.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { createQueueRegistry } from '../../queues/registry.js';
import { QUEUE_NAMES } from '../../queues/table.js';
import { Kafka, logLevel } from '../../src/kafka/kafkajs.js';
import { TOPICS, topicName } from '../../src/kafka/topics.js';
import { createDeployment, type Deployment, keysOf, withKafka } from '../helpers/deployment.js';
import { startRedis } from '../helpers/services.js';
import { testStack } from '../helpers/stack.js';

let deployment: Deployment;

beforeAll(async () => {
  deployment = await createDeployment('start');
});
afterAll(() => deployment?.close());

const check = (env: Readonly<Record<string, string>> = {}, roles = 'all') =>
  deployment.run(['worker', '--check', '--roles', roles], env);

/** Every key of the deployment in Redis with its value. */
const everything = async (redis: Redis) =>
  Promise.all((await keysOf(redis, deployment.redisPrefix)).sort().map(async (key) => [key, await redis.dump(key)]));

it('`worker --check` becomes ready and touches nothing, though there is work for every role', async () => {
  const redis = new Redis(testStack().redisUrl);
  const registry = createQueueRegistry(redis, deployment.redisPrefix);
  onTestFinished(async () => {
    for (const name of QUEUE_NAMES) await registry.queue(name).obliterate({ force: true });
    await registry.close();
    redis.disconnect();
  });
  await registry.add('poll-vitals', 'poll-x', { v: 1, source: 'x' });
  await registry.add('import-table', 'import-thresholds-1', { v: 1, table: 'thresholds', tickMs: 1 });
  await registry.add('deliver-alert', 'x', { v: 1, notificationId: 'a'.repeat(26) });
  await deployment.sql("INSERT INTO patients_vital_info (customerId, heartBeat) VALUES ('p-1', 150)");
  const before = await everything(redis);
  expect(before.length).toBeGreaterThan(3);

  const { code, out } = await check({ POLL_START: 'beginning' });
  expect(out).toContain('ready: poll, archive, watch, dispatch, deliver, import, maintain, console');
  expect(code).toBe(0);
  expect(await everything(redis)).toEqual(before);
  expect(existsSync(deployment.lakeFolder)).toBe(false);
  const admin = new Kafka({ brokers: [...testStack().kafkaBrokers], logLevel: logLevel.NOTHING }).admin();
  onTestFinished(() => admin.disconnect());
  const groups = await admin.listGroups();
  expect(groups.groups.filter(({ groupId }) => groupId.startsWith(deployment.name))).toEqual([]);
  // The first transaction of any owner would leave a token, or at least its marker.
  await withKafka(testStack(), async (kafka) => {
    for (const { name } of TOPICS) {
      const ends = await kafka.admin.endOffsets(topicName(`${deployment.name}.`, name));
      expect(Math.max(...ends), name).toBe(0);
    }
  });
});

it('/live tells a blocked worker; a role says in Redis that it runs, and takes that back', async () => {
  const block = 'process.once("SIGUSR2", () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 7_000))';
  const worker = deployment.worker('console', {
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(block)}`,
  });
  const redis = new Redis(testStack().redisUrl);
  onTestFinished(() => redis.disconnect());
  const roles = () => keysOf(redis, `${deployment.redisPrefix}:role:`);
  await vi.waitFor(async () => {
    expect(await roles()).toEqual([expect.stringContaining(':role:console:')]);
    expect(await worker.get('/live')).toMatchObject({ status: 200 });
  }, 20_000);
  worker.signal('SIGUSR2');
  await vi.waitFor(
    async () => {
      const { status, body } = (await worker.get('/live')) ?? {};
      expect(status).toBe(503);
      expect(body).toContain('the event loop stood still');
    },
    { timeout: 20_000, interval: 100 },
  );
  worker.signal('SIGTERM');
  expect(await worker.exited).toBe(0);
  expect(await roles()).toEqual([]);
});

it('names every problem of settings and services in one message, and exits 2', async () => {
  const settings = await check({ POLL_INTERVAL_MS: 'often', RDS_URL: '' });
  expect(settings.code).toBe(2);
  expect(settings.err).toContain('2 settings need attention');
  expect(settings.err).toMatch(/✗ RDS_URL: is not set/);
  expect(settings.err).toMatch(/✗ POLL_INTERVAL_MS: "often" must be a time/);

  const evicting = await startRedis({ maxmemoryPolicy: 'allkeys-lru' });
  onTestFinished(() => evicting.close());
  const services = await check({
    REDIS_URL: evicting.url,
    KAFKA_PREFIX: `${deployment.name}.none.`,
    RDS_URL: deployment.env.RDS_URL?.replace(/\/[^/]*$/, '/mysql') ?? '',
    LAKE_URL: `${process.execPath}/lake`,
  });
  expect(services.code).toBe(2);
  expect(services.err).toMatch(/✗ REDIS_URL: this Redis evicts keys .*allkeys-lru.*noeviction/);
  expect(services.err).toMatch(/✗ KAFKA: topic \S+vital-info is missing. Make it with `wardwatch schema`/);
  expect(services.err).toMatch(/✗ RDS: .*patients_vital_info/);
  expect(services.err).toMatch(/✗ LAKE_URL: .* can't be used \(ENOTDIR\)/);
});

it('refuses a source without a key, a missing grant, and a server that refuses the login', async () => {
  await deployment.sql(
    'CREATE TABLE keyless (customerId VARCHAR(20), heartBeat INT, bp INT, recorded_at DATETIME(6), id INT)',
  );
  const config = join(deployment.lakeFolder, '..', 'keyless.yaml');
  writeFileSync(config, 'source: { vitals: { table: keyless } }');
  const keyless = await check({ WARDWATCH_CONFIG: config }, 'poll');
  expect(keyless.code).toBe(2);
  expect(keyless.err).toMatch(/✗ RDS: .*keyless.*ALTER TABLE/s);
  await deployment.sql(`CREATE USER '${deployment.name.slice(0, 70)}'@'%' IDENTIFIED BY 'hush'`);
  onTestFinished(async () => {
    await deployment.sql(`DROP USER '${deployment.name.slice(0, 70)}'@'%'`);
  });
  await deployment.sql(`GRANT SELECT ON ${deployment.name}.* TO '${deployment.name.slice(0, 70)}'@'%'`);
  const rds = new URL(deployment.env.RDS_URL ?? '');
  rds.username = deployment.name.slice(0, 70);
  rds.password = 'hush';
  const noProcess = await check({ RDS_URL: rds.toString() }, 'poll');
  expect(noProcess.code).toBe(2);
  expect(noProcess.err).toContain('PROCESS');
  expect((await check({ RDS_URL: rds.toString(), POLL_EVIDENCE: 'lock' }, 'poll')).code).toBe(0);
  rds.password = 'wrong-hush';
  const refused = await check({ RDS_URL: rds.toString() }, 'poll');
  expect(refused.err).toMatch(
    /✗ RDS_URL: the server refuses the user, password or database \(ER_ACCESS_DENIED_ERROR\)/,
  );
  expect(noProcess.err + refused.err + noProcess.out + refused.out).not.toContain('hush');
});

it("keeps another deployment away from this one's Redis, lake and topics", async () => {
  const first = await deployment.run(['import', 'thresholds', '--file', 'ops/sql/thresholds-seed.csv']);
  expect(first.code, first.err).toBe(0);
  const other = await check({ WARDWATCH_DEPLOYMENT: 'st-marys' });
  expect(other.code).toBe(2);
  expect(other.err).toMatch(/REDIS_PREFIX: .*belongs to the deployment wardwatch, and this is st-marys/);
  expect(other.err).toMatch(/LAKE_URL: .*belongs to the deployment wardwatch, and this is st-marys/);
  const moved = await check({ WARDWATCH_SOURCE: 'elsewhere' });
  expect(moved.err).toMatch(/or set WARDWATCH_SOURCE=\S+ if the same database has moved/);
  const archive = deployment.worker('archive');
  await vi.waitFor(() => expect(archive.events.some(({ event }) => event === 'worker.ready')).toBe(true), 20_000);
  archive.signal('SIGTERM');
  expect(await archive.exited).toBe(0);
  // A Redis and a lake of its own, and the first one's topics: its limits would be those of another hospital's patients.
  const own = {
    WARDWATCH_SOURCE: 'elsewhere',
    REDIS_PREFIX: '{else}',
    LAKE_URL: `file://${deployment.lakeFolder}-else`,
  };
  expect((await check(own)).err).toMatch(
    /KAFKA_PREFIX: \S+vital-poll-state in Kafka belongs to the source \S+, and this is elsewhere/,
  );
  const worker = deployment.worker('console', { WARDWATCH_DEPLOYMENT: 'st-marys' });
  expect(await worker.exited).toBe(2);
  expect(worker.events.filter(({ event }) => event === 'start.refused').length).toBeGreaterThan(0);
});

it('ends with the port named where one is taken, at once on a second signal, and with 1 on what nobody caught', async () => {
  const first = deployment.worker('console');
  const at = await vi.waitFor(() => {
    const port = first.events.find(({ event, what }) => event === 'http.listening' && what === 'metrics')?.port;
    expect(port).toBeDefined();
    return String(port);
  }, 20_000);
  const second = deployment.worker('console', { METRICS_PORT: at });
  expect(await second.exited).toBe(1);
  expect(second.output.join('\n')).toContain('Set METRICS_PORT to a free port, or to 0');
  first.signal('SIGSTOP');
  first.signal('SIGTERM');
  first.signal('SIGINT');
  first.signal('SIGCONT');
  expect([130, 143]).toContain(await first.exited);

  const thrown =
    'setInterval(() => { if (process.listenerCount("uncaughtException")) throw new Error("hu" + "sh") }, 20)';
  const third = deployment.worker('console', {
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(thrown)}`,
  });
  expect(await third.exited).toBe(1);
  expect(third.events.at(-1)).toMatchObject({ event: 'process.uncaught', error: 'Error' });
  expect(third.output.join('\n')).not.toContain('hush');
});

it('doctor: all well, then each thing that is not, with what mends it; secrets masked; read-only', async () => {
  const redis = new Redis(testStack().redisUrl);
  onTestFinished(() => redis.disconnect());
  const before = await everything(redis);
  const well = await deployment.run(['doctor', '--json']);
  const checks = (JSON.parse(well.out) as { checks: { name: string; verdict: string; mend: string | null }[] }).checks;
  expect(checks.filter(({ verdict }) => verdict === 'failed')).toEqual([]);
  expect(well.code).toBe(0);
  expect(checks.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['RDS', 'Kafka topics', 'Redis', 'lake', 'limits', 'clock', 'SNS_TOPIC_ARN']),
  );

  expect(await everything(redis)).toEqual(before);

  rmSync(deployment.lakeFolder, { recursive: true });
  const broken = await deployment.run(['doctor'], {
    REDIS_URL: 'redis://:hush@127.0.0.1:1',
    KAFKA_PARTITIONS: '5',
    SNS_TOPIC_ARN: `${deployment.topicArn}-none`,
  });
  expect(broken.code).toBe(1);
  expect(broken.out).toMatch(/✗ Redis .*\n.*expected: .*\n.*mend:/);
  expect(broken.out).toMatch(/✗ Kafka topics .*partitions/);
  expect(broken.out).toMatch(/! lake .*not there yet.*\n.*\n.*mkdir -p/);
  expect(broken.out).toMatch(/✗ SNS_TOPIC_ARN/);
  expect(broken.out).toMatch(/✓ RDS table/);
  expect(broken.out + broken.err).not.toContain('hush');
  expect(existsSync(deployment.lakeFolder)).toBe(false);

  const unusable = await deployment.run(['doctor'], { KAFKA_BROKERS: '', LAKE_URL: 's3://x' });
  expect(unusable.code).toBe(2);
  expect(unusable.out).toMatch(/✗ KAFKA_BROKERS .*not set/);
  expect(unusable.out).toMatch(/✗ LAKE_URL/);
});
