// Every service down at the start, then each stopped and started again while running: seen in /ready and metrics, nothing lost, work goes on.
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { INBOX_ARN } from '../../ops/local/inbox.mjs';
import { freePort } from '../../ops/local/ports.mjs';
import { startSnsEmulator } from '../../ops/local/sns-emulator.mjs';
import { createSnsAdmin } from '../../src/sns/admin.js';
import { createDeployment, type Deployment, type WorkerProcess } from '../helpers/deployment.js';
import { startProxy } from '../helpers/proxy.js';
import { type PrivateKafka, type PrivateUrl, startKafka, startMysql, startRedis } from '../helpers/services.js';

const EMULATOR_CREDENTIALS = { accessKeyId: 'wardwatch-local', secretAccessKey: 'wardwatch-local' };

let kafka: PrivateKafka;
let redis: PrivateUrl;
let rds: PrivateUrl;
let deployment: Deployment;
let worker: WorkerProcess;
let sns: Awaited<ReturnType<typeof startSnsEmulator>>;
let inserted = 0;
let alerts = 0;

const until = (check: () => unknown, timeout = 60_000) => vi.waitFor(check, { timeout, interval: 100 });
const answer = async (path: string) => (await worker.get(path)) ?? { status: 0, body: '' };

/** A reading of a patient whom nobody knew before: one e-mail each. */
async function insertAlert(): Promise<void> {
  inserted += 1;
  alerts += 1;
  await deployment.sql(
    `INSERT INTO patients_vital_info (customerId, heartBeat, bp, recorded_at) VALUES ('p-${inserted}', 150, 200, UTC_TIMESTAMP(6))`,
  );
}

/** Events that somebody was told of. Where an answer of SNS came late on a busy machine, twice; but then the second says so. */
async function told(): Promise<ReadonlySet<string>> {
  const emails = (await deployment.emails()).map(({ message }) => ({
    event: /^Event: +(\S+)$/m.exec(message)?.[1] ?? message,
    repeat: message.includes('POSSIBLE REPEAT'),
  }));
  const firsts = emails.filter(({ repeat }) => !repeat).map(({ event }) => event);
  expect(firsts).toHaveLength(new Set(firsts).size);
  return new Set(emails.map(({ event }) => event));
}

async function arrived(): Promise<void> {
  await until(async () => expect((await told()).size).toBe(alerts));
}

beforeAll(async () => {
  [kafka, redis, rds] = await Promise.all([startKafka(), startRedis({ appendonly: true }), startMysql()]);
  sns = await startSnsEmulator({ port: await freePort() });
  deployment = await createDeployment('services', {
    stack: { rdsUrl: rds.url, kafkaBrokers: [kafka.brokers], redisUrl: redis.url, snsEndpoint: sns.url },
    env: { POLL_START: 'beginning' },
  });
  await deployment.sql(
    `INSERT INTO patients_information (patientid, patientname, patientaddress, phone_number, admitted_ward, age)
     VALUES ${Array.from({ length: 9 }, (_v, i) => `('p-${i + 1}', 'Ada ${i + 1}', '1 Lane', '0', '4B', 30)`).join()}`,
  );
  for (const args of [['patients'], ['thresholds', '--file', 'ops/sql/thresholds-seed.csv']]) {
    const { code, err } = await deployment.run(['import', ...args]);
    expect(code, err).toBe(0);
  }
});

afterAll(async () => {
  await deployment?.close();
  await sns?.close();
  await Promise.all([kafka, redis, rds].map((service) => service?.close()));
});

it('waits for services that are down at the start, and says which', async () => {
  await Promise.all([kafka.stop(), redis.stop(), rds.stop()]);
  worker = deployment.worker('all');
  await until(async () => {
    const { status, body } = await answer('/ready');
    expect(status).toBe(503);
    for (const service of ['mysql', 'kafka', 'redis']) expect(body).toContain(`${service} can't be reached`);
  });
  expect((await answer('/live')).status).toBe(200);
  const metrics = (await answer('/metrics')).body;
  for (const service of ['mysql', 'kafka', 'redis']) {
    expect(metrics).toContain(`wardwatch_service_up{service="${service}"} 0`);
  }
  await Promise.all([kafka.start(), redis.start(), rds.start()]);
  await until(async () => expect((await answer('/ready')).body).toContain('"ready":true'));
  await insertAlert();
  await arrived();
});

it.each(['rds', 'kafka', 'redis'] as const)('goes on when %s comes back', async (which) => {
  const service = { rds, kafka, redis }[which];
  const metric = which === 'rds' ? 'mysql' : which;
  if (which !== 'rds') {
    // What is committed during the outage must come out after it.
    await service.kill();
    await insertAlert();
  } else await service.stop();
  await until(async () => {
    expect((await answer('/ready')).status).toBe(503);
    expect((await answer('/metrics')).body).toContain(`wardwatch_service_up{service="${metric}"} 0`);
  });
  await service.start();
  await insertAlert();
  await arrived();
  await until(async () => expect((await answer('/ready')).body).toContain('"ready":true'));
  expect((await answer('/metrics')).body).toContain(`wardwatch_service_up{service="${metric}"} 1`);
});

it('goes on when SNS comes back, also after a start without it', async () => {
  const port = Number(new URL(sns.url).port);
  const before = await told();
  await sns.close();
  const failsOnce = async (open: number) => {
    await insertAlert();
    await until(async () => {
      const { body } = await answer('/metrics');
      expect(body).toMatch(/wardwatch_notifications_total\{.*outcome="failed"[^}]*\} [1-9]/);
      expect(body).toContain(`wardwatch_notifications_open{state="pending"} ${open}`);
    });
  };
  await failsOnce(1);
  worker.signal('SIGTERM');
  expect(await worker.exited).toBe(0);
  worker = deployment.worker('all');
  await until(async () => expect((await answer('/ready')).body).toContain('"ready":true'));
  await failsOnce(2);
  // A new emulator knows nothing: its topic gets its reader before the worker can reach it, or an e-mail would go to nobody.
  const fresh = await startSnsEmulator({ port: await freePort() });
  const admin = createSnsAdmin({ region: 'us-east-1', endpoint: fresh.url, credentials: EMULATOR_CREDENTIALS });
  await admin.subscribe(await admin.createTopic(deployment.name), 'sqs', INBOX_ARN);
  admin.close();
  const way = await startProxy(Number(new URL(fresh.url).port), port);
  sns = {
    url: fresh.url,
    close: async () => {
      await way.close();
      await fresh.close();
    },
  };
  // The emulator forgot what it had delivered before.
  alerts -= before.size;
  await arrived();
});

it('has lost nothing: every row is in the lake once', async () => {
  const ids = String(inserted);
  const look = async () => {
    expect(await deployment.lake('SELECT count(*) AS n, count(DISTINCT row_id) AS ids FROM vital_info')).toEqual([
      { n: ids, ids },
    ]);
    expect(
      await deployment.lake(
        "SELECT count(DISTINCT notification_id) AS ids FROM delivery WHERE state = 'accepted' AND kind <> 'heartbeat'",
      ),
    ).toEqual([{ ids }]);
  };
  // An outcome is recorded after the e-mail has arrived, and archived after that: what a stop cuts off is the next start's.
  await until(look);
  worker.signal('SIGTERM');
  expect(await worker.exited).toBe(0);
  await look();
});

it('ends within its deadline though nothing answers any more', async () => {
  worker = deployment.worker('all', { DRAIN_MS: '10s' });
  await until(async () => expect((await answer('/ready')).body).toContain('"ready":true'));
  await Promise.all([kafka.kill(), redis.kill(), rds.kill()]);
  worker.signal('SIGTERM');
  expect([0, 1]).toContain(await worker.exited);
  expect(worker.events.at(-1)?.event).toBe('worker.stopped');
});
