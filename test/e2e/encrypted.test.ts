// Servers that demand TLS and passwords: reached with the settings for it, refused without, and no secret shown either way.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createDeployment, type Deployment } from '../helpers/deployment.js';
import { type PrivateKafka, type PrivateUrl, startKafka, startMysql, startRedis } from '../helpers/services.js';
import { testStack } from '../helpers/stack.js';

const LOGIN = { username: 'wardwatch', password: 'hush-kafka' };

let kafka: PrivateKafka;
let redis: PrivateUrl;
let rds: PrivateUrl;
let deployment: Deployment;
let tls: Record<string, string>;

beforeAll(async () => {
  [kafka, redis, rds] = await Promise.all([
    startKafka({ tls: true, sasl: LOGIN }),
    startRedis({ tls: true, password: 'hush-redis' }),
    startMysql({ tls: true }),
  ]);
  deployment = await createDeployment('encrypted');
  const file = (name: string, text: string) => {
    const path = join(deployment.lakeFolder, '..', name);
    writeFileSync(path, text);
    return path;
  };
  const url = new URL(rds.url);
  url.pathname = '/wardwatch_test_encrypted';
  tls = {
    RDS_URL: url.toString(),
    RDS_TLS_CA: file('rds.pem', rds.ca),
    REDIS_URL: redis.url,
    REDIS_TLS_CA: file('redis.pem', redis.ca),
    KAFKA_BROKERS: kafka.brokers,
    KAFKA_SSL: 'true',
    KAFKA_SSL_CA: file('kafka.pem', kafka.ca),
    KAFKA_SASL_MECHANISM: 'scram-sha-512',
    KAFKA_SASL_USERNAME: LOGIN.username,
    KAFKA_SASL_PASSWORD: LOGIN.password,
    POLL_START: 'beginning',
  };
});

afterAll(async () => {
  await deployment?.close();
  await Promise.all([kafka, redis, rds].map((service) => service?.close()));
});

it('carries a reading from MySQL to SNS over TLS and SCRAM', async () => {
  const { createPool } = await import('../../src/mysql/pool.js');
  const { recordingLogger } = await import('../helpers/recorders.js');
  const { sourceTablesSql } = await import('../../src/domain/source-tables.js');
  const root = createPool({ url: rds.url, tlsCa: rds.ca }, recordingLogger());
  await root.query('CREATE DATABASE wardwatch_test_encrypted');
  await root.close();
  const pool = createPool({ url: tls.RDS_URL ?? '', tlsCa: rds.ca }, recordingLogger());
  for (const statement of sourceTablesSql()) await pool.query(statement);
  await pool.query(
    "INSERT INTO patients_vital_info (customerId, heartBeat, bp, recorded_at) VALUES ('p-1', 150, 200, UTC_TIMESTAMP(6))",
  );
  await pool.close();
  for (const args of [['schema'], ['import', 'thresholds', '--file', 'ops/sql/thresholds-seed.csv']]) {
    const { code, out, err } = await deployment.run(args, tls);
    expect(code, out + err).toBe(0);
  }
  const worker = deployment.worker('all', tls);
  await vi.waitFor(async () => expect((await deployment.emails()).length).toBeGreaterThan(0), {
    timeout: 60_000,
    interval: 100,
  });
  worker.signal('SIGTERM');
  expect(await worker.exited).toBe(0);
  expect(worker.output.join('\n')).not.toContain('hush');
});

it('says which setting is wrong where a password is, and shows none', async () => {
  const wrong = await deployment.run(['worker', '--check'], {
    ...tls,
    REDIS_URL: redis.url.replace('hush-redis', 'hush-wrong'),
    KAFKA_SASL_PASSWORD: 'hush-wrong',
  });
  expect(wrong.code).toBe(2);
  expect(wrong.err).toMatch(/✗ REDIS_URL: Redis refuses the user or password/);
  expect(wrong.err).toMatch(/✗ KAFKA_SASL_USERNAME: Kafka refuses the user, password or mechanism/);
  expect(wrong.out + wrong.err).not.toContain('hush');
});

it('reaches nobody whose certificate another authority signed', async () => {
  const { out, code } = await deployment.run(['doctor'], {
    ...tls,
    RDS_TLS_CA: tls.REDIS_TLS_CA ?? '',
    REDIS_TLS_CA: tls.KAFKA_SSL_CA ?? '',
    KAFKA_SSL_CA: tls.RDS_TLS_CA ?? '',
  });
  expect(code).toBe(1);
  for (const name of ['RDS', 'Kafka', 'Redis']) expect(out).toMatch(new RegExp(`✗ ${name} `));
  expect(out).not.toContain('hush');
  expect(out).not.toContain(testStack().rdsUrl);
});
