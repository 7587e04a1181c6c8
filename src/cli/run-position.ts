// What `wardwatch position skip` does.
import { type ReaderSkip, skipPosition } from '../../jobs/position-skip.js';
import { createBase } from '../app/base.js';
import { newToken } from '../app/connections.js';
import { deploymentOf } from '../app/deployment.js';
import { lookAtLake } from '../app/look-at-lake.js';
import { withConnections } from '../app/once.js';
import { EXIT } from '../app/process.js';
import { ConfigError } from '../config/problems.js';
import { encodeParquet } from '../lake/parquet-encoder.js';
import { verifyParquet } from '../lake/parquet-verify.js';
import type { SkipOptions } from './position.js';
import type { CliContext } from './program.js';
import { whoAsks } from './run-request.js';

/** 1: no position lay below `to`. */
export async function runSkip(options: SkipOptions, context: CliContext): Promise<number> {
  const base = createBase({
    envFile: context.envFile(),
    needs: ['KAFKA_BROKERS', 'LAKE_URL'],
    needsSource: true,
    quiet: true,
  });
  const prefix = base.config.settings.KAFKA_PREFIX;
  const topic = options.topic.startsWith(prefix) ? options.topic.slice(prefix.length) : options.topic;
  const skips = await withConnections(base, async (connections) => {
    const problems = await lookAtLake({ ...base, connections, deployment: deploymentOf(base.config), write: false });
    if (problems.length > 0) throw new ConfigError(problems);
    return skipPosition(
      {
        ...base,
        kafka: connections.kafka(),
        prefix,
        store: connections.lake(),
        encode: encodeParquet,
        verify: verifyParquet,
        newToken,
      },
      { ...options, topic, by: whoAsks() },
    );
  });
  for (const skip of skips) context.out(describe(skip, options.to));
  return skips.some(({ skipped }) => skipped) ? EXIT.ok : EXIT.failed;
}

function describe({ reader, from, skipped }: ReaderSkip, to: number): string {
  if (skipped) return `✓ ${reader}: ${from} → ${to}, ${to - (from ?? 0)} offsets given up; start its workers again`;
  if (from === null) return `  ${reader}: has no position yet, and begins where the log does`;
  return `  ${reader}: is at ${from}, nothing to skip`;
}
