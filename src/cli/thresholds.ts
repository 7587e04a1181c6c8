// `wardwatch thresholds check`: gaps, overlaps, uncovered ages and inverted ranges of a table of limits.
import { Command } from 'commander';
import type { CliContext } from './program.js';

export function thresholdsCommand(context: CliContext): Command {
  const check = new Command('check')
    .description('look for gaps, overlaps, uncovered ages and inverted ranges in the limits in force, or in a file')
    .option('--file <csv>', 'a CSV file instead of the limits in force')
    .addHelpText(
      'after',
      `
Examples:
  $ wardwatch thresholds check
  $ wardwatch thresholds check --file ops/sql/thresholds-seed.csv`,
    )
    .action(async (options: { file?: string }) => {
      const { runThresholdsCheck } = await import('./run-thresholds.js');
      context.exit(await runThresholdsCheck(options.file, context));
    });
  return new Command('thresholds').description('the limits').addCommand(check);
}
