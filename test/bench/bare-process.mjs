// The peers of poll and archive without what makes them exact, in a process of their own: `bare-process.mjs poll|archive ROWS`, settings in
// the environment as for a worker. poll: `WHERE id > last`, no ledger, no position, no transactions. archive: files straight under their
// final names, no commit log, no reading back, no fsync. Everything else is wardwatch's own code. Prints {rowsPerSecond, cpuSecondsPerMillion}.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pollRecords, pollTopics } from '../../dist/jobs/poll-records.js';
import { createBase } from '../../dist/src/app/base.js';
import { createConnections } from '../../dist/src/app/connections.js';
import { deploymentOf } from '../../dist/src/app/deployment.js';
import { vitalsSourceOf } from '../../dist/src/app/wire-poll.js';
import { archivedTopics } from '../../dist/src/lake/archived-topics.js';
import { HourBuffers } from '../../dist/src/lake/hour-buffers.js';
import { encodeParquet } from '../../dist/src/lake/parquet-encoder.js';
import { hourFolder, hourOf } from '../../dist/src/lake/table.js';
import { cpuSeconds } from './process-cost.mjs';

const [role, count] = process.argv.slice(2);
const ROWS = Number(count);
const FLUSH_LOOK_MS = 100;
const base = createBase({ quiet: true, needs: ['RDS_URL', 'KAFKA_BROKERS', 'LAKE_URL'] });
const connections = createConnections(base);
const { settings } = base.config;

/** Tells how much was done, from the first rows on. */
function meter() {
  let first;
  return {
    count: 0,
    add(rows) {
      this.count += rows;
      first ??= { ms: performance.now(), count: this.count, cpu: cpuSeconds(process.pid) };
    },
    result() {
      const rows = this.count - first.count;
      const cpu = cpuSeconds(process.pid);
      return {
        rowsPerSecond: Math.round(rows / ((performance.now() - first.ms) / 1_000)),
        cpuSecondsPerMillion: cpu === null ? null : Number((((cpu - first.cpu) / rows) * 1e6).toFixed(1)),
      };
    },
  };
}

async function barePoll() {
  const done = meter();
  const parts = { ...base, connections, deployment: deploymentOf(base.config), write: false };
  const session = await vitalsSourceOf(parts).open();
  const producer = await connections.kafka().plainProducer();
  const topics = pollTopics(settings.KAFKA_PREFIX);
  const look = { source: 'bench', retired: [], ticks: 0, evidence: 'trx', at: '' };
  let high = 0n;
  while (done.count < ROWS) {
    const { readings } = await session.page(high, settings.POLL_BATCH_ROWS, null);
    if (readings.length === 0) break;
    await producer.send(pollRecords(topics, { ...look, readings }));
    high = BigInt(readings.at(-1).row);
    done.add(readings.length);
  }
  session.close();
  return done.result();
}

async function bareArchive() {
  const done = meter();
  const names = base.config.attributes.map(({ name }) => name);
  const topic = archivedTopics(names).find((one) => one.topic === 'vital-info');
  const folder = fileURLToPath(settings.LAKE_URL);
  let finished;
  const all = new Promise((resolve) => {
    finished = resolve;
  });
  const consumer = connections.kafka().ownedConsumer({
    groupId: `${settings.KAFKA_PREFIX}bare`,
    topics: [`${settings.KAFKA_PREFIX}vital-info`],
    own: async ({ partition }) => {
      let rows = new HourBuffers();
      let sinceMs = performance.now();
      let tail = Promise.resolve();
      const write = async (full, next) => {
        for (const buffer of full.filled()) {
          const { bytes } = await encodeParquet(buffer);
          const path = join(folder, 'vital_info', hourFolder(hourOf(buffer.times.min)), `${partition}-${next}.parquet`);
          await mkdir(dirname(path), { recursive: true });
          await writeFile(path, bytes);
        }
        done.add(full.rows);
        if (done.count >= ROWS) finished();
      };
      let reached = 0;
      const flushIfDue = () => {
        const due =
          performance.now() - sinceMs >= settings.ARCHIVE_FLUSH_MS || rows.rows >= settings.ARCHIVE_FLUSH_ROWS;
        if (!due || rows.rows === 0) return;
        const [full, next] = [rows, reached];
        rows = new HourBuffers();
        sinceMs = performance.now();
        tail = tail.then(() => write(full, next));
      };
      const timer = setInterval(flushIfDue, FLUSH_LOOK_MS);
      return {
        expected: 0,
        handle: async (records, next) => {
          for (const record of records) {
            const decoded = topic.decode(record.value);
            if (decoded.type === 'row')
              rows.append(topic.table, { message: decoded.message, partition, offset: record.offset });
          }
          reached = next;
          flushIfDue();
        },
        release: async () => {
          clearInterval(timer);
          await tail;
        },
      };
    },
  });
  await consumer.start();
  await all;
  const result = done.result();
  await consumer.stop();
  return result;
}

const result = await (role === 'poll' ? barePoll() : bareArchive());
process.stdout.write(`${JSON.stringify(result)}\n`);
for (const { steps } of connections.closing()) for (const step of steps) await step();
