// `wardwatch position skip`: accepts that Kafka deleted records before they were handled.
import { Command } from 'commander';
import { wholeNumber } from './numbers.js';
import type { CliContext } from './program.js';

export interface SkipOptions {
  readonly topic: string;
  readonly partition: number;
  readonly to: number;
  readonly reason: string;
}

export function positionCommand(context: CliContext): Command {
  const skip = new Command('skip')
    .description('move the positions on a partition over offsets that Kafka has deleted, and record the range')
    .requiredOption('--topic <name>', 'as the message of the stopped worker names it')
    .requiredOption('--partition <n>', 'its number', wholeNumber)
    .requiredOption('--to <offset>', "the first offset to handle again: the log's start at most", wholeNumber)
    .requiredOption('--reason <text>', 'why, for the record; name no patient')
    .addHelpText(
      'after',
      `
Nothing that can still be read is passed over. Afterwards wardwatch source backfill reads what RDS still has.

Example:
  $ wardwatch position skip --topic vital-info --partition 2 --to 91822 --reason "archive was down for 9 days"`,
    )
    .action(async (options: SkipOptions) => {
      const { runSkip } = await import('./run-position.js');
      context.exit(await runSkip(options, context));
    });
  return new Command('position').description('positions in Kafka').addCommand(skip);
}
