// Where a fetched set of record batches ends: read from the batches' headers, since compaction leaves batches without records.

const LENGTH_AT = 8;
/** Bytes of a batch before `length` counts. */
const BEFORE_LENGTH = 12;
const MAGIC_AT = 16;
const MAGIC_V2 = 2;
const LAST_OFFSET_DELTA_AT = 23;
/** Base offset, length, leader epoch, magic, CRC, attributes, last offset delta, times, producer, sequence, count. */
const HEADER_BYTES = 61;

/**
 * The offset after the last whole batch of `bytes` (a record set as the broker sent it), or undefined where there is no
 * whole batch. A batch that compaction has emptied still covers its offsets: without this a reader would ask for it for ever.
 */
export function endOfBatches(bytes: Buffer): number | undefined {
  let at = 0;
  let end: number | undefined;
  while (at + HEADER_BYTES <= bytes.length && bytes.readInt8(at + MAGIC_AT) === MAGIC_V2) {
    const size = BEFORE_LENGTH + bytes.readInt32BE(at + LENGTH_AT);
    if (size < HEADER_BYTES || at + size > bytes.length) break;
    end = Number(bytes.readBigInt64BE(at)) + bytes.readInt32BE(at + LAST_OFFSET_DELTA_AT) + 1;
    at += size;
  }
  return end;
}
