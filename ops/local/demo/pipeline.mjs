// A demo's moving parts on its services: the workers, the ward, and what looks at them.
import { join } from 'node:path';
import { ROOT } from '../cache.mjs';
import { CommandError } from '../command-error.mjs';
import { childEnvironment } from '../environment.mjs';
import { readInbox } from '../inbox.mjs';
import { logTail, processStart } from '../processes.mjs';
import { createActor, storyOf } from './actor.mjs';
import { auditWith } from './audit.mjs';
import { observe } from './deployment.mjs';
import { seededRandom } from './random.mjs';
import { endedText, startRoles } from './roles.mjs';
import { SEED, setUpServices } from './services.mjs';
import { createSimulator } from './simulator.mjs';

const LOOK_AT_SERVICES_EVERY_MS = 500;

/** Starts it all, pushing onto `undo` how to end each part. `id` makes its names unique; `signal` gives up the start. */
export async function setUpPipeline({ options, phases, write, undo, id, signal }) {
  const services = await setUpServices({ options, phases, write, undo, id, signal });
  const { stack, hospital, limits, topicArn, topicArns, logFolder, settings, program } = services;
  const failure = watchForFailure(stack);
  undo.push({ what: 'look at the services', run: async () => failure.close() });
  const roles = startRoles({
    words: [join(ROOT, 'dist/src/main.js'), 'worker'],
    env: childEnvironment(process.env, settings),
    logFolder,
    onPid: (what, pid) => stack.addProcess({ what, pid, start: processStart(pid) ?? '' }),
    onExit: (worker, how, tail) => failure.fail(endedText(worker, how, tail)),
  });
  undo.push({ what: 'workers', run: () => roles.kill() });
  await phases.run('workers: poll import console, 2 × archive, 2 × watch (one with dispatch), 2 × deliver', () =>
    Promise.race([roles.ready(signal), failure.failed]),
  );

  const { tally, follower, recompute } = await observe(services, limits);
  const simulator = createSimulator({
    pool: hospital.pool,
    patients: hospital.patients,
    attributes: hospital.attributes,
    random: seededRandom(SEED + 1),
    nowMs: () => Date.now(),
    excursionShare: options.excursions,
    gateway: options.gateway,
  });
  return {
    /** Rejects when a service or a worker ends by itself. */
    failed: failure.failed,
    roles,
    tally,
    simulator,
    follower,
    act: createActor({ follower, consoleUrl: () => roles.addresses().console, treat: simulator.treat }),
    story: () => storyOf(follower),
    inbox: {
      messages: async () => {
        const read = await Promise.all(topicArns.map((arn) => readInbox(stack.snsEndpoint, { topicArn: arn })));
        return read.flatMap(({ emails }) => emails);
      },
      newest: newestOf(stack.snsEndpoint, topicArn),
    },
    recompute,
    /** Undefined where the lake is a folder of this disk. */
    fetchLake: services.fetchLake,
    audit: () => auditWith(program),
    next: nextCommands(program),
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

/** The first service or worker that ends by itself makes `failed` reject with its last words. */
function watchForFailure(stack) {
  let reject;
  const failed = new Promise((_, no) => {
    reject = no;
  });
  failed.catch(() => undefined);
  const fail = (text) => reject(new CommandError(text));
  const timer = setInterval(() => {
    const [first] = stack.gone();
    if (first) fail(`${first} ended by itself:\n${logTail(join(stack.folder, `${first}.log`))}`);
  }, LOOK_AT_SERVICES_EVERY_MS);
  return { failed, fail, close: () => clearInterval(timer) };
}

/** What to try next, each in one line. `program` is a wardwatch with the demo's settings. */
function nextCommands(program) {
  return [
    `${program} lake query "SELECT patient_id, count(*) AS n FROM vital_info GROUP BY 1 ORDER BY 2 DESC LIMIT 5"`,
    `${program} source status`,
    `${program} audit`,
    `${program} doctor`,
  ];
}
