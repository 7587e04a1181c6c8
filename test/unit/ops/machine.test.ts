// What counts as a program that is there, and what a machine without them is told.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NotPreparedError, notPrepared, stackOption } from '../../../ops/local/bootstrap.mjs';
import { findProgram, kafkaLibs, REQUIREMENTS } from '../../../ops/local/machine.mjs';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wardwatch-machine-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A program that prints a text and exits with a code. */
function program(name: string, says: string, code = 0): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\necho '${says}'\nexit ${code}\n`);
  chmodSync(path, 0o755);
  return path;
}

const requirement = (key: string) => REQUIREMENTS.find((one) => one.key === key)!;

test.each([
  ['java', 'java', 'openjdk 17.0.15 2025-04-15'],
  ['java', 'java', 'openjdk 25 2025-09-16'],
  ['java', 'java', 'java 21.0.1 2023-10-17 LTS'],
  ['mariadbd', 'mariadbd', 'mariadbd  Ver 11.4.2-MariaDB for Linux'],
  ['mvn', 'mvn', '\u001b[1mApache Maven 3.8.7\u001b[m'],
  ['compose', 'docker-compose', 'docker-compose version 1.29.2, build unknown'],
  ['compose', 'docker', 'Docker Compose version v2.24.5'],
  ['openssl', 'openssl', 'LibreSSL 3.3.6'],
])('%s counts: %s says %s', (key, name, says) => {
  const path = program(name, says);
  expect(findProgram(requirement(key), { PATH: folder })).toBe(path);
});

test.each([
  ['too old', 'openjdk 11.0.2 2019-01-15', 0],
  ['a stub that only fails', 'The operation couldn’t be completed. Unable to locate a Java Runtime.', 1],
  ['of a wrong name', 'busybox', 0],
  ['right, but failing', 'openjdk 17.0.15 2025-04-15', 1],
])('a java that is %s does not count', (_why, says, code) => {
  const path = program('java', says, code);
  expect(findProgram(requirement('java'), { PATH: folder })).not.toBe(path);
});

test('JAVA_HOME comes before the PATH', () => {
  program('java', 'openjdk 17.0.15 2025-04-15');
  mkdirSync(join(folder, 'home/bin'), { recursive: true });
  const own = program('home/bin/java', 'openjdk 21.0.1 2023-10-17');
  expect(findProgram(requirement('java'), { PATH: folder, JAVA_HOME: join(folder, 'home') })).toBe(own);
});

test('KAFKA_HOME counts with the jars of a Kafka 4 in it', () => {
  const libs = join(folder, 'libs');
  expect(kafkaLibs({ KAFKA_HOME: folder })).toEqual({ folder: libs, ready: false });
  mkdirSync(libs);
  writeFileSync(join(libs, 'kafka_2.13-3.9.0.jar'), '');
  expect(kafkaLibs({ KAFKA_HOME: folder }).ready).toBe(false);
  writeFileSync(join(libs, 'kafka_2.13-4.1.1.jar'), '');
  expect(kafkaLibs({ KAFKA_HOME: folder }).ready).toBe(true);
});

test('one message lists all that is missing, and the line that mends it', () => {
  const missing = [requirement('redis'), requirement('java')];
  const text = notPrepared(missing, ['redis-tools', 'openjdk-17-jre-headless']);
  expect(text).toContain('Redis 6.2 or newer');
  expect(text).toContain('Java 17 or newer');
  expect(text).toContain('\n  sudo apt-get install -y --no-install-recommends redis-tools openjdk-17-jre-headless\n');
  expect(text).toContain('Docker');
  expect(notPrepared(missing, [])).not.toMatch(/apt-get/);
});

test('--stack takes native or docker', () => {
  expect(stackOption(['--for', '3s'])).toBeUndefined();
  expect(stackOption(['--stack', 'docker'])).toBe('docker');
  expect(() => stackOption(['--stack', 'mixed'])).toThrow(NotPreparedError);
  expect(() => stackOption(['--stack'])).toThrow(NotPreparedError);
});
