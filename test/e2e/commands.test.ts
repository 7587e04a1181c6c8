// Each command as a person types it, and what they read.
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDeployment, type Deployment, MAIN } from '../helpers/deployment.js';

let deployment: Deployment;
const type = async (...args: string[]) => {
  const { code, out, err } = await deployment.run(args);
  return { code, text: out + err };
};

beforeAll(async () => {
  deployment = await createDeployment('commands');
});
afterAll(() => deployment?.close());

it('is a program of its own, as npx runs it', () => {
  const { status, stdout } = spawnSync(MAIN, ['--help'], { encoding: 'utf8' });
  expect(status).toBe(0);
  expect(stdout).toContain('Usage: wardwatch [options] [command]');
});

it('schema: creates once, compares, and prints the SQL of the source', async () => {
  expect(await type('schema', '--check')).toEqual({ code: 0, text: '✓ every topic is there\n' });
  const other = await deployment.run(['schema', '--check'], { KAFKA_PREFIX: `${deployment.name}.none.` });
  expect(other.code).toBe(1);
  expect(other.out).toMatch(/^✗ topic \S+vital-info is missing: make it with `wardwatch schema`$/m);
  const { code, text } = await type('schema', '--sql');
  expect(code).toBe(0);
  expect(text.match(/^CREATE TABLE IF NOT EXISTS /gm)).toHaveLength(3);
});

it('thresholds check, import thresholds: a broken file is refused, the last good one stays', async () => {
  expect(await type('thresholds', 'check')).toMatchObject({
    code: 2,
    text: expect.stringContaining('no limits are in force: run `wardwatch import thresholds`'),
  });
  const file = ['--file', 'ops/sql/thresholds-seed.csv'];
  expect(await type('thresholds', 'check', ...file)).toMatchObject({ code: 0 });
  expect(await type('import', 'thresholds', ...file)).toMatchObject({
    code: 0,
    text: expect.stringContaining('✓ thresholds: changed, 12 rows in force'),
  });
  expect(await type('import', 'thresholds', '--file', 'package.json')).toMatchObject({
    code: 1,
    text: expect.stringContaining('✗ thresholds: refused; the last good version stays in force'),
  });
  expect(await type('import', 'thresholds', '--file', '/none.csv')).toEqual({
    code: 2,
    text: "/none.csv can't be read (ENOENT)\n",
  });
  expect(await type('thresholds', 'check')).toMatchObject({
    code: 0,
    text: expect.stringContaining('✓ 12 rows of limits can be used'),
  });
});

it('import patients: from the table', async () => {
  await deployment.sql("INSERT INTO patients_information (patientid, patientname, age) VALUES ('p-1', 'Ada', 30)");
  expect((await type('import', 'patients')).text).toBe(
    '✓ patients: changed, 1 rows in force (1 added, 0 changed, 0 deleted)\n',
  );
  expect((await type('import', 'patients')).text).toContain('unchanged, 1 rows');
});

it('lake query: a table for people, JSON for programs, and the words of a wrong statement', async () => {
  expect(await type('lake', 'query', 'SELECT patient_id, age FROM patient')).toMatchObject({
    code: 0,
    text: expect.stringMatching(/^patient_id {2}age\n─+ {2}─+\np-1 +30\n\(1 rows\)\n$/),
  });
  expect(await deployment.lake('SELECT count(*) AS n FROM threshold')).toEqual([{ n: '12' }]);
  expect(await type('lake', 'query', 'SELEC 1')).toMatchObject({ code: 2, text: expect.stringContaining('SELEC') });
});

it('source status: the table and the position, without owning anything', async () => {
  const none = await type('source', 'status');
  expect(none.code).toBe(0);
  expect(none.text).toContain('position  none yet');
  const json = JSON.parse((await type('source', 'status', '--json')).text) as Record<string, unknown>;
  expect(json).toMatchObject({ v: 1, table: 'patients_vital_info', key: 'id', newestId: null, position: null });
});

it('topics: create finds an existing one, subscribe and status name the readers', async () => {
  expect(await type('topics', 'create', deployment.name)).toMatchObject({
    code: 0,
    text: expect.stringContaining(`✓ ${deployment.topicArn}`),
  });
  expect(await type('topics', 'status')).toMatchObject({
    code: 0,
    text: expect.stringContaining('1 confirmed, 0 pending'),
  });
  const empty = await deployment.run(['topics', 'create', `${deployment.name}-empty`]);
  const arn = /✓ (\S+)/.exec(empty.out)?.[1] ?? '';
  const unread = await deployment.run(['topics', 'status'], { SNS_TOPIC_ARN: arn });
  expect(unread.code).toBe(1);
  expect(unread.out).toContain(`✗ SNS_TOPIC_ARN ${arn}: 0 confirmed`);
});

it('dead, position: what is not there is said, and nothing is changed', async () => {
  expect(await type('dead', 'list')).toEqual({ code: 0, text: 'no dead record\n' });
  expect((await type('dead', 'list', '--json')).text).toBe('[]\n');
  expect(await type('dead', 'list', '--topic', 'watch-state')).toMatchObject({
    code: 2,
    text: expect.stringContaining('watch-state is not archived: vital-info,'),
  });
  expect(await type('dead', 'show', '--topic', 'vital-info', '--partition', '0', '--offset', '7')).toEqual({
    code: 1,
    text: '✗ no dead record of vital-info lies at partition 0, offset 7\n',
  });
  expect(await type('dead', 'replay', '--all')).toEqual({ code: 0, text: '✓ nothing to replay\n' });
  const skip = (...args: string[]) => type('position', 'skip', '--partition', '0', '--reason', 'a test', ...args);
  expect(await skip('--topic', `${deployment.name}.doctors-queue`, '--to', '0')).toEqual({
    code: 1,
    text: '  archive: has no position yet, and begins where the log does\n  dispatch: has no position yet, and begins where the log does\n',
  });
  expect(await skip('--topic', 'vital-info', '--to', '5')).toMatchObject({
    code: 2,
    text: expect.stringContaining('offsets 0 to 4 can still be read'),
  });
});
