// Fetched bytes: the oracle is kafkajs's own encoder and decoder. And where a fetch ends, when compaction has emptied batches.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeFetch, endOfBatches } from '../../../src/kafka/fetch-decoding.js';
import { FetchedBatch } from '../../../src/kafka/fetched-batch.js';
import { kafkajsModule, kafkajsOriginal } from '../../helpers/kafkajs-original.js';

const Encoder = kafkajsModule('protocol/encoder');
const Decoder = kafkajsModule('protocol/decoder');
const makeRecord = kafkajsModule('protocol/recordBatch/record/v0');
const { RecordBatch } = kafkajsModule('protocol/recordBatch/v0');
const theirDecode = kafkajsOriginal('protocol/requests/fetch/v4/decodeMessages') as (decoder: unknown) => Promise<
  {
    offset: string;
    timestamp: string;
    key: Buffer | null;
    value: Buffer | null;
    headers: object;
    isControlRecord: boolean;
    batchContext: { producerId: string; inTransaction: boolean };
  }[]
>;

interface BatchShape {
  readonly baseOffset: number;
  readonly producerId: string;
  readonly transactional: boolean;
  readonly messages: readonly {
    key: string | null;
    value: string | null;
    timestampDelta: number;
    headers: Record<string, string>;
  }[];
}

const FORMAT_AT = 16;

async function batchBytes({ baseOffset, producerId, transactional, messages }: BatchShape): Promise<Buffer> {
  const records = messages.map((message, i) => makeRecord({ ...message, offsetDelta: i }));
  const batch = await RecordBatch({
    firstOffset: baseOffset,
    firstTimestamp: 1_795_557_828_123,
    maxTimestamp: 1_795_557_828_999,
    lastOffsetDelta: messages.length - 1,
    producerId,
    producerEpoch: 3,
    transactional,
    records,
  });
  return Buffer.from(batch.buffer);
}

const comparable = (record: {
  readonly offset: string | number;
  readonly timestamp: string | number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: object;
  readonly isControlRecord: boolean;
  readonly batchContext: { readonly producerId: string; readonly inTransaction: boolean };
}) => ({
  offset: Number(record.offset),
  timestamp: Number(record.timestamp),
  key: record.key,
  value: record.value,
  headers: { ...record.headers },
  isControlRecord: record.isControlRecord,
  batchContext: { producerId: record.batchContext.producerId, inTransaction: record.batchContext.inTransaction },
});

const text = fc.oneof(fc.constant(null), fc.string({ unit: 'binary', maxLength: 200 }));
const batch = fc.record({
  baseOffset: fc.integer({ min: 0, max: 2 ** 40 }),
  producerId: fc.constantFrom('-1', '4711', '9007199254740993'),
  transactional: fc.boolean(),
  messages: fc.array(
    fc.record({
      key: text,
      value: text,
      timestampDelta: fc.integer({ min: -(2 ** 36), max: 2 ** 36 }),
      headers: fc.dictionary(fc.constantFrom('a', 'trace', 'ü'), fc.string({ maxLength: 10 }), { maxKeys: 2 }),
    }),
    { minLength: 1, maxLength: 70 },
  ),
});

test('records are those that kafkajs reads; what is cut off at the end is left out', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 4 }), fc.nat(60), async (shapes, cut) => {
      const all = Buffer.concat(await Promise.all(shapes.map(batchBytes)));
      const bytes = all.subarray(0, all.length - cut);
      // kafkajs can't read what ends before the byte that names the format; no broker sends so little.
      fc.pre(bytes.length > FORMAT_AT);
      const ours = decodeFetch(bytes);
      const theirs = await theirDecode(new Decoder(new Encoder().writeBytes(bytes).buffer));
      expect(ours?.records.map(comparable)).toEqual(theirs.map(comparable));
      const whole = cut === 0 ? shapes.length : shapes.length - 1;
      const last = shapes[whole - 1];
      expect(ours?.endOffset).toBe(last && last.baseOffset + last.messages.length);
      expect(endOfBatches(bytes)).toBe(ours?.endOffset);
    }),
    { numRuns: 60 },
  );
});

const plain = (baseOffset: number, count: number) =>
  batchBytes({
    baseOffset,
    producerId: '1',
    transactional: false,
    messages: Array.from({ length: count }, (_, i) => ({
      key: null,
      value: `${baseOffset + i}`,
      timestampDelta: 0,
      headers: {},
    })),
  });

/** What the cleaner leaves of a batch whose records are all superseded: a header that still covers its offsets. */
function emptied(from: Buffer, crc: (bytes: Buffer) => number): Buffer {
  const header = Buffer.from(from.subarray(0, 61));
  header.writeInt32BE(61 - 12, 8);
  header.writeInt32BE(0, 57);
  header.writeUInt32BE(crc(header.subarray(21)), 17);
  return header;
}

test('a batch that compaction has emptied moves the reader on', async () => {
  const crc = kafkajsModule('protocol/recordBatch/crc32C') as (bytes: Buffer) => number;
  const empty = emptied(await plain(100, 5), crc);
  expect(decodeFetch(empty)).toEqual({ records: [], endOffset: 105 });
  const decoded = decodeFetch(Buffer.concat([await plain(90, 2), empty]));
  const messages = Object.assign(decoded?.records ?? [], { endOffset: decoded?.endOffset });
  const fetched = { partition: 3, highWatermark: '120', lastStableOffset: '120', abortedTransactions: [], messages };
  const behind = new FetchedBatch('t', '91', fetched);
  expect(behind.messages.map(({ offset }) => offset)).toEqual([91]);
  expect([behind.firstOffset(), behind.lastOffset(), behind.offsetLag(), behind.offsetLagLow()]).toEqual([
    '91',
    '104',
    '15',
    '28',
  ]);
  const within = new FetchedBatch('t', '93', fetched);
  expect([within.isEmpty(), within.isEmptyDueToFiltering(), within.lastOffset()]).toEqual([true, true, '104']);
  const nothing = new FetchedBatch('t', '105', { ...fetched, messages: [] });
  expect([nothing.isEmpty(), nothing.isEmptyDueToFiltering(), nothing.firstOffset()]).toEqual([true, false, null]);
});

test('a flipped bit is noticed, a compressed batch is left to kafkajs', async () => {
  const bytes = await plain(7, 3);
  bytes[bytes.length - 3]! ^= 1;
  expect(() => decodeFetch(bytes)).toThrow(/checksum/);
  const compressed = await plain(7, 3);
  compressed.writeInt16BE(1, 21);
  expect(decodeFetch(compressed)).toBeUndefined();
  expect(endOfBatches(compressed)).toBe(10);
});
