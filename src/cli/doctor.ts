// `wardwatch doctor`: looks at everything, changes nothing, and names the command that mends what is wrong.
import { Command } from 'commander';
import type { CliContext } from './program.js';

export function doctorCommand(context: CliContext): Command {
  return new Command('doctor')
    .description('check settings and services, read-only; exit 0 all well, 1 something failed, 2 could not run')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  $ wardwatch doctor')
    .action(async (options: { json?: boolean }) => {
      const { runDoctor } = await import('./run-doctor.js');
      context.exit(await runDoctor(options.json === true, context));
    });
}
