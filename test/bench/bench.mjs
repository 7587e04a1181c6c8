// `npm run bench`: the drains of poll, watch and archive beside Kafka's own perf tools, what exactness costs, row commit to visible in the
// lake, archive onto HDFS beside a folder, the ledger's rebuild, deliver's rate, backtest's rate, alarm burden, latency at 5,000 rows/s; all in one run.
// `--only drains,exactness,visible,rebuild,deliver,backtest,burden,lakes,latency` chooses. Prints tables; `--json FILE` writes the same as JSON; `--rows N` (500000),
// `--repeats N` (3), `--latency-for 30s`, `--latency-patients 5000` (each is read once a second).
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { bootstrap } from '../../ops/local/bootstrap.mjs';
import { ROOT } from '../../ops/local/cache.mjs';
import { childEnvironment, scrubInPlace } from '../../ops/local/environment.mjs';

const { values: given } = parseArgs({
  options: {
    rows: { type: 'string', default: '500000' },
    repeats: { type: 'string', default: '3' },
    json: { type: 'string' },
    'latency-for': { type: 'string', default: '30s' },
    'latency-patients': { type: 'string', default: '5000' },
    only: { type: 'string', default: 'drains,exactness,visible,rebuild,deliver,backtest,burden,lakes,latency' },
  },
});
const PARTS = given.only.split(',');
const ROWS = Number(given.rows);
const REPEATS = Number(given.repeats);
const LATENCY_PATIENTS = Number(given['latency-patients']);
const BURDEN_PATIENTS = 50;
const REBUILT_NOTIFICATIONS = 100_000;
const DELIVERED_NOTIFICATIONS = 10_000;
const FLUSH_MS = 1_000;
const VISIBLE_ROWS_PER_SECOND = 5_000;
const VISIBLE_FOR_MS = 65_000;
/** Many small files: that tells how a drain went on, and is hard on what is done for each of them. */
const EXACTNESS_FLUSH_ROWS = 20_000;
/** Six partitions, so 90 files a minute. */
const VISIBLE_FLUSH_MS = 4_000;

scrubInPlace(process.env);
const write = (text) => process.stderr.write(text);
await bootstrap({ write, hdfs: PARTS.includes('lakes') });
const { measureBacktest } = await import('./backtest.mjs');
const { measureBurden } = await import('./burden.mjs');
const { createPhases } = await import('../../ops/local/demo/phases.mjs');
const { setUpServices } = await import('../../ops/local/demo/services.mjs');
const { measureDeliver } = await import('./deliver.mjs');
const { drain } = await import('./drain.mjs');
const { measureExactness } = await import('./exactness.mjs');
const { fillTable, fillTopic } = await import('./fill.mjs');
const { kafkaCeiling } = await import('./kafka-tools.mjs');
const { measureLakes } = await import('./lakes.mjs');
const { runLatency } = await import('./latency.mjs');
const { measureRebuild } = await import('./rebuild.mjs');
const { measureVisible } = await import('./visible.mjs');

const phases = createPhases(write, () => performance.now());
const main = join(ROOT, 'dist/src/main.js');
const undo = [];
try {
  const result = { machine: machine(), rows: ROWS, repeats: REPEATS };
  const options = { thresholds: 'seed', stack: null, patients: 200, keep: false };
  if (PARTS.some((part) => !['latency', 'lakes', 'burden'].includes(part))) {
    const services = await setUpServices({ options, phases, write, undo, id: randomBytes(4).toString('hex') });
    for (const table of ['patients', 'thresholds'])
      importTable(table, childEnvironment(process.env, services.settings));
    if (PARTS.includes('visible')) result.visible = await visible(services);
    if (PARTS.includes('rebuild')) result.rebuild = await rebuild(services);
    if (PARTS.includes('deliver')) result.deliver = await deliver(services);
    if (PARTS.includes('backtest')) result.backtest = await backtest(services);
    if (PARTS.some((part) => ['drains', 'exactness'].includes(part)))
      await phases.run(`${ROWS} rows into RDS`, () => fillTable(services.hospital.pool, ROWS));
    if (PARTS.includes('drains')) {
      result.drains = await drainAll(services);
      result.kafka = await phases.run("Kafka's own perf tools", () => kafkaCeiling(services, ROWS));
    }
    if (PARTS.includes('exactness')) {
      const prepare = async (suffix, role) => ({
        ...(await prepared(services, suffix, role)),
        ARCHIVE_FLUSH_ROWS: String(EXACTNESS_FLUSH_ROWS),
      });
      result.exactness = await measureExactness({ prepare, main, rows: ROWS, repeats: REPEATS, phases });
    }
    for (const { run } of undo.splice(0).reverse()) await run();
  }
  if (PARTS.includes('burden'))
    result.burden = await phases.run(`a recorded day of ${BURDEN_PATIENTS} patients`, async () =>
      measureBurden({ patients: BURDEN_PATIENTS }),
    );
  if (PARTS.includes('lakes')) result.lakes = await lakes({ ...options, lake: 'hdfs' });
  if (PARTS.includes('latency'))
    result.latency = await runLatency({ patients: LATENCY_PATIENTS, duration: given['latency-for'] });
  print(result);
  if (given.json) writeFileSync(given.json, `${JSON.stringify(result, undefined, 2)}\n`);
} finally {
  for (const { run } of undo.reverse()) await run();
}

/** Topics and a lake of its own for one run, with its rows in place. */
async function prepared(services, suffix, role, lakeUrl) {
  const settings = await services.freshTopics(suffix, lakeUrl);
  if (role !== 'poll')
    await phases.run(`${ROWS} rows into vital-info`, () => fillTopic(services, settings.KAFKA_PREFIX, ROWS));
  return childEnvironment(process.env, { ...settings, ARCHIVE_FLUSH_MS: String(FLUSH_MS) });
}

async function drainAll(services) {
  const drains = { poll: [], watch: [], archive: [] };
  const metrics = { poll: 'poll_rows_total', watch: 'watch_readings_total', archive: 'archive_rows_total' };
  for (let repeat = 1; repeat <= REPEATS; repeat += 1)
    for (const role of Object.keys(drains)) {
      const env = await prepared(services, `${role}${repeat}`, role);
      const measure = () => drain({ main, env, role, metric: metrics[role], rows: ROWS });
      drains[role].push(await phases.run(`drain ${role}, ${repeat} of ${REPEATS}`, measure));
    }
  return Object.fromEntries(Object.entries(drains).map(([role, runs]) => [role, medians(runs)]));
}

async function visible(services) {
  const settings = await services.freshTopics('visible');
  const env = childEnvironment(process.env, { ...settings, ARCHIVE_FLUSH_MS: String(VISIBLE_FLUSH_MS) });
  const { pool } = services.hospital;
  return phases.run(`${VISIBLE_ROWS_PER_SECOND} rows/s until they are visible in the lake`, () =>
    measureVisible({
      pool,
      env,
      main,
      lakeFolder: fileURLToPath(settings.LAKE_URL),
      rowsPerSecond: VISIBLE_ROWS_PER_SECOND,
      forMs: VISIBLE_FOR_MS,
    }),
  );
}

/** Keys of its own as well: they are forgotten. */
async function rebuild(services) {
  const settings = { ...(await services.freshTopics('rebuild')), REDIS_PREFIX: `{${services.name}.rebuild}` };
  const env = childEnvironment(process.env, settings);
  const work = { services, settings, env, main, phases };
  return measureRebuild({ ...work, notifications: REBUILT_NOTIFICATIONS, repeats: REPEATS });
}

async function deliver(services) {
  const runs = [];
  for (let repeat = 1; repeat <= REPEATS; repeat += 1) {
    const name = `deliver${repeat}`;
    const settings = { ...(await services.freshTopics(name)), REDIS_PREFIX: `{${services.name}.${name}}` };
    const envOf = (more) => childEnvironment(process.env, more);
    const work = { services, settings, main, envOf, folder: services.stack.folder, phases };
    runs.push(await measureDeliver({ ...work, notifications: DELIVERED_NOTIFICATIONS }));
  }
  return medians(runs.map((run) => run.deliver));
}

async function backtest(services) {
  const settings = await services.freshTopics('backtest');
  const env = childEnvironment(process.env, { ...settings, ARCHIVE_FLUSH_MS: String(FLUSH_MS) });
  for (const table of ['patients', 'thresholds']) importTable(table, env);
  return measureBacktest({ services, settings, env, main, rows: ROWS, repeats: REPEATS, phases });
}

/** On services of its own: the JVMs of an HDFS would slow the other parts down. */
async function lakes(options) {
  const services = await setUpServices({ options, phases, write, undo, id: randomBytes(4).toString('hex') });
  const prepare = async (suffix, lake) => {
    const url = lake === 'folder' ? pathToFileURL(services.lakeFolder).href : services.settings.LAKE_URL;
    return { ...(await prepared(services, suffix, 'archive', url)), ARCHIVE_FLUSH_ROWS: String(EXACTNESS_FLUSH_ROWS) };
  };
  const runs = await measureLakes({ prepare, main, rows: ROWS, repeats: REPEATS, phases });
  for (const { run } of undo.splice(0).reverse()) await run();
  return runs;
}

function importTable(table, env) {
  const { status, stderr } = spawnSync(process.execPath, [main, 'import', table], { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`wardwatch import ${table} ended with ${status}: ${stderr}`);
}

function machine() {
  const commit = readFileSync(join(ROOT, 'package.json'), 'utf8');
  return {
    node: process.version,
    wardwatch: JSON.parse(commit).version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
  };
}

/** The median of each figure over the runs. */
function medians(runs) {
  const middle = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
  return Object.fromEntries(Object.keys(runs[0]).map((figure) => [figure, middle(runs.map((run) => run[figure]))]));
}

function print({
  machine: m,
  drains,
  kafka,
  exactness,
  visible: seen,
  rebuild: again,
  deliver: sent,
  backtest: tests,
  burden,
  lakes: onLakes,
  latency,
}) {
  const out = (text) => process.stdout.write(`${text}\n`);
  out(`\n${m.cpu}, ${m.cores} cores, ${m.memoryGb} GB, Node ${m.node}; medians of ${REPEATS} runs of ${ROWS} rows`);
  if (drains) {
    out(
      '\n| drain, one process alone | rows/s | of the ceiling | CPU-s per million | peak MB |\n| --- | --- | --- | --- | --- |',
    );
    for (const [role, figures] of Object.entries(drains)) {
      const peer = role === 'poll' ? kafka?.producePerSecond : kafka?.consumePerSecond;
      const share = peer ? `${Math.round((figures.rowsPerSecond / peer) * 100)} %` : '–';
      out(
        `| ${role} | ${figures.rowsPerSecond} | ${share} | ${figures.cpuSecondsPerMillion} | ${figures.peakMemoryMb} |`,
      );
    }
    if (kafka)
      out(`| Kafka's own tools | produce ${kafka.producePerSecond}, consume ${kafka.consumePerSecond} | | | |`);
  }
  if (exactness) {
    out('\n| what exactness costs | exact, rows/s | bare, rows/s | exact ÷ bare |\n| --- | --- | --- | --- |');
    for (const [role, runs] of Object.entries(exactness)) {
      const { exact, bare, ratio } = medians(runs);
      out(`| ${role} | ${exact} | ${bare} | ${ratio.toFixed(2)} |`);
    }
  }
  if (seen)
    out(
      `\nrow commit → visible to a reader of the folder at ${seen.rowsPerSecond} rows/s: p50 ${seen.p50} s, p95 ${seen.p95} s, p99 ${seen.p99} s; ${seen.filesPerMinute} files of vital_info a minute`,
    );
  if (sent)
    out(
      `\ndeliver: ${sent.rowsPerSecond} notifications/s, ${(sent.cpuSecondsPerMillion / 1000).toFixed(1)} ms of CPU each (${DELIVERED_NOTIFICATIONS} to many topics)`,
    );
  if (again) {
    const { ms } = medians(again.rebuildMs.map((one) => ({ ms: one })));
    out(
      `\ndispatch decides ${again.dispatch.rowsPerSecond} alerts/s; Redis emptied: ${again.notifications} open notifications are back after ${(ms / 1000).toFixed(1)} s`,
    );
  }
  if (tests) {
    const { readings, rowsPerSecond, rowsPerCpuSecond } = medians(tests);
    out(
      `\nbacktest of ${readings} readings: ${rowsPerCpuSecond} a second and core, ${rowsPerSecond} a second by the clock`,
    );
  }
  if (burden) {
    out(
      `\n| ${burden.patientDays} patient-days, ${burden.events} real events | alarms a patient-day | events missed | seconds until told |\n| --- | --- | --- | --- |`,
    );
    for (const [name, { perPatientDay, missed, laterS, worstLaterS }] of Object.entries(burden.policies))
      out(`| ${name} | ${perPatientDay} | ${missed} | ${laterS}, at most ${worstLaterS} |`);
  }
  if (onLakes) {
    const { folder, hdfs, ratio } = medians(onLakes);
    out(`\narchive onto HDFS ${hdfs} rows/s, onto a folder ${folder} rows/s: ${ratio.toFixed(2)} of it`);
  }
  if (latency)
    out(
      `\nrow commit → accepted by SNS at ${LATENCY_PATIENTS} rows/s: p50 ${latency.p50} ms, p99 ${latency.p99} ms (${latency.alerts} alerts)`,
    );
}
