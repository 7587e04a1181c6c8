// Which records are committed: against a plain simulation of a log with overlapping transactions.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { withoutAborted } from '../../../src/kafka/aborted-filter.js';
import type { FetchedRecord } from '../../../src/kafka/fetch-decoding.js';
import { kafkajsModule } from '../../helpers/kafkajs-original.js';

const theirs = kafkajsModule('consumer/filterAbortedMessages') as (of: {
  messages: readonly FetchedRecord[];
  abortedTransactions: readonly { producerId: string; firstOffset: string }[];
}) => FetchedRecord[];

interface Entry extends FetchedRecord {
  readonly committed: boolean;
}

const control = (type: number) => Buffer.from([0, 0, 0, type]);

/** What producers do, in the order of the log: append, or end their transaction. */
const action = fc.record({
  producer: fc.integer({ min: 1, max: 4 }),
  what: fc.constantFrom('append', 'append', 'append', 'commit', 'abort', 'plain'),
});

function logOf(actions: readonly { producer: number; what: string }[]) {
  const entries: { record: Omit<Entry, 'committed'>; state: { committed: boolean } }[] = [];
  const open = new Map<number, { first: number; state: { committed: boolean } }>();
  const aborted: { producerId: string; firstOffset: string; last: number }[] = [];
  const push = (
    producer: number,
    isControlRecord: boolean,
    key: Buffer | null,
    state: { committed: boolean },
    inTransaction: boolean,
  ) =>
    entries.push({
      record: {
        offset: entries.length,
        timestamp: 0,
        key,
        value: null,
        headers: {},
        isControlRecord,
        batchContext: { producerId: String(producer), inTransaction },
      },
      state,
    });
  const end = (producer: number, commit: boolean) => {
    const transaction = open.get(producer);
    if (!transaction) return;
    transaction.state.committed = commit;
    if (!commit)
      aborted.push({ producerId: String(producer), firstOffset: String(transaction.first), last: entries.length });
    push(producer, true, control(commit ? 1 : 0), { committed: false }, true);
    open.delete(producer);
  };
  for (const { producer, what } of actions) {
    if (what === 'commit' || what === 'abort') end(producer, what === 'commit');
    // A record of no transaction, whose key looks like an abort marker.
    else if (what === 'plain') push(producer, false, control(0), { committed: true }, false);
    else {
      const transaction = open.get(producer) ?? { first: entries.length, state: { committed: false } };
      open.set(producer, transaction);
      push(producer, false, control(0), transaction.state, true);
    }
  }
  for (const producer of [1, 2, 3, 4]) end(producer, false);
  return { entries, aborted };
}

test('no aborted record passes and no committed one is missed, wherever the fetch begins and however the list is ordered', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), fc.nat(60), fc.boolean(), (actions, skip, reversed) => {
      const { entries, aborted } = logOf(actions);
      const fetched = entries.slice(skip);
      const list = aborted.filter(({ last }) => last >= skip);
      if (reversed) list.reverse();
      const passed = withoutAborted(
        fetched.map(({ record }) => record),
        list,
      ).filter((record) => !record.isControlRecord);
      const committed = fetched.filter(({ record, state }) => state.committed && !record.isControlRecord);
      expect(passed.map(({ offset }) => offset)).toEqual(committed.map(({ record }) => record.offset));
    }),
    { numRuns: 500 },
  );
});

test('the filter of kafkajs lets aborted records through: the reason for ours', () => {
  const { entries, aborted } = logOf([1, 2, 3, 4, 1, 2, 3, 4].map((producer) => ({ producer, what: 'append' })));
  const records = entries.map(({ record }) => record);
  const unsorted = [...aborted].reverse();
  const data = (passed: readonly FetchedRecord[]) => passed.filter(({ isControlRecord }) => !isControlRecord).length;
  expect(data(theirs({ messages: records, abortedTransactions: unsorted }))).toBeGreaterThan(0);
  expect(data(withoutAborted(records, unsorted))).toBe(0);
});
