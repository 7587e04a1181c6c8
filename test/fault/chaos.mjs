// `npm run test:chaos -- --seed N --for 75s`: a ward under kill -9, SIGSTOP, dying services and a broken SNS; then it must add up.
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { bootstrap } from '../../ops/local/bootstrap.mjs';
import { ROOT } from '../../ops/local/cache.mjs';
import { childEnvironment, scrubInPlace } from '../../ops/local/environment.mjs';
import { kafkaLibs, lookAround } from '../../ops/local/machine.mjs';
import { freePort } from '../../ops/local/ports.mjs';
import { processStart } from '../../ops/local/processes.mjs';
import { answers } from '../../ops/local/services/probe.mjs';
import { cleanUp, FOLDER_PREFIX, openState, removeFolder } from '../../ops/local/state.mjs';
import { startCrew } from './crew.mjs';
import { startHostileSns } from './hostile-sns.mjs';

const PATIENTS = 300;
const PARTITIONS = 6;
const POLICY = { clearAfterMs: 5_000, clearSamples: 2 };
const TOPIC_ARN = 'arn:aws:sns:us-east-1:000000000000:chaos';
const EXCURSION_SHARE = 0.003;
const CALM_FIRST_MS = 15_000;
const DRAIN_WITHIN_MS = 180_000;
const EXIT_INTERRUPTED = 130;
const SNS_MOODS = ['refuse', 'hang', 'reset', 'fail', 'throttle', 'slow'];

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    for: { type: 'string', default: '75s' },
    keep: { type: 'boolean' },
  },
});
const seed = Number(values.seed);
const forMs = Number.parseFloat(values.for) * 1_000;
const startedMs = Date.now();
const say = (text) => console.log(`${((Date.now() - startedMs) / 1_000).toFixed(1).padStart(6)} s  ${text}`);

scrubInPlace(process.env);
await bootstrap({ stack: 'native', forTests: true });
await cleanUp(say);
const folder = mkdtempSync(join(tmpdir(), `${FOLDER_PREFIX}chaos-`));
const state = openState(`chaos-${seed}`);
state.update({ folder });
const undo = [];
let ended = false;
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => void end(false).then(() => process.exit(EXIT_INTERRUPTED)));
try {
  process.exitCode = (await run()) ? 0 : 1;
} finally {
  await end(values.keep || process.exitCode !== 0);
}

/** Ends all that was started. A run that did not add up leaves its folder, with every worker's log, to look at. */
async function end(keepFolder) {
  if (ended) return;
  ended = true;
  for (const step of undo.reverse()) await step().catch((error) => say(`cleaning up: ${error.message}`));
  if (keepFolder) say(`kept: ${folder}`);
  else removeFolder(folder);
  state.remove();
}

async function run() {
  const world = await setUp();
  const { services, sns, crew, ward, random } = world;
  ward.start();
  undo.push(() => ward.stop());
  await pause(CALM_FIRST_MS);
  say(`chaos begins, seed ${seed}`);
  const untilMs = Date.now() + forMs;
  const going = () => Date.now() < untilMs;
  await Promise.all([
    repeat(
      going,
      () => random.int(3_000, 5_000),
      async () => {
        const name = random.pick(crew.names);
        if (crew.kill(name)) say(`kill -9 ${name}`);
      },
    ),
    repeat(
      going,
      () => random.int(6_000, 12_000),
      async () => {
        const name = random.pick(crew.names);
        const ms = random.int(10_000, 20_000);
        say(`freeze ${name} for ${(ms / 1_000).toFixed(1)} s`);
        await crew.freeze(name, ms);
      },
    ),
    repeat(
      going,
      () => random.int(6_000, 12_000),
      async () => {
        const service = random.pick(Object.values(services));
        if (service === services.redis && random.chance(0.3)) {
          say('redis forgets everything');
          await answers({ port: service.port, request: 'FLUSHALL\r\n' }, (answer) => answer.includes('+OK')).catch(
            () => false,
          );
          return;
        }
        if (random.chance(0.3)) {
          const ms = random.int(1_000, 12_000);
          say(`freeze ${service.what} for ${(ms / 1_000).toFixed(1)} s`);
          service.pause();
          await pause(ms);
          service.cont();
          return;
        }
        const ms = random.int(0, 6_000);
        say(`kill -9 ${service.what}, back after ${(ms / 1_000).toFixed(1)} s`);
        await service.kill();
        await pause(ms);
        await service.start();
      },
    ),
    repeat(
      going,
      () => random.int(3_000, 8_000),
      async () => {
        const mood = random.pick(SNS_MOODS);
        const ms = random.int(1_000, 6_000);
        say(`SNS: ${mood} for ${(ms / 1_000).toFixed(1)} s`);
        await sns.be(mood);
        await pause(ms);
        await sns.be('well');
      },
    ),
  ]);
  say('chaos ends');
  const counts = await ward.stop();
  say(`ward: ${counts.commits} transactions, ${counts.rollbacks} rolled back, ${counts.broken} connections broken`);
  return settle(world);
}

/** Looks until everything adds up or the time is over; then stops the workers and looks once more. */
async function settle({ look, crew }) {
  const endMs = Date.now() + DRAIN_WITHIN_MS;
  let verdict = await look();
  while (!verdict.ok && Date.now() < endMs) {
    await pause(2_000);
    verdict = await look();
  }
  say(verdict.ok ? 'drained' : 'not drained');
  const ends = await crew.stop();
  for (const { name, code } of ends) say(`${name} did not end with 0: ${code}`);
  verdict = await look();
  for (const { ok, text } of verdict.terms) say(`${ok ? '✓' : '✗'} ${text}`);
  return verdict.ok && ends.length === 0;
}

async function setUp() {
  const { createWard } = await import('./ward.mjs');
  const { createLook } = await import('./look.mjs');
  const { seededRandom } = await import('../../ops/local/demo/random.mjs');
  const random = seededRandom(seed);
  const services = await startServices();
  const sns = await startHostileSns();
  undo.push(() => sns.close());
  const ward = await createWard({
    rdsUrl: services.mariadb.url,
    name: `wardwatch_demo_chaos_${randomBytes(4).toString('hex')}`,
    patients: PATIENTS,
    excursionShare: EXCURSION_SHARE,
    random: seededRandom(seed + 1),
    say,
  });
  undo.push(() => ward.end());
  const lakeFolder = join(folder, 'lake');
  const logFolder = join(folder, 'logs');
  for (const path of [lakeFolder, logFolder]) mkdirSync(path);
  const prefix = 'chaos.';
  const look = await createLook({
    brokers: services.kafka.brokers,
    prefix,
    partitions: PARTITIONS,
    lakeFolder,
    ward,
    sns,
    policy: POLICY,
    undo,
  });
  writeFileSync(join(folder, 'wardwatch.yaml'), JSON.stringify(ward.config));
  writeFileSync(
    join(folder, 'policy.yaml'),
    JSON.stringify({ clearAfter: POLICY.clearAfterMs, clearSamples: POLICY.clearSamples }),
  );
  const crew = startCrew({
    main: join(ROOT, 'dist/src/main.js'),
    logFolder,
    say,
    onPid: (what, pid) => state.addProcess({ what, pid, start: processStart(pid) ?? '' }),
    env: childEnvironment(process.env, {
      WARDWATCH_CONFIG: join(folder, 'wardwatch.yaml'),
      WARDWATCH_POLICY: join(folder, 'policy.yaml'),
      RDS_URL: ward.readerUrl,
      KAFKA_BROKERS: services.kafka.brokers,
      KAFKA_PREFIX: prefix,
      KAFKA_PARTITIONS: String(PARTITIONS),
      KAFKA_REPLICATION: '1',
      REDIS_URL: services.redis.url,
      REDIS_PREFIX: '{chaos}',
      AWS_ENDPOINT_URL_SNS: sns.url,
      SNS_TOPIC_ARN: TOPIC_ARN,
      LAKE_URL: pathToFileURL(lakeFolder).href,
      ARCHIVE_FLUSH_MS: '2000',
      POLL_START: 'beginning',
      METRICS_PORT: '0',
      METRICS_HOST: '127.0.0.1',
      CONSOLE_PORT: '0',
    }),
  });
  undo.push(() => crew.stop());
  return { services, sns, crew, ward, look, random };
}

/** On ports that stay theirs; Redis keeps its data. */
async function startServices() {
  const { createKafka } = await import('../../ops/local/services/kafka.mjs');
  const { createMariadb } = await import('../../ops/local/services/mariadb.mjs');
  const { createRedis } = await import('../../ops/local/services/redis.mjs');
  const programs = { ...lookAround().found, kafkaLibs: kafkaLibs().folder };
  const common = { programs, folder, onProcess: state.addProcess };
  const services = {
    kafka: await createKafka({ ...common, port: await freePort(), controllerPort: await freePort() }),
    redis: await createRedis({ ...common, port: await freePort(), appendonly: true }),
    mariadb: await createMariadb({ ...common, port: await freePort() }),
  };
  undo.push(() => Promise.all(Object.values(services).map((service) => service.kill())));
  await Promise.all(Object.values(services).map((service) => service.start()));
  return services;
}

/** One deed after the other, until `going` says no. */
async function repeat(going, everyMs, deed) {
  for (;;) {
    await pause(everyMs());
    if (!going()) return;
    await deed();
  }
}
