// A demo's moving parts on its services: the workers, the ward, and what looks at them.
import { join } from 'node:path';
import * as duckdb from '@duckdb/node-api';
import { topicName } from '../../../dist/src/kafka/topics.js';
import { columnName } from '../../../dist/src/lake/columns.js';
import { ROOT } from '../cache.mjs';
import { childEnvironment } from '../environment.mjs';
import { readInbox } from '../inbox.mjs';
import { processStart } from '../processes.mjs';
import { createFollower } from './follower.mjs';
import { seededRandom } from './random.mjs';
import { recomputeAlerts } from './recompute.mjs';
import { startRoles } from './roles.mjs';
import { PARTITIONS, POLICY, SEED, setUpServices } from './services.mjs';
import { createSimulator } from './simulator.mjs';
import { createTally } from './tally.mjs';
import { frame } from './view.mjs';

/** Starts it all, pushing onto `undo` how to end each part. `id` makes its names unique. */
export async function setUpPipeline({ options, phases, write, undo, id }) {
  const services = await setUpServices({ options, phases, write, undo, id });
  const { stack, hospital, limits, kafka, kafkaPrefix, topicArn, lakeFolder, logFolder, settings } = services;
  let onFailure = () => undefined;
  const roles = startRoles({
    main: join(ROOT, 'dist/src/main.js'),
    env: childEnvironment(process.env, settings),
    logFolder,
    onPid: (what, pid) => stack.addProcess({ what, pid, start: processStart(pid) ?? '' }),
    onExit: (worker, code, tail) =>
      onFailure(new Error(`worker ${worker} ended by itself (${code}):\n${tail.join('\n')}`)),
  });
  undo.push({ what: 'workers', run: () => roles.stop() });
  await phases.run('workers: poll import console, 2 × archive, 2 × watch (one with dispatch), 2 × deliver', () =>
    roles.ready(),
  );

  const { decimalsOf } = hospital;
  const attributes = hospital.attributes.map((attribute) => ({ ...attribute, lakeColumn: columnName(attribute.name) }));
  const tally = createTally({ duckdb, lakeFolder, pool: hospital.pool, attributes });
  const reader = await kafka.partitionReader();
  const ageOf = new Map(hospital.patients.map((patient) => [patient.patientid, patient.age]));
  return {
    frame,
    roles,
    tally,
    simulator: createSimulator({
      pool: hospital.pool,
      patients: hospital.patients,
      attributes,
      random: seededRandom(SEED + 1),
      nowMs: () => Date.now(),
      excursionShare: options.excursions,
    }),
    follower: createFollower({
      reader,
      queueTopic: topicName(kafkaPrefix, 'doctors-queue'),
      deliveriesTopic: topicName(kafkaPrefix, 'alert-deliveries'),
      partitions: PARTITIONS,
    }),
    inbox: {
      messages: async () => (await readInbox(stack.snsEndpoint, { topicArn })).emails,
      newest: newestOf(stack.snsEndpoint, topicArn),
    },
    recompute: async () =>
      recomputeAlerts({
        rows: await tally.lakeRows(),
        ageOf: (patient) => ageOf.get(patient),
        thresholds: limits,
        decimalsOf,
        ...POLICY,
      }),
    onFailure: (listener) => {
      onFailure = listener;
    },
    next: nextCommands(settings),
  };
}

/** Reads only what has come since the last look. */
function newestOf(endpoint, topicArn) {
  let newest = null;
  return async () => {
    const { emails } = await readInbox(endpoint, { topicArn, after: newest?.n ?? 0 });
    newest = emails.at(-1) ?? newest;
    return newest && { subject: newest.subject ?? '', body: newest.message };
  };
}

function nextCommands(settings) {
  const given = (names) => names.map((name) => `${name}='${settings[name]}'`).join(' ');
  return [
    `${given(['LAKE_URL'])} npx wardwatch lake query "SELECT patient_id, count(*) FROM vital_info GROUP BY 1 ORDER BY 2 DESC LIMIT 5"`,
    `${given(['KAFKA_BROKERS', 'KAFKA_PREFIX', 'RDS_URL'])} npx wardwatch source status`,
    'npm run demo -- --thresholds news2 --for 60s',
  ];
}
