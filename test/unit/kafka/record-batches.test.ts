// Where fetched batches end, also those that compaction has emptied.
import { expect, test } from 'vitest';
import { encodeProduce } from '../../../src/kafka/produce-encoding.js';
import { endOfBatches } from '../../../src/kafka/record-batches.js';

/** A batch as a broker keeps it, with the base offset that the broker gave it. */
function batch(baseOffset: number, count: number): Buffer {
  const message = { key: null, keyBytes: 0, value: 'v', valueBytes: 1 };
  const partition = { partition: 0, firstSequence: 0, messages: Array.from({ length: count }, () => message) };
  const request = {
    acks: -1,
    timeout: 1,
    producerId: 1,
    producerEpoch: 0,
    topicData: [{ topic: 't', partitions: [partition] }],
  };
  const whole = encodeProduce(request, 0);
  const bytes = Buffer.from(whole.subarray(whole.length - whole.readInt32BE(23)));
  bytes.writeBigInt64BE(BigInt(baseOffset), 0);
  return bytes;
}

/** What the cleaner leaves of a batch whose records are all superseded: its header, which still covers its offsets. */
function emptied(from: Buffer): Buffer {
  const header = Buffer.from(from.subarray(0, 61));
  header.writeInt32BE(61 - 12, 8);
  header.writeInt32BE(0, 57);
  return header;
}

test('the end is that of the last whole batch, with records or without', () => {
  expect(endOfBatches(Buffer.alloc(0))).toBeUndefined();
  expect(endOfBatches(batch(100, 5))).toBe(105);
  expect(endOfBatches(Buffer.concat([batch(100, 5), batch(105, 1)]))).toBe(106);
  expect(endOfBatches(emptied(batch(100, 5)))).toBe(105);
  expect(endOfBatches(Buffer.concat([batch(90, 2), emptied(batch(100, 5)), emptied(batch(200, 3))]))).toBe(203);
  const cut = batch(105, 9);
  expect(endOfBatches(Buffer.concat([batch(100, 5), cut.subarray(0, cut.length - 1)]))).toBe(105);
  expect(endOfBatches(cut.subarray(0, 40))).toBeUndefined();
});
