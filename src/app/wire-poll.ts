// poll over real things.
import type { Actor } from '../../jobs/actor.js';
import { createPollActor } from '../../jobs/poll.js';
import { CommandRefused } from '../../jobs/source-desk.js';
import type { LakeStore } from '../domain/ports.js';
import { fitsVitalInfo } from '../lake/archived-topics.js';
import { readingHashes } from '../lake/readings-content.js';
import { createVitalsSource, type VitalsSource } from '../mysql/vitals-source.js';
import { newToken } from './connections.js';
import { claimLake } from './deployment.js';
import { type LookParts, sourceOptions } from './looks.js';

export function vitalsSourceOf({ config, connections, deployment, clock, log }: LookParts): VitalsSource {
  return createVitalsSource(
    connections.rds(),
    { ...sourceOptions(config), source: deployment.source, attributes: config.attributes },
    { clock, log },
  );
}

export function wirePoll(parts: LookParts): Actor {
  const { config, connections, deployment, clock, metrics, onStep } = parts;
  const { settings } = config;
  const log = parts.log.child({ role: 'poll' });
  const attributes = config.attributes.map(({ name }) => name);
  return createPollActor({
    source: deployment.source,
    vitals: vitalsSourceOf({ ...parts, log }),
    kafka: connections.kafka(),
    prefix: settings.KAFKA_PREFIX,
    start: settings.POLL_START,
    batchRows: settings.POLL_BATCH_ROWS,
    intervalMs: settings.POLL_INTERVAL_MS,
    commands: {
      endOffsets: (topic) => connections.kafka().admin.endOffsets(topic),
      lake: () => lakeOf(parts),
      fitsLake: fitsVitalInfo(attributes),
    },
    registry: connections.queues(),
    connection: connections.blockingRedis(),
    queuePrefix: settings.REDIS_PREFIX,
    clock,
    log,
    metrics,
    onStep,
    newToken,
    lakeHashes: async (source, ids) => readingHashes(await lakeOf(parts), attributes, source, ids),
  });
}

/** Polling needs no lake; backfill and replay do, and it must be ours. */
async function lakeOf({ config, connections, deployment }: LookParts): Promise<LakeStore> {
  if (config.settings.LAKE_URL === undefined)
    throw new CommandRefused(
      'LAKE_URL is not set for the poll role, so that what the lake lacks can not be told: set it there too',
    );
  const [problem] = await claimLake(connections.lake(), deployment, false);
  if (problem) throw new CommandRefused(`${problem.what}. ${problem.mend}`);
  return connections.lake();
}
