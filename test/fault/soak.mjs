// `npm run soak -- --for 30m`: a ward of 2,000 rows/s, a worker killed every 10 s; then rows, retired ids, alerts and e-mails must add up, and the audit hold.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { bootstrap, exitWithMessage } from '../../ops/local/bootstrap.mjs';
import { ROOT } from '../../ops/local/cache.mjs';
import { scrubInPlace } from '../../ops/local/environment.mjs';
import { kafkaLibs, lookAround } from '../../ops/local/machine.mjs';
import { freePort } from '../../ops/local/ports.mjs';
import { cleanUp, FOLDER_PREFIX, openState, removeFolder } from '../../ops/local/state.mjs';
import { beMean } from './mean.mjs';
import { optionsOf } from './soak-options.mjs';
import { SOAK_PROCESSES } from './soak-processes.mjs';
import { createTakeovers } from './takeover.mjs';

/** Above the consumer groups' session time-out, as ops/docs ask. */
const RESTART_AFTER_MS = 7_000;
const CALM_FIRST_MS = 15_000;
const DRAIN_WITHIN_MS = 300_000;
const PROGRESS_EVERY_MS = 30_000;
const EXIT_INTERRUPTED = 130;
/** Patients that leave the range, a second. */
const EXCURSIONS_PER_SECOND = 1;

const MAIN = join(ROOT, 'dist/src/main.js');

const options = optionsOf(process.argv.slice(2));
const startedMs = Date.now();
const say = (text) => console.log(`${((Date.now() - startedMs) / 1_000).toFixed(1).padStart(7)} s  ${text}`);
const undo = [];
let state;
let ended = false;

/** Ends all that was started. A run that did not add up leaves its folder, with every worker's log, to look at. */
async function end(keep) {
  if (ended) return;
  ended = true;
  for (const step of undo.reverse()) await step(keep).catch((error) => say(`cleaning up: ${error.message}`));
  state?.remove();
}

async function run() {
  scrubInPlace(process.env);
  await bootstrap({ stack: 'native', forTests: true });
  await cleanUp(say);
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => {
      say('interrupted');
      void end(false).then(() => process.exit(EXIT_INTERRUPTED));
    });
  const { world, roles, services, takeovers } = await setUp();
  const broken = world.simulator.start();
  broken.catch(() => undefined);
  await roles.ready();
  await pause(CALM_FIRST_MS);
  say(`faults begin, seed ${options.seed}`);
  const progress = setInterval(() => say(`${world.simulator.counts.committedRows} rows committed`), PROGRESS_EVERY_MS);
  undo.push(async () => clearInterval(progress));
  const kills = await Promise.race([
    beMean({ ...options, roles, services, sns: world.sns, say, onKill: takeovers.killed }),
    broken.then(() => undefined),
  ]);
  clearInterval(progress);
  const counts = await world.simulator.stop();
  say(`faults end: ${kills} kills; ward: ${counts.commits} transactions, ${counts.rollbacks} rolled back`);
  const drained = await world.settle(DRAIN_WITHIN_MS);
  say(drained.ok ? 'drained' : 'not drained');
  const audit = await auditWith(world.env);
  const ends = await roles.stop();
  for (const { name, code } of ends) say(`${name} did not end with 0: ${code}`);
  const verdict = await world.look();
  for (const { ok, text } of verdict.terms) say(`${ok ? '✓' : '✗'} ${text}`);
  say(`${audit.ok ? '✓' : '✗'} wardwatch audit${audit.ok ? '' : `\n${audit.out}`}`);
  const ok = verdict.ok && audit.ok && ends.length === 0;
  const report = reportOf({ ok, audit: audit.ok, verdict, kills, counts, takeovers: takeovers.measured() });
  for (const [role, { n, median, worst }] of Object.entries(report.takeoverMs))
    say(`takeover of ${role}: ${n} measured, median ${median} ms, worst ${worst} ms`);
  if (options.report) writeFileSync(options.report, `${JSON.stringify(report, undefined, 2)}\n`);
  say(ok ? 'It adds up.' : 'It does NOT add up.');
  return ok;
}

/** By the program, while its workers live: it waits for what they still have to do. */
async function auditWith(env) {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [MAIN, 'audit'], { env });
    return { ok: true, out: stdout };
  } catch (error) {
    return { ok: false, out: `${error.stdout}${error.stderr}` };
  }
}

function reportOf({ ok, audit, verdict, kills, counts, takeovers }) {
  const takeoverMs = Object.fromEntries(
    Object.entries(takeovers).map(([role, all]) => {
      const sorted = [...all].sort((a, b) => a - b);
      return [role, { n: all.length, median: sorted[sorted.length >> 1] ?? null, worst: sorted.at(-1) ?? null }];
    }),
  );
  const { rds, lake, alerts, terms } = verdict;
  return {
    ok,
    audit,
    seed: options.seed,
    forS: options.forMs / 1_000,
    rowsPerSecond: options.rate,
    chaos: options.chaos,
    kills,
    rds: rds.rows,
    lake: lake.rows,
    distinct: lake.distinctIds,
    dead: lake.deadRows,
    alerts: alerts ?? null,
    rolledBackRows: counts.rolledBackRows,
    takeoverMs,
    terms,
  };
}

async function setUp() {
  const { setUpFaultWorld } = await import('../helpers/fault-world.mjs');
  const { startRoles } = await import('../../ops/local/demo/roles.mjs');
  state = openState(`soak-${options.seed}`);
  const folder = mkdtempSync(join(tmpdir(), `${FOLDER_PREFIX}soak-`));
  state.update({ folder });
  undo.push(async () => removeFolder(folder));
  const services = await startServices(folder);
  const world = await setUpFaultWorld({
    name: `wardwatch_demo_soak_${randomBytes(4).toString('hex')}`,
    endpoints: {
      rdsUrl: services.mariadb.url,
      kafkaBrokers: services.kafka.brokers,
      redisUrl: services.redis.url,
    },
    patients: options.rate,
    excursionShare: EXCURSIONS_PER_SECOND / options.rate,
    storm: true,
    seed: options.seed,
  });
  undo.push(async (keep) => {
    await world.close(keep);
    if (keep) say(`kept: ${world.folder}`);
  });
  const takeovers = createTakeovers(Date.now);
  const roles = startRoles({
    words: [MAIN, 'worker'],
    processes: SOAK_PROCESSES,
    env: world.env,
    logFolder: world.logFolder,
    onPid: world.onPid,
    onExit: (name, how) => say(`${name} ended by itself: ${how}`),
    onEvent: takeovers.noted,
    restartAfterMs: RESTART_AFTER_MS,
  });
  undo.push(() => roles.kill());
  return { world, roles, services, takeovers };
}

/** On ports that stay theirs; Redis keeps its data. */
async function startServices(folder) {
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

try {
  process.exitCode = (await run()) ? 0 : 1;
} catch (error) {
  // What an interrupted run meets, when everything was taken from under it, is no news.
  if (!ended) exitWithMessage(error);
} finally {
  await end(options.keep || process.exitCode !== 0);
}
