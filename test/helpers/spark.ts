// PySpark with a Hive metastore (Derby) in a folder of its own: the lake's readers that are not ours. Only in the peers tier.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { childEnvironment } from '../../ops/local/environment.mjs';
import { hiveLibs } from '../../ops/local/machine.mjs';
import { pyspark } from '../../ops/local/pyspark.mjs';

/**
 * `spark`: Spark's own Parquet reader; `spark-serde`: Spark over Hive's Parquet SerDe; `hive`: the engine of Hive 2.3.10 itself, whose values
 * are text.
 */
export type SparkEngine = 'spark' | 'spark-serde' | 'hive';

export interface SparkAnswer {
  /** Of a statement of Spark's. */
  readonly columns?: readonly string[];
  /** BIGINT and DECIMAL as text, instants as `YYYY-MM-DD hh:mm:ss.ffffff` in UTC, bytes in hexadecimal. */
  readonly rows: readonly (readonly unknown[])[];
}

export interface SparkSession {
  readonly version: string;
  /** One statement at a time. Rejects with the engine's own words. */
  sql(engine: SparkEngine, statement: string): Promise<SparkAnswer>;
  close(): Promise<void>;
}

const SCRIPT = join(import.meta.dirname, 'spark-session.py');
const LAST_WORDS = 4_000;

/** `user`: whose name HDFS sees. */
export async function startSpark({ user }: { readonly user: string }): Promise<SparkSession> {
  const folder = mkdtempSync(join(tmpdir(), 'wardwatch-test-spark-'));
  const { python, ready } = pyspark();
  const { folder: libs } = hiveLibs();
  if (!ready) throw new Error('PySpark is not installed: npm run test:peers does that');
  const jars = readdirSync(libs).map((name) => join(libs, name));
  const child = spawn(python, [SCRIPT, folder, jars.join(':')], {
    cwd: folder,
    env: childEnvironment(process.env, { TZ: 'UTC', HADOOP_USER_NAME: user, PYTHONDONTWRITEBYTECODE: '1' }),
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = `${said}${chunk}`.slice(-LAST_WORDS);
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<Record<string, unknown>> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`Spark has ended: ${said}`);
    return JSON.parse(value as string) as Record<string, unknown>;
  };
  const exited = new Promise((resolve) => child.once('close', resolve));
  const close = async () => {
    child.stdin.end();
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const { version } = await answer();
    return {
      version: String(version),
      close,
      sql: async (engine, sql) => {
        child.stdin.write(`${JSON.stringify({ engine, sql })}\n`);
        const { error, columns, rows } = await answer();
        if (error !== undefined) throw new Error(`${String(error)}\n${sql}`);
        return { rows, ...(columns ? { columns } : {}) } as SparkAnswer;
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
