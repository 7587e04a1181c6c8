// A source table, topics and a poller of one test, with readers of what came out that know nothing of the poller's code.
import { randomUUID } from 'node:crypto';
import mysql from 'mysql2/promise';
import { afterAll } from 'vitest';
import { createPollSource, type PollSource, type PollSourceParts } from '../../jobs/poll-source.js';
import { ATTRIBUTES } from '../../src/domain/attributes.js';
import { DEFAULT_PATIENTS, DEFAULT_THRESHOLDS, DEFAULT_VITALS, type VitalsMapping } from '../../src/domain/mapping.js';
import type { EvidenceKind } from '../../src/domain/position.js';
import { sourceTablesSql } from '../../src/domain/source-tables.js';
import { createPool } from '../../src/mysql/pool.js';
import { createVitalsSource, type VitalsSource } from '../../src/mysql/vitals-source.js';
import { systemClock } from '../../src/telemetry/clock.js';
import { type TestKafka, testKafka, valuesOf } from './kafka.js';
import { testStack, uniqueName } from './stack.js';

export interface PollWorldOptions {
  readonly mapping?: VitalsMapping;
  /** Instead of the tables of the mapping. */
  readonly sql?: readonly string[];
  readonly partitions?: number;
}

export interface SourceOptions {
  readonly evidence?: EvidenceKind;
  readonly graceMs?: number;
  readonly timezone?: string;
  readonly url?: string;
  readonly mapping?: VitalsMapping;
  readonly start?: string;
  readonly batchRows?: number;
  readonly parts?: Partial<PollSourceParts>;
}

export interface PollWorld extends TestKafka {
  readonly database: string;
  readonly url: string;
  /** As root, in the database; a new connection each time, closed after the file. */
  connection(): Promise<mysql.Connection>;
  sql(statement: string, params?: readonly unknown[]): Promise<mysql.RowDataPacket[]>;
  vitals(options?: SourceOptions): VitalsSource;
  parts(options?: SourceOptions): PollSourceParts;
  poller(options?: SourceOptions): PollSource;
  /** Messages on vital-info but ticks, partition by partition. */
  readings(): Promise<Record<string, unknown>[]>;
  ticks(): Promise<Record<string, unknown>[]>;
  /** Ids proved rolled back. */
  retired(): Promise<number[]>;
}

/** Makes a database and topics under the prefix; both go after the file's tests. */
export async function pollWorld(name: string, options: PollWorldOptions = {}): Promise<PollWorld> {
  const stack = testStack();
  const database = uniqueName(name);
  const partitions = options.partitions ?? 3;
  const world = testKafka(name);
  const root = await mysql.createConnection(stack.rdsUrl);
  const connections: mysql.Connection[] = [root];
  const pools: ReturnType<typeof createPool>[] = [];
  const pollers: PollSource[] = [];
  afterAll(async () => {
    for (const poller of pollers) await poller.letGo();
    for (const pool of pools) await pool.close();
    await root.query(`DROP DATABASE IF EXISTS ${database}`);
    for (const connection of connections) connection.destroy();
  });
  await root.query(`CREATE DATABASE ${database} CHARACTER SET utf8mb4`);
  await root.query(`USE ${database}`);
  const vitals = options.mapping ?? DEFAULT_VITALS;
  const tables = sourceTablesSql({ vitals, patients: DEFAULT_PATIENTS, thresholds: DEFAULT_THRESHOLDS });
  for (const statement of options.sql ?? tables) await root.query(statement);
  await world.topic('vital-info', partitions);
  await world.topic('vital-poll-state', 1, { 'cleanup.policy': 'compact' });
  await world.topic('vital-gaps');
  const at = new URL(stack.rdsUrl);
  at.pathname = `/${database}`;
  const url = at.toString();

  const messages = async () => {
    const all: Record<string, unknown>[] = [];
    for (let partition = 0; partition < partitions; partition += 1)
      for (const value of await valuesOf(world.kafka, `${world.prefix}vital-info`, partition))
        all.push(JSON.parse(value));
    return all;
  };
  const source = (o: SourceOptions = {}) => {
    const pool = createPool({ url: o.url ?? url, timezone: o.timezone }, world.log, world.metrics);
    pools.push(pool);
    return createVitalsSource(
      pool,
      {
        source: 'ward',
        mapping: o.mapping ?? vitals,
        attributes: ATTRIBUTES,
        evidence: o.evidence ?? 'trx',
        graceMs: o.graceMs,
        newNonce: randomUUID,
      },
      { clock: systemClock, log: world.log },
    );
  };
  const parts = (o: SourceOptions = {}): PollSourceParts => ({
    source: 'ward',
    vitals: source(o),
    kafka: world.kafka,
    prefix: world.prefix,
    start: o.start ?? 'end',
    batchRows: o.batchRows ?? 5_000,
    clock: systemClock,
    log: world.log,
    metrics: world.metrics,
    onStep: () => {},
    newToken: randomUUID,
    ...o.parts,
  });
  return {
    ...world,
    database,
    url,
    connection: async () => {
      const connection = await mysql.createConnection(url);
      connections.push(connection);
      return connection;
    },
    sql: async (statement, params = []) => {
      const [rows] = await root.query<mysql.RowDataPacket[]>(statement, [...params]);
      return rows;
    },
    vitals: source,
    parts,
    poller: (o) => {
      const poller = createPollSource(parts(o));
      pollers.push(poller);
      return poller;
    },
    readings: async () => (await messages()).filter(({ kind }) => kind !== 'tick'),
    ticks: async () => (await messages()).filter(({ kind }) => kind === 'tick'),
    retired: async () => {
      const ids: number[] = [];
      for (const value of await valuesOf(world.kafka, `${world.prefix}vital-gaps`, 0)) {
        const { from, to } = JSON.parse(value) as { from: string; to: string };
        for (let id = Number(from); id <= Number(to); id += 1) ids.push(id);
      }
      return ids;
    },
  };
}

/** Looks until `done`, without waiting between looks longer than `intervalMs`. */
export async function lookUntil(poller: PollSource, done: () => boolean | Promise<boolean>, intervalMs = 20) {
  const end = systemClock.monotonicMs() + 30_000;
  while (!(await done())) {
    if (systemClock.monotonicMs() > end) throw new Error('the poller did not get there within 30 s');
    if ((await poller.look()) === 'end') await systemClock.sleep(intervalMs);
  }
}

/** Random numbers that a failing run can be repeated with. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
