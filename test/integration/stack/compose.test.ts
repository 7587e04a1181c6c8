// The compose file is one that Docker Compose takes, and the stack's ports and safety rules are in it. No engine is needed.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';

const ROOT = join(import.meta.dirname, '../../..');
const FILE = join(ROOT, 'ops/docker/compose.yaml');

/** As Compose understood it: docker-compose 1.29, which Debian has, or Compose 2. */
function config(args: readonly string[], env: Record<string, string> = {}) {
  for (const [tool, before] of [
    ['docker-compose', []],
    ['docker', ['compose']],
  ] as const) {
    const result = spawnSync(tool, [...before, '-f', FILE, ...args, 'config'], {
      encoding: 'utf8',
      env: { ...process.env, ...env },
    });
    if (!result.error && !result.stderr.includes('unknown command')) return result;
  }
  throw new Error('neither docker-compose nor docker compose is here: apt-get install docker-compose');
}

test('Compose takes the file, with every profile', () => {
  const { status, stdout, stderr } = config(['--profile', 'workers', '--profile', 'setup'], {
    WARDWATCH_SNS_PORT: '24566',
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const { services } = parse(stdout) as { services: Record<string, { ports?: unknown; environment: object }> };
  expect(Object.keys(services).sort()).toEqual(
    ['alerts', 'archive', 'console', 'ingest', 'kafka', 'maintain', 'mariadb', 'redis', 'setup', 'sns'].sort(),
  );
  expect(JSON.stringify(services.sns?.ports)).toContain('24566');
  expect(services.alerts?.environment).toMatchObject({
    REDIS_URL: 'redis://redis:6379',
    AWS_ENDPOINT_URL_SNS: 'http://sns:4566',
  });
});

test('every port is published on the loopback address only', () => {
  const { services } = parse(readFileSync(FILE, 'utf8')) as { services: Record<string, { ports?: string[] }> };
  const ports = Object.values(services).flatMap((service) => service.ports ?? []);
  expect(ports).toHaveLength(5);
  expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
});
