// Rows to drain: into the table by doubling, into vital-info by wardwatch's own producer.
import { createKafka } from '../../dist/src/kafka/client.js';
import { topicName } from '../../dist/src/kafka/topics.js';
import { systemClock } from '../../dist/src/telemetry/clock.js';
import { createLogger } from '../../dist/src/telemetry/logger.js';
import { createMetrics } from '../../dist/src/telemetry/metrics.js';

const PATIENTS = 200;
const PER_INSERT = 5_000;
const PER_TRANSACTION = 10_000;

/** In range for every age of the seed table, so that a drain measures the usual case. */
const VALUES = { heartBeat: 70, bp: 170 };

export async function fillTable(pool, rows) {
  for (let done = 0; done < rows; done += PER_INSERT) {
    const page = Array.from({ length: Math.min(PER_INSERT, rows - done) }, (_, i) => [
      String(((done + i) % PATIENTS) + 1),
      VALUES.heartBeat,
      VALUES.bp,
      new Date().toISOString().replace('T', ' ').replace('Z', '000'),
    ]);
    await pool.query('INSERT INTO patients_vital_info (customerId, heartBeat, bp, recorded_at) VALUES ?', [page]);
  }
}

/** `firstRow`: where ids go on, for rows beside those of an earlier call. */
export async function fillTopic(
  services,
  prefix,
  rows,
  { patients = PATIENTS, values = VALUES, idOf = (n) => String(n + 1), firstRow = 0 } = {},
) {
  function* readings() {
    for (let n = 0; n < rows; n += 1)
      yield { row: firstRow + n + 1, patientId: idOf(n % patients), atMs: Date.now(), values };
  }
  await writeReadings(services, prefix, readings());
}

/** `readings`: {row, patientId, atMs, values}, into vital-info in their order. */
export async function writeReadings({ stack }, prefix, readings) {
  const kafka = createKafka(
    { brokers: stack.kafkaBrokers.split(','), clientId: 'bench' },
    { log: createLogger({ level: 'error' }), metrics: createMetrics(), clock: systemClock },
  );
  const producer = await kafka.transactionalProducer(`${prefix}bench`);
  const topic = topicName(prefix, 'vital-info');
  let together = [];
  for (const { row, patientId, atMs, values } of readings) {
    const at = `${new Date(atMs).toISOString().slice(0, -1)}000Z`;
    const times = { recordedAt: at, timeSource: 'row', readAt: at, notBefore: at };
    const reading = { v: 1, source: 'bench', row: String(row), patientId, ...times, values, bad: {}, other: {} };
    together.push({ topic, key: patientId, value: JSON.stringify(reading) });
    if (together.length < PER_TRANSACTION) continue;
    await producer.transact(together);
    together = [];
  }
  if (together.length > 0) await producer.transact(together);
  await producer.close();
  await kafka.close();
}
