// What a child of the demo or the tests may see of this machine's environment: never a setting of production.
// A safety rule (contracts.md, Files and settings): someone set up for a hospital must be able to type `npm run demo`.
// @ts-check

/** Everything else is dropped: an allow-list can't forget a setting that production learns next year. */
const KEPT = new Set([
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'TERM',
  'COLORTERM',
  'LANG',
  'TZ',
  'TMPDIR',
  'CI',
  'FORCE_COLOR',
  'NO_COLOR',
  'COLUMNS',
  'LINES',
  'JAVA_HOME',
  'KAFKA_HOME',
  'XDG_CACHE_HOME',
  'XDG_RUNTIME_DIR',
  'DOCKER_HOST',
  'DOCKER_CONTEXT',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'NODE_ENV',
]);
const KEPT_PREFIXES = ['LC_', 'VITEST', 'WARDWATCH_STACK_', 'WARDWATCH_TEST_'];

/** Credentials that the emulator takes and the real cloud refuses; no file and no metadata service is asked for better ones. */
const LOCAL_AWS = {
  AWS_ACCESS_KEY_ID: 'wardwatch-local',
  AWS_SECRET_ACCESS_KEY: 'wardwatch-local',
  AWS_REGION: 'us-east-1',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  // Said once to whoever chooses a version of Node, not in each run.
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
};

const STACK_SETTINGS = /** @type {const} */ ({
  rdsUrl: 'WARDWATCH_STACK_RDS_URL',
  kafkaBrokers: 'WARDWATCH_STACK_KAFKA_BROKERS',
  redisUrl: 'WARDWATCH_STACK_REDIS_URL',
  snsEndpoint: 'WARDWATCH_STACK_SNS_ENDPOINT',
});

/** Hosts of AWS: classic and dual-stack names, China, and with the root's dot. */
const CLOUD = /(^|[.@/,])(amazonaws\.com(\.cn)?|api\.aws|on\.aws)\.?(?=$|[:/?#,])/i;

/**
 * @typedef {object} Endpoints Where a stack's services listen.
 * @property {string} rdsUrl mysql://… of a user who may create databases and users
 * @property {string} kafkaBrokers host:port, comma-separated
 * @property {string} redisUrl
 * @property {string} snsEndpoint
 */

/** A setting that demo and tests refuse. The message says which and why. */
export class UnsafeSettingError extends Error {
  /** @override */
  name = 'UnsafeSettingError';
}

/**
 * The environment of a child process of demo or tests: the machine's, less everything that is not on the list,
 * plus credentials for the emulator, plus `extra`.
 * @param {Readonly<Record<string, string | undefined>>} parent
 * @param {Readonly<Record<string, string>>} [extra]
 * @returns {Record<string, string>}
 */
export function childEnvironment(parent, extra = {}) {
  /** @type {Record<string, string>} */
  const child = {};
  for (const [name, value] of Object.entries(parent)) {
    if (value === undefined) continue;
    if (KEPT.has(name) || KEPT_PREFIXES.some((prefix) => name.startsWith(prefix))) child[name] = value;
  }
  return { ...child, ...LOCAL_AWS, ...extra };
}

/**
 * Makes this process's own environment safe, for runners whose children inherit it (vitest).
 * @param {Record<string, string | undefined>} env
 */
export function scrubInPlace(env) {
  const safe = childEnvironment(env);
  for (const name of Object.keys(env)) if (!(name in safe)) delete env[name];
  Object.assign(env, safe);
}

/**
 * A stack's addresses as the tests and the demo read them.
 * @param {Endpoints} endpoints
 * @returns {Record<string, string>}
 */
export function stackSettings(endpoints) {
  return Object.fromEntries(
    Object.entries(STACK_SETTINGS).map(([key, name]) => [name, endpoints[/** @type {keyof Endpoints} */ (key)]]),
  );
}

/**
 * Services of one's own, from WARDWATCH_STACK_*: all four or none.
 * @param {Readonly<Record<string, string | undefined>>} env
 * @returns {Endpoints | undefined} undefined where none is set
 * @throws {UnsafeSettingError} some are missing, or one is in the real cloud
 */
export function ownServices(env) {
  const entries = Object.entries(STACK_SETTINGS).map(([key, name]) => ({ key, name, value: env[name] ?? '' }));
  const missing = entries.filter(({ value }) => value === '');
  if (missing.length === entries.length) return undefined;
  if (missing.length > 0) {
    throw new UnsafeSettingError(
      `${missing.map(({ name }) => name).join(', ')} not set: set all four WARDWATCH_STACK_* or none`,
    );
  }
  for (const { name, value } of entries) refuseCloud(name, value);
  return /** @type {Endpoints} */ (
    /** @type {unknown} */ (Object.fromEntries(entries.map(({ key, value }) => [key, value])))
  );
}

/**
 * @param {string} name the setting, for the message
 * @param {string} value never quoted: it may hold a password
 * @throws {UnsafeSettingError} the address is one of the real cloud
 */
export function refuseCloud(name, value) {
  if (CLOUD.test(value)) {
    throw new UnsafeSettingError(`${name} points at the real cloud (amazonaws.com): demo and tests never use it`);
  }
}
