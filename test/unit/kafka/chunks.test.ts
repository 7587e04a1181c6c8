// Requests that a broker takes: bounded, in order, complete; and the answers checked.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { OutRecord } from '../../../src/domain/ports.js';
import { answered, chunksOf } from '../../../src/kafka/chunks.js';
import { KafkaOutcomeUnknownError, RecordTooLargeError } from '../../../src/kafka/errors.js';

const MIB = 1_048_576;

const record = fc.record({
  topic: fc.constantFrom('vital-info', 'vital-poll-state'),
  key: fc.option(fc.string({ unit: 'binary', maxLength: 30 }), { nil: null }),
  size: fc.oneof(fc.nat(300), fc.nat(900_000)),
  letter: fc.constantFrom('x', 'ü', '字'),
});

test('each record is in one request, in its order, none too large, equal keys in one partition', () => {
  fc.assert(
    fc.property(fc.array(record, { maxLength: 40 }), (drawn) => {
      const records: OutRecord[] = drawn.map(({ topic, key, size, letter }) => ({
        topic,
        key,
        value: letter.repeat(size / Buffer.byteLength(letter)),
      }));
      const chunks = [...chunksOf(records, () => 6)];
      const places = new Map<string, number>();
      const order: number[] = [];
      for (const { topicMessages, indexes } of chunks) {
        const bytes = new Map<string, number>();
        for (const { topic, messages } of topicMessages)
          for (const { key, value, partition, keyBytes, valueBytes } of messages) {
            expect([keyBytes, valueBytes]).toEqual([Buffer.byteLength(key ?? ''), Buffer.byteLength(value ?? '')]);
            bytes.set(`${topic}/${partition}`, (bytes.get(`${topic}/${partition}`) ?? 0) + keyBytes + valueBytes + 20);
            const before = places.get(`${topic} ${key}`) ?? partition;
            expect(partition).toBe(before);
            places.set(`${topic} ${key}`, partition);
          }
        for (const size of bytes.values()) expect(size + 61).toBeLessThan(MIB);
        for (const [place, list] of indexes) {
          expect(list).toEqual(list.toSorted((a, b) => a - b));
          for (const index of list) expect(place.startsWith(`${records[index]?.topic}/`)).toBe(true);
        }
        const here = [...indexes.values()].flat();
        expect(Math.min(...here)).toBe(order.length);
        order.push(...here);
      }
      expect(order.toSorted((a, b) => a - b)).toEqual(records.map((_, i) => i));
    }),
    { numRuns: 40 },
  );
});

test('a long list of small records is cut by number, an explicit partition is kept', () => {
  const records = Array.from({ length: 25_001 }, (_, i) => ({
    topic: 't',
    partition: i % 3,
    key: null,
    value: `${i}`,
  }));
  const sizes = [...chunksOf(records, () => 3)].map(({ topicMessages }) => topicMessages[0]?.messages.length);
  expect(sizes).toEqual([10_000, 10_000, 5_001]);
});

test('a record larger than a batch may be is refused by name, without its contents', () => {
  const large = [{ topic: 'vital-poll-state', key: 'main', value: 'secret'.repeat(200_000) }];
  expect(() => [...chunksOf(large, () => 1)]).toThrow(RecordTooLargeError);
  expect(() => [...chunksOf(large, () => 1)]).toThrow(/^a record for vital-poll-state has 1200036 bytes/);
});

test('an answer that leaves a partition out, or has one twice, is an unknown outcome', () => {
  const [chunk] = chunksOf(
    [
      { topic: 'a', partition: 0, key: null, value: '1' },
      { topic: 'a', partition: 1, key: null, value: '2' },
    ],
    () => 2,
  );
  if (!chunk) throw new Error('no chunk');
  const answer = (partition: number, baseOffset: string) => ({ topicName: 'a', partition, baseOffset });
  expect([...answered(chunk, [answer(1, '7'), answer(0, '5')])]).toEqual([
    ['a/1', 7],
    ['a/0', 5],
  ]);
  for (const wrong of [
    [answer(0, '5')],
    [answer(0, '5'), answer(1, '7'), answer(1, '9')],
    [answer(0, '5'), answer(2, '7')],
  ])
    expect(() => answered(chunk, wrong)).toThrow(KafkaOutcomeUnknownError);
});
