// How fast `wardwatch backtest` replays a lake that the archive wrote: readings a second of CPU, both sides evaluated.
import { runBacktest } from '../../dist/src/app/backtest.js';
import { parsePolicyFile, policyOf } from '../../dist/src/config/policy-file.js';
import { ATTRIBUTES } from '../../dist/src/domain/attributes.js';
import { openLake } from '../../dist/src/lake/open-lake.js';
import { loadLimits } from '../../ops/local/demo/limits.mjs';
import { drain } from './drain.mjs';
import { writeReadings } from './fill.mjs';
import { recordedDay } from './recorded-day.mjs';

const PATIENTS = 200;
const EVERY_S = 5;
const START_MS = Date.UTC(2026, 10, 24);
const DAY_MS = 86_400_000;
const US_PER_MS = 1_000;

/** On topics and a lake of their own, `settings` names them; patients are there. Answers {readings, rowsPerSecond, rowsPerCpuSecond}, one a repeat. */
export async function measureBacktest({ services, settings, env, main, rows, repeats, phases }) {
  await phases.run(`${rows} readings of a recorded day`, () =>
    writeReadings(services, settings.KAFKA_PREFIX, recorded(rows)),
  );
  await phases.run('into the lake', () => drain({ main, env, role: 'archive', metric: 'archive_rows_total', rows }));
  const runs = [];
  for (let run = 1; run <= repeats; run += 1)
    runs.push(await phases.run(`backtest, ${run} of ${repeats}`, () => replayed(settings.LAKE_URL)));
  return runs;
}

function* recorded(rows) {
  const seconds = Math.ceil(rows / PATIENTS) * EVERY_S;
  let row = 0;
  for (const { patientId, second, values } of recordedDay({ patients: PATIENTS, seconds }).readings()) {
    row += 1;
    if (row > rows) return;
    // Ids as the patients table has them.
    yield { row, patientId: patientId.replace('day-', ''), atMs: START_MS + second * 1_000, values };
  }
}

async function replayed(url) {
  const policy = (yaml) =>
    policyOf(parsePolicyFile(yaml, 'policy.yaml').value, {
      topic: 'arn:aws:sns:eu-central-1:1:d',
      alertMaxAgeMs: 900_000,
      alertMaxAgeGiven: true,
    });
  const limits = loadLimits('news2').rows;
  const startedMs = performance.now();
  const before = process.cpuUsage();
  const { readings, inForce, other } = await runBacktest({
    ...{ lake: openLake({ url, hdfsUser: 'bench' }), attributes: ATTRIBUTES, copies: undefined, timeZone: 'UTC' },
    period: { fromUs: START_MS * US_PER_MS, toUs: (START_MS + DAY_MS) * US_PER_MS },
    inForce: { name: 'in force', policy: policy('{}'), limits },
    other: { name: 'waiting', policy: policy('sustain: 15s'), limits },
  });
  const { user, system } = process.cpuUsage(before);
  const perSecond = (seconds) => Math.round(readings / seconds);
  return {
    ...{ readings, alarmsInForce: inForce.alarms, alarmsWaiting: other.alarms },
    rowsPerSecond: perSecond((performance.now() - startedMs) / 1_000),
    rowsPerCpuSecond: perSecond((user + system) / 1_000_000),
  };
}
