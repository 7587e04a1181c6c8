// The whole pipeline as three real processes over renamed tables: rows in MySQL become rows in the lake and e-mails, each once,
// nothing of a patient but the id leaks, and SIGTERM ends everything with nothing left uncommitted.
import { writeFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { DEFAULT_VITALS } from '../../src/domain/mapping.js';
import { expectAuditHolds } from '../helpers/audit.js';
import { createDeployment, type Deployment, keysOf, type WorkerProcess } from '../helpers/deployment.js';
import { testStack } from '../helpers/stack.js';

/** Names, an address and a phone number that must come out at the e-mail and nowhere else. */
const HOSTILE = `Zyx "Plantedname" O'Neil\n${'n'.repeat(240)} 🚑`;
const PATIENTS = [
  ['p-1', HOSTILE, '1 Plantedlane', '+44 555 PlantedOne', '4B', null, '1990-05-17'],
  ['p-2', 'Qwv Plantedname', '2 Plantedlane', '+44 555 PlantedTwo', '5C', 70, null],
] as const;
const LEAKS = /Planted/;
const TABLES = {
  vitals: {
    ...DEFAULT_VITALS,
    table: 'readings',
    key: 'seq',
    patientId: 'mrn',
    recordedAt: 'at',
    attributes: [
      { name: 'heartBeat', column: 'pulse' },
      { name: 'bp', column: 'systolic' },
    ],
  },
  patients: {
    table: 'people',
    id: 'mrn',
    name: 'full name',
    address: 'home',
    phone: 'tel',
    ward: 'unit',
    age: 'years',
    dateOfBirth: 'born',
    otherDetails: 'notes',
  },
  thresholds: {
    table: 'limits',
    attribute: 'sign',
    lowAge: 'from_age',
    highAge: 'to_age',
    lowValue: 'from_value',
    highValue: 'to_value',
    alertFlag: 'abnormal',
    alertMessage: 'words',
    severity: 'rank',
    unit: null,
  },
};
const YAML = `
source:
  vitals: { table: readings, key: seq, patientId: mrn, recordedAt: at }
  patients: { table: people, id: mrn, name: full name, address: home, phone: tel, ward: unit, age: years, dateOfBirth: born, otherDetails: notes }
  thresholds: { table: limits, attribute: sign, lowAge: from_age, highAge: to_age, lowValue: from_value, highValue: to_value,
    alertFlag: abnormal, alertMessage: words, severity: rank }
attributes: [{ name: heartBeat, column: pulse }, { name: bp, column: systolic }]
`;

const POLICY = 'clearAfter: 1s\nclearSamples: 2\n';

let deployment: Deployment;
let workers: WorkerProcess[];
let inserted = 0;

const until = <T>(check: () => T | Promise<T>, timeout = 30_000) => vi.waitFor(check, { timeout, interval: 50 });
const insert = async (rows: readonly (readonly [string, number | null, number | null])[]) => {
  await deployment.sql('INSERT INTO readings (mrn, pulse, systolic, at) VALUES ?', [
    rows.map(([id, pulse, systolic]) => [id, pulse, systolic, new Date()]),
  ]);
  inserted += rows.length;
};
const ready = (worker: WorkerProcess) =>
  until(async () => expect((await worker.get('/ready'))?.body).toContain('"ready":true'));

beforeAll(async () => {
  deployment = await createDeployment('pipeline', {
    config: { yaml: YAML, tables: TABLES },
    policy: POLICY,
    // Only a stop flushes: what the lake holds at the end was written while stopping.
    env: { ARCHIVE_FLUSH_MS: '10m', POLL_START: 'beginning' },
  });
  await deployment.sql('INSERT INTO people (mrn, `full name`, home, tel, unit, years, born) VALUES ?', [PATIENTS]);
  await deployment.sql(`INSERT INTO limits (sign, from_age, to_age, from_value, to_value, abnormal, words, \`rank\`) VALUES
    ('heartBeat', 0, 100, 0, 59, 1, 'too slow', 'high'), ('heartBeat', 0, 100, 60, 100, 0, 'normal', NULL),
    ('heartBeat', 0, 100, 101, 300, 1, 'too fast', 'high'), ('bp', 0, 100, 0, 89, 1, 'too low', NULL),
    ('bp', 0, 100, 90, 140, 0, 'normal', NULL), ('bp', 0, 100, 141, 300, 1, 'too high', 'medium')`);
});

afterAll(() => deployment?.close());

it('imports, runs, and is ready', async () => {
  for (const table of ['patients', 'thresholds']) {
    const { code, out, err } = await deployment.run(['import', table]);
    expect({ code, err }, out).toEqual({ code: 0, err: '' });
  }
  workers = ['poll,import,console', 'archive,watch', 'dispatch,deliver'].map((roles) => deployment.worker(roles));
  await Promise.all(workers.map(ready));
});

it('carries rows from MySQL to e-mails, one for each event', async () => {
  await insert([
    ['p-1', 150, 120],
    ['p-2', 80, 120],
  ]);
  await until(async () => expect(await deployment.emails()).toHaveLength(1));
  await insert([
    ['p-1', 155, 120],
    ['p-2', 80, 200],
    ['p-2', null, null],
  ]);
  await until(async () => expect(await deployment.emails()).toHaveLength(2));
  await until(async () => {
    await insert([
      ['p-1', 80, 120],
      ['p-2', 80, 120],
    ]);
    expect(await deployment.emails()).toHaveLength(4);
  });
  const emails = await deployment.emails();
  expect(emails.map(({ attributes }) => attributes.kind).sort()).toEqual(['raised', 'raised', 'resolved', 'resolved']);
  const [first, second] = emails;
  expect(first?.subject).toMatch(/^\[HIGH\] heartBeat alert, ward 4B, ref [A-Z2-7]{6}$/);
  expect(first?.message).toContain('🚑');
  for (const word of ['1 Plantedlane', '+44 555 PlantedOne', '150 /min', '60 to 100', 'too fast']) {
    expect(first?.message).toContain(word);
  }
  expect(second?.subject).toMatch(/^\[MEDIUM\] bp alert, ward 5C, ref [A-Z2-7]{6}$/);
});

it('takes a changed policy without a restart, in every process that goes by one', async () => {
  writeFileSync(deployment.env.WARDWATCH_POLICY ?? '', `${POLICY}flapping: { episodes: 9 }\n`);
  await until(() => {
    const changed = workers.map(({ events }) => events.filter(({ event }) => event === 'policy.changed').length);
    expect(changed).toEqual([1, 1, 1]);
  });
});

it('shows nothing of a patient but the id in logs, metrics, jobs and on the board', async () => {
  const redis = new Redis(testStack().redisUrl);
  const jobs: string[] = [];
  for (const key of await keysOf(redis, `${deployment.redisPrefix}:`)) {
    if (!/:(?:poll-vitals|deliver-alert|import-table)(?::|$)/.test(key)) continue;
    const type = await redis.type(key);
    if (type === 'hash') jobs.push(JSON.stringify(await redis.hgetall(key)));
    if (type === 'stream') jobs.push(JSON.stringify(await redis.xrange(key, '-', '+')));
  }
  redis.disconnect();
  expect(jobs.length).toBeGreaterThan(0);
  const pages: string[] = [];
  for (const worker of workers) {
    pages.push((await worker.get('/metrics'))?.body ?? '', (await worker.get('/ready'))?.body ?? '');
    const board = worker.console();
    if (board !== undefined) pages.push(await (await fetch(`${board}/queues/api/queues`)).text());
  }
  expect(pages.join('\n')).toContain('wardwatch_poll_rows_total');
  expect(pages.join('\n')).toMatch(/wardwatch_queue_depth\{queue="deliver-alert",state="waiting"\} 0/);
  const logs = workers.flatMap(({ output }) => output).join('\n');
  expect(logs.includes('"patientId":"p-1"')).toBe(true);
  for (const [where, text] of Object.entries({ jobs: jobs.join('\n'), pages: pages.join('\n'), logs })) {
    expect(LEAKS.exec(text)?.[0], where).toBeUndefined();
  }
});

it('ends on SIGTERM and SIGINT with 0, everything committed, and goes on where it stopped', async () => {
  const [polling, ...others] = workers;
  await until(async () =>
    expect((await polling?.get('/metrics'))?.body).toContain(`\nwardwatch_poll_rows_total ${inserted}\n`),
  );
  polling?.signal('SIGINT');
  expect(await polling?.exited).toBe(0);
  // Nothing is written any more: once the group has taken all, the archive holds in memory what no flush has written.
  await until(async () => expect(await deployment.untaken('archive', 'vital-info')).toBe(0));
  for (const worker of others) worker.signal('SIGTERM');
  expect(await Promise.all(others.map((worker) => worker.exited))).toEqual([0, 0]);
  expect(workers.flatMap(({ events }) => events.filter(({ level }) => Number(level) >= 50))).toEqual([]);
  const count = 'SELECT count(*) AS n, count(DISTINCT row_id) AS ids FROM vital_info';
  expect(await deployment.lake(count)).toEqual([{ n: String(inserted), ids: String(inserted) }]);

  await insert([['p-1', 30, 120]]);
  const again = deployment.worker('all');
  await ready(again);
  await until(async () => expect(await deployment.emails()).toHaveLength(5));
  // An outcome is recorded after the e-mail has arrived.
  await until(async () =>
    expect((await again.get('/metrics'))?.body).toMatch(/wardwatch_notifications_total\{.*outcome="accepted".*\} 1\n/),
  );
  // A sign of life came the whole way: poll, watch, dispatch, deliver.
  await until(async () => {
    const scraped = (await again.get('/metrics'))?.body ?? '';
    expect(scraped).toMatch(/wardwatch_notifications_total\{kind="heartbeat",outcome="accepted"[^}]*\} [1-9]/);
    expect(Number(/^wardwatch_heartbeat_age_seconds (\S+)$/m.exec(scraped)?.[1])).toBeLessThan(180);
    expect(scraped).not.toMatch(/wardwatch_alarm_open\{alarm="heartbeat-missing"\} 1/);
  });
  for (const topic of ['vital-info', 'doctors-queue', 'alert-deliveries'] as const)
    await until(async () => expect(await deployment.untaken('archive', topic)).toBe(0));
  again.signal('SIGTERM');
  expect(await again.exited).toBe(0);
  expect(await deployment.lake(count)).toEqual([{ n: String(inserted), ids: String(inserted) }]);
  expect(
    await deployment.lake(
      "SELECT kind, count(*) AS n FROM alert WHERE kind IN ('raised', 'resolved') GROUP BY kind ORDER BY kind",
    ),
  ).toEqual([
    { kind: 'raised', n: '3' },
    { kind: 'resolved', n: '2' },
  ]);
  expect(
    await deployment.lake("SELECT count(*) AS n FROM delivery WHERE state = 'accepted' AND kind <> 'heartbeat'"),
  ).toEqual([{ n: '5' }]);
  await expectAuditHolds(deployment, { args: ['--wait', '30s'] });
});
