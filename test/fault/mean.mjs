// The faults of a soak: a kill every so often, and with `chaos` whatever else befalls workers, services and SNS.
import { setTimeout as pause } from 'node:timers/promises';
import { seededRandom } from '../../ops/local/demo/random.mjs';
import { answers } from '../../ops/local/services/probe.mjs';

const SNS_MOODS = ['refuse', 'hang', 'reset', 'fail', 'throttle', 'slow'];
const FREEZE_EVERY_MS = [6_000, 12_000];
const FREEZE_FOR_MS = [10_000, 20_000];
const SERVICE_EVERY_MS = [6_000, 12_000];
const SERVICE_FROZEN_MS = [1_000, 12_000];
const SERVICE_AWAY_MS = [0, 6_000];
const SNS_EVERY_MS = [3_000, 8_000];
const SNS_FOR_MS = [1_000, 6_000];

/** Until `forMs` is over; answers the number of kills. `services` and `sns` are hurt only with `chaos`. */
export async function beMean({ forMs, everyMs, seed, chaos, roles, services, sns, say, onKill }) {
  const random = seededRandom(seed + 2);
  const untilMs = Date.now() + forMs;
  let kills = 0;
  const repeat = async (waitMs, deed) => {
    for (;;) {
      await pause(Math.min(waitMs(), Math.max(0, untilMs - Date.now())));
      if (Date.now() >= untilMs) return;
      await deed();
    }
  };
  const between = ([low, high]) => random.int(low, high);

  const kill = async () => {
    const name = random.pick(roles.names);
    if (!roles.signal(name, 'SIGKILL')) return;
    kills += 1;
    onKill(name);
    say(`kill -9 ${name}`);
  };
  const freeze = async () => {
    const name = random.pick(roles.names);
    const ms = between(FREEZE_FOR_MS);
    say(`freeze ${name} for ${(ms / 1_000).toFixed(1)} s`);
    await roles.freeze(name, ms);
  };
  const hurtService = async () => {
    const service = random.pick(Object.values(services));
    if (service === services.redis && random.chance(0.3)) {
      say('redis forgets everything');
      const asked = answers({ port: service.port, request: 'FLUSHALL\r\n' }, (answer) => answer.includes('+OK'));
      await asked.catch(() => false);
    } else if (random.chance(0.3)) {
      const ms = between(SERVICE_FROZEN_MS);
      say(`freeze ${service.what} for ${(ms / 1_000).toFixed(1)} s`);
      service.pause();
      await pause(ms);
      service.cont();
    } else {
      const ms = between(SERVICE_AWAY_MS);
      say(`kill -9 ${service.what}, back after ${(ms / 1_000).toFixed(1)} s`);
      await service.kill();
      await pause(ms);
      await service.start();
    }
  };
  const breakSns = async () => {
    const mood = random.pick(SNS_MOODS);
    const ms = between(SNS_FOR_MS);
    say(`SNS: ${mood} for ${(ms / 1_000).toFixed(1)} s`);
    await sns.be(mood);
    await pause(ms);
    await sns.be('well');
  };
  const deeds = [repeat(() => everyMs, kill)];
  if (chaos) {
    deeds.push(
      repeat(() => between(FREEZE_EVERY_MS), freeze),
      repeat(() => between(SERVICE_EVERY_MS), hurtService),
      repeat(() => between(SNS_EVERY_MS), breakSns),
    );
  }
  await Promise.all(deeds);
  return kills;
}
