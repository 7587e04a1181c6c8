// The safety rule of demo and tests: nothing of production is in reach of them (contracts.md, Files and settings).
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import {
  childEnvironment,
  ownServices,
  refuseCloud,
  stackSettings,
  UnsafeSettingError,
} from '../../../ops/local/environment.mjs';
import { SETTINGS } from '../../../src/config/settings.js';

/** Every setting that wardwatch knows, as a hospital may have exported it, and what AWS's own tools read. */
const PRODUCTION: Readonly<Record<string, string>> = Object.fromEntries([
  ...Object.keys(SETTINGS).flatMap((name) => [
    [name, 'of-the-hospital'],
    [`${name}_FILE`, '/run/secrets/of-the-hospital'],
  ]),
  ...['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_PROFILE', 'AWS_ROLE_ARN'].map(hospital),
  ...['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_SNS', 'AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE'].map(hospital),
  ...['AWS_WEB_IDENTITY_TOKEN_FILE', 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', 'NODE_OPTIONS'].map(hospital),
  ...['MYSQL_PWD', 'MYSQL_HOST', 'DATABASE_URL', 'FAUXQS_INIT', 'HTTPS_PROXY', 'KAFKA_OPTS'].map(hospital),
]);
function hospital(name: string): [string, string] {
  return [name, 'of-the-hospital'];
}

const STACK = {
  rdsUrl: 'mysql://root@127.0.0.1:3306',
  kafkaBrokers: '127.0.0.1:9092',
  redisUrl: 'redis://127.0.0.1:6379',
  snsEndpoint: 'http://127.0.0.1:4566',
};

describe('the environment of a child', () => {
  test('has nothing of production in it, and what a program needs', () => {
    const child = childEnvironment({ ...PRODUCTION, PATH: '/bin', HOME: '/root', LC_ALL: 'C', MISSING: undefined });
    expect(Object.values(child).filter((value) => value.includes('of-the-hospital'))).toEqual([]);
    expect(child).toMatchObject({ PATH: '/bin', HOME: '/root', LC_ALL: 'C' });
    expect(child).not.toHaveProperty('MISSING');
  });

  test('keeps the AWS SDK from files in the home folder and from the metadata service', () => {
    expect(childEnvironment({})).toMatchObject({
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_EC2_METADATA_DISABLED: 'true',
    });
    expect(childEnvironment({}).AWS_SECRET_ACCESS_KEY).toBe('wardwatch-local');
  });

  test("carries the stack's addresses and what the caller adds, which wins", () => {
    const child = childEnvironment(PRODUCTION, { ...stackSettings(STACK), RDS_URL: STACK.rdsUrl });
    expect(child).toMatchObject({ RDS_URL: STACK.rdsUrl, WARDWATCH_STACK_KAFKA_BROKERS: STACK.kafkaBrokers });
  });

  test('is this test run’s own: Vitest was scrubbed before it loaded this file', () => {
    const names = Object.keys(process.env).filter((name) => name in SETTINGS && !name.startsWith('AWS_'));
    expect(names).toEqual([]);
    expect(process.env.AWS_SHARED_CREDENTIALS_FILE).toBe('/dev/null');
    const seen = spawnSync(process.execPath, ['-p', 'process.env.AWS_ACCESS_KEY_ID'], { encoding: 'utf8' });
    expect(seen.stdout.trim()).toBe('wardwatch-local');
  });
});

describe('services of one’s own', () => {
  test('none set: the run starts its own', () => {
    expect(ownServices({ ...PRODUCTION })).toBeUndefined();
  });

  test('all four set: these are used', () => {
    expect(ownServices({ ...PRODUCTION, ...stackSettings(STACK) })).toEqual(STACK);
  });

  test.each(Object.keys(stackSettings(STACK)))('%s missing: refused, and named', (name) => {
    const settings: Record<string, string | undefined> = { ...stackSettings(STACK), [name]: '' };
    expect(() => ownServices(settings)).toThrow(UnsafeSettingError);
    expect(() => ownServices(settings)).toThrow(name);
  });

  test.each([
    ['WARDWATCH_STACK_RDS_URL', 'mysql://admin:s3cret@hospital.abc123.eu-west-1.rds.amazonaws.com:3306'],
    ['WARDWATCH_STACK_KAFKA_BROKERS', 'b-1.x.kafka.eu-west-1.amazonaws.com:9092,127.0.0.1:9092'],
    ['WARDWATCH_STACK_REDIS_URL', 'rediss://:s3cret@MASTER.x.cache.AMAZONAWS.com'],
    ['WARDWATCH_STACK_SNS_ENDPOINT', 'https://sns.cn-north-1.amazonaws.com.cn/'],
    ['WARDWATCH_STACK_SNS_ENDPOINT', 'https://sns.eu-west-1.amazonaws.com./'],
    ['WARDWATCH_STACK_SNS_ENDPOINT', 'https://sns.eu-west-1.api.aws'],
  ])('%s in the real cloud: refused, and the address not quoted', (name, value) => {
    const settings = { ...stackSettings(STACK), [name]: value };
    expect(() => ownServices(settings)).toThrow(/real cloud/);
    expect(() => ownServices(settings)).not.toThrow(/s3cret|x\.|hospital/);
  });

  test.each(['http://127.0.0.1:4566', 'http://amazonaws.com.test:4566', 'http://myamazonaws.com:1'])(
    'an address that only looks like it passes: %s',
    (value) => {
      expect(() => refuseCloud('X', value)).not.toThrow();
    },
  );
});
