// `wardwatch lake query`: SQL over the lake, exact, whatever lies half written in its folders.
import { Command } from 'commander';
import type { CliContext } from './program.js';

export function lakeCommand(context: CliContext): Command {
  const query = new Command('query')
    .description('run one SQL statement (DuckDB) over the tables of the lake')
    .argument('<sql>', 'one statement')
    .option('--json', 'rows as JSON instead of a table')
    .addHelpText(
      'after',
      `
Examples:
  $ wardwatch lake query "SELECT dt, count(*) AS rows FROM vital_info GROUP BY dt ORDER BY dt"
  $ wardwatch lake query --json "SELECT * FROM alert LIMIT 5"`,
    )
    .action(async (sql: string, options: { json?: boolean }) => {
      const { runLakeQuery } = await import('./run-lake.js');
      context.exit(await runLakeQuery(sql, options.json === true, context));
    });
  return new Command('lake').description('the history in Parquet').addCommand(query);
}
