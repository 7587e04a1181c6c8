// A hospital's reference tables, a Redis prefix and a lake folder of one test, wired as the composition root wires them.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import mysql from 'mysql2/promise';
import type { ImportParts } from '../../jobs/import-run.js';
import { DEFAULT_PATIENTS, DEFAULT_THRESHOLDS, type ThresholdsMapping } from '../../src/domain/mapping.js';
import type { Clock, LakeStore, OnStep } from '../../src/domain/ports.js';
import { diskFileOps } from '../../src/lake/file-ops.js';
import { createFolderStore } from '../../src/lake/folder-store.js';
import { createReferenceLake } from '../../src/lake/reference-tables.js';
import { createPool, type MysqlPool } from '../../src/mysql/pool.js';
import { createTableSource } from '../../src/mysql/table-source.js';
import { connectRedis, redisReady } from '../../src/redis/connections.js';
import { createLookupStore, type LookupStore } from '../../src/redis/lookup-store.js';
import { systemClock } from '../../src/telemetry/clock.js';
import { recordingLogger, recordingMetrics } from './recorders.js';
import { testStack, uniqueName } from './stack.js';

const SEED = `
  ('heartBeat', 0, 40, 0, 69, 1, 'Low Heart Rate than Normal'), ('heartBeat', 0, 40, 70, 78, 0, 'Normal'),
  ('heartBeat', 0, 40, 79, 9999, 1, 'Higher Heart Rate than Normal')`;

export interface ImportBench {
  readonly database: string;
  readonly prefix: string;
  readonly folder: string;
  readonly redis: Redis;
  readonly pool: MysqlPool;
  readonly lakeStore: LakeStore;
  readonly store: LookupStore;
  readonly log: ReturnType<typeof recordingLogger>;
  readonly metrics: ReturnType<typeof recordingMetrics>;
  /** As the hospital, which may write. */
  sql(statement: string, values?: unknown[]): Promise<unknown>;
  parts(over?: {
    readonly onStep?: OnStep;
    readonly clock?: Clock;
    readonly thresholds?: ThresholdsMapping;
  }): ImportParts;
  /** All keys of this test, gone. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Makes both tables, without a key as the original has them, and limits for heartBeat. */
export async function importBench(what: string): Promise<ImportBench> {
  const database = uniqueName(what);
  const prefix = `{${database}}`;
  const folder = await mkdtemp(join(tmpdir(), `${database}-`));
  const log = recordingLogger();
  const metrics = recordingMetrics();
  const hospital = await mysql.createConnection({ uri: testStack().rdsUrl, charset: 'utf8mb4' });
  await hospital.query(`CREATE DATABASE ${database} CHARACTER SET utf8mb4`);
  await hospital.query(`USE ${database}`);
  await hospital.query(`CREATE TABLE patients_information (patientid VARCHAR(64), patientname VARCHAR(400),
    patientaddress TEXT, phone_number VARCHAR(40), admitted_ward VARCHAR(40), age VARCHAR(20), other_details BLOB)`);
  await hospital.query(`CREATE TABLE Threshold_Reference_table (attribute VARCHAR(40), low_age_limit INT, high_age_limit INT,
    low_value DECIMAL(10,2), high_value DECIMAL(10,2), alert_flag TINYINT, alert_message VARCHAR(200))`);
  await hospital.query(`INSERT INTO Threshold_Reference_table VALUES ${SEED}`);
  const pool = createPool({ url: `${testStack().rdsUrl}/${database}` }, log);
  const redis = connectRedis({ url: testStack().redisUrl }, 'command', log);
  await redisReady(redis);
  const store = createLookupStore(redis, prefix);
  const lakeStore = createFolderStore(folder, diskFileOps);
  const flush = async () => {
    for (let cursor = '0', first = true; first || cursor !== '0'; first = false) {
      const [next, keys] = await redis.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', 10_000);
      if (keys.length > 0) await redis.unlink(...keys);
      cursor = next;
    }
  };
  return {
    database,
    prefix,
    folder,
    redis,
    pool,
    lakeStore,
    store,
    log,
    metrics,
    flush,
    sql: async (statement, values = []) => (await hospital.query(statement, values))[0],
    parts: (over = {}) => ({
      source: createTableSource(pool, {
        patients: DEFAULT_PATIENTS,
        thresholds: over.thresholds ?? DEFAULT_THRESHOLDS,
      }),
      lake: createReferenceLake({ store: lakeStore, source: database, newToken: randomUUID, log }),
      store,
      thresholdOptions: {},
      newToken: randomUUID,
      onStep: over.onStep ?? (() => undefined),
      clock: over.clock ?? systemClock,
      log,
      metrics,
    }),
    close: async () => {
      await flush();
      redis.disconnect();
      await pool.close();
      await hospital.query(`DROP DATABASE ${database}`);
      await hospital.end();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
