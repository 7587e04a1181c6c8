// What may import what, and what may be said only in one place (shared architecture: Folders). One row a rule.
// @ts-check

const ADAPTERS = ['mysql', 'kafka', 'lake', 'redis', 'sns'];

/**
 * Layers, each with what it may import beside itself. The first row whose folder a file lies in is its layer.
 * @type {readonly { readonly name: string, readonly folder: string, readonly may: readonly string[] }[]}
 */
export const LAYERS = [
  { name: 'domain', folder: 'src/domain/', may: [] },
  { name: 'telemetry', folder: 'src/telemetry/', may: ['domain'] },
  ...ADAPTERS.map((name) => ({ name, folder: `src/${name}/`, may: ['domain', 'telemetry'] })),
  { name: 'config', folder: 'src/config/', may: ['domain'] },
  { name: 'queues', folder: 'queues/', may: ['domain', 'telemetry', ...ADAPTERS] },
  { name: 'jobs', folder: 'jobs/', may: ['domain', 'telemetry', ...ADAPTERS, 'queues'] },
  { name: 'console', folder: 'src/console/', may: ['domain', 'telemetry', ...ADAPTERS] },
  {
    name: 'app',
    folder: 'src/app/',
    may: ['domain', 'telemetry', ...ADAPTERS, 'config', 'queues', 'jobs', 'console'],
  },
  {
    name: 'cli',
    folder: 'src/cli/',
    may: ['domain', 'telemetry', ...ADAPTERS, 'config', 'queues', 'jobs', 'console', 'app'],
  },
  { name: 'main', folder: 'src/main.ts', may: ['cli', 'app', 'config', 'domain', 'telemetry'] },
];

/** Node's own modules that the pure layer may use. */
export const DOMAIN_BUILTINS = ['node:crypto'];

/**
 * Libraries with one home: elsewhere only their types may be imported. `package` also stands for its subpaths.
 * @type {readonly { readonly package: RegExp, readonly home: readonly string[] }[]}
 */
export const LIBRARIES = [
  { package: /^bullmq$/, home: ['queues/'] },
  { package: /^ioredis$/, home: ['src/redis/'] },
  { package: /^kafkajs(\/|$)/, home: ['src/kafka/'] },
  { package: /^mysql2(\/|$)/, home: ['src/mysql/'] },
  { package: /^@aws-sdk\//, home: ['src/sns/'] },
  { package: /^(parquetjs-lite|hyparquet|@duckdb\/node-api)(\/|$)/, home: ['src/lake/'] },
  { package: /^(pino|prom-client)$/, home: ['src/telemetry/'] },
  { package: /^(fastify|@bull-board\/.*)$/, home: ['src/console/'] },
  // The configuration asks it whether a calendar is one.
  { package: /^node-cron$/, home: ['queues/', 'src/config/'] },
  { package: /^commander$/, home: ['src/cli/', 'src/main.ts'] },
];

/**
 * Words with one place. `code` is looked for where comments and strings are blanked out.
 * @type {readonly { readonly name: string, readonly code: RegExp, readonly home: readonly string[], readonly instead: string }[]}
 */
export const PLACES = [
  {
    name: 'process.env',
    code: /\bprocess\s*(?:\?\.|\.)\s*env\b|\bprocess\s*\[/g,
    home: ['src/config/'],
    instead: 'a setting is a row of src/config/settings.ts',
  },
  {
    name: 'new Queue/Worker',
    code: /\bnew\s+(?:Queue|Worker|QueueEvents|FlowProducer)\b/g,
    home: ['queues/'],
    instead: 'use queues/registry.ts and queues/worker.ts',
  },
  {
    name: 'new Redis',
    code: /\bnew\s+(?:Redis|Cluster)\b/g,
    home: ['src/redis/'],
    instead: 'use src/redis/connections.ts',
  },
  {
    name: 'the clock',
    code: /\b(?:Date|performance)\s*\.\s*now\b|\bnew\s+Date\s*(?:\(\s*\)|(?![\s\w(]))|\bprocess\s*\.\s*hrtime\b/g,
    home: ['src/telemetry/clock.ts'],
    instead: 'take a Clock as a parameter',
  },
];
