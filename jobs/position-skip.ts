// `position skip`: a person accepts that offsets were deleted before they were handled; each reader's position is moved over them, and the range recorded.
import type {
  Clock,
  LakeStore,
  Logger,
  OnStep,
  OutRecord,
  PartitionReader,
  PlainProducer,
  TransactionalProducer,
} from '../src/domain/ports.js';
import { isoOfMs } from '../src/domain/time.js';
import { decodeWatchState, encodeNext, NEXT_KEY, TOKEN_KEY } from '../src/domain/watch-state.js';
import { GroupInUseError } from '../src/kafka/errors.js';
import { TOPICS, topicName } from '../src/kafka/topics.js';
import { type ChainSteps, openChain } from '../src/lake/chain.js';
import { readTail } from '../src/lake/chain-reader.js';
import { HourBuffers } from '../src/lake/hour-buffers.js';
import type { ParquetEncoder } from '../src/lake/parquet-encoder.js';
import type { ParquetVerifier } from '../src/lake/parquet-verify.js';

const STEPS: ChainSteps = {
  staged: 'archive.staged',
  beforeRecord: 'archive.before-record',
  afterRecord: 'archive.after-record',
};

export interface SkipParts {
  readonly kafka: {
    transactionalProducer(id: string): Promise<TransactionalProducer>;
    plainProducer(): Promise<PlainProducer>;
    partitionReader(): Promise<PartitionReader>;
    readonly admin: {
      clusterId(): Promise<string>;
      partitionCount(topic: string): Promise<number | undefined>;
      committedOffset(group: string, topic: string, partition: number): Promise<number | undefined>;
      setCommittedOffset(group: string, topic: string, partition: number, offset: number): Promise<void>;
    };
  };
  readonly prefix: string;
  readonly store: LakeStore;
  readonly encode: ParquetEncoder;
  readonly verify: ParquetVerifier;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onStep: OnStep;
  readonly newToken: () => string;
}

export interface SkipRequest {
  /** Without KAFKA_PREFIX. */
  readonly topic: string;
  readonly partition: number;
  /** The first offset to handle again. */
  readonly to: number;
  readonly by: string;
  readonly reason: string;
}

type Reader = 'archive' | 'watch' | 'dispatch';

/** `from` null: has no position yet, and will begin at the log's start. `from` at or above `to`: nothing was missing. */
export interface ReaderSkip {
  readonly reader: Reader;
  readonly from: number | null;
  readonly skipped: boolean;
}

/** Nothing can be skipped that way: the message says why. */
export class SkipRefused extends Error {
  override readonly name = 'SkipRefused';
}

/**
 * Never passes over what can still be read: `to` is the log's start at most. Throws SkipRefused, the chain's errors
 * (LakeRaceLostError: another writer was at work, ask again) and Kafka's. Repeatable.
 */
export async function skipPosition(parts: SkipParts, request: SkipRequest): Promise<readonly ReaderSkip[]> {
  const { topic, partition, to } = request;
  const whole = parts.prefix + topic;
  if (!TOPICS.some(({ name, archived }) => archived && name === topic))
    throw new SkipRefused(
      `nobody's position is moved on ${topic}: it is one of ${TOPICS.filter(({ archived }) => archived)
        .map(({ name }) => name)
        .join(', ')}`,
    );
  const partitions = await parts.kafka.admin.partitionCount(whole);
  if (partitions === undefined || partition >= partitions)
    throw new SkipRefused(`${whole} has no partition ${partition}`);
  const reader = await parts.kafka.partitionReader();
  try {
    const { start } = await reader.offsets(whole, partition);
    if (to > start)
      throw new SkipRefused(
        `${whole} partition ${partition} begins at ${start}: offsets ${start} to ${to - 1} can still be read, so that --to is ${start} at most`,
      );
    const skips = [await skipArchive(parts, request)];
    if (topic === 'vital-info') skips.push(await skipWatch(parts, request, reader));
    if (topic === 'doctors-queue') skips.push(await skipDispatch(parts, request));
    for (const { reader: who, from, skipped } of skips)
      if (skipped) parts.log.warn('position.skipped', { reader: who, topic, partition, from, to, by: request.by });
    return skips;
  } finally {
    await reader.close();
  }
}

/** Like any other writer of the chain: a record without files over the range, created exclusively, after the range is on access-audit. */
async function skipArchive(parts: SkipParts, request: SkipRequest): Promise<ReaderSkip> {
  const { topic, partition, to, by, reason } = request;
  const from = (await readTail(parts.store, topic, partition))?.record.next ?? null;
  if (from === null || from >= to) return { reader: 'archive', from, skipped: false };
  const chain = await openChain({
    store: parts.store,
    encode: parts.encode,
    verify: parts.verify,
    topic,
    partition,
    clusterId: await parts.kafka.admin.clusterId(),
    token: parts.newToken(),
    steps: STEPS,
    onStep: parts.onStep,
    log: parts.log,
  });
  const at = chain.tail()?.next ?? from;
  if (at >= to) return { reader: 'archive', from: at, skipped: false };
  const record = recordOf(parts, request, 'archive', at);
  await send(parts, record);
  const state = { skipped: { from: String(at), to: String(to), by, reason } };
  await chain.commit({ start: at, next: to, rows: new HourBuffers(), last: null, state });
  return { reader: 'archive', from: at, skipped: true };
}

/** As the partition's owner, which fences whoever is it, so that nobody writes an older `next` above ours. */
async function skipWatch(parts: SkipParts, request: SkipRequest, reader: PartitionReader): Promise<ReaderSkip> {
  const { partition, to } = request;
  const state = topicName(parts.prefix, 'watch-state');
  const look = async (untilToken?: string): Promise<number | null> => {
    let next: number | null = null;
    await reader.read(state, partition, untilToken === undefined ? {} : { untilToken }, ({ key, value }) => {
      if (key?.toString() !== NEXT_KEY) return;
      const decoded = decodeWatchState(key, value);
      if (decoded.type === 'next') next = decoded.next;
    });
    return next;
  };
  const seen = await look();
  if (seen === null || seen >= to) return { reader: 'watch', from: seen, skipped: false };
  const producer = await parts.kafka.transactionalProducer(`${parts.prefix}watch.vital-info.${partition}`);
  try {
    const token = parts.newToken();
    await producer.transact([{ topic: state, partition, key: TOKEN_KEY, value: token }]);
    const from = (await look(token)) ?? seen;
    if (from >= to) return { reader: 'watch', from, skipped: false };
    await producer.transact([
      { topic: state, partition, key: NEXT_KEY, value: encodeNext(to) },
      recordOf(parts, request, 'watch', from),
    ]);
    return { reader: 'watch', from, skipped: true };
  } finally {
    await producer.close();
  }
}

/** Its position is the group's offset, which Kafka lets nobody move while the group has members. */
async function skipDispatch(parts: SkipParts, request: SkipRequest): Promise<ReaderSkip> {
  const { partition, to } = request;
  const group = `${parts.prefix}dispatch`;
  const topic = topicName(parts.prefix, 'doctors-queue');
  const from = (await parts.kafka.admin.committedOffset(group, topic, partition)) ?? null;
  if (from === null || from >= to) return { reader: 'dispatch', from, skipped: false };
  await send(parts, recordOf(parts, request, 'dispatch', from));
  try {
    await parts.kafka.admin.setCommittedOffset(group, topic, partition, to);
  } catch (error) {
    if (!(error instanceof GroupInUseError)) throw error;
    throw new SkipRefused(
      `the group ${group} has members: stop all workers with the role dispatch, wait 10 s, ask again, and start them`,
    );
  }
  return { reader: 'dispatch', from, skipped: true };
}

function recordOf(parts: SkipParts, request: SkipRequest, reader: Reader, from: number): OutRecord {
  const { topic, partition, to, by, reason } = request;
  const value = JSON.stringify({
    v: 1,
    at: isoOfMs(parts.clock.nowMs()),
    user: by,
    action: 'position-skip',
    patientId: null,
    reader,
    topic,
    partition,
    from: String(from),
    to: String(to),
    reason,
  });
  return { topic: topicName(parts.prefix, 'access-audit'), partition: 0, key: by, value };
}

async function send(parts: SkipParts, record: OutRecord): Promise<void> {
  const producer = await parts.kafka.plainProducer();
  try {
    await producer.send([record]);
  } finally {
    await producer.close();
  }
}
