// What dispatch does with a backlog of events, and how long the notification ledger takes to come back from Kafka after Redis was emptied.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { fillQueue } from './alert-queue.mjs';
import { drain } from './drain.mjs';

const KEYS_TOGETHER = 1_000;
const REBUILT_WITHIN_MS = 240_000;

/** On topics of their own, `settings` names them. Nothing is delivered: every row stays open. Answers {notifications, dispatch, rebuildMs: one a repeat}. */
export async function measureRebuild({ services, settings, env, main, notifications, repeats, phases }) {
  await phases.run(`${notifications} alerts`, () => fillQueue(services, settings.KAFKA_PREFIX, notifications));
  const work = { main, env, role: 'dispatch', metric: 'dispatch_decisions_total', rows: notifications };
  const dispatch = await phases.run('dispatch decides', () => drain(work));
  const rebuildMs = [];
  for (let run = 0; run < repeats; run += 1) {
    await forget(settings);
    rebuildMs.push(await phases.run('Redis emptied, ledger rebuilt', () => rebuilt({ main, env })));
  }
  return { notifications, dispatch, rebuildMs };
}

/** Every key of that deployment. */
async function forget({ REDIS_URL, REDIS_PREFIX }) {
  const redis = new Redis(REDIS_URL);
  const pattern = `${REDIS_PREFIX.replace(/[{}]/g, '\\$&')}*`;
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', KEYS_TOGETHER);
    if (keys.length > 0) await redis.unlink(...keys);
    cursor = next;
  } while (cursor !== '0');
  redis.disconnect();
}

/** Starts dispatch; answers the ms that it says the rebuild took. */
async function rebuilt({ main, env }) {
  const child = spawn(process.execPath, [main, 'worker', '--roles', 'dispatch'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  try {
    return await new Promise((resolve, reject) => {
      const late = () => reject(new Error(`no ledger after ${REBUILT_WITHIN_MS / 1_000} s`));
      setTimeout(late, REBUILT_WITHIN_MS).unref();
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line.includes('"ledger.rebuild.done"')) resolve(JSON.parse(line).ms);
      });
    });
  } finally {
    child.kill('SIGTERM');
    await gone;
  }
}
