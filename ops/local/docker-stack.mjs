// The stack by Docker Compose: the same file that users start, under a project name and ports of its own.
// @ts-check
import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './cache.mjs';
import { childEnvironment } from './environment.mjs';
import { freePort } from './ports.mjs';

const PROBE_TIMEOUT_MS = 10_000;
const COMPOSE_FILE = join(ROOT, 'ops/docker/compose.yaml');
const SERVICES = ['mariadb', 'redis', 'kafka', 'sns'];
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** Does an engine answer, and is Compose 2 there (the older one can't wait until services are healthy)? */
export function dockerAnswers() {
  return [
    ['info', '--format', '{{.ServerVersion}}'],
    ['compose', 'version', '--short'],
  ].every((args) => spawnSync('docker', args, { stdio: 'ignore', timeout: PROBE_TIMEOUT_MS }).status === 0);
}

/**
 * Starts the four services and waits until they are healthy. The first time Docker fetches the images.
 * @param {string} project unique on this machine
 * @param {(command: string[]) => void} onDown told, before anything starts, how to end it
 * @returns {Promise<import('./environment.mjs').Endpoints>}
 */
export async function upDocker(project, onDown) {
  const ports = { rds: await freePort(), redis: await freePort(), kafka: await freePort(), sns: await freePort() };
  // Without an environment file: Compose would read a .env beside its own.
  const compose = ['docker', 'compose', '--env-file', '/dev/null', '-p', project, '-f', COMPOSE_FILE];
  onDown([...compose, 'down', '--volumes', '--timeout', '5']);
  await runDocker([...compose, 'up', '--detach', '--wait', ...SERVICES], {
    WARDWATCH_MARIADB_PORT: String(ports.rds),
    WARDWATCH_REDIS_PORT: String(ports.redis),
    WARDWATCH_KAFKA_PORT: String(ports.kafka),
    WARDWATCH_SNS_PORT: String(ports.sns),
  });
  return {
    rdsUrl: `mysql://root@127.0.0.1:${ports.rds}`,
    kafkaBrokers: `127.0.0.1:${ports.kafka}`,
    redisUrl: `redis://127.0.0.1:${ports.redis}`,
    snsEndpoint: `http://127.0.0.1:${ports.sns}`,
  };
}

/**
 * @param {readonly string[]} command
 * @param {Record<string, string>} [settings]
 * @throws {Error} with Docker's own words
 */
export async function runDocker(command, settings = {}) {
  const [file = '', ...args] = command;
  await promisify(execFile)(file, args, {
    env: childEnvironment(process.env, settings),
    maxBuffer: MAX_OUTPUT_BYTES,
  });
}
