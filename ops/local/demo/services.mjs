// What a demo stands on: the stack, a hospital in its database, topics, and the settings that workers get.
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import mysql from 'mysql2/promise';
import { ATTRIBUTES } from '../../../dist/src/domain/attributes.js';
import { DEFAULT_PATIENTS, DEFAULT_THRESHOLDS, DEFAULT_VITALS } from '../../../dist/src/domain/mapping.js';
import { sourceTablesSql } from '../../../dist/src/domain/source-tables.js';
import { createKafka } from '../../../dist/src/kafka/client.js';
import { createSnsAdmin } from '../../../dist/src/sns/admin.js';
import { systemClock } from '../../../dist/src/telemetry/clock.js';
import { createLogger } from '../../../dist/src/telemetry/logger.js';
import { createMetrics } from '../../../dist/src/telemetry/metrics.js';
import { ROOT } from '../cache.mjs';
import { childEnvironment } from '../environment.mjs';
import { INBOX_ARN } from '../inbox.mjs';
import { startStack } from '../stack.mjs';
import { setUpHospital } from './hospital.mjs';
import { loadLimits } from './limits.mjs';
import { removeMade } from './made.mjs';
import { EMULATOR } from './names.mjs';
import { seededRandom } from './random.mjs';

export const SEED = 20_261_124;
export const PARTITIONS = 6;
export const POLICY = { clearAfterMs: 5_000, clearSamples: 2 };
const LIMITS_MAPPING = { ...DEFAULT_THRESHOLDS, severity: 'severity' };
const FLUSH_MS = 2_000;
const OWNER_ONLY = 0o600;
const OWNER_RUNS = 0o700;

/** Starts them, pushing onto `undo` how to end each. `id` makes the names unique; `signal` gives up the start. */
export async function setUpServices({ options, phases, write, undo, id, signal }) {
  const name = `wardwatch_demo_${id}`;
  const { rows: limits, warnings } = loadLimits(options.thresholds);
  const stack = await phases.run('starting MariaDB, Redis, Kafka and an SNS emulator', () =>
    startStack({ name: 'demo', stack: options.stack, log: (line) => write(`(${line}) … `), signal }),
  );
  undo.push({
    what: 'stack',
    run: async () => {
      await stack.stop({ keepFolder: options.keep });
      if (options.keep) write(keptText(stack, name));
    },
  });
  if (stack.kind === 'own') {
    stack.noteMade(name);
    if (!options.keep) undo.push({ what: 'what was made on your services', run: () => removeMade(stack, name) });
  }
  const lakeFolder = join(stack.folder, 'lake');
  const logFolder = join(stack.folder, 'logs');
  for (const folder of [lakeFolder, logFolder]) mkdirSync(folder, { recursive: true });

  const hospital = await phases.run(
    `hospital: ${options.patients} patients, ${limits.length} rows of limits (${options.thresholds})`,
    () =>
      setUpHospital({
        mysql,
        rdsUrl: stack.rdsUrl,
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
        patientCount: options.patients,
        random: seededRandom(SEED),
      }),
  );
  undo.push({ what: 'hospital', run: () => hospital.end() });

  const kafkaPrefix = `${name}.`;
  const kafka = createKafka(
    { brokers: stack.kafkaBrokers.split(','), clientId: name },
    { log: createLogger({ level: 'error', write: () => undefined }), metrics: createMetrics(), clock: systemClock },
  );
  undo.push({ what: 'Kafka connection', run: () => kafka.close() });
  const topicArn = await phases.run('topics', async () => {
    await kafka.admin.ensureTopics(kafkaPrefix, { partitions: PARTITIONS, replication: 1 });
    const sns = createSnsAdmin({ ...EMULATOR, endpoint: stack.snsEndpoint });
    const arn = await sns.createTopic(name);
    await sns.subscribe(arn, 'sqs', INBOX_ARN);
    sns.close();
    return arn;
  });

  const configFile = join(stack.folder, 'wardwatch.yaml');
  const policyFile = join(stack.folder, 'policy.yaml');
  // JSON is YAML, and nothing in it needs escaping twice.
  writeFileSync(
    configFile,
    JSON.stringify({
      attributes: hospital.attributes.map((attribute) => attribute.name),
      source: { thresholds: LIMITS_MAPPING },
    }),
  );
  writeFileSync(policyFile, JSON.stringify({ clearAfter: POLICY.clearAfterMs, clearSamples: POLICY.clearSamples }));
  const settings = {
    WARDWATCH_CONFIG: configFile,
    WARDWATCH_POLICY: policyFile,
    WARDWATCH_DEPLOYMENT: 'wardwatch-demo',
    RDS_URL: hospital.readerUrl,
    KAFKA_BROKERS: stack.kafkaBrokers,
    KAFKA_PREFIX: kafkaPrefix,
    KAFKA_PARTITIONS: String(PARTITIONS),
    KAFKA_REPLICATION: '1',
    REDIS_URL: stack.redisUrl,
    REDIS_PREFIX: `{${name}}`,
    AWS_ENDPOINT_URL_SNS: stack.snsEndpoint,
    SNS_TOPIC_ARN: topicArn,
    LAKE_URL: pathToFileURL(lakeFolder).href,
    ARCHIVE_FLUSH_MS: String(FLUSH_MS),
    POLL_START: 'beginning',
    METRICS_PORT: '0',
    METRICS_HOST: '127.0.0.1',
    CONSOLE_PORT: '0',
  };
  for (const warning of warnings) write(`  ! ${warning}\n`);
  write(
    `  shortened for the demo: an episode ends after ${POLICY.clearAfterMs / 1000} s in range (usually 30 s), the lake is written every ${FLUSH_MS / 1000} s (usually 60 s)\n`,
  );

  const program = writeProgram(stack.folder, settings);

  /** The same services under topics, keys and a lake of their own: for another run over the same rows. Answers its settings. */
  const freshTopics = async (suffix) => {
    const prefix = `${name}.${suffix}.`;
    await kafka.admin.ensureTopics(prefix, { partitions: PARTITIONS, replication: 1 });
    return { ...settings, KAFKA_PREFIX: prefix, LAKE_URL: `${settings.LAKE_URL}-${suffix}` };
  };
  return {
    freshTopics,
    name,
    stack,
    hospital,
    limits,
    kafka,
    kafkaPrefix,
    topicArn,
    lakeFolder,
    logFolder,
    settings,
    program,
  };
}

/**
 * A `wardwatch` with the demo's settings and none of its caller's, who may be set up for production. Answers its path.
 */
function writeProgram(folder, settings) {
  const envFile = join(folder, 'settings.env');
  const lines = Object.entries(childEnvironment({}, settings)).map(([name, value]) => `${name}='${value}'\n`);
  writeFileSync(envFile, lines.join(''), { mode: OWNER_ONLY });
  const program = join(folder, 'wardwatch');
  const words = [process.execPath, join(ROOT, 'dist/src/main.js'), '--env-file', envFile].map((word) => `'${word}'`);
  writeFileSync(program, `#!/bin/sh\nexec env -i PATH="$PATH" HOME="$HOME" ${words.join(' ')} "$@"\n`);
  chmodSync(program, OWNER_RUNS);
  return program;
}

/** Says where what --keep left is, and how to look at it. */
function keptText(stack, name) {
  const lines = [
    `\nkept in ${stack.folder}: lake, logs, settings and the files of the databases. To look:`,
    `  ${join(stack.folder, 'wardwatch')} lake query "SELECT count(*) FROM vital_info"`,
  ];
  if (stack.kind === 'native') {
    const folder = join(stack.folder, 'mariadb');
    const socket = join(folder, 'kept.sock');
    lines.push(
      `  mariadbd --no-defaults --datadir=${folder} --socket=${socket} --skip-networking --user=$(id -un) &`,
      `  mariadb --socket=${socket} --user=root ${name}`,
      `and to remove: mariadb --socket=${socket} --user=root -e SHUTDOWN; rm -r ${stack.folder}`,
    );
  } else if (stack.kind === 'own') {
    lines.push(
      `  on your own services: database ${name}; topics and Redis keys whose names begin with it`,
      `and to remove: rm -r ${stack.folder}, and those`,
    );
  } else lines.push(`and to remove: rm -r ${stack.folder}`);
  return `${lines.join('\n')}\n`;
}
