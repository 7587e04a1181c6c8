// Environment and files in, one checked configuration out, or every problem at once. The project's only reader of process.env.
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import type { Attribute } from '../domain/attributes.js';
import type { ImportMode } from '../domain/import-settings.js';
import type { PatientsMapping, ThresholdsMapping, VitalsMapping } from '../domain/mapping.js';
import type { Policy } from '../domain/policy.js';
import { ROLES, type RoleName } from '../domain/roles.js';
import { type ConfigFile, parseConfigFile, resolveAttributes } from './files.js';
import { shown } from './mask.js';
import { ParseError } from './parsers.js';
import { type PolicySettings, parsePolicyFile, policyOf } from './policy-file.js';
import { ConfigError, didYouMean, editDistance, type Problem } from './problems.js';
import type { SettingRow } from './setting-row.js';
import { SETTING_NAMES, SETTINGS, type SettingName, type Settings } from './settings.js';

const METRICS_PORT_BASE = 9_410;
const METRICS_PORT_STEP = 10;
const FILE_SUFFIX = '_FILE';

export interface ImportSettings extends ImportMode {
  /** node-cron's expression in UTC, or `off`. */
  readonly cron: string;
}

export interface Config {
  readonly settings: Settings;
  /** Name of the source in ids: WARDWATCH_SOURCE, or made from RDS_URL. Undefined where neither is there. */
  readonly source: string | undefined;
  readonly vitals: VitalsMapping;
  /** What auto_increment_increment of the source must be. */
  readonly idStep: number;
  readonly patients: PatientsMapping;
  readonly thresholds: ThresholdsMapping;
  /** The attributes that are read, in the order of the file. */
  readonly attributes: readonly Attribute[];
  readonly imports: { readonly patients: ImportSettings; readonly thresholds: ImportSettings };
  /** As the file said at the start. */
  readonly policy: Policy;
  /** What stands where that file says nothing. */
  readonly policySettings: PolicySettings;
  /** PEM texts of the authorities that sign our peers' certificates. */
  readonly authorities: { readonly rds?: string; readonly kafka?: string; readonly redis?: string };
}

export type Environment = Readonly<Record<string, string | undefined>>;

export interface LoadOptions {
  readonly env: Environment;
  /** What these roles can't run without must be there. */
  readonly roles?: readonly RoleName[];
  /** What a command needs beyond that. */
  readonly needs?: readonly SettingName[];
  /** The name of the source must be known: everything that writes to or trusts Redis, the lake and Kafka. */
  readonly needsSource?: boolean;
  /** Replaced by tests. Throws as fs does. */
  readonly readFile?: (path: string) => string;
}

/**
 * This process's environment. A file of NAME=value lines goes below it, and into it: the AWS SDK looks for credentials there.
 * Throws ConfigError where the file can't be read.
 */
export function processEnvironment(envFile?: string): Environment {
  // Our versions are pinned, and the SDK's advice on Node's version is for us, not for whoever runs this.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  if (envFile !== undefined) {
    const problems: Problem[] = [];
    const content = readText(envFile, '--env-file', (path) => readFileSync(path, 'utf8'), problems);
    if (content === undefined) throw new ConfigError(problems);
    for (const [name, value] of Object.entries(parseEnv(content))) process.env[name] ??= value;
  }
  return process.env;
}

/** Throws ConfigError with all problems. */
export function loadConfig(options: LoadOptions): Config {
  const readFile = options.readFile ?? ((path) => readFileSync(path, 'utf8'));
  const problems: Problem[] = [...strangers(options.env)];
  const raw = readRaw(options.env, readFile, problems);
  const settings = parseSettings(raw, problems);
  requireSettings(raw, options, problems);
  if (options.needsSource) requireSource(raw, problems);
  crossCheck(raw, settings, problems);

  const file = readDocument(settings.WARDWATCH_CONFIG, 'WARDWATCH_CONFIG', parseConfigFile, readFile, problems);
  const policyFile = readDocument(settings.WARDWATCH_POLICY, 'WARDWATCH_POLICY', parsePolicyFile, readFile, problems);
  const label = settings.WARDWATCH_CONFIG ?? 'wardwatch.yaml';
  const attributes = file ? resolveAttributes(file.attributes, label) : undefined;
  problems.push(...(attributes?.problems ?? []));
  const authorities = readAuthorities(settings, readFile, problems);
  if (problems.length > 0 || !file || !policyFile || !attributes?.value) throw new ConfigError(problems);

  const policySettings = {
    topic: settings.SNS_TOPIC_ARN,
    alertMaxAgeMs: settings.ALERT_MAX_AGE,
    alertMaxAgeGiven: raw.has('ALERT_MAX_AGE'),
  };
  return {
    settings,
    source: settings.WARDWATCH_SOURCE ?? sourceOf(settings.RDS_URL),
    idStep: file.source.vitals.step,
    vitals: {
      ...mappingOf(file.source.vitals),
      attributes: attributes.value.map(({ name, column }) => ({ name, column })),
    },
    patients: file.source.patients,
    thresholds: file.source.thresholds,
    attributes: attributes.value,
    imports: {
      patients: importOf(file, 'patients', raw.has('IMPORT_PATIENTS_CRON'), settings.IMPORT_PATIENTS_CRON),
      thresholds: importOf(file, 'thresholds', raw.has('IMPORT_THRESHOLDS_CRON'), settings.IMPORT_THRESHOLDS_CRON),
    },
    policy: policyOf(policyFile, policySettings),
    policySettings,
    authorities,
  };
}

/** METRICS_PORT, else a port of the process's own: by its first role and its number among its likes. */
export function metricsPort(settings: Settings, roles: readonly RoleName[]): number {
  if (settings.METRICS_PORT !== undefined) return settings.METRICS_PORT;
  const first = Math.max(
    0,
    ROLES.findIndex((role) => roles.includes(role)),
  );
  return METRICS_PORT_BASE + METRICS_PORT_STEP * first + settings.NODE_APP_INSTANCE;
}

/** `mysql://u:p@RDS.example.org:3306/Hospital` is `rds-example-org-hospital`; another port than MySQL's is part of it. */
function sourceOf(rdsUrl: string | undefined): string | undefined {
  if (rdsUrl === undefined) return undefined;
  const url = new URL(rdsUrl);
  const port = url.port === '' || url.port === '3306' ? '' : `-${url.port}`;
  const slug = `${url.hostname}${port}-${decodeURIComponent(url.pathname.slice(1))}`;
  return slug
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
}

function mappingOf({ step: _step, ...names }: ConfigFile['source']['vitals']): Omit<VitalsMapping, 'attributes'> {
  return names;
}

function importOf(file: ConfigFile, table: 'patients' | 'thresholds', given: boolean, cron: string): ImportSettings {
  const own = file.imports[table];
  return { mode: own.mode, checkColumn: own.checkColumn, cron: given ? cron : (own.cron ?? cron) };
}

/** The texts that were given: from the environment, or from the file that a secret's `_FILE` names. An empty text counts as not given. */
function readRaw(env: Environment, readFile: (path: string) => string, problems: Problem[]): Map<SettingName, string> {
  const raw = new Map<SettingName, string>();
  for (const name of SETTING_NAMES) {
    const row: SettingRow<unknown> = SETTINGS[name];
    const value = env[name];
    if (value) raw.set(name, value);
    const path = row.secret ? env[name + FILE_SUFFIX] : undefined;
    if (!path) continue;
    if (value) {
      problems.push({ setting: name, what: `is set, and so is ${name}${FILE_SUFFIX}`, mend: 'Keep one of the two' });
      continue;
    }
    const content = readText(path, name + FILE_SUFFIX, readFile, problems);
    if (content !== undefined) raw.set(name, content.trim());
  }
  return raw;
}

function parseSettings(raw: ReadonlyMap<SettingName, string>, problems: Problem[]): Settings {
  const settings: Partial<Record<SettingName, unknown>> = {};
  for (const name of SETTING_NAMES) {
    const row: SettingRow<unknown> = SETTINGS[name];
    const value = raw.get(name) ?? row.fallback;
    if (value === undefined) continue;
    try {
      settings[name] = row.parse(value);
    } catch (error) {
      if (!(error instanceof ParseError)) throw error;
      const mend = row.fallback ? `Leave it out for ${row.fallback}, or set ${name}=${row.example}` : example(name);
      problems.push({ setting: name, what: `"${shown(name, value)}" ${error.message}`, mend });
    }
  }
  return settings as unknown as Settings;
}

function requireSettings(raw: ReadonlyMap<SettingName, string>, options: LoadOptions, problems: Problem[]): void {
  for (const name of SETTING_NAMES) {
    const row: SettingRow<unknown> = SETTINGS[name];
    if (raw.has(name) || row.fallback !== undefined) continue;
    const roles = (row.roles ?? []).filter((role) => options.roles?.includes(role));
    if (roles.length === 0 && !options.needs?.includes(name)) continue;
    const who = roles.length > 0 ? `${roles.join(', ')} can't run without it` : "this command can't run without it";
    problems.push({ setting: name, what: `is not set, and ${who}`, mend: example(name) });
  }
}

/** Every process of a deployment checks whose Redis and lake it is about to use. */
function requireSource(raw: ReadonlyMap<SettingName, string>, problems: Problem[]): void {
  if (raw.has('WARDWATCH_SOURCE') || raw.has('RDS_URL') || problems.some(({ setting }) => setting === 'RDS_URL'))
    return;
  problems.push({
    setting: 'WARDWATCH_SOURCE',
    what: 'is not set, and neither is RDS_URL, from which it is made',
    mend: "Set either to what this deployment's other processes have",
  });
}

function crossCheck(raw: ReadonlyMap<SettingName, string>, settings: Settings, problems: Problem[]): void {
  const sasl = ['KAFKA_SASL_MECHANISM', 'KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'] as const;
  const given = sasl.filter((name) => raw.has(name));
  for (const name of sasl) {
    if (given.length === 0 || raw.has(name)) continue;
    problems.push({ setting: name, what: `is not set, but ${given.join(' and ')} is`, mend: example(name) });
  }
  if (settings.KAFKA_SSL_CA !== undefined && settings.KAFKA_SSL === false) {
    problems.push({ setting: 'KAFKA_SSL', what: 'is not true, but KAFKA_SSL_CA is set', mend: 'Set KAFKA_SSL=true' });
  }
  if (settings.REDIS_TLS_CA !== undefined && settings.REDIS_URL?.startsWith('redis:')) {
    problems.push({
      setting: 'REDIS_URL',
      what: 'begins with redis:// (no TLS), but REDIS_TLS_CA is set',
      mend: 'Write rediss://',
    });
  }
}

/** Variables that look like a setting of ours with a slip of the pen: a value that is silently not read is the worst kind. */
function strangers(env: Environment): Problem[] {
  const known = new Set<string>(SETTING_NAMES.flatMap((name) => [name, name + FILE_SUFFIX]));
  const problems: Problem[] = [];
  for (const name of Object.keys(env)) {
    if (known.has(name) || !/^[A-Z][A-Z0-9_]{7,}$/.test(name) || name.startsWith('WARDWATCH_STACK_')) continue;
    const meant = didYouMean(name, SETTING_NAMES);
    if (meant === undefined || editDistance(name, meant) > 2) continue;
    problems.push({ setting: name, what: 'there is no such setting', mend: `Did you mean ${meant}?` });
  }
  return problems;
}

function readDocument<T>(
  path: string | undefined,
  setting: SettingName,
  parse: (text: string, label: string) => { value: T | undefined; problems: readonly Problem[] },
  readFile: (path: string) => string,
  problems: Problem[],
): T | undefined {
  const content = path === undefined ? '' : readText(path, setting, readFile, problems);
  if (content === undefined) return undefined;
  const parsed = parse(content, path ?? setting);
  problems.push(...parsed.problems);
  return parsed.value;
}

function readAuthorities(
  settings: Settings,
  readFile: (path: string) => string,
  problems: Problem[],
): Config['authorities'] {
  const pem = (name: 'RDS_TLS_CA' | 'KAFKA_SSL_CA' | 'REDIS_TLS_CA') => {
    const path = settings[name];
    const content = path === undefined ? undefined : readText(path, name, readFile, problems);
    if (content !== undefined && !content.includes('-----BEGIN CERTIFICATE-----')) {
      problems.push({ setting: name, what: `${path} holds no PEM certificate`, mend: 'Name a PEM file' });
    }
    return content;
  };
  const rds = pem('RDS_TLS_CA');
  const kafka = pem('KAFKA_SSL_CA');
  const redis = pem('REDIS_TLS_CA');
  return { ...(rds ? { rds } : {}), ...(kafka ? { kafka } : {}), ...(redis ? { redis } : {}) };
}

function readText(
  path: string,
  setting: string,
  readFile: (path: string) => string,
  problems: Problem[],
): string | undefined {
  try {
    return readFile(path);
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    problems.push({
      setting,
      what: `${path} can't be read (${String(code ?? 'unknown')})`,
      mend: 'Correct the path or its rights',
    });
    return undefined;
  }
}

function example(name: SettingName): string {
  return `Set it, e.g. ${name}=${SETTINGS[name].example}`;
}
