// Whose Redis, lake and topics these are: written at the first start, and a start that finds another's is refused.
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Config } from '../config/load.js';
import type { Problem } from '../config/problems.js';
import type { LakeStore, PartitionReader, PlainProducer } from '../domain/ports.js';
import { topicName } from '../kafka/topics.js';
import { newToken } from './connections.js';

/** A deployment has one source; another hospital's limits must never reach a patient. */
export interface Deployment {
  readonly name: string;
  readonly source: string;
}

/** The configuration was loaded with `needsSource`. */
export function deploymentOf(config: Config): Deployment {
  if (config.source === undefined) throw new Error('the source was not demanded when the settings were loaded');
  return { name: config.settings.WARDWATCH_DEPLOYMENT, source: config.source };
}

const LAKE_PATH = '_log/deployment.json';
const Stored = z.object({ v: z.literal(1), name: z.string(), source: z.string() });

/** `write` false only looks: nothing there is no problem. Throws while Redis is away. */
export async function claimRedis(redis: Redis, prefix: string, own: Deployment, write: boolean): Promise<Problem[]> {
  const key = `${prefix}:deployment`;
  const mine = JSON.stringify({ v: 1, ...own });
  if (write) await redis.set(key, mine, 'NX');
  return compare(await redis.get(key), own, {
    setting: 'REDIS_PREFIX',
    place: `${key} in Redis`,
    mend: 'Give each deployment a REDIS_PREFIX of its own',
  });
}

/** As claimRedis, for the lake. */
export async function claimLake(lake: LakeStore, own: Deployment, write: boolean): Promise<Problem[]> {
  const mine = Buffer.from(`${JSON.stringify({ v: 1, ...own })}\n`);
  if (write) await lake.createExclusive(LAKE_PATH, mine);
  const found = await lake.read(LAKE_PATH);
  return compare(found ? Buffer.from(found).toString('utf8') : null, own, {
    setting: 'LAKE_URL',
    place: `${LAKE_PATH} in the lake`,
    mend: 'Give each deployment a LAKE_URL of its own',
  });
}

interface MarkedKafka {
  readonly admin: { partitionCount(topic: string): Promise<number | undefined> };
  partitionReader(): Promise<PartitionReader>;
  plainProducer(): Promise<PlainProducer>;
}

/** Before something random: no mark has another's key, so that compaction keeps them all in their order. The first one counts. */
const KAFKA_KEY = 'deployment:';

/** As claimRedis, for the topics under KAFKA_PREFIX. Where they are not there yet nobody's are. */
export async function claimKafka(
  kafka: MarkedKafka,
  prefix: string,
  own: Deployment,
  write: boolean,
): Promise<Problem[]> {
  const topic = topicName(prefix, 'vital-poll-state');
  if ((await kafka.admin.partitionCount(topic)) === undefined) return [];
  let found = await firstMark(kafka, topic);
  if (found === null && write) {
    const producer = await kafka.plainProducer();
    const value = JSON.stringify({ v: 1, ...own });
    await producer.send([{ topic, partition: 0, key: `${KAFKA_KEY}${newToken()}`, value }]).finally(producer.close);
    found = await firstMark(kafka, topic);
  }
  return compare(found, own, {
    setting: 'KAFKA_PREFIX',
    place: `${topic} in Kafka`,
    mend: 'Give each deployment a KAFKA_PREFIX of its own',
  });
}

/** Ends a read that would go on to the stable end: the first mark lies near the beginning. */
class MarkFound extends Error {}

async function firstMark(kafka: MarkedKafka, topic: string): Promise<string | null> {
  const reader = await kafka.partitionReader();
  let found: string | null = null;
  try {
    await reader.read(topic, 0, {}, ({ key, value }) => {
      if (!key?.toString().startsWith(KAFKA_KEY)) return;
      found = String(value);
      throw new MarkFound();
    });
  } catch (error) {
    if (!(error instanceof MarkFound)) throw error;
  } finally {
    await reader.close();
  }
  return found;
}

function compare(
  found: string | null,
  own: Deployment,
  where: { readonly setting: string; readonly place: string; readonly mend: string },
): Problem[] {
  if (found === null) return [];
  const stored = Stored.safeParse(parseJson(found));
  if (!stored.success) {
    return [{ setting: where.setting, what: `${where.place} is not one of ours`, mend: where.mend }];
  }
  const problems: Problem[] = [];
  if (stored.data.name !== own.name) {
    problems.push({
      setting: where.setting,
      what: `${where.place} belongs to the deployment ${stored.data.name}, and this is ${own.name}`,
      mend: `${where.mend}, or set WARDWATCH_DEPLOYMENT=${stored.data.name} if it is that one`,
    });
  }
  if (stored.data.source !== own.source) {
    problems.push({
      setting: where.setting,
      what: `${where.place} belongs to the source ${stored.data.source}, and this is ${own.source}`,
      mend: `${where.mend}, or set WARDWATCH_SOURCE=${stored.data.source} if the same database has moved`,
    });
  }
  return problems;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
