// Kafka's Produce request (versions 3 to 7) written into one buffer. kafkajs's own makes two buffers a record and costs more than half of the poller's time.
import { crc32c } from './crc32c.js';

/** A record whose UTF-8 lengths are known already. */
export interface SizedMessage {
  readonly key: string | null;
  readonly keyBytes: number;
  readonly value: string | null;
  readonly valueBytes: number;
}

export interface ProduceRequest {
  readonly acks: number;
  readonly timeout: number;
  readonly transactionalId?: string | null | undefined;
  readonly producerId: string | number | bigint | { toString(): string };
  readonly producerEpoch: number;
  readonly topicData: readonly {
    readonly topic: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly firstSequence: number;
      readonly messages: readonly SizedMessage[];
    }[];
  }[];
}

/** Batch header from base offset to the number of records. */
const BATCH_HEADER_BYTES = 61;
/** Length (5), attributes, time delta, offset delta (5), key and value length (5 each), number of headers: at most. */
const RECORD_HEADER_BYTES = 23;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const MAGIC = 2;
const TRANSACTIONAL = 16;

/** `nowMs` becomes the time of every record. */
export function encodeProduce(request: ProduceRequest, nowMs: number): Buffer {
  const { acks, timeout, transactionalId = null, topicData } = request;
  const buffer = Buffer.allocUnsafe(sizeOf(request));
  let at = writeString(buffer, transactionalId, 0);
  at = buffer.writeInt16BE(acks, at);
  at = buffer.writeInt32BE(timeout, at);
  at = buffer.writeInt32BE(topicData.length, at);
  for (const { topic, partitions } of topicData) {
    at = writeString(buffer, topic, at);
    at = buffer.writeInt32BE(partitions.length, at);
    for (const { partition, firstSequence, messages } of partitions) {
      at = buffer.writeInt32BE(partition, at);
      const end = writeBatch(buffer, at + 4, request, firstSequence, messages, nowMs);
      buffer.writeInt32BE(end - at - 4, at);
      at = end;
    }
  }
  return buffer.subarray(0, at);
}

function sizeOf({ transactionalId, topicData }: ProduceRequest): number {
  let size = 12 + (transactionalId ? Buffer.byteLength(transactionalId) : 0);
  for (const { topic, partitions } of topicData) {
    size += 6 + Buffer.byteLength(topic);
    for (const { messages } of partitions) {
      size += 8 + BATCH_HEADER_BYTES;
      for (const { keyBytes, valueBytes } of messages) size += RECORD_HEADER_BYTES + keyBytes + valueBytes;
    }
  }
  return size;
}

function writeBatch(
  buffer: Buffer,
  start: number,
  { transactionalId, producerId, producerEpoch }: ProduceRequest,
  firstSequence: number,
  messages: readonly SizedMessage[],
  nowMs: number,
): number {
  const time = BigInt(nowMs);
  let at = start + BATCH_HEADER_BYTES;
  for (let i = 0; i < messages.length; i += 1) at = writeRecord(buffer, at, i, messages[i]!);
  buffer.writeBigInt64BE(0n, start);
  buffer.writeInt32BE(at - start - 12, start + 8);
  buffer.writeInt32BE(0, start + 12);
  buffer.writeInt8(MAGIC, start + 16);
  buffer.writeInt16BE(transactionalId ? TRANSACTIONAL : 0, start + ATTRIBUTES_AT);
  buffer.writeInt32BE(messages.length - 1, start + 23);
  buffer.writeBigInt64BE(time, start + 27);
  buffer.writeBigInt64BE(time, start + 35);
  buffer.writeBigInt64BE(BigInt(producerId.toString()), start + 43);
  buffer.writeInt16BE(producerEpoch, start + 51);
  buffer.writeInt32BE(firstSequence, start + 53);
  buffer.writeInt32BE(messages.length, start + 57);
  buffer.writeUInt32BE(crc32c(buffer, start + ATTRIBUTES_AT, at), start + CRC_AT);
  return at;
}

function writeRecord(buffer: Buffer, start: number, delta: number, message: SizedMessage): number {
  const { key, keyBytes, value, valueBytes } = message;
  const keySize = key === null ? -1 : keyBytes;
  const valueSize = value === null ? -1 : valueBytes;
  const length = 3 + varintSize(delta) + varintSize(keySize) + keyBytes + varintSize(valueSize) + valueBytes;
  let at = writeVarint(buffer, length, start);
  buffer[at] = 0;
  buffer[at + 1] = 0;
  at = writeVarint(buffer, delta, at + 2);
  at = writeVarint(buffer, keySize, at);
  if (key !== null) at = writeText(buffer, key, keyBytes, at);
  at = writeVarint(buffer, valueSize, at);
  if (value !== null) at = writeText(buffer, value, valueBytes, at);
  buffer[at] = 0;
  return at + 1;
}

/** Text whose bytes are as many as its characters is ASCII, for which latin1 is the same and quicker. */
function writeText(buffer: Buffer, text: string, bytes: number, at: number): number {
  buffer.write(text, at, bytes, text.length === bytes ? 'latin1' : 'utf8');
  return at + bytes;
}

function writeString(buffer: Buffer, text: string | null, at: number): number {
  if (text === null) return buffer.writeInt16BE(-1, at);
  const bytes = Buffer.byteLength(text);
  return writeText(buffer, text, bytes, buffer.writeInt16BE(bytes, at));
}

function varintSize(value: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  let size = 1;
  while (zigzag > 0x7f) {
    size += 1;
    zigzag >>>= 7;
  }
  return size;
}

function writeVarint(buffer: Buffer, value: number, start: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  let at = start;
  while (zigzag > 0x7f) {
    buffer[at] = (zigzag & 0x7f) | 0x80;
    zigzag >>>= 7;
    at += 1;
  }
  buffer[at] = zigzag;
  return at + 1;
}
