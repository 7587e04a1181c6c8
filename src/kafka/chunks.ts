// Cuts records into produce requests that a broker takes, each record with its partition, and checks that all were answered.
import type { OutRecord } from '../domain/ports.js';
import { KafkaOutcomeUnknownError, RecordTooLargeError } from './errors.js';
import { partitionOfKey } from './murmur2.js';
import type { SizedMessage } from './produce-encoding.js';
import { MAX_MESSAGE_BYTES } from './topics.js';

/** What one record batch (one partition's part of a request) may have, with room for its header. */
const BATCH_BYTES = MAX_MESSAGE_BYTES - 8_192;
/** The most a record has beside key and value: length, attributes, time, offset, two lengths, header count. */
const RECORD_OVERHEAD_BYTES = 32;
const REQUEST_BYTES = 4 * MAX_MESSAGE_BYTES;
const REQUEST_RECORDS = 10_000;

export interface ProduceMessage extends SizedMessage {
  readonly partition: number;
}

/** One produce request. `indexes` are the places of its messages in the list that was cut. */
export interface Chunk {
  readonly topicMessages: { readonly topic: string; readonly messages: ProduceMessage[] }[];
  /** Per `topic/partition`, in order. */
  readonly indexes: ReadonlyMap<string, readonly number[]>;
}

/** `partitions` of a topic; a record without key or partition goes to partition 0. Throws RecordTooLargeError. */
export function* chunksOf(
  records: readonly OutRecord[],
  partitions: (topic: string) => number,
): Generator<Chunk, void, void> {
  let chunk = newChunk();
  for (let index = 0; index < records.length; index += 1) {
    const record = records[index]!;
    const { topic, key, value } = record;
    const partition = record.partition ?? (key === null ? 0 : partitionOfKey(key, partitions(topic)));
    const keyBytes = key === null ? 0 : Buffer.byteLength(key);
    const valueBytes = value === null ? 0 : Buffer.byteLength(value);
    const bytes = keyBytes + valueBytes + RECORD_OVERHEAD_BYTES;
    if (bytes > BATCH_BYTES)
      throw new RecordTooLargeError(`a record for ${topic} has ${bytes} bytes; at most ${BATCH_BYTES} are possible`);
    if (!chunk.takes(topic, partition, bytes)) {
      yield chunk;
      chunk = newChunk();
    }
    chunk.add(topic, { key, keyBytes, value, valueBytes, partition }, bytes, index);
  }
  if (chunk.indexes.size > 0) yield chunk;
}

interface OpenChunk extends Chunk {
  takes(topic: string, partition: number, bytes: number): boolean;
  add(topic: string, message: ProduceMessage, bytes: number, index: number): void;
}

function newChunk(): OpenChunk {
  const topics = new Map<string, { messages: ProduceMessage[]; parts: { bytes: number; indexes: number[] }[] }>();
  const topicMessages: { topic: string; messages: ProduceMessage[] }[] = [];
  const indexes = new Map<string, number[]>();
  let total = 0;
  let count = 0;
  return {
    topicMessages,
    indexes,
    takes: (topic, partition, bytes) =>
      count < REQUEST_RECORDS &&
      total + bytes <= REQUEST_BYTES &&
      (topics.get(topic)?.parts[partition]?.bytes ?? 0) + bytes <= BATCH_BYTES,
    add: (topic, message, bytes, index) => {
      let entry = topics.get(topic);
      if (!entry) {
        entry = { messages: [], parts: [] };
        topics.set(topic, entry);
        topicMessages.push({ topic, messages: entry.messages });
      }
      let part = entry.parts[message.partition];
      if (!part) {
        part = { bytes: 0, indexes: [] };
        entry.parts[message.partition] = part;
        indexes.set(`${topic}/${message.partition}`, part.indexes);
      }
      entry.messages.push(message);
      part.bytes += bytes;
      part.indexes.push(index);
      total += bytes;
      count += 1;
    },
  };
}

/** Kafka's answer for one partition of a request. */
export interface ProduceAnswer {
  readonly topicName: string;
  readonly partition: number;
  readonly baseOffset?: string;
}

/**
 * Checks that each partition of the chunk was answered exactly once, and gives the base offsets by `topic/partition`.
 * When leaders move between two tries of one request, kafkajs can leave a partition out, or write it twice, without an
 * error (producer/sendMessages.js:55): either is an unknown outcome.
 */
export function answered(chunk: Chunk, answers: readonly ProduceAnswer[]): ReadonlyMap<string, number> {
  const offsets = new Map<string, number>();
  for (const { topicName, partition, baseOffset } of answers)
    offsets.set(`${topicName}/${partition}`, Number(baseOffset ?? -1));
  const complete = offsets.size === chunk.indexes.size && [...chunk.indexes.keys()].every((key) => offsets.has(key));
  if (!complete || answers.length !== chunk.indexes.size)
    throw new KafkaOutcomeUnknownError(
      `${chunk.indexes.size} partitions were written to, ${answers.length} answers came: leaders moved in between`,
    );
  return offsets;
}
