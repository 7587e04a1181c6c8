// Every topic: one row each (shared/design/contracts.md). Names and settings are fixed here, and nowhere else.

const DAY_MS = 86_400_000;
const MIB = 1_048_576;

/** How a topic is made and checked. */
export interface TopicRow {
  readonly name: string;
  readonly purpose: string;
  /** `all`: KAFKA_PARTITIONS, the same number for all of them. Keys keep their partition across these topics. */
  readonly partitions: 'all' | 1;
  readonly cleanup: 'delete' | 'compact';
  /** Milliseconds; for `delete`. */
  readonly retentionMs?: number;
  readonly segmentBytes?: number;
  readonly minCleanableDirtyRatio?: number;
  /** Archived into the lake. */
  readonly archived: boolean;
}

export const TOPICS = [
  {
    name: 'vital-info',
    purpose: 'Readings, one record a row, and ticks. Written by poll.',
    partitions: 'all',
    cleanup: 'delete',
    retentionMs: 7 * DAY_MS,
    archived: true,
  },
  {
    name: 'vital-poll-state',
    purpose: 'The position of the poller, in the transaction of its rows.',
    partitions: 1,
    cleanup: 'compact',
    segmentBytes: 16 * MIB,
    minCleanableDirtyRatio: 0.1,
    archived: false,
  },
  {
    name: 'vital-gaps',
    purpose: 'Ids that were proved to be rolled back, in the transaction of the rows round them.',
    partitions: 1,
    cleanup: 'delete',
    retentionMs: 400 * DAY_MS,
    archived: true,
  },
  {
    name: 'watch-state',
    purpose: 'Episodes and position of watch, partition by partition as vital-info.',
    partitions: 'all',
    cleanup: 'compact',
    segmentBytes: 64 * MIB,
    minCleanableDirtyRatio: 0.1,
    archived: false,
  },
  {
    name: 'doctors-queue',
    purpose: 'Alert events. Written by watch (transactions), dispatch, console and command line.',
    partitions: 'all',
    cleanup: 'delete',
    retentionMs: 400 * DAY_MS,
    archived: true,
  },
  {
    name: 'alert-deliveries',
    purpose: 'What was decided about each notification and what became of it.',
    partitions: 'all',
    cleanup: 'delete',
    retentionMs: 407 * DAY_MS,
    archived: true,
  },
  {
    name: 'access-audit',
    purpose: 'Who looked at what in the console.',
    partitions: 1,
    cleanup: 'delete',
    retentionMs: 400 * DAY_MS,
    archived: true,
  },
] as const satisfies readonly TopicRow[];

export type TopicName = (typeof TOPICS)[number]['name'];

/** The largest record batch that a topic of ours takes, bytes. */
export const MAX_MESSAGE_BYTES = MIB;

/** `prefix` is KAFKA_PREFIX; it also stands before groups and transactional ids. */
export function topicName(prefix: string, name: TopicName): string {
  return `${prefix}${name}`;
}

/** What differs from deployment to deployment. */
export interface TopicLayout {
  /** KAFKA_PARTITIONS. */
  readonly partitions: number;
  /** KAFKA_REPLICATION. */
  readonly replication: number;
}

const SMALLEST_ISR = 2;

/** Number of partitions and settings that a topic has to have, the latter as Kafka writes them. */
export function wantedTopic(
  row: TopicRow,
  layout: TopicLayout,
): { readonly partitions: number; readonly config: Readonly<Record<string, string>> } {
  return {
    partitions: row.partitions === 'all' ? layout.partitions : row.partitions,
    config: {
      'cleanup.policy': row.cleanup,
      'max.message.bytes': String(MAX_MESSAGE_BYTES),
      'min.insync.replicas': String(Math.min(SMALLEST_ISR, layout.replication)),
      ...(row.retentionMs === undefined ? {} : { 'retention.ms': String(row.retentionMs) }),
      ...(row.segmentBytes === undefined ? {} : { 'segment.bytes': String(row.segmentBytes) }),
      ...(row.minCleanableDirtyRatio === undefined
        ? {}
        : { 'min.cleanable.dirty.ratio': String(row.minCleanableDirtyRatio) }),
    },
  };
}

/** One thing about an existing topic that is not as the table says. */
export interface TopicDifference {
  readonly topic: string;
  /** `partitions`, `replication` or the name of a topic setting. */
  readonly setting: string;
  readonly found: string;
  readonly wanted: string;
  /** Work must not start: positions and keys would not fit. The others are warnings. */
  readonly fatal: boolean;
  /** What is wrong and what to do. */
  readonly message: string;
}

/** For people, with the command that mends it. `topic` with its prefix. */
export function missingTopic(topic: string): string {
  return `topic ${topic} is missing: make it with \`wardwatch schema\``;
}
