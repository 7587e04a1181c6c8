// What `wardwatch hive ddl` does.
import { pathToFileURL } from 'node:url';
import { createBase } from '../app/base.js';
import { SayError } from '../app/explain.js';
import { withConnections } from '../app/once.js';
import { EXIT } from '../app/process.js';
import {
  type HiveLake,
  partitionStatements,
  repairStatements,
  tableStatements,
  viewStatements,
} from '../lake/hive-ddl.js';
import type { DdlOptions, DdlPart } from './hive.js';
import type { CliContext } from './program.js';

/** Statements alone, each ended by a semicolon: the output is a script. */
export async function runHiveDdl(options: DdlOptions, context: CliContext): Promise<number> {
  const { only, location, since } = options;
  if (since !== undefined && !/^\d{4}-\d\d-\d\d$/.test(since)) throw new SayError('--since: a day, YYYY-MM-DD');
  if (location !== undefined && !/^[a-z][a-z0-9+.-]*:\/./.test(location))
    throw new SayError(
      '--location: a URI that Hive can read, such as hdfs://nameservice1/data/lake or file:///data/lake',
    );
  const wanted = (part: DdlPart) => (only === undefined ? part !== 'repair' : part === only);
  // Tables and views of a lake that is elsewhere need no lake here.
  const needsLake = wanted('partitions') || (wanted('tables') && location === undefined);
  const base = createBase({ envFile: context.envFile(), quiet: true, ...(needsLake ? { needs: ['LAKE_URL'] } : {}) });
  const lake: HiveLake = { dialect: options.dialect, signs: base.config.attributes };
  const statements = [
    ...(wanted('tables')
      ? tableStatements(lake, location ?? hiveLocation(base.config.settings.LAKE_URL as string), options.replace)
      : []),
    ...(wanted('partitions')
      ? await withConnections(base, (connections) => partitionStatements(connections.lake(), lake, since))
      : []),
    ...(wanted('repair') ? repairStatements(lake) : []),
    ...(wanted('views') ? viewStatements(lake) : []),
  ];
  for (const statement of statements) context.out(`${statement};\n`);
  return EXIT.ok;
}

/** LAKE_URL as Hive's file systems read it: an hdfs:// one is the NameNode's own address, which is Hive's too. */
function hiveLocation(lakeUrl: string): string {
  return lakeUrl.startsWith('/') ? pathToFileURL(lakeUrl).href : lakeUrl;
}
