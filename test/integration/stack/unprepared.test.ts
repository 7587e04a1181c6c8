// A user without root on a machine without the programs: one message that lists all of it, the exact line that mends it, exit code 2.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { REQUIREMENTS } from '../../../ops/local/machine.mjs';

const ROOT = join(import.meta.dirname, '../../..');
const NOBODY = 65_534;

/** The scripts alone, as nobody, with nothing on the PATH but `docker` (programs in system folders like /usr/sbin are found all the same). */
function runUnprepared(script: string, args: readonly string[], docker?: string) {
  const folder = mkdtempSync(join(tmpdir(), 'wardwatch-test-unprepared-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(join(ROOT, 'ops/local'), join(folder, 'ops/local'), { recursive: true });
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
  mkdirSync(join(folder, 'home'));
  if (docker) writeFileSync(join(folder, 'home/docker'), docker, { mode: 0o755 });
  chmodSync(folder, 0o755);
  chmodSync(join(folder, 'home'), 0o777);
  const asNobody = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  return spawnSync(process.execPath, [join(folder, 'ops/local', script), ...args], {
    encoding: 'utf8',
    cwd: folder,
    env: { PATH: join(folder, 'home'), HOME: join(folder, 'home') },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...asNobody,
  });
}

test.each([
  ['demo.mjs', ['--for', '5s'], ['redis', 'java', 'mvn', 'mariadb']],
  ['test.mjs', [], ['redis', 'java', 'mvn', 'mariadb', 'openssl', 'compose', 'ps']],
] as const)('%s without what it needs', (script, args, lacks) => {
  const { status, stderr } = runUnprepared(script, args);
  expect(status, stderr).toBe(2);
  expect(stderr).toMatch(/^This machine lacks what is needed:\n/);
  const missing = REQUIREMENTS.filter(({ key }) => (lacks as readonly string[]).includes(key));
  for (const { range } of missing) expect(stderr).toContain(`\n  - ${range}\n`);
  if (!existsSync('/etc/debian_version')) return;
  const line = /^ {2}sudo apt-get install -y --no-install-recommends (.+)$/m.exec(stderr)?.[1]?.split(' ') ?? [];
  expect(line).toEqual(expect.arrayContaining(missing.map(({ debian }) => debian)));
  expect(new Set(line).size).toBe(line.length);
});

test.each([[['--tier', 'fault']], [['--tier', 'fault', '--stack', 'docker']]])(
  'with Docker alone the tests run in a container (%j)',
  (args) => {
    const docker = '#!/bin/sh\n[ "$1" = run ] || exit 0\nprintf "<%s>" "$@"\nexit 3\n';
    const { status, stdout, stderr } = runUnprepared('test.mjs', args, docker);
    expect(status, stderr).toBe(3);
    expect(stdout).toMatch(/<run><--rm><--init><--volume><[^>]+:\/checkout:ro>/);
    expect(stdout).toMatch(/--stack native "\$@"><\/checkout><--tier><fault>$/);
  },
);
