// The archive on a real Kafka: what DuckDB reads back is what was committed, each record once, whatever happens in between.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Message } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ArchiveParts, createArchiveActor } from '../../../jobs/archive.js';
import type { LakeStore, OnStep } from '../../../src/domain/ports.js';
import { STEPS } from '../../../src/domain/steps.js';
import { createKafka, type KafkaClient } from '../../../src/kafka/client.js';
import { Kafka, logLevel } from '../../../src/kafka/kafkajs.js';
import { lakeFiles } from '../../../src/lake/chain-reader.js';
import { diskFileOps } from '../../../src/lake/file-ops.js';
import { createFolderStore } from '../../../src/lake/folder-store.js';
import { encodeParquet } from '../../../src/lake/parquet-encoder.js';
import { verifyParquet } from '../../../src/lake/parquet-verify.js';
import { lakeQuery } from '../../../src/lake/query.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { faultyDisk } from '../../helpers/faulty-file-ops.js';
import { reading } from '../../helpers/readings.js';
import { recordingLogger, recordingMetrics } from '../../helpers/recorders.js';
import { testStack, uniqueName } from '../../helpers/stack.js';

const PARTITIONS = 3;
const log = recordingLogger();
const metrics = recordingMetrics();
let kafka: KafkaClient;
let raw: InstanceType<typeof Kafka>;
let clusterId: string;
const cleanUp: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  const brokers = testStack().kafkaBrokers;
  kafka = createKafka({ brokers, clientId: 'archive-test' }, { log, metrics, clock: systemClock });
  raw = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  clusterId = await kafka.admin.clusterId();
});
afterAll(async () => {
  for (const undo of cleanUp.reverse()) await undo();
  await kafka.close();
});

interface Setting {
  readonly prefix: string;
  readonly store: ReturnType<typeof createFolderStore>;
  /** `group`: a consumer group of its own, as if the first one were asleep. */
  readonly actor: (parts?: Partial<ArchiveParts>, group?: string) => ReturnType<typeof createArchiveActor>;
}

/** Topics and a lake of a test's own. */
async function setUp(): Promise<Setting> {
  const prefix = `${uniqueName('archive')}.`;
  const folder = await mkdtemp(path.join(tmpdir(), 'wardwatch-archive-'));
  const store = createFolderStore(path.join(folder, "the ward's [lake]*"), diskFileOps);
  await kafka.admin.ensureTopics(prefix, { partitions: PARTITIONS, replication: 1 });
  const groups = [`${prefix}archive`];
  cleanUp.push(async () => {
    await rm(folder, { recursive: true, force: true });
    const topics = await kafka.admin.listTopics();
    await kafka.admin.deleteTopics(topics.filter((topic) => topic.startsWith(prefix)));
    await kafka.admin.deleteGroups(groups);
  });
  return {
    prefix,
    store,
    actor: (parts = {}, group) => {
      if (group) groups.push(prefix + group);
      const actor = createArchiveActor({
        kafka: {
          partitionReader: () => kafka.partitionReader(),
          ownedConsumer: (options) =>
            kafka.ownedConsumer({ ...options, groupId: group ? prefix + group : options.groupId }),
        },
        clusterId: () => Promise.resolve(clusterId),
        prefix,
        store,
        encode: encodeParquet,
        verify: verifyParquet,
        attributes: ['heartBeat', 'bodyTemperature'],
        flushAfterMs: 150,
        flushRows: 700,
        flushBytes: 1 << 20,
        clock: systemClock,
        log,
        metrics,
        onStep: () => undefined,
        newToken: randomUUID,
        ...parts,
      });
      cleanUp.push(() => actor.stop());
      return actor;
    },
  };
}

/** As src/kafka's producing encoder wants it: with its sizes in bytes. */
const sized = (message: { key?: string; value: string | null; partition?: number }): Message =>
  ({
    ...message,
    key: message.key ?? null,
    keyBytes: Buffer.byteLength(message.key ?? ''),
    valueBytes: Buffer.byteLength(message.value ?? ''),
  }) as Message;

/** Writes rows `from`…`to` in transactions of 100 on some partitions; every fourth transaction is aborted. */
async function produce({ prefix }: Setting, from: number, to: number): Promise<number[]> {
  const producer = raw.producer({ transactionalId: `${prefix}test`, idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const committed: number[] = [];
  for (let start = from, page = 0; start <= to; start += 100, page++) {
    const ids = Array.from({ length: Math.min(100, to - start + 1) }, (_, i) => start + i);
    const transaction = await producer.transaction();
    const messages = ids.map((id) => ({
      key: `p${id % 17}`,
      partition: id % PARTITIONS,
      // Three hours of data, so that files and folders are several.
      value: JSON.stringify(reading(id, `p${id % 17}`, { heartBeat: 60 + (id % 50) }, (id % 3) * 3600 + id / 1000)),
    }));
    const tick = { v: 1, kind: 'tick', source: 'rds', partition: 0, at: '2026-11-24T22:00:00.000000Z' };
    messages.push({ key: 'tick', partition: 0, value: JSON.stringify(tick) });
    await transaction.send({ topic: `${prefix}vital-info`, messages: messages.map(sized) });
    if (page % 4 === 3) await transaction.abort();
    else {
      await transaction.commit();
      committed.push(...ids);
    }
  }
  await producer.disconnect();
  return committed;
}

async function until(what: string, condition: () => Promise<boolean> | boolean, withinMs = 40_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const rowsOf = async (store: LakeStore, table: string) =>
  (await lakeFiles(store)).filter((file) => file.table === table).reduce((sum, file) => sum + file.rows, 0);

async function expectExactly({ store }: Setting, ids: readonly number[]): Promise<void> {
  const { rows } = await lakeQuery(
    store,
    `SELECT count(*) AS n, count(DISTINCT row_id) AS ids, count(DISTINCT (kafka_partition, kafka_offset)) AS places,
       sum(row_id) AS total, bool_and(dt || hr = strftime(recorded_at, '%Y-%m-%d%H')) AS foldered,
       bool_and(kafka_partition = row_id % ${PARTITIONS}) AS placed, bool_and(heart_beat = 60 + row_id % 50) AS valued
     FROM vital_info`,
  );
  expect(rows).toEqual([
    {
      n: String(ids.length),
      ids: String(ids.length),
      places: String(ids.length),
      total: String(ids.reduce((sum, id) => sum + id, 0)),
      foldered: true,
      placed: true,
      valued: true,
    },
  ]);
  // A plain directory listing agrees: nothing half-written, nothing left over.
  const published = await store.list('vital_info');
  expect(published.map((file) => file.path)).toEqual(
    (await lakeFiles(store))
      .filter((file) => file.table === 'vital_info')
      .map((file) => file.path)
      .sort(),
  );
  expect(await store.list('_staging')).toEqual([]);
}

describe('The archive', () => {
  it('keeps each committed record once over a second replica, a stop and a new start, and says what was dead', async () => {
    const setting = await setUp();
    const { prefix, store } = setting;
    const first = setting.actor();
    await first.start();
    const ids = await produce(setting, 1, 2_000);
    const second = setting.actor();
    await second.start();
    ids.push(...(await produce(setting, 2_001, 4_000)));
    await until('both have partitions', () => second.health().ready && first.health().ready);
    await first.stop();
    ids.push(...(await produce(setting, 4_001, 5_000)));

    const plain = raw.producer();
    await plain.connect();
    const send = (topic: string, ...messages: { key?: string; value: string | null }[]) =>
      plain.send({ topic: prefix + topic, messages: messages.map(sized) });
    const at = '2026-11-24T22:00:00.000001Z';
    const odd = reading(1, 'x', {});
    await send(
      'vital-info',
      { value: '{"v":1', key: 'k' },
      { value: null },
      { value: '{"v":9}' },
      { value: JSON.stringify({ ...odd, row: '18446744073709551615' }) },
      { value: JSON.stringify({ ...odd, recordedAt: '2026-13-45T22:00:00.000000Z' }) },
    );
    await send('vital-gaps', {
      value: JSON.stringify({ v: 1, source: 'rds', from: '18', to: '20', evidence: 'trx', at }),
    });
    await send('vital-gaps', { value: JSON.stringify({ v: 1, source: 'rds', from: 18, to: '20', at }) });
    const event = { v: 1, eventId: 'e-raised-0', kind: 'raised', at, patient: { id: 'p1', ward: '4B' }, value: 130 };
    await send('doctors-queue', { value: JSON.stringify(event) });
    await send('alert-deliveries', {
      value: JSON.stringify({ v: 1, notificationId: 'n', kind: 'raised', state: 'accepted', at }),
    });
    await plain.disconnect();

    const third = setting.actor();
    await third.start();
    await until('everything is in the lake', async () => {
      const rows = await Promise.all(
        ['vital_info', 'vital_info_dead', 'gap', 'gap_dead', 'alert', 'delivery'].map((table) => rowsOf(store, table)),
      );
      return rows.join() === `${ids.length},5,1,1,1,1`;
    });
    await Promise.all([second.stop(), third.stop()]);

    await expectExactly(setting, ids);
    const { rows: dead } = await lakeQuery(
      store,
      `SELECT reason, decode(raw) AS raw, decode(record_key) AS key FROM vital_info_dead ORDER BY reason, raw`,
    );
    expect(dead.map(({ reason }) => reason)).toEqual([
      'empty',
      'not-json',
      'unknown-version',
      'wrong-shape',
      'wrong-shape',
    ]);
    expect(dead[1]).toEqual({ reason: 'not-json', raw: '{"v":1', key: 'k' });
    expect(dead[0]?.raw).toBeNull();
    expect(dead.some(({ raw }) => String(raw).includes('18446744073709551615'))).toBe(true);
    const { rows } = await lakeQuery(
      store,
      `SELECT g.first_id, g.last_id, a.patient_id, a.ward, a.value, d.state, epoch_us(a.at) AS at
       FROM gap g, alert a, delivery d`,
    );
    expect(rows).toEqual([
      {
        first_id: '18',
        last_id: '20',
        patient_id: 'p1',
        ward: '4B',
        value: 130,
        state: 'accepted',
        at: '1795557600000001',
      },
    ]);
    expect(await metrics.value('archive_dead_rows_total', { topic: 'vital-info' })).toBe(5);
    expect(log.lines.filter((line) => line.event === 'archive.dead').length).toBeGreaterThanOrEqual(4);
    expect(log.lines.some((line) => line.event === 'archive.first-start')).toBe(true);
  });

  it('goes on exactly where it failed at each of its steps, and when the disk was full for a while', async () => {
    const setting = await setUp();
    const ids = await produce(setting, 1, 1_000);
    const left = new Set<string>(STEPS.archive);
    const dies: OnStep = (step) => {
      if (left.delete(step)) throw new Error(`injected at ${step}`);
    };
    const disk = faultyDisk();
    const actor = setting.actor({ onStep: dies, store: createFolderStore(setting.store.root, disk.files) });
    await actor.start();
    ids.push(...(await produce(setting, 1_001, 2_000)));
    await until('every step has failed once', () => left.size === 0);
    const failed = () => log.lines.filter(({ event }) => event === 'kafka.partition.failed').length;
    const before = failed();
    disk.fail('writeFile', 'ENOSPC');
    ids.push(...(await produce(setting, 2_001, 3_000)));
    await until('the full disk was met', () => failed() > before + 1 && !actor.health().ready);
    disk.heal();
    await until('all rows are there', async () => (await rowsOf(setting.store, 'vital_info')) === ids.length);
    await actor.stop();
    // What a failed step left staged goes with the next owner.
    const heir = setting.actor();
    await heir.start();
    await until('ready', () => heir.health().ready);
    await heir.stop();
    await expectExactly(setting, ids);
  });

  it('is exact between two groups that fight for the same chains, and after one slept through its succession', async () => {
    const setting = await setUp();
    const ids = await produce(setting, 1, 1_500);
    let wake: () => void = () => undefined;
    const sleep = new Promise<void>((resolve) => {
      wake = resolve;
    });
    let asleep = 0;
    const sleeper = setting.actor({
      onStep: async (step) => {
        if (step !== 'archive.before-record' && step !== 'archive.after-record') return;
        asleep += 1;
        // Some before their record, some between record and publishing.
        if (asleep % 2 === 1) await sleep;
      },
    });
    await sleeper.start();
    await until('it sleeps with files staged', () => asleep >= 3);
    const rival = setting.actor({}, 'rival');
    await rival.start();
    await until('the rival has archived all', async () => (await rowsOf(setting.store, 'vital_info')) === ids.length);
    wake();
    for (let round = 0; round < 4; round++) {
      const start = 10_001 + round * 1_000;
      ids.push(...(await produce(setting, start, start + 499)));
    }
    await until('all rows are there', async () => (await rowsOf(setting.store, 'vital_info')) >= ids.length);
    await Promise.all([sleeper.stop(), rival.stop()]);
    expect(log.lines.filter((line) => line.event === 'archive.race-lost').length).toBeGreaterThanOrEqual(3);
    const heir = setting.actor();
    await heir.start();
    await until('ready', () => heir.health().ready);
    await heir.stop();
    await expectExactly(setting, ids);
  });
});
