// What `wardwatch schema` does.
import { createBase } from '../app/base.js';
import { withConnections } from '../app/once.js';
import { EXIT } from '../app/process.js';
import { sourceTablesSql } from '../domain/source-tables.js';
import type { CliContext } from './program.js';

/** 0: every topic is there and right. 1: something is missing or wrong, and said. */
export async function runSchema(checkOnly: boolean, context: CliContext): Promise<number> {
  const base = createBase({ envFile: context.envFile(), needs: ['KAFKA_BROKERS'], quiet: true });
  const { KAFKA_PREFIX, KAFKA_PARTITIONS, KAFKA_REPLICATION } = base.config.settings;
  const layout = { partitions: KAFKA_PARTITIONS, replication: KAFKA_REPLICATION };
  const report = await withConnections(base, async (connections) => {
    const { admin } = connections.kafka();
    return checkOnly ? admin.checkTopics(KAFKA_PREFIX, layout) : admin.ensureTopics(KAFKA_PREFIX, layout);
  });
  for (const topic of report.created) context.out(`✓ created ${topic}`);
  for (const { fatal, message } of report.problems) context.out(`${fatal ? '✗' : '!'} ${message}`);
  const wrong = report.problems.some(({ fatal }) => fatal);
  if (!wrong) context.out('✓ every topic is there');
  return wrong ? EXIT.failed : EXIT.ok;
}

/** The tables as wardwatch.yaml names them. */
export function printSourceSql(context: CliContext): number {
  const { config } = createBase({ envFile: context.envFile(), quiet: true });
  for (const statement of sourceTablesSql(config)) context.out(`${statement};\n`);
  return EXIT.ok;
}
