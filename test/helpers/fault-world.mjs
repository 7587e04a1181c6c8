// A ward and a wardwatch to be hurt: tables, topics and settings on given services, an SNS that can misbehave, and what must add up afterwards.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { observe, setUpDeployment } from '../../ops/local/demo/deployment.mjs';
import { loadLimits } from '../../ops/local/demo/limits.mjs';
import { removeMade } from '../../ops/local/demo/made.mjs';
import { seededRandom } from '../../ops/local/demo/random.mjs';
import { createSimulator } from '../../ops/local/demo/simulator.mjs';
import { childEnvironment } from '../../ops/local/environment.mjs';
import { processStart } from '../../ops/local/processes.mjs';
import { FOLDER_PREFIX, openState, removeFolder } from '../../ops/local/state.mjs';
import { createLook } from './adds-up.mjs';
import { startHostileSns } from './hostile-sns.mjs';

const TOPIC_ARN = 'arn:aws:sns:us-east-1:000000000000:faults';
/** Told as well when nobody has reacted, so that timers run under faults too. */
const ESCALATION = { after: '10s', topic: 'arn:aws:sns:us-east-1:000000000000:faults-escalated' };
/** Every event its own e-mail: a patient may come back as often as it likes. */
const POLICY = {
  default: { escalation: [ESCALATION] },
  flapping: { episodes: 100 },
  // What waits while something is dead goes into digests.
  limits: { perSecond: 8, burst: 8, digestAbove: 10, digestEvery: '1s' },
};
const LOOK_EVERY_MS = 1_000;

/**
 * `name` begins with wardwatch_demo_; `endpoints`: {rdsUrl, kafkaBrokers, redisUrl}; `shared`: they outlive the run, so what was made on them is
 * removed. The folder stays where close(true) says so.
 */
export async function setUpFaultWorld({
  name,
  endpoints,
  shared = false,
  patients,
  excursionShare,
  storm = true,
  seed,
}) {
  const undo = [];
  const folder = mkdtempSync(join(tmpdir(), `${FOLDER_PREFIX}fault-`));
  const state = openState(name);
  state.update({ folder });
  const sns = await startHostileSns();
  undo.push({ run: () => sns.close() });
  const { rows: limits } = loadLimits('seed');
  const all = { ...endpoints, snsEndpoint: sns.url };
  const deployment = await setUpDeployment({
    ...{ name, folder, limits, patients, undo },
    endpoints: all,
    random: seededRandom(seed),
    makeTopic: async () => TOPIC_ARN,
    policyOf: async () => POLICY,
  });
  const observer = await observe(deployment, limits);
  const simulator = createSimulator({
    pool: deployment.hospital.pool,
    patients: deployment.hospital.patients,
    attributes: deployment.hospital.attributes,
    random: seededRandom(seed + 1),
    nowMs: () => Date.now(),
    ...{ excursionShare, storm },
    // On a busy machine too a connection may break: the table alone says what was committed.
    onBroken: () => undefined,
  });
  let advancing = Promise.resolve();
  /** Notifications accepted so far. One reads at a time: a reader's position is its own. */
  const accepted = () => {
    const { follower } = observer;
    const mine = advancing.then(() => follower.advance());
    advancing = mine.catch(() => undefined);
    return mine.then(() => follower.toSend().filter((entry) => entry.accepted.length > 0).length);
  };
  const look = createLook({ observer, received: async () => sns.received });
  return {
    ...deployment,
    folder,
    sns,
    simulator,
    observer,
    look,
    /** Records a worker for a later run's clean-up. */
    onPid: (what, pid) => state.addProcess({ what, pid, start: processStart(pid) ?? '' }),
    env: childEnvironment(process.env, deployment.settings),
    /** Resolves when the lake has more rows than RDS holds now, and one more e-mail has been accepted. Throws after `withinMs`. */
    moves: async (withinMs) => {
      const untilMs = Date.now() + withinMs;
      const until = async (what, check) => {
        while (!(await check().catch(() => false))) {
          if (Date.now() > untilMs) throw new Error(`not within ${withinMs / 1_000} s: ${what}`);
          await pause(LOOK_EVERY_MS / 4);
        }
      };
      let rows;
      await until('RDS answers', async () => {
        rows = (await observer.tally.rds()).rows;
        return true;
      });
      let before;
      await until('Kafka answers', async () => {
        before = await accepted();
        return true;
      });
      await until('later rows are in the lake', async () => (await observer.tally.lake()).rows > rows);
      await until('one more e-mail', async () => (await accepted()) > before);
    },
    /** Looks until everything adds up; answers the last look, whatever it says, after `withinMs`. */
    settle: async (withinMs) => {
      const untilMs = Date.now() + withinMs;
      for (;;) {
        const verdict = await look();
        if (verdict.ok || Date.now() > untilMs) return verdict;
        await pause(LOOK_EVERY_MS);
      }
    },
    close: async (keepFolder = false) => {
      await simulator.stop();
      for (const { run } of undo.reverse()) await run();
      if (shared) await removeMade(endpoints, name);
      if (!keepFolder) removeFolder(folder);
      state.remove();
    },
  };
}
