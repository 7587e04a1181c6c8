// archive: keeps every record of the archived topics in the lake, exactly once by the lake's own log (data-path.md 3).

import type {
  Clock,
  LakeStore,
  Logger,
  Metrics,
  OnStep,
  OwnedConsumer,
  OwnedConsumerOptions,
  Ownership,
  PartitionReader,
  PartitionWork,
} from '../src/domain/ports.js';
import { archivedTopics } from '../src/lake/archived-topics.js';
import { type ChainSteps, openChain } from '../src/lake/chain.js';
import { LakeChainError, LakeFileDamagedError, LakeFileMissingError } from '../src/lake/errors.js';
import { checkLastMessage } from '../src/lake/last-message.js';
import type { ParquetEncoder } from '../src/lake/parquet-encoder.js';
import type { ParquetVerifier } from '../src/lake/parquet-verify.js';
import { type Actor, STUCK_AFTER_MS } from './actor.js';
import { createByteBudget } from './archive-budget.js';
import { archiveHealth } from './archive-health.js';
import { type ArchivePartition, createArchivePartition } from './archive-partition.js';
import { createArchiveUpkeep } from './archive-upkeep.js';
import { createLakeTrouble } from './lake-trouble.js';

const FETCH_BYTES = 1 << 20;
/** Age is looked at this often in each flush interval. */
const LOOKS_PER_INTERVAL = 5;
const LOOK_MAX_MS = 1_000;

/** Where files are written under hidden names first. */
const TIDIED = ['_staging', '_log'];

/** What no retry mends. */
const REFUSALS = [LakeChainError, LakeFileMissingError, LakeFileDamagedError];

const CHAIN_STEPS: ChainSteps = {
  staged: 'archive.staged',
  verified: 'archive.verified',
  beforeRecord: 'archive.before-record',
  afterRecord: 'archive.after-record',
  publishedOne: 'archive.published-one',
  published: 'archive.published',
};

export interface ArchiveKafka {
  partitionReader(): Promise<PartitionReader>;
  ownedConsumer(options: OwnedConsumerOptions): OwnedConsumer;
}

export interface ArchiveParts {
  readonly kafka: ArchiveKafka;
  /** The cluster's own id: offsets mean nothing in another one. */
  readonly clusterId: () => Promise<string>;
  /** KAFKA_PREFIX: before topics and group. */
  readonly prefix: string;
  readonly store: LakeStore;
  readonly encode: ParquetEncoder;
  readonly verify: ParquetVerifier;
  /** Names of the vital signs that this deployment reads: a column each. */
  readonly attributes: readonly string[];
  /** ARCHIVE_FLUSH_MS, _ROWS and _BYTES; the bytes are one budget over all partitions of the process. */
  readonly flushAfterMs: number;
  readonly flushRows: number;
  readonly flushBytes: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly onStep: OnStep;
  /** A random text of [A-Za-z0-9-], new at each call. */
  readonly newToken: () => string;
  /** A row that waits for so much longer than `flushAfterMs` makes `live` false. */
  readonly overdueAfterMs?: number;
}

export function createArchiveActor(parts: ArchiveParts): Actor {
  const { kafka, prefix, clock, log, metrics } = parts;
  const topics = new Map(archivedTopics(parts.attributes).map((topic) => [prefix + topic.topic, topic]));
  const budget = createByteBudget(parts.flushBytes, (used) => metrics.gauge('archive_buffered_bytes', used));
  const trouble = createLakeTrouble(parts);
  const upkeep = createArchiveUpkeep(parts);
  const owned = new Set<ArchivePartition>();
  /** Partitions that no retry will mend: a person must look. */
  const refused = new Map<string, string>();
  const stopping = new AbortController();
  let joined = false;
  let crashed: string | undefined;
  let intake: Promise<void> = Promise.resolve();
  let timer: Promise<void> = Promise.resolve();
  let keeping: Promise<void> = Promise.resolve();

  const own = async (ownership: Ownership): Promise<PartitionWork> => {
    const topic = topics.get(ownership.topic);
    if (!topic) throw new Error(`${ownership.topic} is not archived`);
    const { partition } = ownership;
    await parts.onStep('archive.own');
    const chain = await openChain({
      store: parts.store,
      encode: parts.encode,
      verify: parts.verify,
      topic: topic.topic,
      partition,
      clusterId: await parts.clusterId(),
      token: parts.newToken(),
      steps: CHAIN_STEPS,
      onStep: parts.onStep,
      log,
    });
    await parts.onStep('archive.rolled-forward');
    const reader = await kafka.partitionReader();
    let expected: number;
    try {
      const tail = chain.tail();
      if (tail) {
        await checkLastMessage(reader, ownership.topic, partition, tail, clock);
        expected = tail.next;
      } else {
        expected = (await reader.offsets(ownership.topic, partition)).start;
        log.info('archive.first-start', { topic: topic.topic, partition, expected });
      }
    } finally {
      await reader.close();
    }
    const work = createArchivePartition({
      ...parts,
      topic,
      ownership,
      chain: trouble.watched(chain),
      expected,
      budget,
    });
    owned.add(work);
    upkeep.took(work);
    return {
      expected,
      handle: work.handle,
      release: async (why) => {
        upkeep.lost(work);
        await work.release(why);
        owned.delete(work);
      },
    };
  };

  /** Names, once, what waiting doesn't mend; the partition is tried again all the same, in case somebody mends it. */
  const ownOrSay = async (ownership: Ownership): Promise<PartitionWork> => {
    const name = `${ownership.topic}/${ownership.partition}`;
    try {
      const work = await own(ownership);
      refused.delete(name);
      return work;
    } catch (error) {
      trouble.failed(error);
      if (REFUSALS.some((refusal) => error instanceof refusal) && error instanceof Error) {
        if (refused.get(name) !== error.message) log.error('archive.refused', { reason: error.message }, error);
        refused.set(name, error.message);
      }
      throw error;
    }
  };

  const consumer = kafka.ownedConsumer({
    groupId: `${prefix}archive`,
    topics: [...topics.keys()],
    maxBytesPerPartition: FETCH_BYTES,
    own: ownOrSay,
  });

  const crashedWith = (error: unknown): void => {
    if (crashed === undefined) log.error('archive.crashed', {}, error);
    crashed ??= error instanceof Error ? error.message : 'unknown';
  };

  /** Half-written files of processes that were killed: they are in nobody's way, so a failure here stops nothing. */
  const tidy = async (): Promise<void> => {
    try {
      let removed = 0;
      for (const folder of TIDIED) removed += await parts.store.removeLeftovers(folder, clock.nowMs());
      if (removed > 0) log.info('archive.leftovers-removed', { files: removed });
    } catch (error) {
      log.warn('archive.leftovers', { error: error instanceof Error ? error.name : 'unknown' });
    }
  };

  const join = async (): Promise<void> => {
    await tidy();
    if (stopping.signal.aborted) return;
    try {
      await consumer.start();
      joined = true;
    } catch (error) {
      crashedWith(error);
    }
  };

  const flushByAge = async (): Promise<void> => {
    const everyMs = Math.min(parts.flushAfterMs / LOOKS_PER_INTERVAL, LOOK_MAX_MS);
    while (!stopping.signal.aborted) {
      await clock.sleep(everyMs, stopping.signal);
      for (const partition of owned) partition.flushIfDue();
    }
  };

  return {
    role: 'archive',
    start: async () => {
      void consumer.crashed.then(crashedWith);
      timer = flushByAge();
      keeping = upkeep.run(stopping.signal);
      intake = join();
    },
    stop: async () => {
      stopping.abort();
      await timer;
      // Before waiting for the intake: it may be waiting for Kafka.
      await consumer.stop();
      await Promise.all([intake, keeping]);
    },
    health: () =>
      archiveHealth({
        joined,
        crashed,
        refused: [...refused.values()],
        damage: upkeep.damage(),
        trouble: trouble.code(),
        partitions: consumer.status(),
        waiting: [...owned].map((work) => ({
          topic: work.topic,
          partition: work.partition,
          sinceMs: work.waitingSinceMs(),
        })),
        nowMs: clock.monotonicMs(),
        overdueAfterMs: parts.flushAfterMs + (parts.overdueAfterMs ?? STUCK_AFTER_MS),
      }),
  };
}
