// What an existing topic is compared with, and the differences in words.
import type { ITopicConfig } from 'kafkajs';
import { missingTopic, type TopicDifference, type TopicLayout, type TopicRow, wantedTopic } from './topics.js';

export interface TopicReport {
  /** Made just now (ensureTopics). */
  readonly created: readonly string[];
  readonly missing: readonly string[];
  readonly differences: readonly TopicDifference[];
  /** All of it in words; `fatal` ones stop a start. */
  readonly problems: readonly { readonly fatal: boolean; readonly message: string }[];
}

/** Settings of which more harms nothing. */
const AT_LEAST = new Set(['retention.ms', 'max.message.bytes']);

export interface FoundTopic {
  readonly partitions: number;
  readonly replication: number;
}

export function topicConfig(topic: string, row: TopicRow, layout: TopicLayout): ITopicConfig {
  const { partitions, config } = wantedTopic(row, layout);
  return {
    topic,
    numPartitions: partitions,
    replicationFactor: layout.replication,
    configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
  };
}

export function compareTopic(
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

export function topicReport(
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
