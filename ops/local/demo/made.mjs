// Removes what a demo made on services that outlive it: at its end, or at the next start if it was killed.
import { CreateTopicCommand, DeleteTopicCommand, SNSClient } from '@aws-sdk/client-sns';
import mysql from 'mysql2/promise';
import { createKafka } from '../../../dist/src/kafka/client.js';
import { connectRedis, redisReady } from '../../../dist/src/redis/connections.js';
import { systemClock } from '../../../dist/src/telemetry/clock.js';
import { createLogger } from '../../../dist/src/telemetry/logger.js';
import { createMetrics } from '../../../dist/src/telemetry/metrics.js';
import { EMULATOR, userOf, wardName } from './names.mjs';

const REDIS_WITHIN_MS = 5_000;
const KEYS_AT_ONCE = 1_000;

/**
 * Tries all; throws with those that failed. `name` is the demo's, `endpoints` as WARDWATCH_STACK_* gave them.
 * Consumer groups end by themselves with their topics.
 */
export async function removeMade(endpoints, name) {
  wardName(name);
  const log = createLogger({ level: 'error', write: () => undefined });
  const results = await Promise.allSettled([
    removeDatabase(endpoints.rdsUrl, name),
    removeTopics(endpoints.kafkaBrokers, `${name}.`, log),
    removeKeys(endpoints.redisUrl, `{${name}}*`, log),
    ...(endpoints.snsEndpoint ? [removeSnsTopic(endpoints.snsEndpoint, name)] : []),
  ]);
  const failed = results.filter((result) => result.status === 'rejected').map(({ reason }) => reason.message);
  if (failed.length > 0) throw new Error(`${name} could not be removed everywhere: ${failed.join('; ')}`);
}

async function removeDatabase(uri, name) {
  const root = await mysql.createConnection({ uri, multipleStatements: true });
  await root
    .query(`DROP DATABASE IF EXISTS ${name}; DROP USER IF EXISTS '${userOf(name)}'@'%'`)
    .finally(() => root.destroy());
}

async function removeTopics(brokers, prefix, log) {
  const kafka = createKafka(
    { brokers: brokers.split(','), clientId: prefix },
    { log, metrics: createMetrics(), clock: systemClock },
  );
  try {
    const topics = await kafka.admin.listTopics();
    await kafka.admin.deleteTopics(topics.filter((topic) => topic.startsWith(prefix)));
  } finally {
    await kafka.close();
  }
}

async function removeKeys(url, match, log) {
  const redis = connectRedis({ url }, 'command', log);
  try {
    await redisReady(redis, AbortSignal.timeout(REDIS_WITHIN_MS));
    for await (const keys of redis.scanStream({ match, count: KEYS_AT_ONCE })) {
      if (keys.length > 0) await redis.unlink(...keys);
    }
  } finally {
    redis.disconnect();
  }
}

async function removeSnsTopic(endpoint, name) {
  const sns = new SNSClient({ ...EMULATOR, endpoint });
  try {
    // Creating one that is there answers its ARN.
    const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: name }));
    await sns.send(new DeleteTopicCommand({ TopicArn }));
  } finally {
    sns.destroy();
  }
}
