// `node test/bench/open-states.mjs`: watch with up to 100,000 open episodes: raising them, reading them back after a restart, and
// going on beside them. Prints a table: what grows must grow in a line. `--json FILE`, `--states 25000,50000,100000`.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bootstrap } from '../../ops/local/bootstrap.mjs';
import { ROOT } from '../../ops/local/cache.mjs';
import { childEnvironment, scrubInPlace } from '../../ops/local/environment.mjs';

const { values: given } = parseArgs({
  options: { json: { type: 'string' }, states: { type: 'string', default: '1000,25000,50000,100000' } },
});
const SIZES = given.states.split(',').map(Number);
const PER_INSERT = 10_000;
/** Above every limit of the shipped tables. */
const HIGH = { heartBeat: 200 };
const METRIC = 'watch_readings_total';

scrubInPlace(process.env);
const write = (text) => process.stderr.write(text);
await bootstrap({ write });
const { createPhases } = await import('../../ops/local/demo/phases.mjs');
const { setUpServices } = await import('../../ops/local/demo/services.mjs');
const { drain } = await import('./drain.mjs');
const { fillTopic } = await import('./fill.mjs');

const phases = createPhases(write, () => performance.now());
const main = join(ROOT, 'dist/src/main.js');
const idOf = (n) => `b${n}`;
const undo = [];
try {
  const options = { thresholds: 'seed', stack: null, patients: 200, keep: false };
  const services = await setUpServices({ options, phases, write, undo, id: randomBytes(4).toString('hex') });
  await phases.run(`${Math.max(...SIZES)} patients`, () => fillPatients(services.hospital.pool, Math.max(...SIZES)));
  for (const table of ['patients', 'thresholds']) importTable(table, childEnvironment(process.env, services.settings));
  const figures = [];
  for (const states of SIZES) {
    const settings = await services.freshTopics(`open${states}`);
    const work = { main, env: childEnvironment(process.env, settings), role: 'watch', metric: METRIC, rows: states };
    const fill = (firstRow) =>
      fillTopic(services, settings.KAFKA_PREFIX, states, { patients: states, values: HIGH, idOf, firstRow });
    await phases.run(`${states} abnormal readings`, () => fill(0));
    const raised = await phases.run(`raising ${states} episodes`, () => drain(work));
    // Each is confirmed: every state changes, and nothing is said.
    await phases.run(`${states} more readings`, () => fill(states));
    const beside = await phases.run(`reading ${states} states, going on beside them`, () => drain(work));
    figures.push({ states, raised, beside });
  }
  print(figures);
  if (given.json) writeFileSync(given.json, `${JSON.stringify(figures, undefined, 2)}\n`);
} finally {
  for (const { run } of undo.reverse()) await run();
}

async function fillPatients(pool, count) {
  for (let done = 0; done < count; done += PER_INSERT) {
    const page = Array.from({ length: Math.min(PER_INSERT, count - done) }, (_, i) => [idOf(done + i), 30, '4B']);
    await pool.query('INSERT INTO patients_information (patientid, age, admitted_ward) VALUES ?', [page]);
  }
}

function importTable(table, env) {
  const { status, stderr } = spawnSync(process.execPath, [main, 'import', table], { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`wardwatch import ${table} ended with ${status}: ${stderr}`);
}

function print(figures) {
  const out = (text) => process.stdout.write(`${text}\n`);
  out(
    '\n| open episodes | to raise them | from a restart to the first batch | restart, state and a reading each | peak |',
  );
  out('| --- | --- | --- | --- | --- |');
  for (const { states, raised, beside } of figures) {
    const cells = [
      states,
      `${raised.wholeSeconds} s, ${raised.cpuSeconds} CPU-s`,
      `${(beside.startToFirstMs / 1000).toFixed(1)} s`,
      `${beside.wholeSeconds} s, ${beside.cpuSeconds} CPU-s`,
      `${beside.peakMemoryMb} MB`,
    ];
    out(`| ${cells.join(' | ')} |`);
  }
}
