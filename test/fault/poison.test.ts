// Poison on vital-info: each record that nobody can decode is one dead row with its bytes, and its neighbours are kept and judged.
import { createHash } from 'node:crypto';
import type { Message } from 'kafkajs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Kafka, logLevel } from '../../src/kafka/kafkajs.js';
import { expectAuditHolds } from '../helpers/audit.js';
import { createDeployment, type Deployment, type WorkerProcess } from '../helpers/deployment.js';
import { until } from '../helpers/kafka.js';
import { reading } from '../helpers/readings.js';
import { testStack } from '../helpers/stack.js';

/** Just below the topic's max.message.bytes. */
const HUGE = 1_000_000;
const valid = reading(0, 'odd', { heartBeat: 75 });
const json = (change: object) => JSON.stringify({ ...valid, ...change });

interface Poison {
  readonly what: string;
  readonly value: string | null;
  readonly key?: null;
  /** As bytes, not as text: each character below 256 is one. */
  readonly bytes?: true;
  /** Null: odd, and a row all the same. */
  readonly dead: 'empty' | 'not-json' | 'unknown-version' | 'wrong-shape' | null;
  /** Watch can judge what no column can hold. */
  readonly watched?: true;
}
const POISON: readonly Poison[] = [
  { what: 'JSON cut short', value: '{"v":1,"source":"rds"', dead: 'not-json' },
  { what: 'no text at all', value: '\xff\xfe\x00\x80{', bytes: true, dead: 'not-json' },
  { what: 'a number for an id', value: json({ row: 7 }), dead: 'wrong-shape' },
  { what: 'text for a value', value: json({ values: { heartBeat: '72' } }), dead: 'wrong-shape' },
  { what: 'an array', value: '[1,2,3]', dead: 'wrong-shape' },
  { what: 'deeply nested', value: '['.repeat(100_000) + ']'.repeat(100_000), dead: 'wrong-shape' },
  { what: 'huge rubbish', value: 'x'.repeat(HUGE), dead: 'not-json' },
  { what: 'huge, and a reading', value: json({ row: '9001', other: { note: 'y'.repeat(HUGE - 400) } }), dead: null },
  { what: 'an endless patient', value: json({ patientId: 'p'.repeat(HUGE - 400) }), dead: 'wrong-shape' },
  {
    what: 'more signs than anybody measures',
    value: json({ values: Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`s${n}`, n])) }),
    dead: 'wrong-shape',
  },
  { what: 'a tombstone', value: null, dead: 'empty' },
  { what: 'nothing', value: '', dead: 'empty' },
  { what: 'no key, rubbish', value: '{', key: null, dead: 'not-json' },
  { what: 'no key, a reading', value: json({ row: '9002' }), key: null, dead: null },
  { what: 'the year 1970', value: json({ row: '9003', recordedAt: '1970-01-01T00:00:00.000000Z' }), dead: null },
  { what: 'the year 2100', value: json({ row: '9004', recordedAt: '2100-12-31T23:59:59.999999Z' }), dead: null },
  {
    what: 'the year 9999',
    value: json({ recordedAt: '9999-12-31T23:59:59.999999Z' }),
    dead: 'wrong-shape',
    watched: true,
  },
  {
    what: 'a 30th of February',
    value: json({ recordedAt: '2026-02-30T00:00:00.000000Z' }),
    dead: 'wrong-shape',
    watched: true,
  },
  { what: 'version 2', value: json({ v: 2 }), dead: 'unknown-version' },
  { what: 'no version', value: json({ v: undefined }), dead: 'unknown-version' },
  {
    what: 'an id that no column holds',
    value: json({ row: '18446744073709551615' }),
    dead: 'wrong-shape',
    watched: true,
  },
  { what: 'a tick of no partition', value: '{"v":1,"kind":"tick","at":"now"}', dead: 'wrong-shape' },
  {
    what: 'a value beyond numbers',
    value: json({}).replace('"heartBeat":75', '"heartBeat":1e999'),
    dead: 'wrong-shape',
    watched: true,
  },
  {
    what: 'half a character in the patient',
    value: json({ patientId: 'p\ud800' }),
    dead: 'wrong-shape',
    watched: true,
  },
];

let deployment: Deployment;
let worker: WorkerProcess;
beforeAll(async () => {
  // One partition: what the poller reads and what is put beside it stand in the order of this test.
  deployment = await createDeployment('poison', { env: { KAFKA_PARTITIONS: '1', POLL_START: 'beginning' } });
  const neighbours = [...POISON.keys(), POISON.length].map((i) => [`n${i}`, 30]);
  await deployment.sql('INSERT INTO patients_information (patientid, age) VALUES ?', [[...neighbours, ['odd', 30]]]);
  await deployment.sql(`INSERT INTO Threshold_Reference_table VALUES ('heartBeat', 0, 40, 0, 69, 1, 'low'),
    ('heartBeat', 0, 40, 70, 78, 0, 'normal'), ('heartBeat', 0, 40, 79, 9999, 1, 'high')`);
  for (const table of ['patients', 'thresholds']) expect((await deployment.run(['import', table])).code).toBe(0);
  worker = deployment.worker('poll,archive,watch,dispatch,deliver');
});
afterAll(() => deployment?.close());

const metrics = async () => (await worker.get('/metrics'))?.body;

it('each poison is one dead row, and every neighbour is a row and an alert', async () => {
  const kafka = new Kafka({ brokers: [...testStack().kafkaBrokers], logLevel: logLevel.NOTHING });
  const producer = kafka.producer();
  await producer.connect();
  const send = async (key: string | null, value: string | null, bytes = false) => {
    const message = {
      key,
      keyBytes: Buffer.byteLength(key ?? ''),
      value,
      valueBytes: bytes ? (value ?? '').length : Buffer.byteLength(value ?? ''),
      partition: 0,
    } as unknown as Message;
    await producer.send({ topic: `${deployment.env.KAFKA_PREFIX}vital-info`, messages: [message] });
  };
  const polled = async () => Number(/^wardwatch_poll_rows_total (\d+)$/m.exec((await metrics()) ?? '')?.[1] ?? 0);
  const neighbour = async (i: number) => {
    await deployment.sql(
      'INSERT INTO patients_vital_info (customerId, recorded_at, heartBeat) VALUES (?, NOW(6), 200)',
      [`n${i}`],
    );
    await until(`neighbour ${i} is on its way`, async () => (await polled()) === i + 1, 60_000);
  };
  for (const [i, { key, value, bytes }] of POISON.entries()) {
    await neighbour(i);
    await send(key === undefined ? 'odd' : key, value, bytes);
  }
  await neighbour(POISON.length);
  await producer.disconnect();

  const dead = POISON.filter((poison) => poison.dead !== null);
  const alive = POISON.filter((poison) => poison.dead === null);
  const rows = POISON.length + 1 + alive.length;
  const count = async (sql: string) => Number((await deployment.lake(`SELECT count(*) AS n FROM ${sql}`))[0]?.n);
  await until('all rows are in the lake', async () => (await count('vital_info')) >= rows, 60_000);
  await until('all dead rows are', async () => (await count('vital_info_dead')) >= dead.length, 60_000);
  await until(
    'all alerts are',
    async () => (await count("alert WHERE kind = 'raised' AND patient_id LIKE 'n%'")) > POISON.length,
    60_000,
  );

  const sum = ({ value, bytes }: Poison) =>
    value === null
      ? null
      : createHash('sha256')
          .update(value, bytes ? 'latin1' : 'utf8')
          .digest('hex');
  expect(await deployment.lake('SELECT reason, sha256(raw) AS raw FROM vital_info_dead ORDER BY kafka_offset')).toEqual(
    dead.map((poison) => ({ reason: poison.dead, raw: sum(poison) })),
  );
  const ids = await deployment.lake('SELECT row_id FROM vital_info ORDER BY row_id');
  expect(ids.map(({ row_id }) => Number(row_id))).toEqual([
    ...Array.from({ length: POISON.length + 1 }, (_, i) => i + 1),
    9001,
    9002,
    9003,
    9004,
  ]);
  const hours = await deployment.lake("SELECT dt || ' ' || hr AS hour FROM vital_info WHERE row_id > 9002 ORDER BY 1");
  expect(hours).toEqual([{ hour: '1970-01-01 00' }, { hour: '2100-12-31 23' }]);
  const raised = await deployment.lake(
    "SELECT patient_id, count(*) AS n FROM alert WHERE kind = 'raised' AND patient_id LIKE 'n%' GROUP BY 1",
  );
  expect(raised).toHaveLength(POISON.length + 1);
  expect(new Set(raised.map(({ n }) => n))).toEqual(new Set(['1']));
  const body = (await metrics()) ?? '';
  const total = (name: string, label = '') =>
    [...body.matchAll(new RegExp(`^wardwatch_${name}\\{.*${label}.*\\} (\\d+)$`, 'gm'))].reduce(
      (n, match) => n + Number(match[1]),
      0,
    );
  expect(total('watch_dead_total')).toBe(dead.filter(({ watched }) => !watched).length);
  // A row of the year 9999 is judged, and its event is a dead row of its own table.
  expect(total('archive_dead_rows_total', 'topic="vital-info"')).toBe(dead.length);
  // Nothing had to be done twice for it.
  expect(worker.events.filter(({ event }) => event === 'kafka.partition.failed')).toEqual([]);
  await expectAuditHolds(deployment);
});
