// `wardwatch source status`: the hospital's table as the poller sees it.
import { Command } from 'commander';
import type { CliContext } from './program.js';

export function sourceCommand(context: CliContext): Command {
  const status = new Command('status')
    .description('the table, its key, the server, the position and the open gaps')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  $ wardwatch source status')
    .action(async (options: { json?: boolean }) => {
      const { runSourceStatus } = await import('./run-source.js');
      context.exit(await runSourceStatus(options.json === true, context));
    });
  return new Command('source').description("the hospital's table of vital signs").addCommand(status);
}
