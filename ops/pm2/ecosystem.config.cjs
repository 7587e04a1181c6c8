// PM2: an app per role. Start: pm2 start ops/pm2/ecosystem.config.cjs. Instances: WARDWATCH_WATCH_INSTANCES=4 and so on (0: none here).
// Settings come from the environment of `pm2 start`, or from the file that WARDWATCH_ENV_FILE names.
const { readFileSync } = require('node:fs');
const { resolve } = require('node:path');
const { parseEnv } = require('node:util');

const ROOT = resolve(__dirname, '../..');
const envFile = process.env.WARDWATCH_ENV_FILE;
/** As the program itself reads them: the environment wins. */
const settings = { ...(envFile ? parseEnv(readFileSync(envFile, 'utf8')) : {}), ...process.env };
/** The roles of a whole deployment, with as many processes as a small hospital needs. */
const DEFAULT_INSTANCES = {
  poll: 2,
  archive: 2,
  watch: 2,
  dispatch: 2,
  deliver: 2,
  import: 2,
  maintain: 1,
  console: 1,
};
/** DRAIN_MS of src/config/settings.ts where it isn't set. */
const DRAIN_MS = milliseconds(settings.DRAIN_MS || '25000');
/** A worker that is still there this long after its own deadline is not coming to an end. */
const KILL_AFTER_DEADLINE_MS = 5_000;
/** Above Kafka's session time-out (6 s): a worker that comes back at once waits for its dead self, and the others stand still with it. */
const RESTART_DELAY_MS = 7_000;
/** Services may be down at a start: the worker waits for them itself, PM2 only this long for its `ready`. */
const LISTEN_TIMEOUT_MS = 60_000;

function instances(role) {
  const text = settings[`WARDWATCH_${role.toUpperCase()}_INSTANCES`];
  if (text === undefined || text === '') return DEFAULT_INSTANCES[role];
  if (!/^\d{1,3}$/.test(text)) throw new Error(`WARDWATCH_${role.toUpperCase()}_INSTANCES=${text}: a number is needed`);
  return Number(text);
}

/** As src/config/parsers.ts reads a duration: 25000, 25s, 1m. */
function milliseconds(text) {
  const [, number, unit = 'ms'] = /^(\d+)(ms|s|m)?$/.exec(text) ?? [];
  if (number === undefined) throw new Error(`DRAIN_MS=${text}: a time like 25s is needed`);
  return Number(number) * { ms: 1, s: 1_000, m: 60_000 }[unit];
}

module.exports = {
  apps: Object.keys(DEFAULT_INSTANCES)
    .map((role) => ({
      name: `wardwatch-${role}`,
      script: resolve(ROOT, 'dist/src/main.js'),
      args: [...(envFile ? ['--env-file', resolve(envFile)] : []), 'worker', '--roles', role],
      // Said aloud: with `instances` PM2 would choose cluster mode, whose processes share one port.
      exec_mode: 'fork',
      instances: instances(role),
      wait_ready: true,
      listen_timeout: LISTEN_TIMEOUT_MS,
      kill_timeout: DRAIN_MS + KILL_AFTER_DEADLINE_MS,
      restart_delay: RESTART_DELAY_MS,
      // A source that is away for a night is no reason to give up.
      max_restarts: Number.MAX_SAFE_INTEGER,
      merge_logs: true,
    }))
    .filter((app) => app.instances > 0),
};
