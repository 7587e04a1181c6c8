// `wardwatch dead list|show|replay`: records that could not be decoded, kept in the lake with all their bytes.
import { Command } from 'commander';
import { wholeNumber } from './numbers.js';
import type { CliContext } from './program.js';

const LISTED = 50;

export interface DeadFilter {
  readonly topic?: string;
  readonly reason?: string;
}

export interface ListOptions extends DeadFilter {
  readonly limit: number;
  readonly json?: boolean;
}

export interface PlaceOptions {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

export interface ReplayOptions {
  readonly partition?: number;
  readonly offset?: number;
  readonly all?: boolean;
  readonly reason?: string;
}

export function deadCommand(context: CliContext): Command {
  const list = new Command('list')
    .description('where they lie, why they are dead, and whether the lake has their reading by now')
    .option('--topic <name>', 'of one topic')
    .option('--reason <reason>', 'empty, not-json, unknown-version or wrong-shape')
    .option('--limit <n>', 'the newest so many', wholeNumber, LISTED)
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  $ wardwatch dead list --topic vital-info --reason unknown-version')
    .action(async (options: ListOptions) => {
      const { listDead } = await import('./run-dead.js');
      context.exit(await listDead(options, context));
    });
  const show = new Command('show')
    .description('one of them whole, patient data included')
    .requiredOption('--topic <name>', 'its topic')
    .requiredOption('--partition <n>', 'its partition', wholeNumber)
    .requiredOption('--offset <n>', 'its offset', wholeNumber)
    .addHelpText('after', '\nExample:\n  $ wardwatch dead show --topic vital-info --partition 0 --offset 4711')
    .action(async (options: PlaceOptions) => {
      const { showDead } = await import('./run-dead.js');
      context.exit(await showDead(options, context));
    });
  const replay = new Command('replay')
    .description('have the poller add dead readings, marked: decoded by this version, or read again from the table')
    .option('--partition <n>', 'of one record of vital-info', wholeNumber)
    .option('--offset <n>', 'of one record of vital-info', wholeNumber)
    .option('--all', 'all of vital-info whose reading the lake lacks')
    .option('--reason <reason>', 'with --all: those that are dead for this')
    .addHelpText(
      'after',
      `
Never a second copy, no e-mails; it is safe to repeat.

Examples:
  $ wardwatch dead replay --partition 0 --offset 4711
  $ wardwatch dead replay --all --reason unknown-version`,
    )
    .action(async (options: ReplayOptions) => {
      const { runReplay } = await import('./run-dead.js');
      context.exit(await runReplay(options, context));
    });
  return new Command('dead')
    .description('records that could not be decoded')
    .addCommand(list)
    .addCommand(show)
    .addCommand(replay);
}
