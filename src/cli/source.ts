// `wardwatch source status|reset|backfill`: the hospital's table as the poller sees it, and requests to the poller.
import { Command, InvalidArgumentError } from 'commander';
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
  const reset = new Command('reset')
    .description('accept the server and the table as they are, and begin at a row; for a database that was replaced')
    .requiredOption('--from <where>', 'end, beginning or the first row id to read', startOf)
    .requiredOption('--reason <text>', 'why, for the record; name no patient')
    .addHelpText(
      'after',
      `
The same rows on a new server, nothing lost: --from the position plus 1 (wardwatch source status shows it).
An older copy was restored: --from the first id that is another row now. Its readings get a new name of their own, since
their ids were used before. What is passed over is given up, on record, until a backfill reads it.

Example:
  $ wardwatch source reset --from 48211 --reason "restored from the backup of 04:00"`,
    )
    .action(async (options: { from: string; reason: string }) => {
      const { runReset } = await import('./run-request.js');
      context.exit(await runReset(options, context));
    });
  const backfill = new Command('backfill')
    .description('read a range of ids again and add, marked, what the lake lacks; never a second copy, no e-mails')
    .requiredOption('--from <id>', 'the first row id', rowId)
    .requiredOption('--to <id>', 'the last row id', rowId)
    .addHelpText(
      'after',
      `
The active poller does it beside polling, once the archive has passed what is in Kafka now. Repeat it as often as you like.

Example:
  $ wardwatch source backfill --from 1 --to 50000`,
    )
    .action(async (options: { from: string; to: string }) => {
      const { runBackfill } = await import('./run-request.js');
      context.exit(await runBackfill(options, context));
    });
  return new Command('source')
    .description("the hospital's table of vital signs")
    .addCommand(status)
    .addCommand(reset)
    .addCommand(backfill);
}

function rowId(text: string): string {
  if (!/^\d{1,20}$/.test(text)) throw new InvalidArgumentError('It is no row id.');
  return String(BigInt(text));
}

function startOf(text: string): string {
  return text === 'end' || text === 'beginning' ? text : rowId(text);
}
