// `wardwatch import patients|thresholds`: one import now, from RDS or from a file.
import { Argument, Command } from 'commander';
import { IMPORT_TABLES, type ImportTable } from '../domain/import-settings.js';
import type { CliContext } from './program.js';

export function importCommand(context: CliContext): Command {
  return new Command('import')
    .description('load patients or limits now, from RDS or a CSV file, and put them in force')
    .addArgument(new Argument('<table>', 'which table').choices(IMPORT_TABLES))
    .option('--file <csv>', 'a CSV file with a head line in place of the table in RDS')
    .addHelpText(
      'after',
      `
Examples:
  $ wardwatch import patients
  $ wardwatch import thresholds --file ops/sql/thresholds-news2.csv`,
    )
    .action(async (table: ImportTable, options: { file?: string }) => {
      const { runImportCommand } = await import('./run-import.js');
      context.exit(await runImportCommand(table, options.file, context));
    });
}
