// A whole deployment for e2e tests: its own database, topics, prefix, SNS topic and lake on the stack, and the real program to run on it.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import mysql from 'mysql2/promise';
import { childEnvironment } from '../../ops/local/environment.mjs';
import { type Email, INBOX_ARN, readInbox } from '../../ops/local/inbox.mjs';
import { sourceTablesSql } from '../../src/domain/source-tables.js';
import { createKafka, type KafkaClient } from '../../src/kafka/client.js';
import { TOPICS, type TopicName, topicName } from '../../src/kafka/topics.js';
import { createSnsAdmin } from '../../src/sns/admin.js';
import { systemClock } from '../../src/telemetry/clock.js';
import { recordingLogger, recordingMetrics } from './recorders.js';
import { type TestStack, testStack, uniqueName } from './stack.js';

export const MAIN = resolve(import.meta.dirname, '../../dist/src/main.js');
const PARTITIONS = 3;
const COMMAND_WITHIN_MS = 30_000;

type SourceTables = NonNullable<Parameters<typeof sourceTablesSql>[0]>;

export interface DeploymentOptions {
  readonly stack?: TestStack;
  /** Another database server than the stack's, which may be down when the deployment is closed. */
  readonly rdsUrl?: string;
  /** Text of wardwatch.yaml, and the tables that it names. */
  readonly config?: { readonly yaml: string; readonly tables?: SourceTables };
  readonly policy?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface CommandResult {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface LogEvent extends Readonly<Record<string, unknown>> {
  readonly event: string;
}

export interface WorkerProcess {
  readonly child: ChildProcess;
  /** Every line of standard output, and every line of it that is JSON. */
  readonly output: readonly string[];
  readonly events: readonly LogEvent[];
  /** Answers of its HTTP server; undefined while it does not listen. */
  get(path: string): Promise<{ readonly status: number; readonly body: string } | undefined>;
  /** Address of the console once it listens. */
  console(): string | undefined;
  /** Resolves with the exit code (null: killed by a signal). */
  readonly exited: Promise<number | null>;
  signal(name: NodeJS.Signals): void;
}

export interface Deployment {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  readonly lakeFolder: string;
  readonly topicArn: string;
  readonly redisPrefix: string;
  sql(statement: string, values?: unknown): Promise<unknown>;
  /** Runs the program to its end. `env` goes above the deployment's own. */
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<CommandResult>;
  worker(roles: string, env?: Readonly<Record<string, string>>): WorkerProcess;
  emails(): Promise<readonly Email[]>;
  /** Rows of a statement over the lake, by the program itself. */
  lake(sql: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Records of a topic that a consumer group has not taken yet, by the offsets that it commits as hints. */
  untaken(group: string, topic: TopicName): Promise<number>;
  /** Kills what still runs, and removes everything that was made. */
  close(): Promise<void>;
}

/** Topics, tables and SNS topic are there; limits and patients are not loaded. */
export async function createDeployment(what: string, options: DeploymentOptions = {}): Promise<Deployment> {
  const shared = options.stack ?? testStack();
  const stack = { ...shared, rdsUrl: options.rdsUrl ?? shared.rdsUrl };
  const name = uniqueName(what);
  const folder = mkdtempSync(join(tmpdir(), 'wardwatch-test-lake-'));
  const kafkaPrefix = `${name}.`;
  const redisPrefix = `{${name}}`;
  const root = mysql.createPool({ uri: stack.rdsUrl, multipleStatements: true, connectionLimit: 4, timezone: 'Z' });
  await root.query(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
  for (const statement of sourceTablesSql(options.config?.tables)) await root.query(`USE ${name}; ${statement}`);
  const sns = createSnsAdmin({ region: 'us-east-1', endpoint: stack.snsEndpoint });
  const topicArn = await sns.createTopic(name);
  await sns.subscribe(topicArn, 'sqs', INBOX_ARN);
  sns.close();

  const rds = new URL(stack.rdsUrl);
  rds.pathname = `/${name}`;
  const files: Record<string, string> = {};
  const file = (setting: string, base: string, text: string | undefined) => {
    if (text === undefined) return;
    files[setting] = join(folder, base);
    writeFileSync(join(folder, base), text);
  };
  file('WARDWATCH_CONFIG', 'wardwatch.yaml', options.config?.yaml);
  file('WARDWATCH_POLICY', 'policy.yaml', options.policy);
  const lakeFolder = join(folder, 'lake');
  const env = childEnvironment(process.env, {
    RDS_URL: rds.toString(),
    KAFKA_BROKERS: stack.kafkaBrokers.join(','),
    KAFKA_PREFIX: kafkaPrefix,
    KAFKA_PARTITIONS: String(PARTITIONS),
    KAFKA_REPLICATION: '1',
    REDIS_URL: stack.redisUrl,
    REDIS_PREFIX: redisPrefix,
    AWS_ENDPOINT_URL_SNS: stack.snsEndpoint,
    SNS_TOPIC_ARN: topicArn,
    LAKE_URL: `file://${lakeFolder}`,
    ARCHIVE_FLUSH_MS: '500',
    IMPORT_PATIENTS_CRON: 'off',
    IMPORT_THRESHOLDS_CRON: 'off',
    AUDIT_CRON: 'off',
    METRICS_HOST: '127.0.0.1',
    METRICS_PORT: '0',
    CONSOLE_PORT: '0',
    ...files,
    ...options.env,
  });

  const workers: WorkerProcess[] = [];
  const run: Deployment['run'] = async (args, own = {}) => {
    const child = spawn(process.execPath, [MAIN, ...args], { env: { ...env, ...own }, timeout: COMMAND_WITHIN_MS });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk;
    });
    const code = await new Promise<number | null>((done) => child.on('close', done));
    return { code, out, err };
  };
  const schema = await run(['schema']);
  if (schema.code !== 0) throw new Error(`schema: ${schema.out}${schema.err}`);

  return {
    name,
    env,
    lakeFolder,
    topicArn,
    redisPrefix,
    sql: async (statement, values) => {
      const connection = await root.getConnection();
      try {
        await connection.query(`USE ${name}`);
        const [rows] = await connection.query(statement, values as never);
        return rows;
      } finally {
        connection.release();
      }
    },
    run,
    worker: (roles, own = {}) => {
      const worker = startWorker(['worker', '--roles', roles], { ...env, ...own });
      workers.push(worker);
      return worker;
    },
    emails: async () => (await readInbox(stack.snsEndpoint, { topicArn })).emails,
    lake: async (sql) => {
      const { code, out, err } = await run(['lake', 'query', '--json', sql]);
      if (code !== 0) throw new Error(`lake query: ${err}`);
      return JSON.parse(out) as Record<string, unknown>[];
    },
    untaken: async (group, topic) => {
      const name = topicName(kafkaPrefix, topic);
      return withKafka(stack, async ({ admin }) => {
        const ends = await admin.endOffsets(name);
        const taken = await Promise.all(
          ends.map((_end, partition) => admin.committedOffset(`${kafkaPrefix}${group}`, name, partition)),
        );
        return ends.reduce((sum, end, partition) => sum + end - (taken[partition] ?? 0), 0);
      });
    },
    close: async () => {
      for (const worker of workers) worker.signal('SIGKILL');
      await Promise.all(workers.map((worker) => worker.exited));
      // A test's private services end with it, and may be down by now.
      if (options.stack === undefined) {
        await removeTraces(stack, { kafkaPrefix, redisPrefix });
        if (options.rdsUrl === undefined) await root.query(`DROP DATABASE ${name}`);
      }
      await root.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Starts the program, or another that runs its workers, and follows its log. */
export function startWorker(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  script = MAIN,
): WorkerProcess {
  const child = spawn(process.execPath, [script, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const output: string[] = [];
  const events: LogEvent[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      output.push(line);
      try {
        events.push(JSON.parse(line) as LogEvent);
      } catch {
        // A message for people.
      }
    });
  }
  const exited = new Promise<number | null>((done) => child.on('close', done));
  const portOf = (kind: string) => events.find(({ event, what }) => event === 'http.listening' && what === kind)?.port;
  return {
    child,
    output,
    events,
    exited,
    get: async (path) => {
      const port = portOf('metrics');
      if (port === undefined) return undefined;
      try {
        const response = await fetch(`http://127.0.0.1:${String(port)}${path}`);
        return { status: response.status, body: await response.text() };
      } catch {
        return undefined;
      }
    },
    console: () => {
      const port = portOf('console');
      return port === undefined ? undefined : `http://127.0.0.1:${String(port)}`;
    },
    signal: (signal) => {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    },
  };
}

/** Our own client, for looking at what a deployment did in Kafka. */
export async function withKafka<T>(stack: TestStack, work: (kafka: KafkaClient) => Promise<T>): Promise<T> {
  const kafka = createKafka(
    { brokers: stack.kafkaBrokers, clientId: 'test' },
    { log: recordingLogger(), metrics: recordingMetrics(), clock: systemClock },
  );
  try {
    return await work(kafka);
  } finally {
    await kafka.close();
  }
}

async function removeTraces(stack: TestStack, at: { kafkaPrefix: string; redisPrefix: string }): Promise<void> {
  const topics = TOPICS.map(({ name }) => topicName(at.kafkaPrefix, name));
  await withKafka(stack, ({ admin }) => admin.deleteTopics(topics)).catch(() => undefined);
  const redis = new Redis(stack.redisUrl);
  for (const key of await keysOf(redis, at.redisPrefix)) await redis.del(key);
  redis.disconnect();
}

/** Every key under a prefix. */
export async function keysOf(redis: Redis, prefix: string): Promise<string[]> {
  const found: string[] = [];
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', 1_000);
    found.push(...keys);
    cursor = next;
  } while (cursor !== '0');
  return found;
}
