// `wardwatch backtest`: what other limits or another policy would have raised.
import { Command } from 'commander';
import type { CliContext } from './program.js';

export function backtestCommand(context: CliContext): Command {
  return new Command('backtest')
    .description('replay the lake under other limits or another policy, and compare with those in force')
    .requiredOption('--from <day>', 'first day, YYYY-MM-DD (UTC)')
    .requiredOption('--to <day>', 'the day after the last one')
    .option('--policy <file>', 'a policy.yaml instead of the one in force')
    .option('--thresholds <csv>', 'a CSV file of limits instead of those in force')
    .option('--out <file>', 'the report: one HTML file, which names patients by their id', 'backtest.html')
    .option('--json', 'print the comparison as JSON instead of a summary')
    .addHelpText(
      'after',
      `
Sends nothing and writes nothing but the report. In force are the policy of WARDWATCH_POLICY and the lake's newest limits.

Examples:
  $ wardwatch backtest --from 2026-11-01 --to 2026-11-08 --policy sustain-15s.yaml
  $ wardwatch backtest --from 2026-11-01 --to 2026-11-08 --thresholds icu.csv --out icu.html`,
    )
    .action(async (options: BacktestOptions) => {
      const { runBacktestCommand } = await import('./run-backtest.js');
      context.exit(await runBacktestCommand(options, context));
    });
}

export interface BacktestOptions {
  readonly from: string;
  readonly to: string;
  readonly policy?: string;
  readonly thresholds?: string;
  readonly out: string;
  readonly json?: boolean;
}
