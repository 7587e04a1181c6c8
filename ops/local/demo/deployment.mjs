// A made-up hospital and a wardwatch beside it, on services that are there: what a demo, a soak and a fault test stand on.
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as duckdb from '@duckdb/node-api';
import mysql from 'mysql2/promise';
import { ATTRIBUTES } from '../../../dist/src/domain/attributes.js';
import { DEFAULT_PATIENTS, DEFAULT_THRESHOLDS, DEFAULT_VITALS } from '../../../dist/src/domain/mapping.js';
import { sourceTablesSql } from '../../../dist/src/domain/source-tables.js';
import { createKafka } from '../../../dist/src/kafka/client.js';
import { topicName } from '../../../dist/src/kafka/topics.js';
import { columnName } from '../../../dist/src/lake/columns.js';
import { systemClock } from '../../../dist/src/telemetry/clock.js';
import { createLogger } from '../../../dist/src/telemetry/logger.js';
import { createMetrics } from '../../../dist/src/telemetry/metrics.js';
import { createFollower } from './follower.mjs';
import { setUpHospital } from './hospital.mjs';
import { recomputeAlerts } from './recompute.mjs';
import { createTally } from './tally.mjs';

export const PARTITIONS = 6;
/** An episode ends sooner than usual: who looks on has a minute. */
export const POLICY = { sustainMs: 0, minSamples: 1, clearMargin: 0, clearAfterMs: 5_000, clearSamples: 2 };
export const FLUSH_MS = 2_000;
const LIMITS_MAPPING = { ...DEFAULT_THRESHOLDS, severity: 'severity' };

/**
 * Database, user, topics, files and settings under `name`, pushing onto `undo` how to end what stays open. `endpoints` as WARDWATCH_STACK_*
 * gave them; `policyOf` answers what the policy says beside its timing, given the topic; `makeTopic` answers the ARN of the SNS topic; `run(what, work)` tells of each part.
 */
export async function setUpDeployment({
  name,
  folder,
  endpoints,
  makeTopic,
  limits,
  limitsName = 'seed',
  patients,
  random,
  lakeUrl,
  undo,
  policyOf = async () => ({}),
  run = (_what, work) => work(),
}) {
  const lakeFolder = join(folder, 'lake');
  const logFolder = join(folder, 'logs');
  for (const path of [lakeFolder, logFolder]) mkdirSync(path, { recursive: true });
  const hospital = await run(`hospital: ${patients} patients, ${limits.length} rows of limits (${limitsName})`, () =>
    setUpHospital({
      mysql,
      rdsUrl: endpoints.rdsUrl,
      name,
      password: randomBytes(12).toString('hex'),
      tablesFor: (attributes) =>
        sourceTablesSql({
          vitals: { ...DEFAULT_VITALS, attributes },
          patients: DEFAULT_PATIENTS,
          thresholds: LIMITS_MAPPING,
        }),
      thresholds: limits,
      knownAttributes: ATTRIBUTES,
      patientCount: patients,
      random,
    }),
  );
  undo.push({ what: 'hospital', run: () => hospital.end() });
  const kafkaPrefix = `${name}.`;
  const kafka = createKafka(
    { brokers: endpoints.kafkaBrokers.split(','), clientId: name },
    { log: createLogger({ level: 'error', write: () => undefined }), metrics: createMetrics(), clock: systemClock },
  );
  undo.push({ what: 'Kafka connection', run: () => kafka.close() });
  const topicArn = await run('topics', async () => {
    await kafka.admin.ensureTopics(kafkaPrefix, { partitions: PARTITIONS, replication: 1 });
    return makeTopic();
  });
  const configFile = join(folder, 'wardwatch.yaml');
  const policyFile = join(folder, 'policy.yaml');
  // JSON is YAML, and nothing in it needs escaping twice.
  writeFileSync(
    configFile,
    JSON.stringify({
      attributes: hospital.attributes.map((attribute) => attribute.name),
      source: { thresholds: LIMITS_MAPPING },
    }),
  );
  const timing = { clearAfter: POLICY.clearAfterMs, clearSamples: POLICY.clearSamples };
  writeFileSync(policyFile, JSON.stringify({ ...timing, ...(await policyOf(topicArn)) }));
  const settings = {
    WARDWATCH_CONFIG: configFile,
    WARDWATCH_POLICY: policyFile,
    RDS_URL: hospital.readerUrl,
    KAFKA_BROKERS: endpoints.kafkaBrokers,
    KAFKA_PREFIX: kafkaPrefix,
    KAFKA_PARTITIONS: String(PARTITIONS),
    KAFKA_REPLICATION: '1',
    REDIS_URL: endpoints.redisUrl,
    REDIS_PREFIX: `{${name}}`,
    AWS_ENDPOINT_URL_SNS: endpoints.snsEndpoint,
    SNS_TOPIC_ARN: topicArn,
    LAKE_URL: lakeUrl ?? pathToFileURL(lakeFolder).href,
    ARCHIVE_FLUSH_MS: String(FLUSH_MS),
    POLL_START: 'beginning',
    METRICS_PORT: '0',
    METRICS_HOST: '127.0.0.1',
    CONSOLE_PORT: '0',
  };
  return { hospital, kafka, kafkaPrefix, topicArn, lakeFolder, logFolder, settings };
}

/** What its stores say, and what the alerts should be by a plain pass over the lake: {tally, follower, recompute()}. */
export async function observe({ hospital, kafka, kafkaPrefix, lakeFolder }, limits) {
  const attributes = hospital.attributes.map((attribute) => ({ ...attribute, lakeColumn: columnName(attribute.name) }));
  const tally = createTally({ duckdb, lakeFolder, pool: hospital.pool, attributes });
  const ageOf = new Map(hospital.patients.map((patient) => [patient.patientid, patient.age]));
  return {
    tally,
    follower: createFollower({
      reader: await kafka.partitionReader(),
      queueTopic: topicName(kafkaPrefix, 'doctors-queue'),
      deliveriesTopic: topicName(kafkaPrefix, 'alert-deliveries'),
      partitions: PARTITIONS,
    }),
    /** Partition by partition, in each of which its patients have all their rows: a long run's rows are too many for one list. */
    recompute: async () => {
      const all = { expected: new Set(), openEpisodes: 0 };
      for (let partition = 0; partition < PARTITIONS; partition += 1) {
        const { expected, openEpisodes } = recomputeAlerts({
          rows: await tally.lakeRows(partition),
          ageOf: (patient) => ageOf.get(patient),
          thresholds: limits,
          decimalsOf: hospital.decimalsOf,
          timingOf: () => POLICY,
        });
        for (const text of expected) all.expected.add(text);
        all.openEpisodes += openEpisodes;
      }
      return all;
    },
  };
}
