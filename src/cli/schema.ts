// `wardwatch schema`: the Kafka topics, and the SQL of the source tables for those who start from nothing.
import { Command } from 'commander';
import type { CliContext } from './program.js';

export function schemaCommand(context: CliContext): Command {
  return new Command('schema')
    .description('create the Kafka topics that are missing and check the others; or print the SQL of the source tables')
    .option('--sql', 'only print the SQL of the source tables')
    .option('--check', 'create nothing, only compare')
    .addHelpText(
      'after',
      `
Examples:
  $ wardwatch schema
  $ wardwatch schema --check
  $ wardwatch schema --sql | mysql hospital     tables with the names of your wardwatch.yaml`,
    )
    .action(async (options: { sql?: boolean; check?: boolean }) => {
      const { printSourceSql, runSchema } = await import('./run-schema.js');
      context.exit(options.sql ? printSourceSql(context) : await runSchema(options.check === true, context));
    });
}
