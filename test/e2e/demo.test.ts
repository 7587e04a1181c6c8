// `npm run demo` beside the settings of a hospital: killed, started again, and nothing is left of either.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Redis } from 'ioredis';
import mysql from 'mysql2/promise';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { processStart } from '../../ops/local/processes.mjs';
import { createKafka } from '../../src/kafka/client.js';
import { systemClock } from '../../src/telemetry/clock.js';
import { recordingLogger, recordingMetrics } from '../helpers/recorders.js';
import { testStack } from '../helpers/stack.js';

const DEMO = resolve(import.meta.dirname, '../../ops/local/demo.mjs');
/** Whoever read one of these would fail, or do harm in a hospital. */
const PRODUCTION = {
  RDS_URL: 'mysql://wardwatch:secret@rds.hospital.invalid:3306/hospital',
  KAFKA_BROKERS: 'kafka.hospital.invalid:9092',
  KAFKA_SSL: 'true',
  KAFKA_PREFIX: 'hospital.',
  REDIS_URL: 'rediss://redis.hospital.invalid:6379',
  REDIS_PREFIX: '{hospital}',
  AWS_REGION: 'eu-west-2',
  AWS_PROFILE: 'hospital',
  AWS_ENDPOINT_URL: 'http://sns.hospital.invalid',
  AWS_ENDPOINT_URL_SNS: 'http://sns.hospital.invalid',
  SNS_TOPIC_ARN: 'arn:aws:sns:eu-west-2:123456789012:hospital-doctors',
  LAKE_URL: 'file:///nowhere/of/the/hospital',
  WARDWATCH_CONFIG: '/nowhere/wardwatch.yaml',
  WARDWATCH_POLICY: '/nowhere/policy.yaml',
  WARDWATCH_DEPLOYMENT: 'hospital',
  POLL_START: 'end',
};

const stack = testStack();
const folder = mkdtempSync(join(tmpdir(), 'wardwatch-test-demo-'));
const place = (name: string) => join(folder, name);
let running: ChildProcess | undefined;

/** Starts it in a folder with a `.env`; `text` is what it has printed so far. */
function startDemo(...words: string[]) {
  const child = spawn(process.execPath, [DEMO, ...words], {
    cwd: place('home'),
    env: { ...process.env, ...PRODUCTION, TMPDIR: place('tmp'), XDG_CACHE_HOME: place('cache') },
  });
  running = child;
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk;
    });
  }
  const exited = new Promise<number | null>((done) => child.on('close', done));
  return { child, exited, text: () => text };
}

/** What a run notes for its successor: folders, processes, and what it makes on the services. */
function states() {
  return readdirSync(place('cache'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(
      (entry) =>
        JSON.parse(readFileSync(join(entry.parentPath, entry.name), 'utf8')) as {
          made: string;
          processes: { pid: number; start: string }[];
        },
    );
}

/** Everything on the services of this test run that bears a demo's name. */
async function leftOver(): Promise<string[]> {
  const root = await mysql.createConnection(stack.rdsUrl);
  const redis = new Redis(stack.redisUrl);
  const kafka = createKafka(
    { brokers: stack.kafkaBrokers, clientId: 'test-demo' },
    { log: recordingLogger(), metrics: recordingMetrics(), clock: systemClock },
  );
  try {
    const [databases] = await root.query("SHOW DATABASES LIKE 'wardwatch\\_demo\\_%'");
    const [users] = await root.query("SELECT user FROM mysql.user WHERE user LIKE 'wardwatch\\_demo\\_%'");
    const rows = [...(databases as object[]), ...(users as object[])];
    const topics = (await kafka.admin.listTopics()).filter((name) => name.startsWith('wardwatch_demo_'));
    return [...rows.flatMap((row) => Object.values(row)), ...topics, ...(await redis.keys('{wardwatch_demo_*'))];
  } finally {
    root.destroy();
    redis.disconnect();
    await kafka.close();
  }
}

beforeAll(() => {
  for (const name of ['home', 'tmp', 'cache']) mkdirSync(place(name));
  writeFileSync(
    join(place('home'), '.env'),
    Object.entries(PRODUCTION)
      .map((entry) => entry.join('='))
      .join('\n'),
  );
});

afterAll(() => {
  running?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

it('reads no production setting, cleans up after one that was killed, adds up, and leaves nothing', async () => {
  const first = startDemo('--for', '60s');
  await vi.waitFor(() => expect(first.text()).toContain('ward running'), { timeout: 60_000, interval: 50 });
  const [left] = states();
  first.child.kill('SIGKILL');
  await first.exited;
  expect(left?.processes).toHaveLength(7);
  expect(left?.processes.filter(({ pid, start }) => processStart(pid) === start)).toHaveLength(7);
  expect(await leftOver()).toContain(left?.made);

  const report = place('report.json');
  const second = startDemo('--for', '10s', '--report', report);
  const code = await second.exited;
  expect(code, second.text()).toBe(0);
  expect(second.text()).toContain('It adds up.');
  const { rdsRows, alertsRaised, emailsAccepted, ...rest } = JSON.parse(readFileSync(report, 'utf8'));
  expect(rdsRows).toBeGreaterThan(0);
  expect(alertsRaised).toBeGreaterThan(0);
  expect(rest).toEqual({
    lakeRows: rdsRows,
    lakeDistinctIds: rdsRows,
    deadRows: 0,
    alertsResolved: expect.any(Number),
    emailsReceived: emailsAccepted,
    latencyMs: { p50: expect.any(Number), p99: expect.any(Number) },
    ok: true,
  });
  // Reminders and escalations of the scripted patient come on top; that each was accepted once is the summary's business.
  expect(emailsAccepted).toBeGreaterThanOrEqual(alertsRaised + rest.alertsResolved);

  expect(left?.processes.filter(({ pid, start }) => processStart(pid) === start)).toEqual([]);
  expect(states()).toEqual([]);
  expect(readdirSync(place('tmp'))).toEqual([]);
  expect(await leftOver()).toEqual([]);
});
