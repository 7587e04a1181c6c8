// `wardwatch hive ddl`: the lake as tables, views and partitions of a Hive metastore.
import { Command, Option } from 'commander';
import type { HiveDialect } from '../lake/sql-dialect.js';
import type { CliContext } from './program.js';

const DIALECTS: readonly HiveDialect[] = ['hive3', 'spark'];
const PARTS = ['tables', 'views', 'partitions', 'repair'] as const;
export type DdlPart = (typeof PARTS)[number];

export interface DdlOptions {
  readonly dialect: HiveDialect;
  /** One part alone; default: all but partitions by MSCK. */
  readonly only?: DdlPart;
  readonly location?: string;
  readonly since?: string;
  readonly replace?: boolean;
}

export function hiveCommand(context: CliContext): Command {
  const ddl = new Command('ddl')
    .description('print the statements for the tables, views and partitions of the lake; each can be run again')
    .addOption(new Option('--dialect <name>', 'who runs them').choices(DIALECTS).default('hive3'))
    .addOption(
      new Option('--only <part>', 'this part alone (repair: MSCK instead of the partitions of the commit log)').choices(
        PARTS,
      ),
    )
    .option('--location <uri>', "the lake's folder as Hive sees it (default: from LAKE_URL)")
    .option('--since <day>', 'partitions of this day and later: YYYY-MM-DD')
    .option('--replace', 'drop the tables first, for a column that came later; the files stay')
    .addHelpText(
      'after',
      `
Examples:
  $ wardwatch hive ddl --dialect hive3 > lake.sql && beeline -u jdbc:hive2://hive:10000/wardwatch -f lake.sql
  $ wardwatch hive ddl --dialect spark | spark-sql
  $ wardwatch hive ddl --only partitions --since 2026-11-23 > new.sql      for each hour's new partitions
  $ wardwatch hive ddl --location hdfs://nameservice1/data/lake`,
    )
    .action(async (options: DdlOptions) => {
      const { runHiveDdl } = await import('./run-hive.js');
      context.exit(await runHiveDdl(options, context));
    });
  return new Command('hive').description('the lake in a Hive metastore').addCommand(ddl);
}
