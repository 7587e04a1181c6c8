// What `wardwatch thresholds check` does.
import { createBase } from '../app/base.js';
import { SayError } from '../app/explain.js';
import { withConnections } from '../app/once.js';
import { EXIT } from '../app/process.js';
import { knownAttributes } from '../domain/attributes.js';
import { contentOfThresholds, contentOfThresholdsFile, type ImportContent } from '../domain/import-content.js';
import { thresholdOfEntry } from '../domain/import-version.js';
import type { ThresholdRow } from '../domain/threshold.js';
import { redisReady } from '../redis/connections.js';
import { createLookupStore } from '../redis/lookup-store.js';
import type { CliContext } from './program.js';
import { readCsv } from './run-import.js';

const REDIS_WITHIN_MS = 5_000;

/** 0: usable, perhaps with warnings. 1: an import of it would be refused. */
export async function runThresholdsCheck(file: string | undefined, context: CliContext): Promise<number> {
  const base = createBase({ envFile: context.envFile(), needs: file === undefined ? ['REDIS_URL'] : [], quiet: true });
  const { attributes, settings } = base.config;
  const options = { attributes: knownAttributes(attributes), configured: attributes.map(({ name }) => name) };
  let content: ImportContent;
  if (file !== undefined) content = contentOfThresholdsFile(readCsv(file), options);
  else {
    const rows = await withConnections(base, async (connections) => {
      const redis = connections.redis();
      await redisReady(redis, AbortSignal.timeout(REDIS_WITHIN_MS));
      const store = createLookupStore(redis, settings.REDIS_PREFIX);
      const version = await store.current('thresholds');
      if (!version) throw new SayError('no limits are in force: run `wardwatch import thresholds`');
      const found: ThresholdRow[] = [];
      await store.read('thresholds', version, (entry) => found.push(thresholdOfEntry(entry)));
      return found;
    });
    content = contentOfThresholds({ rows, problems: [] }, options);
  }
  for (const problem of content.problems) context.out(`✗ ${problem}`);
  for (const warning of content.warnings) context.out(`! ${warning}`);
  if (content.problems.length > 0) return EXIT.failed;
  context.out(`✓ ${content.entries.length} rows of limits can be used (${content.warnings.length} warnings)`);
  return EXIT.ok;
}
