// What `wardwatch worker` does.
import { createBase } from '../app/base.js';
import { EXIT, runWorkerProcess } from '../app/process.js';
import { checkWorker, createWorker } from '../app/worker.js';
import { ConfigError, didYouMean } from '../config/problems.js';
import { ROLES, type RoleName } from '../domain/roles.js';
import type { CliContext } from './program.js';

/** Returns the exit code. Throws ConfigError with every problem of the settings. */
export async function runWorker(list: string, check: boolean, context: CliContext): Promise<number> {
  const roles = parseRoles(list);
  const base = createBase({ envFile: context.envFile(), roles, needsSource: true });
  if (check) {
    const problems = await checkWorker(base, roles);
    if (problems.length > 0) throw new ConfigError(problems);
    context.out(`ready: ${roles.join(', ')}`);
    return EXIT.ok;
  }
  const { clock, log } = base;
  const code = await runWorkerProcess({ worker: createWorker(base, roles), clock, log, say: context.err });
  // What a library has left open (a socket, a timer) must not keep a stopped worker alive.
  process.exit(code);
}

/** `all`, or names in any order. Throws ConfigError naming what was meant. */
export function parseRoles(list: string): readonly RoleName[] {
  if (list.trim() === 'all') return ROLES;
  const names = list
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const strangers = names.filter((name) => !ROLES.some((role) => role === name));
  if (names.length === 0 || strangers.length > 0) {
    throw new ConfigError(
      (strangers.length > 0 ? strangers : ['']).map((name) => {
        const meant = didYouMean(name, ROLES);
        return {
          setting: '--roles',
          what: name === '' ? 'names no role' : `there is no role ${name}`,
          mend: meant ? `Did you mean ${meant}?` : `Roles: ${ROLES.join(', ')}, or all`,
        };
      }),
    );
  }
  return ROLES.filter((role) => names.includes(role));
}
