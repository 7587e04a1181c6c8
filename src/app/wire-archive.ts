// archive over real things.
import type { Actor } from '../../jobs/actor.js';
import { createArchiveActor } from '../../jobs/archive.js';
import { encodeParquet } from '../lake/parquet-encoder.js';
import { verifyParquet } from '../lake/parquet-verify.js';
import { newToken } from './connections.js';
import type { LookParts } from './looks.js';

export function wireArchive({ config, connections, clock, log, metrics, onStep }: LookParts): Actor {
  const { settings } = config;
  const kafka = connections.kafka();
  return createArchiveActor({
    kafka,
    clusterId: () => kafka.admin.clusterId(),
    prefix: settings.KAFKA_PREFIX,
    store: connections.lake(),
    encode: encodeParquet,
    verify: verifyParquet,
    attributes: config.attributes.map(({ name }) => name),
    flushAfterMs: settings.ARCHIVE_FLUSH_MS,
    flushRows: settings.ARCHIVE_FLUSH_ROWS,
    flushBytes: settings.ARCHIVE_FLUSH_BYTES,
    clock,
    log: log.child({ role: 'archive' }),
    metrics,
    onStep,
    newToken,
  });
}
