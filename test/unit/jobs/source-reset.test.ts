// A reset over a table and a Kafka in memory: where it begins, what its readings are called, what is given up, and that it is done once.
import { expect, it } from 'vitest';
import { pollTopics } from '../../../jobs/poll-records.js';
import type { PollSource } from '../../../jobs/poll-source.js';
import { type ResetRequest, resetSource } from '../../../jobs/source-reset.js';
import { world } from '../../helpers/memory-source.js';

const TOPICS = pollTopics('t.');

async function polled(ids: readonly number[]) {
  const w = world();
  w.rows.clear();
  for (const id of ids) w.rows.add(id);
  const poller = w.poller({ start: 'beginning' });
  await poller.look();
  const parts = { ...w.parts(), topics: TOPICS };
  const reset = async (from: string, more: Partial<ResetRequest> = {}, by: PollSource = poller) => {
    const answer = await by.between((inHand) =>
      resetSource(parts, inHand, { id: `reset-${from}`, from, by: 'ops', reason: 'why', ...more }),
    );
    await by.letGo();
    return answer;
  };
  const gaps = () => w.kafka.records(TOPICS.gaps).map(({ value }) => JSON.parse(value as string));
  const accesses = () => w.kafka.records(TOPICS.accesses).map(({ value }) => JSON.parse(value as string));
  return { w, poller, reset, gaps, accesses };
}

it('on with the same rows: the name stays, what is passed over and no longer waited for is given up', async () => {
  const { w, poller, reset, gaps, accesses } = await polled([1, 2, 5]);
  for (const id of [6, 7, 9]) w.rows.add(id);
  // Gap 3–4 lies within what a first start looks at again, 8 too: neither is given up. 6, 7 and 9 are.
  expect(await reset('10')).toEqual({ firstId: '10', readingSource: 'ward', givenUp: 3 });
  expect(gaps()).toMatchObject([
    { v: 1, source: 'ward', from: '6', to: '7', evidence: 'reset', reason: 'why' },
    { from: '9', to: '9', evidence: 'reset' },
  ]);
  expect(accesses()).toMatchObject([
    {
      v: 1,
      user: 'ops',
      action: 'source-reset',
      from: '10',
      before: { high: '5' },
      after: { high: '9', generation: 1 },
    },
  ]);
  w.rows.add(3);
  w.rows.add(10);
  await poller.look();
  expect(w.emitted()).toEqual([1, 2, 5, 3, 10]);
});

it('ids that come again are another row: their readings are called otherwise, again at each such reset', async () => {
  const { w, poller, reset, gaps } = await polled([1, 2, 5]);
  w.state.server = { uuid: 'server-2', startedAt: '2026-11-20T00:00:00.000000Z' };
  w.rows.clear();
  for (const id of [1, 2, 3]) w.rows.add(id);
  expect(await reset('2')).toEqual({ firstId: '2', readingSource: 'ward@2', givenUp: 2 });
  expect(gaps()).toMatchObject([{ from: '3', to: '4', evidence: 'reset' }]);
  await poller.look();
  expect(w.position()).toMatchObject({ server: { uuid: 'server-2' }, generation: 2, resetId: 'reset-2', startId: '2' });
  expect(await reset('1')).toMatchObject({ readingSource: 'ward@3' });
});

it('the same request twice changes nothing the second time', async () => {
  const { w, poller, reset, accesses } = await polled([1, 2]);
  expect(await reset('1', { id: 'one' })).toMatchObject({ readingSource: 'ward@2' });
  await poller.look();
  w.rows.add(3);
  await poller.look();
  expect(await reset('1', { id: 'one' })).toMatchObject({ readingSource: 'ward@2' });
  expect(accesses()).toHaveLength(1);
  expect(w.position()).toMatchObject({ high: '3' });
});

it('refuses a beginning above the table, and a reset before there is a position', async () => {
  const { reset } = await polled([1, 2]);
  await expect(reset('9')).rejects.toMatchObject({ name: 'CommandRefused' });
  const fresh = world();
  const parts = { ...fresh.parts(), topics: TOPICS };
  const asked = { id: 'r', from: 'end', by: 'ops', reason: 'why' };
  await expect(fresh.poller().between((inHand) => resetSource(parts, inHand, asked))).rejects.toThrow(
    'no position yet',
  );
});
