// Kafka's record batches (format 2) from the bytes of a fetch, checksums included. kafkajs makes several objects a record on the way, and checks none.
import { crc32c } from './crc32c.js';

/** A fetched record: those of aborted transactions and control records among them. */
export interface FetchedRecord {
  readonly offset: number;
  /** Milliseconds. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer | string | undefined>>;
  readonly isControlRecord: boolean;
  readonly batchContext: BatchContext;
}

export interface BatchContext {
  readonly producerId: string;
  readonly inTransaction: boolean;
}

export interface FetchedRecords {
  readonly records: FetchedRecord[];
  /**
   * After the last whole batch; undefined where there is none. A batch that compaction has emptied still covers its
   * offsets: without this a reader could ask for it for ever.
   */
  readonly endOffset: number | undefined;
}

/** Bytes of a batch before `length` counts. */
const BEFORE_LENGTH = 12;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const HEADER_BYTES = 61;
const MAGIC_AT = 16;
const MAGIC_V2 = 2;
const CODEC_MASK = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const NO_HEADERS = Object.freeze({});

/** Undefined where a batch is compressed or of an older format: not ours to read. Throws on a wrong checksum. */
export function decodeFetch(bytes: Buffer): FetchedRecords | undefined {
  const records: FetchedRecord[] = [];
  let endOffset: number | undefined;
  let at = 0;
  while (at + HEADER_BYTES <= bytes.length) {
    const size = BEFORE_LENGTH + bytes.readInt32BE(at + 8);
    if (size < HEADER_BYTES || at + size > bytes.length) break;
    const attributes = bytes.readInt16BE(at + ATTRIBUTES_AT);
    if (bytes.readInt8(at + MAGIC_AT) !== MAGIC_V2 || attributes & CODEC_MASK) return undefined;
    if (crc32c(bytes, at + ATTRIBUTES_AT, at + size) !== bytes.readUInt32BE(at + CRC_AT))
      throw new Error('a fetched record batch does not have the checksum it was written with');
    const baseOffset = Number(bytes.readBigInt64BE(at));
    decodeBatch(bytes, at, attributes, baseOffset, records);
    endOffset = baseOffset + bytes.readInt32BE(at + 23) + 1;
    at += size;
  }
  return { records, endOffset };
}

/** The `endOffset` of compressed batches, by their headers. */
export function endOfBatches(bytes: Buffer): number | undefined {
  let end: number | undefined;
  for (let at = 0; at + HEADER_BYTES <= bytes.length && bytes.readInt8(at + MAGIC_AT) === MAGIC_V2; ) {
    const size = BEFORE_LENGTH + bytes.readInt32BE(at + 8);
    if (size < HEADER_BYTES || at + size > bytes.length) break;
    end = Number(bytes.readBigInt64BE(at)) + bytes.readInt32BE(at + 23) + 1;
    at += size;
  }
  return end;
}

/** Where reading stands: one for all, since a function can't return two numbers for nothing. */
const cursor = { at: 0 };

/** What the records of one batch share. */
interface BatchOf {
  readonly bytes: Buffer;
  readonly isControlRecord: boolean;
  readonly batchContext: BatchContext;
}

/** Makes key and value when they are asked for: most readers want one of them, and a Buffer is dearer than all the rest. Lengths below 0 are null. */
class RecordIn implements FetchedRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly headers: FetchedRecord['headers'];
  private readonly batch: BatchOf;
  private readonly keyAt: number;
  private readonly keyLength: number;
  private readonly valueAt: number;
  private readonly valueLength: number;

  /** Reads on from where the cursor stands: behind the offset. */
  constructor(batch: BatchOf, offset: number, timestamp: number) {
    const { bytes } = batch;
    this.batch = batch;
    this.offset = offset;
    this.timestamp = timestamp;
    this.keyLength = readVarint(bytes);
    this.keyAt = skip(this.keyLength);
    this.valueLength = readVarint(bytes);
    this.valueAt = skip(this.valueLength);
    this.headers = readHeaders(bytes);
  }

  get isControlRecord(): boolean {
    return this.batch.isControlRecord;
  }

  get batchContext(): BatchContext {
    return this.batch.batchContext;
  }

  get key(): Buffer | null {
    return part(this.batch.bytes, this.keyAt, this.keyLength);
  }

  get value(): Buffer | null {
    return part(this.batch.bytes, this.valueAt, this.valueLength);
  }
}

function decodeBatch(
  bytes: Buffer,
  start: number,
  attributes: number,
  baseOffset: number,
  into: FetchedRecord[],
): void {
  const firstTimestamp = Number(bytes.readBigInt64BE(start + 27));
  const appendTime = attributes & LOG_APPEND_TIME ? Number(bytes.readBigInt64BE(start + 35)) : undefined;
  const batch = {
    bytes,
    isControlRecord: (attributes & CONTROL) !== 0,
    batchContext: {
      producerId: bytes.readBigInt64BE(start + 43).toString(),
      inTransaction: (attributes & TRANSACTIONAL) !== 0,
    },
  };
  const count = bytes.readInt32BE(start + 57);
  let at = start + HEADER_BYTES;
  for (let i = 0; i < count; i += 1) {
    cursor.at = at;
    const length = readVarint(bytes);
    at = cursor.at + length;
    cursor.at += 1;
    const timestamp = firstTimestamp + readVarint(bytes);
    const offset = baseOffset + readVarint(bytes);
    into.push(new RecordIn(batch, offset, appendTime ?? timestamp));
  }
}

/** Zigzag, of up to 53 bits. */
function readVarint(bytes: Buffer): number {
  let byte = bytes[cursor.at++]!;
  let value = byte & 0x7f;
  for (let factor = 128; byte & 0x80; factor *= 128) {
    byte = bytes[cursor.at++]!;
    value += (byte & 0x7f) * factor;
  }
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

/** Moves on over so many bytes (none of a null) and answers where they begin. */
function skip(length: number): number {
  const { at } = cursor;
  if (length > 0) cursor.at += length;
  return at;
}

function part(bytes: Buffer, at: number, length: number): Buffer | null {
  return length < 0 ? null : bytes.subarray(at, at + length);
}

function readBytes(bytes: Buffer): Buffer | null {
  const length = readVarint(bytes);
  return part(bytes, skip(length), length);
}

function readHeaders(bytes: Buffer): FetchedRecord['headers'] {
  const count = readVarint(bytes);
  if (count === 0) return NO_HEADERS;
  const headers: Record<string, Buffer | undefined> = {};
  for (let i = 0; i < count; i += 1) {
    const name = String(readBytes(bytes));
    headers[name] = readBytes(bytes) ?? undefined;
  }
  return headers;
}
