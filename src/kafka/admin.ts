// Topics, offsets and the cluster's name: what start, doctor and the command line ask and do.
import { setTimeout as delay } from 'node:timers/promises';
import type { Admin, ITopicConfig } from 'kafkajs';
import { grantError, kafkaErrorType } from './errors.js';
import { ConfigResourceTypes } from './kafkajs.js';
import {
  missingTopic,
  TOPICS,
  type TopicDifference,
  type TopicLayout,
  type TopicRow,
  topicName,
  wantedTopic,
} from './topics.js';

export interface TopicReport {
  /** Made just now (ensureTopics). */
  readonly created: readonly string[];
  readonly missing: readonly string[];
  readonly differences: readonly TopicDifference[];
  /** All of it in words; `fatal` ones stop a start. */
  readonly problems: readonly { readonly fatal: boolean; readonly message: string }[];
}

export interface KafkaAdmin {
  /** The cluster's id: the lake is bound to one. */
  clusterId(): Promise<string>;
  /** Undefined where there is no such topic. */
  partitionCount(topic: string): Promise<number | undefined>;
  /** Makes what is missing of the table; existing topics are compared and never changed. Throws KafkaGrantError. */
  ensureTopics(prefix: string, layout: TopicLayout): Promise<TopicReport>;
  /** Compares only. Throws KafkaGrantError. */
  checkTopics(prefix: string, layout: TopicLayout): Promise<TopicReport>;
  /** Log start and end (high watermark or, on an open transaction, the last stable offset) by partition. */
  offsets(topic: string): Promise<ReadonlyMap<number, { readonly start: number; readonly end: number }>>;
  startOffsets(topic: string): Promise<readonly number[]>;
  endOffsets(topic: string): Promise<readonly number[]>;
  /** By partition, the first offset at or after that time (milliseconds); the partition's end where there is none. */
  offsetsAt(topic: string, ms: number): Promise<ReadonlyMap<number, number>>;
  /** The group's committed offset, or undefined where there is none. */
  committedOffset(group: string, topic: string, partition: number): Promise<number | undefined>;
  /** Makes topics that are no row of the table: for tests. */
  createTopics(topics: readonly ITopicConfig[]): Promise<void>;
  /** For tests: what is not there is passed over. */
  deleteTopics(topics: readonly string[]): Promise<void>;
  /** For tests. */
  deleteGroups(groups: readonly string[]): Promise<void>;
  listTopics(): Promise<readonly string[]>;
  /** Resolves when a broker answered. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** Errors of the connection: kafkajs's object is thrown away and made anew at the next call. */
const CONNECTION = /Connection|BrokerNotFound|NoBroker|Timeout|MetadataNotLoaded|RetriesExceeded/;
const AT_LEAST = new Set(['retention.ms', 'max.message.bytes']);
const CREATE_TIMEOUT_MS = 15_000;
const CREATED_POLL_MS = 50;
/** The controller has made the topic, and the broker that answers has not heard of it, or of its leaders. */
const NOT_YET = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE']);

export function createKafkaAdmin(make: () => Admin): KafkaAdmin {
  let current: Promise<Admin> | undefined;

  const use = async <T>(action: (admin: Admin) => Promise<T>): Promise<T> => {
    current ??= connect(make());
    const mine = current;
    try {
      return await action(await mine);
    } catch (error) {
      if (CONNECTION.test(kafkaErrorType(error)) && current === mine) {
        current = undefined;
        void mine.then((admin) => admin.disconnect()).catch(() => undefined);
      }
      throw error;
    }
  };

  const topicOf = async (topic: string): Promise<FoundTopic | undefined> => {
    try {
      const { topics } = await use((admin) => admin.fetchTopicMetadata({ topics: [topic] }));
      const partitions = topics[0]?.partitions ?? [];
      return { partitions: partitions.length, replication: partitions[0]?.replicas.length ?? 0 };
    } catch (error) {
      if (kafkaErrorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION') return undefined;
      throw grantError(error, 'describe', topic) ?? error;
    }
  };

  /** Makes topics and waits for their leaders. kafkajs's own wait gives up at the first UNKNOWN_TOPIC_OR_PARTITION, which a busy broker answers. */
  const create = async (topics: ITopicConfig[]): Promise<void> => {
    await use((admin) => admin.createTopics({ topics, waitForLeaders: false, timeout: CREATE_TIMEOUT_MS }));
    const names = topics.map(({ topic }) => topic);
    for (let waitedMs = 0; waitedMs < CREATE_TIMEOUT_MS; waitedMs += CREATED_POLL_MS) {
      if (await use((admin) => haveLeaders(admin, names))) return;
      await delay(CREATED_POLL_MS);
    }
    throw new Error(`made, but still without leaders: ${names.join(', ')}`);
  };

  const configOf = async (topics: readonly string[], names: readonly string[]): Promise<Configs> => {
    const configs: Configs = new Map();
    if (topics.length === 0) return configs;
    const resources = topics.map((name) => ({
      type: ConfigResourceTypes.TOPIC,
      name,
      configNames: [...names],
    }));
    try {
      const answer = await use((admin) => admin.describeConfigs({ resources, includeSynonyms: false }));
      for (const { resourceName, configEntries } of answer.resources)
        configs.set(
          resourceName,
          new Map(configEntries.map(({ configName, configValue }) => [configName, configValue])),
        );
      return configs;
    } catch (error) {
      throw grantError(error, 'describe', topics.join(', ')) ?? error;
    }
  };

  const check = async (prefix: string, layout: TopicLayout): Promise<TopicReport> => {
    const found = new Map<TopicRow, FoundTopic>();
    const missing: string[] = [];
    for (const row of TOPICS) {
      const topic = await topicOf(topicName(prefix, row.name));
      if (topic) found.set(row, topic);
      else missing.push(topicName(prefix, row.name));
    }
    const names = [...new Set(TOPICS.flatMap((row) => Object.keys(wantedTopic(row, layout).config)))];
    const nameOf = (row: TopicRow) => `${prefix}${row.name}`;
    const configs = await configOf([...found.keys()].map(nameOf), names);
    const differences = [...found].flatMap(([row, topic]) =>
      compare(nameOf(row), wantedTopic(row, layout), topic, configs.get(nameOf(row)) ?? new Map(), layout),
    );
    return report([], missing, differences);
  };

  const offsets = async (topic: string) => {
    const answer = await use((admin) => admin.fetchTopicOffsets(topic)).catch((error: unknown) => {
      throw grantError(error, 'describe', topic) ?? error;
    });
    return new Map(answer.map(({ partition, low, high }) => [partition, { start: Number(low), end: Number(high) }]));
  };

  const listed = (by: ReadonlyMap<number, { start: number; end: number }>, which: 'start' | 'end') =>
    [...by].sort(([a], [b]) => a - b).map(([, offset]) => offset[which]);

  return {
    clusterId: async () => (await use((admin) => admin.describeCluster())).clusterId,
    partitionCount: async (topic) => (await topicOf(topic))?.partitions,
    checkTopics: check,
    ensureTopics: async (prefix, layout) => {
      const before = await check(prefix, layout);
      const topics = TOPICS.filter((row) => before.missing.includes(topicName(prefix, row.name))).map((row) =>
        topicConfig(topicName(prefix, row.name), row, layout),
      );
      if (topics.length === 0) return before;
      const names = topics.map(({ topic }) => topic);
      await create(topics).catch((error: unknown) => {
        throw grantError(error, 'create', names.join(', ')) ?? error;
      });
      const after = await check(prefix, layout);
      return report(names, after.missing, after.differences);
    },
    offsets,
    startOffsets: async (topic) => listed(await offsets(topic), 'start'),
    endOffsets: async (topic) => listed(await offsets(topic), 'end'),
    offsetsAt: async (topic, ms) => {
      const answer = await use((admin) => admin.fetchTopicOffsetsByTimestamp(topic, ms)).catch((error: unknown) => {
        throw grantError(error, 'describe', topic) ?? error;
      });
      return new Map(answer.map(({ partition, offset }) => [partition, Number(offset)]));
    },
    committedOffset: async (group, topic, partition) => {
      const answer = await use((admin) => admin.fetchOffsets({ groupId: group, topics: [topic] })).catch(
        (error: unknown) => {
          throw grantError(error, 'read', group) ?? error;
        },
      );
      const found = answer[0]?.partitions.find((entry) => entry.partition === partition);
      return found && Number(found.offset) >= 0 ? Number(found.offset) : undefined;
    },
    createTopics: (topics) => create([...topics]),
    deleteTopics: async (topics) => {
      const there = new Set(await use((admin) => admin.listTopics()));
      const doomed = topics.filter((topic) => there.has(topic));
      if (doomed.length > 0) await use((admin) => admin.deleteTopics({ topics: doomed, timeout: CREATE_TIMEOUT_MS }));
    },
    deleteGroups: async (groups) => {
      if (groups.length > 0) await use((admin) => admin.deleteGroups([...groups]));
    },
    listTopics: () => use((admin) => admin.listTopics()),
    ping: async () => {
      await use((admin) => admin.describeCluster());
    },
    close: async () => {
      const mine = current;
      current = undefined;
      await mine?.then((admin) => admin.disconnect()).catch(() => undefined);
    },
  };
}

async function haveLeaders(admin: Admin, topics: string[]): Promise<boolean> {
  try {
    const found = await admin.fetchTopicMetadata({ topics });
    return found.topics.every(
      ({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0),
    );
  } catch (error) {
    if (NOT_YET.has(kafkaErrorType(error))) return false;
    throw error;
  }
}

type Configs = Map<string, ReadonlyMap<string, string>>;

interface FoundTopic {
  readonly partitions: number;
  readonly replication: number;
}

async function connect(admin: Admin): Promise<Admin> {
  await admin.connect();
  return admin;
}

function topicConfig(topic: string, row: TopicRow, layout: TopicLayout): ITopicConfig {
  const { partitions, config } = wantedTopic(row, layout);
  return {
    topic,
    numPartitions: partitions,
    replicationFactor: layout.replication,
    configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
  };
}

function compare(
  topic: string,
  wanted: ReturnType<typeof wantedTopic>,
  found: FoundTopic,
  config: ReadonlyMap<string, string>,
  layout: TopicLayout,
): TopicDifference[] {
  const differences: TopicDifference[] = [];
  const differs = (setting: string, has: string, wants: string, fatal: boolean, todo: string) => {
    if (has !== wants)
      differences.push({
        topic,
        setting,
        found: has,
        wanted: wants,
        fatal,
        message: `topic ${topic} has ${setting} ${has}, not ${wants}: ${todo}`,
      });
  };
  differs(
    'partitions',
    String(found.partitions),
    String(wanted.partitions),
    true,
    'the number of partitions never changes; set KAFKA_PARTITIONS to what the topics have',
  );
  if (found.replication < layout.replication)
    differs(
      'replication',
      String(found.replication),
      String(layout.replication),
      false,
      'reassign its replicas, or set KAFKA_REPLICATION',
    );
  for (const [name, value] of Object.entries(wanted.config)) {
    const has = config.get(name) ?? 'unset';
    // To keep more, or take larger batches, harms nothing; -1 is without limit.
    if (AT_LEAST.has(name) && (Number(has) >= Number(value) || has === '-1')) continue;
    // Another clean-up deletes what must stay; a smaller batch limit stops producers.
    const fatal = name === 'cleanup.policy' || name === 'max.message.bytes';
    const alter = `kafka-configs.sh --alter --entity-type topics --entity-name ${topic} --add-config ${name}=${value}`;
    differs(name, has, value, fatal, alter);
  }
  return differences;
}

function report(
  created: readonly string[],
  missing: readonly string[],
  differences: readonly TopicDifference[],
): TopicReport {
  const problems = [
    ...missing.map((topic) => ({ fatal: true, message: missingTopic(topic) })),
    ...differences.map(({ fatal, message }) => ({ fatal, message })),
  ];
  return { created, missing, differences, problems };
}
