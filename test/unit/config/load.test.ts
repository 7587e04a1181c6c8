// The configuration: every problem at once, in words that name the setting, what is wrong and what to do; and no secret in them.
import { describe, expect, it } from 'vitest';
import { type Environment, loadConfig, metricsPort } from '../../../src/config/load.js';
import { maskUrl, shown } from '../../../src/config/mask.js';
import { ConfigError, didYouMean, editDistance } from '../../../src/config/problems.js';
import { ROLES } from '../../../src/domain/roles.js';

const COMPLETE: Environment = {
  RDS_URL: 'mysql://ww:hush-rds@RDS.example.org:3306/Hospital_A',
  KAFKA_BROKERS: 'k1:9092, k2:9092',
  REDIS_URL: 'redis://:hush-redis@redis.example.org:6379/0',
  SNS_TOPIC_ARN: 'arn:aws:sns:eu-west-2:123456789012:doctors',
  LAKE_URL: 'file:///data/lake/',
};

const files =
  (content: Readonly<Record<string, string>>) =>
  (path: string): string => {
    const text = content[path];
    if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    return text;
  };

function problemsOf(env: Environment, content: Readonly<Record<string, string>> = {}): string[] {
  try {
    loadConfig({ env, roles: ROLES, readFile: files(content) });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map((p) => `${p.setting}: ${p.what}. ${p.mend}`);
    throw error;
  }
  return [];
}

describe('a complete environment', () => {
  const config = loadConfig({ env: COMPLETE, roles: ROLES, readFile: files({}) });

  it('has the defaults of contracts.md and the names of the original', () => {
    expect(config.settings).toMatchObject({
      KAFKA_BROKERS: ['k1:9092', 'k2:9092'],
      RDS_TIMEZONE: 'UTC',
      POLL_INTERVAL_MS: 100,
      POLL_BATCH_ROWS: 5000,
      POLL_START: 'end',
      POLL_EVIDENCE: 'trx',
      KAFKA_PARTITIONS: 6,
      KAFKA_REPLICATION: 3,
      KAFKA_PREFIX: '',
      REDIS_PREFIX: '{ww}',
      LAKE_URL: 'file:///data/lake',
      ALERT_MAX_AGE: 900_000,
      PRIVACY: 'full',
      LOOKUP_TIMEOUT_MS: 500,
      DRAIN_MS: 25_000,
      KAFKA_SSL: false,
    });
    expect(config.source).toBe('rds-example-org-hospital-a');
    expect(config.vitals).toMatchObject({ table: 'patients_vital_info', patientId: 'customerId' });
    expect(config.vitals.attributes).toEqual([
      { name: 'heartBeat', column: 'heartBeat' },
      { name: 'bp', column: 'bp' },
    ]);
    expect(config.policy).toMatchObject({
      conditions: { default: { clearAfterMs: 30_000, clearSamples: 2 }, attributes: {} },
      alertMaxAgeMs: 900_000,
    });
    expect(config.imports.patients).toEqual({ mode: 'full', checkColumn: null, cron: '15 2 * * *' });
  });

  it('gives each role and instance a metrics port of its own', () => {
    expect(metricsPort(config.settings, ['watch', 'archive'])).toBe(9420);
    const third = loadConfig({ env: { ...COMPLETE, NODE_APP_INSTANCE: '3' }, readFile: files({}) });
    expect(metricsPort(third.settings, ['console'])).toBe(9483);
    const fixed = loadConfig({ env: { ...COMPLETE, METRICS_PORT: '0' }, readFile: files({}) });
    expect(metricsPort(fixed.settings, ['console'])).toBe(0);
  });
});

describe('problems', () => {
  it('come all at once, each with what to do', () => {
    const problems = problemsOf({
      POLL_INTERVAL_MS: 'soon',
      KAFKA_BROKERS: 'broker',
      KAFKA_SASL_USERNAME: 'ww',
      REDIS_TLS_CA: '/none.pem',
      REDIS_URL: 'redis://r:6379',
      PRIVACY: 'some',
      SNS_TOPIC_ARN: 'arn:aws:sns:eu-west-2:123456789012:doctors.fifo',
      KAFKA_BROKRES: 'k1:9092',
      WARDWATCH_CONFIG: '/none.yaml',
    });
    const settings = problems.map((line) => line.slice(0, line.indexOf(':')));
    expect(settings.sort()).toEqual(
      [
        'KAFKA_BROKERS',
        'KAFKA_BROKRES',
        'KAFKA_SASL_MECHANISM',
        'KAFKA_SASL_PASSWORD',
        'LAKE_URL',
        'POLL_INTERVAL_MS',
        'PRIVACY',
        'RDS_URL',
        'REDIS_TLS_CA',
        'REDIS_URL',
        'SNS_TOPIC_ARN',
        'WARDWATCH_CONFIG',
      ].sort(),
    );
    const text = problems.join('\n');
    expect(text).toContain(
      "RDS_URL: is not set, and poll, watch, import, maintain can't run without it. Set it, e.g. RDS_URL=",
    );
    expect(text).toContain('KAFKA_BROKRES: there is no such setting. Did you mean KAFKA_BROKERS?');
    expect(text).toContain('POLL_INTERVAL_MS: "soon" must be a time like 500ms');
    expect(text).toContain("/none.yaml can't be read (ENOENT)");
  });

  it('hold no secret, whatever is wrong with it', () => {
    const problems = problemsOf({
      ...COMPLETE,
      RDS_URL: 'mysql://ww:hush-rds@rds.example.org',
      REDIS_URL: 'http://:hush-redis@redis',
      KAFKA_SASL_MECHANISM: 'plain',
      KAFKA_SASL_USERNAME: 'ww',
      KAFKA_SASL_PASSWORD: 'hush-sasl\nsecond line',
    }).join('\n');
    expect(problems).toContain('RDS_URL: "mysql://ww:***@rds.example.org"');
    expect(problems).toContain('KAFKA_SASL_PASSWORD: "***" must be one line');
    expect(problems).not.toContain('hush');
  });

  it('of the files name the place and what was meant', () => {
    const env = { ...COMPLETE, WARDWATCH_CONFIG: '/w.yaml', WARDWATCH_POLICY: '/p.yaml' };
    const yaml = `
source:
  vitals: { tabel: t }
  patients: { id: 7 }
attributes:
  - heartBeet
  - { name: etco2, colum: x }
  - { name: etco2, unit: '%' }
imports:
  patients: { mode: append }
  thresholds: { cron: 'every day' }
extra: 1
`;
    const problems = problemsOf(env, { '/w.yaml': yaml, '/p.yaml': 'clearAftr: 10s\nclearSamples: 0\n' }).join('\n');
    expect(problems).toContain('/w.yaml: source.vitals.tabel: there is no such key. Did you mean table?');
    expect(problems).toContain('/w.yaml: source.patients.id: expected string, received number');
    expect(problems).toContain('/w.yaml: attributes[1].colum: there is no such key. Did you mean column?');
    expect(problems).toContain('/w.yaml: imports.patients.checkColumn: mode append needs the column that grows');
    expect(problems).toContain('/w.yaml: imports.thresholds.cron: must be five cron fields in UTC');
    expect(problems).toContain('/w.yaml: extra: there is no such key. Known here: source, attributes, imports');
    expect(problems).toContain('/p.yaml: clearAftr: there is no such key. Did you mean clearAfter?');
    expect(problems).toContain('/p.yaml: clearSamples:');
    const attributes = 'attributes: [heartBeet, {name: etco2, unit: "%"}, bp, {name: BP2, column: bp}, bp]';
    const second = problemsOf(env, { '/w.yaml': attributes, '/p.yaml': '' }).join('\n');
    expect(second).toContain('attributes[0]: heartBeet is no known vital sign and lacks unit');
    expect(second).toContain('Did you mean heartBeat?');
    expect(second).toContain('attributes[1]: etco2 is no known vital sign and lacks loinc, plausible, decimals');
    expect(second).toContain('attributes[4]: the name bp stands there twice');
    expect(problemsOf(env, { '/w.yaml': 'a: [1', '/p.yaml': '' }).join()).toContain('/w.yaml: is no YAML (line 1');
    const modes = 'imports: {patients: {mode: lastmodified}, thresholds: {mode: lastmodified, checkColumn: touched}}';
    const third = problemsOf(env, { '/w.yaml': modes, '/p.yaml': '' }).join('\n');
    expect(third).toContain('imports.patients.checkColumn: mode lastmodified needs the column that every change sets');
    // Limits have no id.
    expect(third).toContain('imports.thresholds.mode:');
  });
});

describe('files', () => {
  const yaml = `
source:
  vitals: { table: readings, key: seq, patientId: mrn, recordedAt: null }
  patients: { table: pats, age: null }
  thresholds: { table: null }
attributes:
  - { name: heartBeat, column: hr }
  - { name: etco2, unit: 'mm[Hg]', loinc: '19889-5', plausible: { low: 0, high: 200 }, decimals: 0 }
imports:
  patients: { cron: '0 3 * * 0' }
  thresholds: { mode: append, checkColumn: seq, cron: 'off' }
`;
  const env = { ...COMPLETE, WARDWATCH_CONFIG: '/w.yaml', WARDWATCH_POLICY: '/p.yaml' };
  const content = {
    '/w.yaml': yaml,
    '/p.yaml':
      'clearAfter: 2m\nalertMaxAge: 1h\nwards: { ICU: { expectData: true }, 4B: {}, 2A: { expectData: true } }\n',
  };

  it('rename tables and columns, add attributes, set imports and timing', () => {
    const config = loadConfig({ env, readFile: files(content) });
    expect(config.vitals).toEqual({
      table: 'readings',
      key: 'seq',
      patientId: 'mrn',
      recordedAt: null,
      attributes: [
        { name: 'heartBeat', column: 'hr' },
        { name: 'etco2', column: 'etco2' },
      ],
    });
    expect(config.attributes.map((a) => [a.name, a.unit])).toEqual([
      ['heartBeat', '/min'],
      ['etco2', 'mm[Hg]'],
    ]);
    expect(config.patients).toMatchObject({ table: 'pats', id: 'patientid', age: null });
    expect(config.thresholds.table).toBeNull();
    expect(config.imports).toEqual({
      patients: { mode: 'full', checkColumn: null, cron: '0 3 * * 0' },
      thresholds: { mode: 'append', checkColumn: 'seq', cron: 'off' },
    });
    expect(config.policy).toMatchObject({
      conditions: { default: { clearAfterMs: 120_000 } },
      alertMaxAgeMs: 3_600_000,
    });
    expect(config.policy.expectDataWards).toEqual(['2A', 'ICU']);
  });

  it('lose against the environment, and the policy version follows what is in force', () => {
    const base = loadConfig({ env, readFile: files(content) });
    const over = { ...env, IMPORT_PATIENTS_CRON: '0 4 * * *', ALERT_MAX_AGE: '20m' };
    const config = loadConfig({ env: over, readFile: files(content) });
    expect(config.imports.patients.cron).toBe('0 4 * * *');
    expect(config.policy.alertMaxAgeMs).toBe(1_200_000);
    expect(config.policy.version).not.toBe(base.policy.version);
    const same = {
      '/w.yaml': '',
      '/p.yaml':
        '# a comment\nalertMaxAge: 60m\nclearAfter: 120s\nwards: {2A: {expectData: true}, ICU: {expectData: true}}\n',
    };
    expect(loadConfig({ env, readFile: files(same) }).policy.version).toBe(base.policy.version);
  });

  it('hold secrets: RDS_URL_FILE, but not beside RDS_URL', () => {
    const { RDS_URL, ...rest } = COMPLETE;
    const secret = files({ '/run/rds': `${RDS_URL}\n` });
    const config = loadConfig({ env: { ...rest, RDS_URL_FILE: '/run/rds' }, roles: ROLES, readFile: secret });
    expect(config.settings.RDS_URL).toBe(RDS_URL);
    expect(problemsOf({ ...COMPLETE, RDS_URL_FILE: '/run/rds' })).toEqual([
      'RDS_URL: is set, and so is RDS_URL_FILE. Keep one of the two',
    ]);
  });

  it('hold the authorities of TLS', () => {
    const tls = { ...COMPLETE, RDS_TLS_CA: '/ca.pem', KAFKA_SSL: 'true', KAFKA_SSL_CA: '/key.pem' };
    const pems = { '/ca.pem': '-----BEGIN CERTIFICATE-----\n', '/key.pem': '-----BEGIN PRIVATE KEY-----\n' };
    expect(problemsOf(tls, pems)).toEqual(['KAFKA_SSL_CA: /key.pem holds no PEM certificate. Name a PEM file']);
    expect(problemsOf({ ...tls, KAFKA_SSL: 'no', KAFKA_SSL_CA: '/ca.pem' }, pems)).toEqual([
      'KAFKA_SSL: is not true, but KAFKA_SSL_CA is set. Set KAFKA_SSL=true',
    ]);
    const good = loadConfig({ env: { ...tls, KAFKA_SSL_CA: '/ca.pem' }, readFile: files(pems) });
    expect(good.authorities).toEqual({ rds: pems['/ca.pem'], kafka: pems['/ca.pem'] });
  });
});

it('masks what is secret in a URL and everything that is none', () => {
  expect(maskUrl('mysql://u:p@h:3306/d?ssl=secret')).toBe('mysql://u:***@h:3306/d');
  expect(maskUrl('redis://:p@h:6379')).toBe('redis://:***@h:6379');
  expect(maskUrl('p@ssword')).toBe('***');
  expect(maskUrl('mailto:secret')).toBe('***');
  expect(shown('KAFKA_BROKERS', 'k1:9092')).toBe('k1:9092');
});

it('measures slips of the pen', () => {
  expect([editDistance('abc', 'acb'), editDistance('', 'ab'), editDistance('kitten', 'sitting')]).toEqual([1, 2, 3]);
  expect(didYouMean('Colum', ['column', 'table'])).toBe('column');
  expect(didYouMean('zzz', ['column', 'table'])).toBeUndefined();
});
