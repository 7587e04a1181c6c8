// What a demo stands on: the stack, a hospital in its database, topics, and the settings that workers get.
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSnsAdmin } from '../../../dist/src/sns/admin.js';
import { ROOT } from '../cache.mjs';
import { childEnvironment } from '../environment.mjs';
import { INBOX_ARN } from '../inbox.mjs';
import { startStack } from '../stack.mjs';
import { FLUSH_MS, PARTITIONS, POLICY, setUpDeployment } from './deployment.mjs';
import { loadLimits } from './limits.mjs';
import { removeMade } from './made.mjs';
import { EMULATOR } from './names.mjs';
import { seededRandom } from './random.mjs';
import { SCRIPTED_WARD } from './ward.mjs';

/** Who looks on has a minute: hospitals take minutes for these. */
const FOLLOW_UPS = { reminderAfterMs: 10_000, escalationAfterMs: 15_000 };
export const SEED = 20_261_124;
const OWNER_ONLY = 0o600;
const OWNER_RUNS = 0o700;

/** Starts them, pushing onto `undo` how to end each. `id` makes the names unique; `signal` gives up the start. */
export async function setUpServices({ options, phases, write, undo, id, signal }) {
  const name = `wardwatch_demo_${id}`;
  const { rows: limits, warnings } = loadLimits(options.thresholds);
  const hdfs = options.lake === 'hdfs';
  const stack = await phases.run(`starting MariaDB, Redis, Kafka${hdfs ? ', HDFS' : ''} and an SNS emulator`, () =>
    startStack({ name: 'demo', stack: options.stack, hdfs, log: (line) => write(`(${line}) … `), signal }),
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
  let escalationArn;
  const deployment = await setUpDeployment({
    name,
    folder: stack.folder,
    endpoints: stack,
    limits,
    patients: options.patients,
    random: seededRandom(SEED),
    undo,
    limitsName: options.thresholds,
    run: phases.run,
    makeTopic: () => makeTopic(stack, name),
    policyOf: async (topic) => {
      escalationArn = await makeTopic(stack, `${name}_escalation`);
      const escalation = [{ after: FOLLOW_UPS.escalationAfterMs, topic: escalationArn }];
      const reminder = { every: FOLLOW_UPS.reminderAfterMs, most: 1 };
      const routes = [{ name: 'HDU', match: { wards: [SCRIPTED_WARD] }, topic, reminder, escalation }];
      // One e-mail each, that one may follow them.
      return { routes, limits: { perSecond: 8, burst: 8, digestAbove: 1_000 } };
    },
  });
  const settings = { ...deployment.settings, ...lakeOnHdfs(stack, name), WARDWATCH_DEPLOYMENT: 'wardwatch-demo' };
  // By Hadoop's own client: what is counted is what any reader of HDFS finds.
  const fetchLake = stack.hdfs && (() => stack.hdfs.copyToLocal(`/${name}/*`, deployment.lakeFolder));
  if (hdfs && options.keep) {
    // HDFS ends with the demo; the copy stays.
    const copied = { ...settings, LAKE_URL: deployment.settings.LAKE_URL };
    undo.push({ what: 'settings', run: async () => void writeProgram(stack.folder, copied) });
  }
  for (const warning of warnings) write(`  ! ${warning}\n`);
  write(
    `  shortened for the demo: an episode ends after ${POLICY.clearAfterMs / 1000} s in range (usually 30 s), the lake is written every ${FLUSH_MS / 1000} s (usually 60 s)\n`,
  );

  const program = writeProgram(stack.folder, settings);

  /** The same services under topics, keys and a lake of their own: for another run over the same rows. Answers its settings. */
  const freshTopics = async (suffix, lakeUrl = settings.LAKE_URL) => {
    const prefix = `${name}.${suffix}.`;
    await deployment.kafka.admin.ensureTopics(prefix, { partitions: PARTITIONS, replication: 1 });
    return { ...settings, KAFKA_PREFIX: prefix, LAKE_URL: `${lakeUrl}-${suffix}` };
  };
  return {
    ...deployment,
    topicArns: [deployment.topicArn, escalationArn],
    freshTopics,
    fetchLake,
    name,
    stack,
    limits,
    settings,
    program,
  };
}

async function makeTopic(stack, topic) {
  const sns = createSnsAdmin({ ...EMULATOR, endpoint: stack.snsEndpoint });
  const arn = await sns.createTopic(topic);
  await sns.subscribe(arn, 'sqs', INBOX_ARN);
  sns.close();
  return arn;
}

/** Settings for a lake on the stack's HDFS; none where it has none. */
function lakeOnHdfs({ hdfs, folder }, name) {
  if (!hdfs) return {};
  return { LAKE_URL: `${hdfs.url}/${name}`, HDFS_HTTP_URL: hdfs.httpUrl, LAKE_CACHE: join(folder, 'lake-cache') };
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
