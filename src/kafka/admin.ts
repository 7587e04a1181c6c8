// Topics, offsets and the cluster's name: what start, doctor and the command line ask and do.
import { setTimeout as delay } from 'node:timers/promises';
import type { Admin, ITopicConfig } from 'kafkajs';
import type { Clock } from '../domain/ports.js';
import { GroupInUseError, grantError, kafkaErrorType } from './errors.js';
import { ConfigResourceTypes } from './kafkajs.js';
import { compareTopic, type FoundTopic, type TopicReport, topicConfig, topicReport } from './topic-check.js';
import { TOPICS, type TopicLayout, type TopicRow, topicName, wantedTopic } from './topics.js';

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
  /** For a group without members; throws GroupInUseError otherwise. */
  setCommittedOffset(group: string, topic: string, partition: number, offset: number): Promise<void>;
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
/** Leaders and coordinators that move or load: over in a moment, but kafkajs gives up on some of them. */
const MOVES = new Set([
  'NOT_LEADER_FOR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
]);
const MOVE_WAIT_MIN_MS = 50;
const MOVE_WAIT_MAX_MS = 1_000;
const CREATE_TIMEOUT_MS = 15_000;
const CREATED_POLL_MS = 50;
/** The controller has made the topic, and the broker that answers has not heard of it, or of its leaders. */
const NOT_YET = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE']);

/** kafkajs's cluster forgets a topic while another call refreshes its metadata, and then takes apart an answer that it doesn't have: a TypeError. */
function isPassing(error: unknown): boolean {
  return MOVES.has(kafkaErrorType(error)) || error instanceof TypeError;
}

export function createKafkaAdmin(make: () => Admin, clock: Clock): KafkaAdmin {
  let current: Promise<Admin> | undefined;

  const once = async <T>(action: (admin: Admin) => Promise<T>): Promise<T> => {
    current ??= connect(make());
    const mine = current;
    try {
      return await action(await mine);
    } catch (error) {
      const lost = CONNECTION.test(kafkaErrorType(error));
      // Another call's failure has closed the connection under this one.
      if (lost && current !== mine) return once(action);
      if (lost || isPassing(error)) {
        if (current === mine) current = undefined;
        void mine.then((admin) => admin.disconnect()).catch(() => undefined);
      }
      throw error;
    }
  };

  const use = async <T>(action: (admin: Admin) => Promise<T>): Promise<T> => {
    for (let wait = MOVE_WAIT_MIN_MS; ; wait *= 2) {
      try {
        return await once(action);
      } catch (error) {
        if (!isPassing(error) || wait > MOVE_WAIT_MAX_MS) throw error;
        await clock.sleep(wait);
      }
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
      compareTopic(nameOf(row), wantedTopic(row, layout), topic, configs.get(nameOf(row)) ?? new Map(), layout),
    );
    return topicReport([], missing, differences);
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
      return topicReport(names, after.missing, after.differences);
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
    setCommittedOffset: async (group, topic, partition, offset) => {
      const { groups } = await use((admin) => admin.describeGroups([group]));
      if ((groups[0]?.members.length ?? 0) > 0) throw new GroupInUseError(`${group} has members`);
      const partitions = [{ partition, offset: String(offset) }];
      await use((admin) => admin.setOffsets({ groupId: group, topic, partitions })).catch((error: unknown) => {
        throw grantError(error, 'read', group) ?? error;
      });
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

async function connect(admin: Admin): Promise<Admin> {
  await admin.connect();
  return admin;
}
