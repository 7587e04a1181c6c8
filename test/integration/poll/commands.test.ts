// Requests to the active poller, as people make them, on a real source, Kafka, Redis and lake: what is lacking is added, nothing twice.
import { expect, test } from 'vitest';
import { lakeQuery } from '../../../src/lake/query.js';
import { commandWorlds, named } from '../../helpers/command-world.js';
import { allValuesOf, until } from '../../helpers/kafka.js';

const ward = commandWorlds('commands');

test('a backfill adds what the lake lacks, once, beside two pollers that share the turns', async () => {
  const { world, poller, archive, insert, ask, readings, lake } = await ward('backfill', '51');
  await insert(1, 100);
  // In the lake as a dead row: no column holds that year.
  await world.sql("UPDATE patients_vital_info SET recorded_at = '2300-01-01 00:00:00' WHERE id = 70");
  const late = await world.connection();
  await late.query('START TRANSACTION');
  await late.query("INSERT INTO patients_vital_info (id, customerId, heartBeat) VALUES (101, 'p1', 72)");
  await insert(102, 104);
  await Promise.all([poller(), poller()]);
  await until('the first rows', async () => (await readings()).length === 53);
  // Two at once, while there is no archive yet: both wait for it, polling goes on.
  const both = Promise.all([
    ask({ kind: 'backfill', from: '1', to: '200' }),
    ask({ kind: 'backfill', from: '40', to: '60' }),
  ]);
  await insert(105, 110);
  await until('polling goes on meanwhile', async () => (await readings()).includes('ward:110 live'));
  await archive();
  const [whole, part] = await both;
  expect(whole).toMatchObject({ outcome: 'done', dead: 1 });
  expect(part).toMatchObject({ outcome: 'done', read: 21, dead: 0 });
  expect(Number(whole?.added) + Number(part?.added)).toBe(50);
  expect(Number(whole?.read)).toBe(Number(whole?.added) + Number(whole?.held) + 1);
  await late.query('COMMIT');
  const expected = [...named(1, 50, 'backfill'), ...named(51, 110)].sort();
  await until('the late row', async () => (await readings()).length >= expected.length);
  expect(await readings()).toEqual(expected);
  expect(await ask({ kind: 'backfill', from: '1', to: '110' })).toEqual({
    outcome: 'done',
    read: 110,
    added: 0,
    held: 109,
    dead: 1,
    left: 0,
  });
  expect(await readings()).toEqual(expected);
  await until('all of it in the lake', async () => (await lake()).length >= expected.length - 1);
  expect(await lake()).toEqual(expected.filter((one) => one !== 'ward:70 live'));
  expect(await ask({ kind: 'backfill', from: '900', to: '950' })).toMatchObject({
    outcome: 'refused',
    reason: expect.stringContaining('polling has not done with any of these ids'),
  });
});

test('dead records are replayed from the table, once; what no reading can be made of is counted', async () => {
  const { world, store, poller, archive, insert, ask, readings, lake } = await ward('replay', '11');
  await insert(1, 20);
  await poller();
  await until('the live rows', async () => (await readings()).length === 10);
  const junk = [
    '{"v":2,"source":"ward","row":"3","newer":true}',
    '{"v":1,"source":"ward","row":"4","patientId":"p4"',
    'no JSON at all',
    '{"v":2,"source":"elsewhere","row":"5"}',
    '{"v":2,"source":"ward","row":"12"}',
    '{"v":2,"source":"ward","row":"999"}',
    '{"v":2,"source":"ward","row":"3","again":true}',
    '{"v":2,"source":"ward","row":"19"}',
  ];
  // Gone from the table, and from nowhere else.
  await world.sql('DELETE FROM patients_vital_info WHERE id = 7');
  const producer = await world.kafka.plainProducer();
  const topic = `${world.prefix}vital-info`;
  const places = await producer.send([
    ...junk.map((value) => ({ topic, key: 'p', value })),
    { topic, key: 'p', value: '{"v":2,"source":"ward","row":"7"}' },
  ]);
  await producer.close();
  await archive();
  const first = await ask({ kind: 'replay', places: [...places, { partition: 0, offset: 999_999 }] });
  expect(first).toEqual({ outcome: 'done', added: 2, held: 3, unreadable: 3, left: 1, unknown: 1 });
  const expected = [...named(3, 4, 'replayed'), ...named(11, 20)].sort();
  expect(await readings()).toEqual(expected);
  expect(await ask({ kind: 'replay', places: [...places] })).toMatchObject({
    added: 0,
    held: 5,
    unreadable: 3,
    left: 1,
  });
  // Beside them the rest of the history; what was replayed is in the lake.
  expect(await ask({ kind: 'backfill', from: '1', to: '20' })).toMatchObject({ outcome: 'done', added: 7 });
  await until('all of it in the lake', async () => (await lake()).length >= 19);
  const whole = [...named(1, 20).filter((one) => one !== 'ward:7 live')].map((one) => one.split(' ')[0]).sort();
  expect((await lake()).map((one) => one.split(' ')[0])).toEqual(whole);
  const dead = await lakeQuery(store, 'SELECT count(*) AS n FROM vital_info_dead');
  expect(dead.rows).toEqual([{ n: '9' }]);
});

test('a request that brings the poller into doubt each time is given up, and polling goes on', async () => {
  const { world, poller, insert, ask, readings } = await ward('doubt', 'beginning');
  await insert(1, 3);
  let asked = 0;
  const endOffsets = async (): Promise<number[]> => {
    asked += 1;
    throw new RangeError('each time');
  };
  await poller(undefined, { endOffsets });
  await expect(ask({ kind: 'backfill', from: '1', to: '3' })).rejects.toThrow('failed: unexpected');
  expect(asked).toBe(5);
  await insert(4, 5);
  await until('polling goes on', async () => (await readings()).length === 5);
  expect(world.log.lines.some(({ event }) => event === 'job.failed')).toBe(true);
});

test('a reset accepts a table that went back: its rows get a name of their own, what is given up is on record', async () => {
  const { world, poller, insert, ask, readings } = await ward('reset', 'beginning');
  await insert(1, 10);
  const open = await world.connection();
  await open.query('START TRANSACTION');
  await open.query("INSERT INTO patients_vital_info (id, customerId, heartBeat) VALUES (11, 'p1', 72)");
  await insert(12, 12);
  await poller();
  await until('the rows', async () => (await readings()).length === 11);
  await open.query('ROLLBACK');
  await world.sql('TRUNCATE patients_vital_info');
  await insert(1, 3);
  await until('it is refused', () => world.log.lines.some(({ event }) => event === 'poll.refused'));
  expect(await ask({ kind: 'reset', from: '50', reason: 'a slip' })).toMatchObject({
    outcome: 'refused',
    reason: '--from 50 is above the next id of the table',
  });
  expect(await ask({ kind: 'backfill', from: '1', to: '3' })).toMatchObject({
    outcome: 'refused',
    reason: expect.stringContaining('wardwatch source reset'),
  });
  expect(await ask({ kind: 'reset', from: '2', reason: 'the table was emptied' })).toMatchObject({
    outcome: 'done',
    firstId: '2',
    readingSource: 'ward@2',
  });
  const expected = [...named(1, 10), ...named(12, 12), ...named(2, 3, 'live', 'ward@2')];
  await until('the new rows', async () => (await readings()).length >= expected.length);
  // On with the same rows: the name stays, and what is passed over is given up.
  await insert(4, 9);
  await until('they come', async () => (await readings()).length === expected.length + 6);
  await world.sql('ALTER TABLE patients_vital_info RENAME TO away');
  await until('it is refused again', () =>
    world.log.lines.some(({ fields }) => String(fields.reason).includes('no table')),
  );
  await world.sql('ALTER TABLE away RENAME TO patients_vital_info');
  await insert(20, 21);
  expect(await ask({ kind: 'reset', from: 'end', reason: 'on from here' })).toMatchObject({ readingSource: 'ward@2' });
  await insert(22, 22);
  await until('the newest', async () => (await readings()).some((one) => one === 'ward@2:22 live'));
  const all = await readings();
  expect(all).toEqual([...new Set(all)]);
  const gaps = (await allValuesOf(world.kafka, `${world.prefix}vital-gaps`, 0)).map((one) => JSON.parse(one));
  const givenUp = gaps.filter(({ evidence }) => evidence === 'reset');
  expect(givenUp.every(({ reason }) => ['the table was emptied', 'on from here'].includes(reason))).toBe(true);
  const who = (await allValuesOf(world.kafka, `${world.prefix}access-audit`, 0)).map((one) => JSON.parse(one));
  expect(who).toMatchObject([
    {
      v: 1,
      user: 'tester',
      action: 'source-reset',
      from: '2',
      before: { high: '12' },
      after: { high: '1', generation: 2 },
    },
    { v: 1, user: 'tester', action: 'source-reset', from: 'end', reason: 'on from here' },
  ]);
});
