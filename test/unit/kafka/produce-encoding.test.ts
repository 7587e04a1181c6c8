// The oracle is kafkajs's own encoder, CRC and hash, loaded past src/kafka/kafkajs.ts.
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { crc32c } from '../../../src/kafka/crc32c.js';
import { partitionOfKey } from '../../../src/kafka/murmur2.js';
import { encodeProduce } from '../../../src/kafka/produce-encoding.js';
import { kafkajsModule, kafkajsOriginal } from '../../helpers/kafkajs-original.js';

const theirRequest = kafkajsOriginal('protocol/requests/produce/v3/request');
const theirCrc = kafkajsModule('protocol/recordBatch/crc32C') as (bytes: Buffer) => number;
const theirHash = kafkajsModule('producer/partitioners/default/murmur2') as (key: string) => number;

const NOW_MS = 1_795_557_828_123;
beforeEach(() => void vi.useFakeTimers({ now: NOW_MS, toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());

const text = fc.oneof(
  fc.constant(null),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ maxLength: 20 }),
  fc.constant('é'.repeat(9_000)),
);
const messages = fc.array(fc.record({ key: text, value: text }), { minLength: 1, maxLength: 80 });

test('a request has the bytes that kafkajs would send', async () => {
  const request = fc.record({
    transactionalId: fc.constantFrom(null, 'watch.vital-info.3'),
    producerId: fc.constantFrom('0', '4711', '9007199254740993'),
    producerEpoch: fc.nat(32_000),
    topicData: fc.array(
      fc.record({
        topic: fc.constantFrom('vital-info', 'überwachung'),
        partitions: fc.array(fc.record({ partition: fc.nat(100), firstSequence: fc.nat(0x7fffffff), messages }), {
          minLength: 1,
          maxLength: 3,
        }),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  });
  await fc.assert(
    fc.asyncProperty(request, async (generated) => {
      const whole = { ...generated, acks: -1, timeout: 30_000 };
      const sized = {
        ...whole,
        topicData: whole.topicData.map(({ topic, partitions }) => ({
          topic,
          partitions: partitions.map((part) => ({
            ...part,
            messages: part.messages.map(({ key, value }) => ({
              key,
              value,
              keyBytes: key === null ? 0 : Buffer.byteLength(key),
              valueBytes: value === null ? 0 : Buffer.byteLength(value),
            })),
          })),
        })),
      };
      const theirs = (await theirRequest(whole).encode()) as { buffer: Buffer };
      expect(encodeProduce(sized, NOW_MS).equals(theirs.buffer)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test('the checksum is kafkajs’s, at any length and place, and that of RFC 3720', () => {
  expect(crc32c(Buffer.from('123456789'), 0, 9)).toBe(0xe3069283);
  expect(crc32c(Buffer.alloc(32), 0, 32)).toBe(0x8a9136aa);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(20), (bytes, skip) => {
      const start = Math.min(skip, bytes.length);
      expect(crc32c(bytes, start, bytes.length)).toBe(theirCrc(Buffer.from(bytes.subarray(start))));
    }),
  );
});

test('a key lands where Kafka’s Java client puts it', () => {
  // Hashes from Kafka's own UtilsTest.
  const known = { '21': -973932308, foobar: -790332482, 'a-little-bit-long-string': -985981536, abc: 479470107 };
  for (const [key, hash] of Object.entries(known)) expect(partitionOfKey(key, 6)).toBe((hash & 0x7fffffff) % 6);
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), fc.integer({ min: 1, max: 1_000 }), (key, partitions) => {
      expect(partitionOfKey(key, partitions)).toBe((theirHash(key) & 0x7fffffff) % partitions);
    }),
  );
});
