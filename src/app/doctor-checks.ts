// What the doctor looks at. Every check is read-only.
import { shown } from '../config/mask.js';
import type { SettingName, Settings } from '../config/settings.js';
import { knownAttributes } from '../domain/attributes.js';
import { contentOfThresholds } from '../domain/import-content.js';
import { thresholdOfEntry } from '../domain/import-version.js';
import type { Clock } from '../domain/ports.js';
import type { ThresholdRow } from '../domain/threshold.js';
import { listAgainMs, listTransactions } from '../mysql/evidence.js';
import type { MysqlSession } from '../mysql/pool.js';
import { checkSource } from '../mysql/vitals-source.js';
import { redisReady } from '../redis/connections.js';
import { createLookupStore } from '../redis/lookup-store.js';
import { createSnsAdmin } from '../sns/admin.js';
import { newToken, snsSettings } from './connections.js';
import { claimKafka, claimLake, claimRedis } from './deployment.js';
import { CHECK_LIMIT_MS, type Check, type Finding, failed, ok, warning } from './doctor.js';
import { checkLake } from './look-at-lake.js';
import { type LookParts, lookAtKafka, sourceOptions } from './looks.js';

const SKEW_LIMIT_MS = 2_000;
/** The active poller may be asking too, and a doctor's check has 3 s in all. */
const FRESH_FOR_MS = 1_500;

/** `parts.write` must be false. */
export function doctorChecks(parts: LookParts): readonly Check[] {
  return [
    { name: 'settings', run: async () => checkSettings(parts) },
    { name: 'RDS', run: () => checkRds(parts) },
    { name: 'RDS table', run: () => checkRdsTable(parts) },
    { name: 'RDS commits', run: () => checkFlush(parts) },
    { name: 'RDS evidence', run: () => checkEvidence(parts) },
    { name: 'clock', run: () => checkSkew(parts) },
    { name: 'Kafka', run: () => checkKafka(parts) },
    { name: 'Kafka topics', run: () => checkTopics(parts) },
    { name: 'Redis', run: () => checkRedis(parts) },
    { name: 'Redis persistence', run: () => checkPersistence(parts) },
    { name: 'lake', run: () => checkLake(parts) },
    { name: 'deployment', run: () => checkDeployment(parts) },
    { name: 'limits', run: () => checkLimits(parts) },
    { name: 'patients', run: () => checkPatients(parts) },
    { name: 'workers', run: () => checkWorkers(parts) },
    ...(['SNS_TOPIC_ARN', 'SNS_OPERATORS_TOPIC_ARN', 'SNS_HEARTBEAT_TOPIC_ARN'] as const)
      .filter((setting) => parts.config.settings[setting] !== undefined)
      .map((setting): Check => ({ name: setting, run: () => checkTopic(parts, setting) })),
  ];
}

function checkSettings({ config }: LookParts): Finding {
  const { settings, source } = config;
  const names: SettingName[] = ['RDS_URL', 'KAFKA_BROKERS', 'REDIS_URL', 'LAKE_URL'];
  const words = names.map((name) => `${name}=${shown(name, String(settings[name]))}`);
  return ok(`valid; deployment ${settings.WARDWATCH_DEPLOYMENT}, source ${source}; ${words.join(', ')}`);
}

async function checkRds({ connections }: LookParts): Promise<Finding> {
  const [row] = await connections.rds().query('SELECT VERSION() AS version, CURRENT_USER() AS user');
  return ok(`version ${String(row?.version)}, as ${String(row?.user)}`);
}

async function checkRdsTable({ config, connections }: LookParts): Promise<Finding> {
  const expected = `${config.vitals.table} with an ascending unique key ${config.vitals.key}, on the original server`;
  const { table } = await connections
    .rds()
    .withConnection((session) => checkSource(session, { ...sourceOptions(config), evidence: 'time' }));
  if (table.autoIncrement) return ok(`${config.vitals.table}, key ${config.vitals.key}`, expected);
  return warning(
    `${config.vitals.key} is not AUTO_INCREMENT: nothing bounds the time between choosing an id and writing it`,
    'an AUTO_INCREMENT key',
    'Make the key AUTO_INCREMENT, or be sure that ids are chosen inside the transaction that writes them',
  );
}

async function checkFlush({ connections }: LookParts): Promise<Finding> {
  const [row] = await connections.rds().query('SELECT @@GLOBAL.innodb_flush_log_at_trx_commit AS value');
  const value = String(row?.value);
  if (value === '1') return ok('innodb_flush_log_at_trx_commit = 1');
  return warning(
    `innodb_flush_log_at_trx_commit = ${value}: after a crash of the server, rows that were read may be gone, and their ids used again`,
    '1',
    'SET GLOBAL innodb_flush_log_at_trx_commit = 1 (RDS: the parameter group)',
  );
}

async function checkEvidence({ config, connections, clock }: LookParts): Promise<Finding> {
  const evidence = config.settings.POLL_EVIDENCE;
  if (evidence === 'time') {
    return warning(
      'POLL_EVIDENCE=time: rows of transactions that stay open for long are lost',
      'trx or lock',
      'GRANT PROCESS ON *.* to the user of RDS_URL and set POLL_EVIDENCE=trx',
    );
  }
  if (evidence === 'lock') {
    await connections.rds().withConnection((session) => checkSource(session, sourceOptions(config)));
    return ok('locks can be asked for');
  }
  return connections.rds().withConnection((session) => checkFreshLists(session, clock));
}

/** The proof that gaps lean on, made on this server: a list shows the very statement that asked for it, and one that is asked for too soon does not. */
async function checkFreshLists(session: MysqlSession, clock: Clock): Promise<Finding> {
  const startMs = clock.monotonicMs();
  let tries = 0;
  while (clock.monotonicMs() - startMs < FRESH_FOR_MS) {
    await clock.sleep(listAgainMs(tries));
    tries += 1;
    const look = await listTransactions(session, newToken());
    if (look.result !== 'fresh') continue;
    const soon = await listTransactions(session, newToken());
    const told =
      soon.result === 'stale' ? 'one asked for at once was told to be old' : 'one asked for at once was new as well';
    return ok(`try ${tries}: a new list of open transactions (${look.transactions.length} that have written); ${told}`);
  }
  return warning(
    `${tries} lists of open transactions were all old: somebody else reads innodb_trx more often than every 100 ms`,
    'a fresh list now and then',
    'Find who polls information_schema.innodb_trx (a monitoring agent?) and let it ask less often; nothing is lost meanwhile, gaps stay open',
  );
}

async function checkSkew({ connections, clock }: LookParts): Promise<Finding> {
  const before = clock.nowMs();
  const [row] = await connections.rds().query('SELECT UNIX_TIMESTAMP(NOW(6)) * 1000 AS ms');
  const skewMs = Math.round(Number(row?.ms) - (before + clock.nowMs()) / 2);
  if (Math.abs(skewMs) <= SKEW_LIMIT_MS) return ok(`RDS differs by ${skewMs} ms`, `at most ${SKEW_LIMIT_MS} ms`);
  return warning(
    `RDS's clock differs by ${skewMs} ms`,
    `at most ${SKEW_LIMIT_MS} ms`,
    'Let this machine and the database follow the same time (chrony, NTP)',
  );
}

async function checkKafka({ config, connections }: LookParts): Promise<Finding> {
  const id = await connections.kafka().admin.clusterId();
  return ok(`cluster ${id}${config.settings.KAFKA_SSL ? ', TLS' : ''}`);
}

async function checkTopics(parts: LookParts): Promise<Finding> {
  const { KAFKA_PREFIX, KAFKA_PARTITIONS, KAFKA_REPLICATION } = parts.config.settings;
  const expected = `every topic, ${KAFKA_PARTITIONS} partitions, ${KAFKA_REPLICATION} copies`;
  const { admin } = parts.connections.kafka();
  const { problems } = await admin.checkTopics(KAFKA_PREFIX, {
    partitions: KAFKA_PARTITIONS,
    replication: KAFKA_REPLICATION,
  });
  if (problems.length === 0) return ok(expected);
  const fatal = (await lookAtKafka(parts)).length > 0;
  const found = problems.map(({ message }) => message).join('; ');
  return fatal ? failed(found, expected, 'wardwatch schema') : warning(found, expected, 'as each line says');
}

async function checkRedis({ connections }: LookParts): Promise<Finding> {
  const redis = connections.redis();
  await redisReady(redis, AbortSignal.timeout(CHECK_LIMIT_MS));
  const info = await redis.info();
  const policy = field(info, 'maxmemory_policy');
  if (policy === 'noeviction') return ok(`version ${field(info, 'redis_version')}, noeviction`);
  return failed(
    `maxmemory-policy ${policy}: when it is full, jobs and alerts vanish`,
    'noeviction',
    'redis-cli CONFIG SET maxmemory-policy noeviction, and in redis.conf (ElastiCache: the parameter group)',
  );
}

async function checkPersistence({ connections }: LookParts): Promise<Finding> {
  const redis = connections.redis();
  await redisReady(redis, AbortSignal.timeout(CHECK_LIMIT_MS));
  const info = await redis.info('persistence');
  if (field(info, 'aof_enabled') === '1') return ok('appendonly yes');
  return warning(
    'appendonly no: after a crash Redis comes back with old or no data; it is rebuilt from Kafka, alerts wait meanwhile',
    'appendonly yes',
    'redis-cli CONFIG SET appendonly yes, and in redis.conf',
  );
}

async function checkDeployment({ config, connections, deployment }: LookParts): Promise<Finding> {
  const redis = connections.redis();
  await redisReady(redis, AbortSignal.timeout(CHECK_LIMIT_MS));
  const problems = [
    ...(await claimRedis(redis, config.settings.REDIS_PREFIX, deployment, false)),
    ...(await claimLake(connections.lake(), deployment, false)),
    ...(await claimKafka(connections.kafka(), config.settings.KAFKA_PREFIX, deployment, false)),
  ];
  const expected = `${deployment.name} with source ${deployment.source}`;
  if (problems.length === 0) return ok(`Redis, lake and topics are this deployment's or nobody's yet`, expected);
  return failed(
    problems.map(({ what }) => what).join('; '),
    expected,
    problems.map(({ setting, mend }) => `${setting}: ${mend}`).join('; '),
  );
}

async function checkLimits(parts: LookParts): Promise<Finding> {
  const { attributes } = parts.config;
  const store = await lookupStore(parts);
  const version = await store.current('thresholds');
  if (!version) {
    return failed(
      'no limits are in force: nothing is evaluated',
      'limits',
      'wardwatch import thresholds [--file x.csv]',
    );
  }
  const rows: ThresholdRow[] = [];
  await store.read('thresholds', version, (entry) => rows.push(thresholdOfEntry(entry)));
  const { problems, warnings } = contentOfThresholds(
    { rows, problems: [] },
    { attributes: knownAttributes(attributes), configured: attributes.map(({ name }) => name) },
  );
  const expected = 'limits without gaps for every attribute that is read';
  const found = `${rows.length} rows from ${version.source}`;
  if (problems.length > 0) return failed(`${found}: ${problems.join('; ')}`, expected, 'wardwatch thresholds check');
  if (warnings.length === 0) return ok(found, expected);
  return warning(`${found}; ${warnings.length} warnings`, expected, 'wardwatch thresholds check');
}

async function checkPatients(parts: LookParts): Promise<Finding> {
  const version = await (await lookupStore(parts)).current('patients');
  if (version && version.rows > 0) return ok(`${version.rows} from ${version.source}`);
  return warning(
    'no patients are loaded: each is looked up in RDS, and unclassified while RDS is away',
    'patients',
    'wardwatch import patients',
  );
}

async function checkWorkers({ config, connections }: LookParts): Promise<Finding> {
  const redis = connections.redis();
  await redisReady(redis, AbortSignal.timeout(CHECK_LIMIT_MS));
  const prefix = `${config.settings.REDIS_PREFIX}:role:`;
  const counts = new Map<string, number>();
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', `${escapeGlob(prefix)}*`, 'COUNT', 1_000);
    for (const key of keys) {
      const role = key.slice(prefix.length).split(':')[0] ?? '';
      counts.set(role, (counts.get(role) ?? 0) + 1);
    }
    cursor = next;
  } while (cursor !== '0');
  const found = [...counts].map(([role, count]) => `${role} ${count}`).join(', ');
  const lacks = ['poll', 'archive', 'watch', 'dispatch', 'deliver', 'import'].filter((role) => !counts.has(role));
  if (lacks.length === 0) return ok(found, 'every role runs');
  return warning(
    found === '' ? 'no worker runs' : `${found}; nobody runs ${lacks.join(', ')}`,
    'every role runs',
    `wardwatch worker --roles ${found === '' ? 'all' : lacks.join(',')}`,
  );
}

async function checkTopic({ config }: LookParts, setting: SettingName & keyof Settings): Promise<Finding> {
  const arn = String(config.settings[setting]);
  const sns = createSnsAdmin(snsSettings(config.settings));
  try {
    const { confirmed, pending } = await sns.status(arn);
    const expected = 'at least one reader who has confirmed, none who has not';
    if (confirmed === 0) {
      return failed(
        `${arn}: nobody reads it (${pending} have not confirmed): a publish would succeed and reach nobody`,
        expected,
        'wardwatch topics subscribe email ADDRESS, then follow the link in the mail',
      );
    }
    const found = `${arn}: ${confirmed} confirmed, ${pending} pending`;
    return pending === 0 ? ok(found, expected) : warning(found, expected, 'Let them follow the link in the mail');
  } finally {
    sns.close();
  }
}

async function lookupStore({ config, connections }: LookParts) {
  const redis = connections.redis();
  await redisReady(redis, AbortSignal.timeout(CHECK_LIMIT_MS));
  return createLookupStore(redis, config.settings.REDIS_PREFIX);
}

function field(info: string, name: string): string {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? 'unknown';
}

function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&');
}
