// A source table, topics and a poller of one test, with readers of what came out that know nothing of the poller's code.
import { randomUUID } from 'node:crypto';
import mysql from 'mysql2/promise';
import { afterAll } from 'vitest';
import { createPollSource, type PollSource, type PollSourceParts } from '../../jobs/poll-source.js';
import type { CommandParts } from '../../jobs/source-command.js';
import { CommandRefused } from '../../jobs/source-desk.js';
import { ATTRIBUTES } from '../../src/domain/attributes.js';
import { DEFAULT_PATIENTS, DEFAULT_THRESHOLDS, DEFAULT_VITALS, type VitalsMapping } from '../../src/domain/mapping.js';
import type { LakeStore } from '../../src/domain/ports.js';
import type { EvidenceKind } from '../../src/domain/position.js';
import { sourceTablesSql } from '../../src/domain/source-tables.js';
import type { KafkaClient } from '../../src/kafka/client.js';
import { fitsVitalInfo } from '../../src/lake/archived-topics.js';
import { createPool } from '../../src/mysql/pool.js';
import { createVitalsSource, type VitalsSource } from '../../src/mysql/vitals-source.js';
import { systemClock } from '../../src/telemetry/clock.js';
import { allValuesOf, type TestKafka, testKafka } from './kafka.js';
import { recordingLogger, recordingMetrics } from './recorders.js';
import { testStack, uniqueName } from './stack.js';

export interface PollWorldOptions {
  readonly mapping?: VitalsMapping;
  /** Instead of the tables of the mapping. */
  readonly sql?: readonly string[];
  readonly partitions?: number;
  /** Another server than the stack's. */
  readonly rdsUrl?: string;
}

export interface SourceOptions {
  readonly evidence?: EvidenceKind;
  readonly graceMs?: number;
  /** auto_increment_increment as configured. */
  readonly step?: number;
  readonly timezone?: string;
  readonly url?: string;
  readonly mapping?: VitalsMapping;
  readonly start?: string;
  readonly batchRows?: number;
  readonly parts?: Partial<PollSourceParts>;
}

export interface PollWorld {
  readonly kafka: KafkaClient;
  /** KAFKA_PREFIX of this world. */
  readonly prefix: string;
  readonly log: ReturnType<typeof recordingLogger>;
  readonly metrics: ReturnType<typeof recordingMetrics>;
  readonly database: string;
  readonly url: string;
  /** As root, in the database; a new connection each time, closed after the file. */
  connection(): Promise<mysql.Connection>;
  sql(statement: string, params?: readonly unknown[]): Promise<mysql.RowDataPacket[]>;
  /** The URL of an account with these rights only. */
  account(...grants: string[]): Promise<string>;
  vitals(options?: SourceOptions): VitalsSource;
  parts(options?: SourceOptions): PollSourceParts;
  poller(options?: SourceOptions): PollSource;
  /** Messages on vital-info but ticks, partition by partition. */
  readings(): Promise<Record<string, unknown>[]>;
  ticks(): Promise<Record<string, unknown>[]>;
  /** Ids proved rolled back. */
  retired(): Promise<number[]>;
}

/** Called at the top of a file: worlds that it makes go after the file's tests, with databases, topics and accounts. */
export function pollWorlds(file: string): (name: string, options?: PollWorldOptions) => Promise<PollWorld> {
  const shared = testKafka(file);
  const ends: (() => Promise<unknown>)[] = [];
  afterAll(async () => {
    for (const end of ends.reverse()) await end();
  });
  return (name, options = {}) => pollWorld(shared, ends, name, options);
}

async function pollWorld(
  shared: TestKafka,
  ends: (() => Promise<unknown>)[],
  name: string,
  options: PollWorldOptions,
): Promise<PollWorld> {
  const rdsUrl = options.rdsUrl ?? testStack().rdsUrl;
  const database = uniqueName(name);
  const partitions = options.partitions ?? 3;
  const world = {
    kafka: shared.kafka,
    prefix: `${shared.prefix}${name}.`,
    log: recordingLogger(),
    metrics: recordingMetrics(),
  };
  const root = await mysql.createConnection(rdsUrl);
  ends.push(async () => root.destroy());
  await root.query(`CREATE DATABASE ${database} CHARACTER SET utf8mb4`);
  ends.push(() => root.query(`DROP DATABASE ${database}`));
  await root.query(`USE ${database}`);
  const vitals = options.mapping ?? DEFAULT_VITALS;
  const tables = sourceTablesSql({ vitals, patients: DEFAULT_PATIENTS, thresholds: DEFAULT_THRESHOLDS });
  for (const statement of options.sql ?? tables) await root.query(statement);
  await shared.topic(`${name}.vital-info`, partitions);
  await shared.topic(`${name}.vital-poll-state`, 1, { 'cleanup.policy': 'compact' });
  await shared.topic(`${name}.vital-gaps`);
  await shared.topic(`${name}.access-audit`);
  const at = new URL(rdsUrl);
  at.pathname = `/${database}`;
  const url = at.toString();

  const messages = async () => {
    const all: Record<string, unknown>[] = [];
    for (let partition = 0; partition < partitions; partition += 1)
      for (const value of await allValuesOf(world.kafka, `${world.prefix}vital-info`, partition))
        all.push(JSON.parse(value));
    return all;
  };
  const source = (o: SourceOptions = {}) => {
    const pool = createPool({ url: o.url ?? url, timezone: o.timezone }, world.log, world.metrics);
    ends.push(() => pool.close());
    return createVitalsSource(
      pool,
      {
        source: 'ward',
        mapping: o.mapping ?? vitals,
        attributes: ATTRIBUTES,
        evidence: o.evidence ?? 'trx',
        graceMs: o.graceMs,
        step: o.step,
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
      ends.push(async () => connection.destroy());
      return connection;
    },
    account: async (...grants) => {
      const user = uniqueName('u');
      await root.query(`CREATE USER '${user}'@'%' IDENTIFIED BY 'pw'`);
      ends.push(() => root.query(`DROP USER '${user}'@'%'`));
      for (const grant of grants) await root.query(`GRANT ${grant} TO '${user}'@'%'`);
      const own = new URL(url);
      own.username = user;
      own.password = 'pw';
      return own.toString();
    },
    sql: async (statement, params = []) => {
      const [rows] = await root.query<mysql.RowDataPacket[]>(statement, [...params]);
      return rows;
    },
    vitals: source,
    parts,
    poller: (o) => {
      const poller = createPollSource(parts(o));
      ends.push(() => poller.letGo());
      return poller;
    },
    readings: async () => (await messages()).filter(({ kind }) => kind !== 'tick'),
    ticks: async () => (await messages()).filter(({ kind }) => kind === 'tick'),
    retired: async () => {
      const ids: number[] = [];
      for (const value of await allValuesOf(world.kafka, `${world.prefix}vital-gaps`, 0)) {
        const { from, to } = JSON.parse(value) as { from: string; to: string };
        for (let id = Number(from); id <= Number(to); id += 1) ids.push(id);
      }
      return ids;
    },
  };
}

/** For an actor over this world; without a lake, requests that need one are refused. */
export function commandParts(world: PollWorld, lake?: LakeStore): CommandParts {
  return {
    endOffsets: (topic) => world.kafka.admin.endOffsets(topic),
    lake: async () => {
      if (!lake) throw new CommandRefused('no lake');
      return lake;
    },
    fitsLake: fitsVitalInfo(ATTRIBUTES.map(({ name }) => name)),
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
