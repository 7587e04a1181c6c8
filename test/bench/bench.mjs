// `npm run bench`: latency at 1,000 rows/s and the drains of poll, watch and archive, beside Kafka's own perf tools in the same run.
// Prints a table; `--json FILE` writes the same as JSON; `--rows N` (500000), `--repeats N` (3), `--latency-for 30s`.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
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
  },
});
const ROWS = Number(given.rows);
const REPEATS = Number(given.repeats);
const LATENCY_PATIENTS = 1_000;
const FLUSH_MS = 1_000;

scrubInPlace(process.env);
const write = (text) => process.stderr.write(text);
await bootstrap({ write });
const { createPhases } = await import('../../ops/local/demo/phases.mjs');
const { setUpServices } = await import('../../ops/local/demo/services.mjs');
const { drain } = await import('./drain.mjs');
const { fillTable, fillTopic } = await import('./fill.mjs');
const { kafkaCeiling } = await import('./kafka-tools.mjs');
const { runLatency } = await import('./latency.mjs');

const phases = createPhases(write, () => performance.now());
const main = join(ROOT, 'dist/src/main.js');
const undo = [];
try {
  const drains = { poll: [], watch: [], archive: [] };
  const options = { thresholds: 'seed', stack: null, patients: 200, keep: false };
  const services = await setUpServices({ options, phases, write, undo, id: randomBytes(4).toString('hex') });
  await phases.run(`${ROWS} rows into RDS`, () => fillTable(services.hospital.pool, ROWS));
  for (const table of ['patients', 'thresholds']) importTable(table, childEnvironment(process.env, services.settings));
  for (let repeat = 1; repeat <= REPEATS; repeat += 1) {
    for (const role of Object.keys(drains)) {
      const settings = await services.freshTopics(`${role}${repeat}`);
      const env = childEnvironment(process.env, { ...settings, ARCHIVE_FLUSH_MS: String(FLUSH_MS) });
      if (role !== 'poll')
        await phases.run(`${ROWS} rows into vital-info`, () => fillTopic(services, settings.KAFKA_PREFIX, ROWS));
      const metric = { poll: 'poll_rows_total', watch: 'watch_readings_total', archive: 'archive_rows_total' }[role];
      drains[role].push(
        await phases.run(`drain ${role}, ${repeat} of ${REPEATS}`, () =>
          drain({ main, env, role, metric, rows: ROWS }),
        ),
      );
    }
  }
  const ceiling = await phases.run("Kafka's own perf tools", () => kafkaCeiling(services, ROWS));
  for (const { run } of undo.splice(0).reverse()) await run();
  const latency = await runLatency({ patients: LATENCY_PATIENTS, duration: given['latency-for'] });
  const result = { machine: machine(), rows: ROWS, repeats: REPEATS, drains: medians(drains), kafka: ceiling, latency };
  print(result);
  if (given.json) writeFileSync(given.json, `${JSON.stringify(result, undefined, 2)}\n`);
} finally {
  for (const { run } of undo.reverse()) await run();
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

/** The median of each figure over the repeats. */
function medians(drains) {
  const middle = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
  return Object.fromEntries(
    Object.entries(drains).map(([role, runs]) => [
      role,
      Object.fromEntries(Object.keys(runs[0]).map((figure) => [figure, middle(runs.map((run) => run[figure]))])),
    ]),
  );
}

function print({ machine: m, drains, kafka, latency }) {
  const out = (text) => process.stdout.write(`${text}\n`);
  out(`\n${m.cpu}, ${m.cores} cores, ${m.memoryGb} GB, Node ${m.node}; medians of ${REPEATS} runs of ${ROWS} rows`);
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
  if (kafka) out(`| Kafka's own tools | produce ${kafka.producePerSecond}, consume ${kafka.consumePerSecond} | | | |`);
  out(
    `\nrow commit → accepted by SNS at ${LATENCY_PATIENTS} rows/s: p50 ${latency.p50} ms, p99 ${latency.p99} ms (${latency.alerts} alerts)`,
  );
}
