// `wardwatch audit`: does the equation hold?
import { Command } from 'commander';
import type { CliContext } from './program.js';

export function auditCommand(context: CliContext): Command {
  return new Command('audit')
    .description('prove that every row is in the lake once and was compared with its limits once')
    .option('--from <id>', 'compare ids from this one on')
    .option('--to <id>', 'compare ids up to this one')
    .option('--wait <duration>', 'how long archive and watch may take to pass the cut', '10m')
    .option('--json', 'the whole report as JSON')
    .addHelpText(
      'after',
      `
Ends with 0 where the equation holds, 1 where it does not, 2 where it could not be asked.

Examples:
  $ wardwatch audit
  $ wardwatch audit --from 120000 --to 130000 --json`,
    )
    .action(async (options: { from?: string; to?: string; wait: string; json?: boolean }) => {
      const { runAuditCommand } = await import('./run-audit.js');
      context.exit(await runAuditCommand(options, context));
    });
}
