// The private stack: MariaDB, Redis, Kafka and an SNS emulator on free ports, in a folder of its own; nothing of it outlives its run.
// As a program: `stack.mjs up` keeps one running between test runs, `stack.mjs down` ends it.
// @ts-check
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { ownServices, stackSettings } from './environment.mjs';
import { createStackHdfs } from './hdfs-stack.mjs';
import { kafkaLibs, lookAround } from './machine.mjs';
import { freePort } from './ports.mjs';
import { processStart } from './processes.mjs';
import { createKafka } from './services/kafka.mjs';
import { createMariadb } from './services/mariadb.mjs';
import { createRedis } from './services/redis.mjs';
import { createSns } from './services/sns.mjs';
import { cleanUp, endRun, FOLDER_PREFIX, isAlive, openState, readStates, removeFolder } from './state.mjs';

/** The stack of `npm run stack:up`, which `npm test` uses where it runs. */
const KEPT_NAME = 'kept';

/**
 * @typedef {object} Stack
 * @property {string} rdsUrl mysql://… of a user who may create databases and users
 * @property {string} kafkaBrokers host:port, comma-separated
 * @property {string} redisUrl
 * @property {string} snsEndpoint its inbox: see inbox.mjs
 * @property {string} folder private; for logs and a lake. Removed by stop()
 * @property {'native' | 'docker' | 'own'} kind
 * @property {Awaited<ReturnType<typeof createStackHdfs>> | undefined} hdfs where it was asked for
 * @property {import('./services/service.mjs').OnProcess} addProcess a process that belongs to this run: should the run be killed, the next one ends it
 * @property {() => readonly string[]} gone services of the stack whose process is no more, though nobody stopped them
 * @property {(name: string) => void} noteMade what the run makes on services of the user's own, by name: should it be killed, the next one removes it
 * @property {(how?: { readonly keepFolder?: boolean }) => Promise<void>} stop ends everything and removes the folder, unless it is to be kept; with `keep`: leaves all as it is, for `npm run stack:down`
 */

/**
 * Starts a stack, or takes the services that WARDWATCH_STACK_* name. Cleans up first what killed runs left.
 * Run bootstrap() before: it sees to it that the parts are there.
 * @param {object} options
 * @param {string} options.name of the run, a-z and '-'
 * @param {boolean} [options.keep]
 * @param {(line: string) => void} [options.log]
 * @param {'native' | 'docker' | null | undefined} [options.stack] default: native where all its parts are there
 * @param {boolean} [options.hdfs] also an HDFS: bootstrap({ hdfs: true }) has seen to it that it is there
 * @param {AbortSignal} [options.signal] gives up a start that is under way; it then throws
 * @returns {Promise<Stack>}
 * @throws {import('./environment.mjs').UnsafeSettingError | Error} with the log's tail of the service that didn't start; nothing is left then
 */
export async function startStack({ name, keep = false, log = () => {}, stack, hdfs: withHdfs = false, signal }) {
  const own = ownServices(process.env);
  await cleanUp(log);
  const folder = await mkdtemp(join(tmpdir(), `${FOLDER_PREFIX}${name}-`));
  const state = openState(name);
  state.update({ folder });
  /** @type {() => Promise<unknown>} */
  let end = async () => {};
  /** @type {Awaited<ReturnType<typeof createStackHdfs>> | undefined} */
  let hdfs;
  const stop = async ({ keepFolder = false } = {}) => {
    await Promise.all([end(), hdfs?.stop()]);
    if (!keepFolder) removeFolder(folder);
    state.remove();
  };
  try {
    signal?.throwIfAborted();
    const kind = own ? 'own' : (stack ?? (lookAround().missing.length === 0 ? 'native' : 'docker'));
    let endpoints = own;
    if (kind === 'native') {
      endpoints = await startNative(folder, state.addProcess, signal, (undo) => {
        end = undo;
      });
    } else if (kind === 'docker') {
      const { runDocker, upDocker } = await import('./docker-stack.mjs');
      endpoints = await upDocker(basename(folder).toLowerCase(), (command) => {
        state.update({ dockerDown: command });
        end = () => runDocker(command);
      });
    }
    if (!endpoints) throw new Error(`no stack of kind ${kind}`);
    if (withHdfs) {
      hdfs = await createStackHdfs({ folder, onProcess: state.addProcess });
      await hdfs.start();
    }
    signal?.throwIfAborted();
    state.update({ endpoints });
    const services = [...state.processes()];
    return {
      ...endpoints,
      folder,
      kind,
      hdfs,
      addProcess: state.addProcess,
      gone: () => services.filter(({ pid, start }) => processStart(pid) !== start).map(({ what }) => what),
      noteMade: (made) => {
        if (own) state.update({ made });
      },
      stop: keep ? async () => state.update({ kept: true }) : stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * @param {string} folder
 * @param {import('./services/service.mjs').OnProcess} onProcess
 * @param {AbortSignal | undefined} signal
 * @param {(undo: () => Promise<unknown>) => void} onUndo told how to end what has been started so far
 * @returns {Promise<import('./environment.mjs').Endpoints>}
 */
async function startNative(folder, onProcess, signal, onUndo) {
  const { found } = lookAround();
  const program = (/** @type {string} */ key) => {
    const path = found[key];
    if (!path) throw new Error(`${key} is not on this machine, or too old: run \`node ops/local/bootstrap.mjs\``);
    return path;
  };
  /** @type {import('./services/service.mjs').Service[]} */
  const services = [];
  onUndo(() => Promise.all(services.map((service) => service.stop())));
  signal?.addEventListener('abort', () => {
    for (const service of services) void service.kill();
  });
  /**
   * @template {import('./services/service.mjs').Service} S
   * @param {S | Promise<S>} created
   */
  const start = async (created) => {
    const service = await created;
    signal?.throwIfAborted();
    services.push(service);
    await service.start();
    return service;
  };
  const common = { folder, onProcess };
  const mariadb = start(
    createMariadb({
      ...common,
      port: await freePort(),
      programs: { mariadbd: program('mariadbd'), installDb: program('installDb') },
    }),
  );
  const kafka = start(
    createKafka({
      ...common,
      port: await freePort(),
      controllerPort: await freePort(),
      programs: { java: program('java'), kafkaLibs: kafkaLibs().folder },
    }),
  );
  const redis = start(createRedis({ ...common, port: await freePort(), programs: { redis: program('redis') } }));
  const sns = start(createSns({ ...common, port: await freePort() }));
  const results = await Promise.allSettled([mariadb, kafka, redis, sns]);
  signal?.throwIfAborted();
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
  return {
    rdsUrl: (await mariadb).url,
    kafkaBrokers: (await kafka).brokers,
    redisUrl: (await redis).url,
    snsEndpoint: (await sns).url,
  };
}

/** @returns {import('./environment.mjs').Endpoints | undefined} those of `npm run stack:up`, where it runs */
export function keptStack() {
  const kept = readStates().find(({ state }) => state.name === KEPT_NAME && state.kept && isAlive(state));
  return kept?.state.endpoints;
}

/** `npm run stack:up` */
async function up() {
  const { bootstrap, stackOption } = await import('./bootstrap.mjs');
  const stack = stackOption(process.argv.slice(3));
  await bootstrap({ stack });
  let endpoints = keptStack();
  if (!endpoints) {
    const started = await startStack({ name: KEPT_NAME, keep: true, log: console.log, stack });
    await started.stop();
    endpoints = started;
  }
  console.log('The stack runs until `npm run stack:down`; `npm test` uses it. For other programs:');
  for (const [setting, value] of Object.entries(stackSettings(endpoints))) console.log(`export ${setting}=${value}`);
}

/** `npm run stack:down`: every kept run of this checkout, and what killed ones left. */
async function down() {
  await cleanUp(console.log);
  for (const { file, state } of readStates().filter((one) => one.state.kept)) {
    await endRun(file, state);
    console.log(`stopped ${state.name} and removed ${state.folder}`);
  }
}

if (process.argv[1] && import.meta.filename === process.argv[1]) {
  const { exitWithMessage } = await import('./bootstrap.mjs');
  const command = process.argv[2];
  if (command === 'up') await up().catch(exitWithMessage);
  else if (command === 'down') await down().catch(exitWithMessage);
  else exitWithMessage(new Error('usage: node ops/local/stack.mjs up|down [--stack native|docker]'));
}
