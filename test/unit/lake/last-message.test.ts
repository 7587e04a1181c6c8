import { describe, expect, it } from 'vitest';
import type { PartitionReader, ReceivedRecord } from '../../../src/domain/ports.js';
import type { CommitRecord } from '../../../src/lake/commit-record.js';
import { LakeChainError } from '../../../src/lake/errors.js';
import { checkLastMessage, lastMessageOf } from '../../../src/lake/last-message.js';

const record = (
  offset: number,
  value: string | null = 'v',
  key: string | null = 'k',
  timestamp = 5,
): ReceivedRecord => ({
  offset,
  timestamp,
  key: key === null ? null : Buffer.from(key),
  value: value === null ? null : Buffer.from(value),
  headers: {},
});
const tailWith = (last: ReceivedRecord | null): CommitRecord => ({
  v: 1,
  token: 't',
  origin: 0,
  start: 0,
  next: 10,
  files: [],
  schema: '1',
  clusterId: 'c',
  last: last && lastMessageOf(last),
});
/** A partition that holds these records; `delivered` counts how many were read. */
const holding = (start: number, stableEnd: number, records: readonly ReceivedRecord[]) => {
  const reader: PartitionReader & { delivered: number } = {
    delivered: 0,
    offsets: async () => ({ start, stableEnd }),
    read: async (_topic, _partition, { from = 0 }, onRecord) => {
      for (const one of records.filter(({ offset }) => offset >= from)) {
        reader.delivered += 1;
        onRecord(one);
      }
      return { next: stableEnd };
    },
    close: async () => undefined,
  };
  return reader;
};
const check = (reader: PartitionReader, last: ReceivedRecord | null) =>
  checkLastMessage(reader, 'x.vital-info', 2, tailWith(last), { sleep: async () => undefined });

describe('checkLastMessage', () => {
  it('is content with the same message, and reads no further', async () => {
    const reader = holding(0, 1_000, [record(8), record(9), record(10)]);
    await check(reader, record(9));
    expect(reader.delivered).toBe(1);
    await check(holding(0, 10, [record(9, null, null)]), record(9, null, null));
  });

  it('takes any number for a timestamp: producers may write what is no date', async () => {
    for (const timestamp of [-1, 8.64e15 + 1, Number.MAX_SAFE_INTEGER, 2 ** 63]) {
      expect(lastMessageOf(record(9, 'v', 'k', timestamp)).timestamp).toBe('1970-01-01T00:00:00.000000Z');
      await check(holding(0, 10, [record(9, 'v', 'k', timestamp)]), record(9, 'v', 'k', timestamp));
    }
  });

  it('asks for nothing where the message is not retained any more, or there never was one', async () => {
    await check(holding(10, 20, [record(10)]), record(9));
    await check(holding(0, 0, []), null);
  });

  it.each([
    ['another value', record(9, 'w')],
    ['another key', record(9, 'v', 'j')],
    ['another time', record(9, 'v', 'k', 6)],
    ['nothing there but a later one', record(11)],
    ['an empty value for none', record(9, '')],
  ])('refuses %s: the topic was made anew', async (_, there) => {
    const last = there.value?.length === 0 ? record(9, null) : record(9);
    await expect(check(holding(0, 20, [there]), last)).rejects.toThrow(LakeChainError);
  });

  it('looks again where a new leader does not show the end yet', async () => {
    const reader = holding(0, 10, [record(9)]);
    let looks = 0;
    const late = { ...reader, offsets: async () => ({ start: 0, stableEnd: ++looks < 3 ? 7 : 10 }) };
    await check(late, record(9));
    expect(looks).toBe(3);
  });

  it('refuses a topic that ends before it, and names it', async () => {
    await expect(check(holding(0, 9, []), record(9))).rejects.toThrow(
      'the lake has x.vital-info/2 up to offset 9, but the topic ends at 9',
    );
    await expect(check(holding(0, 20, []), record(9))).rejects.toThrow('another message stands there');
  });
});
