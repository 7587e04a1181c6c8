// `wardwatch worker`: runs one or more roles, or only looks whether they could.
import { Command } from 'commander';
import { ROLES } from '../domain/roles.js';
import type { CliContext } from './program.js';

export function workerCommand(context: CliContext): Command {
  return new Command('worker')
    .description('run roles of the pipeline until SIGTERM or SIGINT')
    .option('--roles <list>', `${ROLES.join(', ')}, parted by commas; or all`, 'all')
    .option('--check', 'become ready, touch nothing, and exit 0')
    .addHelpText(
      'after',
      `
Examples:
  $ wardwatch worker --roles all
  $ wardwatch worker --roles watch,dispatch
  $ wardwatch worker --check              settings, services, topics and grants are right: exit 0`,
    )
    .action(async (options: { roles: string; check?: boolean }) => {
      const { runWorker } = await import('./run-worker.js');
      context.exit(await runWorker(options.roles, options.check === true, context));
    });
}
