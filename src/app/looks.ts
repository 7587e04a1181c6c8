// What must be right about each service before a role begins: unsafe or missing is a problem that names its mending; away throws.
import type { Redis } from 'ioredis';
import type { Config } from '../config/load.js';
import type { Problem } from '../config/problems.js';
import { KafkaGrantError, kafkaErrorType } from '../kafka/errors.js';
import { MysqlError } from '../mysql/pool.js';
import { SourceRefused } from '../mysql/refusal.js';
import { checkSource } from '../mysql/vitals-source.js';
import { redisReady } from '../redis/connections.js';
import { type Base, type Connections, newToken } from './connections.js';
import { claimKafka, claimRedis, type Deployment } from './deployment.js';

const REFUSED_LOGIN: ReadonlySet<string> = new Set([
  'ER_ACCESS_DENIED_ERROR',
  'ER_DBACCESS_DENIED_ERROR',
  'ER_BAD_DB_ERROR',
]);
const REDIS_WITHIN_MS = 5_000;

export interface LookParts extends Base {
  readonly connections: Connections;
  readonly deployment: Deployment;
  /** False for `worker --check`: nothing is written. */
  readonly write: boolean;
}

/** The hospital's table must be able to carry a position: a key, the original server, the rights that the evidence needs. */
export async function lookAtSource({ config, connections }: LookParts): Promise<Problem[]> {
  try {
    await connections.rds().withConnection((session) => checkSource(session, sourceOptions(config)));
    return [];
  } catch (error) {
    const problem = sourceProblem(error);
    if (problem) return [problem];
    throw error;
  }
}

export function sourceOptions(config: Config) {
  return {
    mapping: config.vitals,
    evidence: config.settings.POLL_EVIDENCE,
    step: config.idStep,
    newNonce: newToken,
  };
}

/** What waiting doesn't mend, in words; undefined: the source is away. */
export function sourceProblem(error: unknown): Problem | undefined {
  if (error instanceof SourceRefused) {
    return inWords('RDS', error.message);
  }
  if (error instanceof MysqlError && REFUSED_LOGIN.has(error.code)) {
    return {
      setting: 'RDS_URL',
      what: `the server refuses the user, password or database (${error.code})`,
      mend: 'Correct them, or give the user SELECT',
    };
  }
  return undefined;
}

/** Redis must keep what it was given (noeviction) and belong to this deployment. */
export async function lookAtRedis(parts: LookParts): Promise<Problem[]> {
  const redis = parts.connections.redis();
  const refused = await redisRefusal(redis);
  if (refused) return [refused];
  const policy = /^maxmemory_policy:(\S+)/m.exec(await redis.info('memory'))?.[1];
  const problems: Problem[] = [];
  if (policy !== 'noeviction') {
    problems.push({
      setting: 'REDIS_URL',
      what: `this Redis evicts keys when it is full (maxmemory-policy ${policy ?? 'unknown'}): jobs and alerts would vanish`,
      mend: 'Run `redis-cli CONFIG SET maxmemory-policy noeviction` and write it into redis.conf (ElastiCache: the parameter group)',
    });
  }
  return [...problems, ...(await claimRedis(redis, parts.config.settings.REDIS_PREFIX, parts.deployment, parts.write))];
}

/** Waits for the connection. A user or password that is refused is no outage: waiting mends nothing. */
async function redisRefusal(redis: Redis): Promise<Problem | undefined> {
  const given = new AbortController();
  const timeout = AbortSignal.timeout(REDIS_WITHIN_MS);
  let refusal: string | undefined;
  const onError = (error: Error) => {
    refusal = /^(?:WRONGPASS|NOAUTH|NOPERM)/.exec(error.message)?.[0];
    if (refusal) given.abort();
  };
  redis.on('error', onError);
  try {
    await redisReady(redis, AbortSignal.any([timeout, given.signal]));
    return undefined;
  } catch (error) {
    if (refusal === undefined) throw error;
    return { setting: 'REDIS_URL', what: `Redis refuses the user or password (${refusal})`, mend: 'Correct them' };
  } finally {
    redis.off('error', onError);
  }
}

/** Every topic must be there, with the partitions and clean-up that the parts lean on, and belong to this deployment. */
export async function lookAtKafka(parts: LookParts): Promise<Problem[]> {
  const { KAFKA_PREFIX, KAFKA_PARTITIONS, KAFKA_REPLICATION } = parts.config.settings;
  const kafka = parts.connections.kafka();
  const { admin } = kafka;
  try {
    const report = await admin.checkTopics(KAFKA_PREFIX, {
      partitions: KAFKA_PARTITIONS,
      replication: KAFKA_REPLICATION,
    });
    for (const { fatal, message } of report.problems) if (!fatal) parts.log.warn('kafka.topic-differs', { message });
    const fatal = report.problems.filter((problem) => problem.fatal).map(({ message }) => kafkaProblem(message));
    return fatal.length > 0 ? fatal : await claimKafka(kafka, KAFKA_PREFIX, parts.deployment, parts.write);
  } catch (error) {
    if (error instanceof KafkaGrantError) return [kafkaProblem(error.message)];
    if (/SASL/i.test(kafkaErrorType(error))) {
      return [
        {
          setting: 'KAFKA_SASL_USERNAME',
          what: `Kafka refuses the user, password or mechanism (${kafkaErrorType(error)})`,
          mend: 'Correct KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD',
        },
      ];
    }
    throw error;
  }
}

function kafkaProblem(message: string): Problem {
  return inWords('KAFKA', message);
}

/** `what is wrong: what to do`, as our errors say it. */
function inWords(setting: string, message: string): Problem {
  const [what = message, ...rest] = message.split(': ');
  const mend = rest.join(': ');
  return { setting, what, mend: mend === '' ? 'See `wardwatch doctor`' : mend.charAt(0).toUpperCase() + mend.slice(1) };
}
