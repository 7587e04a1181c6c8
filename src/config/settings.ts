// Every setting: one row each, read like documentation. .env.example and the table in ops/docs/configuration.md are made from it.
import { LAKE_SETTINGS } from './lake-settings.js';
import * as p from './parsers.js';
import { row } from './setting-row.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 1_440 * MINUTE;

export const SETTINGS = {
  // ── files and identity ──
  WARDWATCH_CONFIG: row({
    help: 'wardwatch.yaml: names of tables and columns, attributes, imports.',
    parse: p.text,
    example: '/etc/wardwatch/wardwatch.yaml',
  }),
  WARDWATCH_POLICY: row({
    help: "policy.yaml: the alerts' timing.",
    parse: p.text,
    example: '/etc/wardwatch/policy.yaml',
  }),
  WARDWATCH_DEPLOYMENT: row({
    help: "This deployment's name. Written into Redis, the lake and Kafka at the first start; another deployment is refused there.",
    parse: p.slug,
    fallback: 'wardwatch',
    example: 'st-marys',
  }),
  WARDWATCH_SOURCE: row({
    help: 'Name of the source in the ids of readings. By default made from host and database of RDS_URL; set it to the old name when the same database moves to another host.',
    parse: p.slug,
    example: 'rds-hospital',
  }),
  // ── the hospital's database ──
  RDS_URL: row({
    help: "The hospital's MySQL or MariaDB (SELECT is enough; PROCESS makes lost rows impossible without locks).",
    parse: p.mysqlUrl,
    secret: true,
    example: 'mysql://wardwatch:PASSWORD@rds.example.org:3306/hospital',
    roles: ['poll', 'watch', 'import', 'maintain'],
  }),
  RDS_TLS_CA: row({
    help: 'PEM file of the authority that signed the certificate of RDS. Set: TLS is demanded and checked.',
    parse: p.text,
    example: '/etc/wardwatch/rds-ca.pem',
  }),
  RDS_TIMEZONE: row({
    help: 'The time zone that recorded_at is written in.',
    parse: p.timeZone,
    fallback: 'UTC',
    example: 'UTC',
  }),
  HOSPITAL_TIMEZONE: row({
    help: 'The time zone of the times in e-mails, and where birthdays begin.',
    parse: p.timeZone,
    fallback: 'UTC',
    example: 'Europe/London',
  }),
  POLL_INTERVAL_MS: row({
    help: 'From the end of one look at the source to the next.',
    parse: p.duration(10, MINUTE),
    fallback: '100',
    unit: 'ms',
    example: '100',
  }),
  POLL_BATCH_ROWS: row({
    help: 'Rows of one look, and of one Kafka transaction, at most.',
    parse: p.integer(1, 50_000),
    fallback: '5000',
    unit: 'rows',
    example: '5000',
  }),
  POLL_START: row({
    help: 'Where a first start begins: end, beginning or a row id.',
    parse: p.pollStart,
    fallback: 'end',
    example: 'end',
  }),
  POLL_EVIDENCE: row({
    help: 'How a skipped id is proved to be rolled back: trx (needs PROCESS), lock (SELECT is enough) or time (a guess, with a permanent warning).',
    parse: p.choice('trx', 'lock', 'time'),
    fallback: 'trx',
    example: 'trx',
  }),
  // ── Kafka ──
  KAFKA_BROKERS: row({
    help: 'Kafka, the record: host:port, several parted by commas.',
    parse: p.brokers,
    example: 'kafka-1:9092,kafka-2:9092,kafka-3:9092',
    roles: ['poll', 'archive', 'watch', 'dispatch', 'deliver', 'console', 'maintain'],
  }),
  KAFKA_SSL: row({ help: 'TLS to Kafka.', parse: p.flag, fallback: 'false', example: 'true' }),
  KAFKA_SSL_CA: row({
    help: "PEM file of the authority that signed the brokers' certificates (default: the system's).",
    parse: p.text,
    example: '/etc/wardwatch/kafka-ca.pem',
  }),
  KAFKA_SASL_MECHANISM: row({
    help: 'How wardwatch proves to Kafka who it is.',
    parse: p.choice('plain', 'scram-sha-256', 'scram-sha-512'),
    example: 'scram-sha-512',
  }),
  KAFKA_SASL_USERNAME: row({ help: 'User for SASL.', parse: p.text, example: 'wardwatch' }),
  KAFKA_SASL_PASSWORD: row({ help: 'Password for SASL.', parse: p.text, secret: true, example: 'PASSWORD' }),
  KAFKA_PREFIX: row({
    help: 'Stands before every topic, group and transactional id. Belongs to one deployment.',
    parse: p.topicPrefix,
    fallback: '',
    example: 'stmarys.',
  }),
  KAFKA_PARTITIONS: row({
    help: 'Partitions of vital-info, watch-state, doctors-queue and alert-deliveries. Never changed later.',
    parse: p.integer(1, 1_000),
    fallback: '6',
    example: '6',
  }),
  KAFKA_REPLICATION: row({
    help: 'Copies of each partition (1 only on a machine of your own).',
    parse: p.integer(1, 9),
    fallback: '3',
    example: '3',
  }),
  // ── Redis ──
  REDIS_URL: row({
    help: 'Redis with maxmemory-policy noeviction: mailboxes and views. rediss:// for TLS.',
    parse: p.url('redis', 'rediss'),
    secret: true,
    example: 'rediss://:PASSWORD@redis.example.org:6379',
    roles: ['poll', 'archive', 'watch', 'dispatch', 'deliver', 'import', 'console', 'maintain'],
  }),
  REDIS_TLS_CA: row({
    help: "PEM file of the authority that signed Redis's certificate.",
    parse: p.text,
    example: '/etc/wardwatch/redis-ca.pem',
  }),
  REDIS_PREFIX: row({
    help: 'Stands before every key. Belongs to one deployment. Braces keep the keys of a cluster together.',
    parse: p.redisPrefix,
    fallback: '{ww}',
    example: '{ww}',
  }),
  // ── SNS ──
  AWS_REGION: row({
    help: "Region of SNS (default: the topic's).",
    parse: p.text,
    example: 'eu-west-2',
  }),
  AWS_ENDPOINT_URL_SNS: row({
    help: 'Another address for SNS: an emulator, a VPC endpoint. Credentials come from the standard chain of the AWS SDK.',
    parse: p.url('http', 'https'),
    example: 'http://127.0.0.1:14566',
  }),
  SNS_TOPIC_ARN: row({
    help: "The doctors' topic.",
    parse: p.topicArn,
    example: 'arn:aws:sns:eu-west-2:123456789012:wardwatch-doctors',
    roles: ['dispatch', 'deliver'],
  }),
  SNS_OPERATORS_TOPIC_ARN: row({
    help: 'Topic for technical alarms.',
    parse: p.topicArn,
    example: 'arn:aws:sns:eu-west-2:123456789012:wardwatch-operators',
  }),
  SNS_HEARTBEAT_TOPIC_ARN: row({
    help: 'Topic for the heartbeat of the whole chain.',
    parse: p.topicArn,
    example: 'arn:aws:sns:eu-west-2:123456789012:wardwatch-heartbeat',
  }),
  // ── lake ──
  ...LAKE_SETTINGS,
  // ── imports, alerts ──
  IMPORT_PATIENTS_CRON: row({
    help: 'When the patients are read anew (UTC): daily by default, weekly is `15 2 * * 0`; off: only by `wardwatch import patients`.',
    parse: p.cron,
    fallback: '15 2 * * *',
    example: '15 2 * * *',
    file: { in: 'config', path: 'imports.patients.cron' },
  }),
  IMPORT_THRESHOLDS_CRON: row({
    help: 'When the limits are read anew (UTC).',
    parse: p.cron,
    fallback: '45 2 * * *',
    example: '45 2 * * *',
    file: { in: 'config', path: 'imports.thresholds.cron' },
  }),
  AUDIT_CRON: row({
    help: 'When the role maintain runs `wardwatch audit` (UTC); off: only by hand.',
    parse: p.cron,
    fallback: '15 3 * * *',
    example: '15 3 * * *',
  }),
  ALERT_MAX_AGE: row({
    help: 'An alert older than this when it is evaluated is recorded and shown, never e-mailed one by one.',
    parse: p.duration(10 * SECOND, 7 * DAY),
    fallback: '15m',
    example: '15m',
    file: { in: 'policy', path: 'alertMaxAge' },
  }),
  PRIVACY: row({
    help: "full, or ids: leaves the patient's name, address and phone out of events and e-mails.",
    parse: p.choice('full', 'ids'),
    fallback: 'full',
    example: 'full',
  }),
  LOOKUP_TIMEOUT_MS: row({
    help: 'How long a batch waits for unknown patients to be found; then they alarm as unclassified.',
    parse: p.duration(10, 30 * SECOND),
    fallback: '500',
    unit: 'ms',
    example: '500',
  }),
  // ── the process ──
  CONSOLE_HOST: row({
    help: 'Address that the console (Bull Board, the API of the alerts) listens on. It has no login: on another address than this machine it changes nothing and names no patient; keep it behind a proxy that has one.',
    parse: p.text,
    fallback: '127.0.0.1',
    example: '127.0.0.1',
  }),
  CONSOLE_PORT: row({
    help: 'Port of the console; 0 is a free one.',
    parse: p.integer(0, 65_535),
    fallback: '9400',
    example: '9400',
  }),
  CONSOLE_URL: row({
    help: "Where readers of e-mails reach the console: messages link to their episode's page there, which only shows.",
    parse: p.shownUrl,
    example: 'https://wardwatch.example.org',
  }),
  METRICS_PORT: row({
    help: 'Port of /live, /ready and /metrics. By default 9410 + 10 × index of the first role + NODE_APP_INSTANCE; 0 is a free one. The log says it: http.listening.',
    parse: p.integer(0, 65_535),
    example: '9410',
  }),
  METRICS_HOST: row({
    help: 'Address that /live, /ready and /metrics listen on.',
    parse: p.text,
    fallback: '0.0.0.0',
    example: '127.0.0.1',
  }),
  DRAIN_MS: row({
    help: 'A worker that is told to stop has this long; after it the process ends, not 0.',
    parse: p.duration(SECOND, 10 * MINUTE),
    fallback: '25000',
    unit: 'ms',
    example: '25000',
  }),
  LOG_LEVEL: row({
    help: 'The least level that is logged.',
    parse: p.choice('trace', 'debug', 'info', 'warn', 'error'),
    fallback: 'info',
    example: 'info',
  }),
  NODE_APP_INSTANCE: row({
    help: 'Number of this process among its likes; PM2 sets it.',
    parse: p.integer(0, 999),
    fallback: '0',
    example: '0',
  }),
} as const;

export type SettingName = keyof typeof SETTINGS;
export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];

type Value<R> = R extends { readonly parse: p.Parse<infer T>; readonly fallback: string }
  ? T
  : R extends { readonly parse: p.Parse<infer T> }
    ? T | undefined
    : never;

/** Every setting with its type; undefined where it has no default and was not given. */
export type Settings = { readonly [N in SettingName]: Value<(typeof SETTINGS)[N]> };
