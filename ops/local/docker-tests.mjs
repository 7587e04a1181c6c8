// The tests where only Docker is: tests also start private services of their own, and stop, freeze and cut them off, which they do
// natively. So the whole run goes into a Debian container, which is to the tests the fresh machine that CI is.
// @ts-check
import { spawn } from 'node:child_process';
import { ROOT } from './cache.mjs';
import { dockerAnswers } from './docker-stack.mjs';
import { childEnvironment } from './environment.mjs';
import { aptIsOurs, lookAround } from './machine.mjs';

const IMAGE = 'node:20-bookworm';
/** Keeps Maven's and npm's downloads between runs. */
const CACHE_VOLUME = 'wardwatch-test-cache';
/** $0: the checkout, read-only. A copy is tested, so that what is installed there never meets the host's node_modules. */
const RUN_COPY = `set -e
mkdir /work
tar -C "$0" --exclude=./node_modules --exclude=./dist -cf - . | tar -C /work -xf -
cd /work
exec node ops/local/test.mjs --stack native "$@"`;

/**
 * Must the tests go into a container? Where Docker was asked for, or where it is there and what the tests need is not.
 * @param {'native' | 'docker' | undefined} stack
 */
export function testsNeedDocker(stack) {
  if (stack) return stack === 'docker' && dockerAnswers();
  return !aptIsOurs() && lookAround({ forTests: true }).missing.length > 0 && dockerAnswers();
}

/**
 * @param {readonly string[]} words of the command line, without `--stack`
 * @returns {import('node:child_process').ChildProcess} ends with the tests' exit code; signals reach them
 */
export function spawnTestsInDocker(words) {
  const terminal = process.stdout.isTTY ? ['--tty'] : [];
  const mounts = ['--volume', `${ROOT}:/checkout:ro`, '--volume', `${CACHE_VOLUME}:/root/.cache`];
  const command = ['bash', '-c', RUN_COPY, '/checkout', ...words];
  return spawn('docker', ['run', '--rm', '--init', ...terminal, ...mounts, IMAGE, ...command], {
    stdio: 'inherit',
    env: childEnvironment(process.env, {}),
  });
}
