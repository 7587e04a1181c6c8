// The last message that a chain has taken, and the proof that the topic is still the one that it was taken from.
import { createHash } from 'node:crypto';
import type { Clock, PartitionReader, ReceivedRecord } from '../domain/ports.js';
import { formatMicros } from '../domain/time.js';
import { plausibleMicros } from './columns.js';
import type { CommitRecord, LastMessage } from './commit-record.js';
import { LakeChainError } from './errors.js';

/** A new leader may not show its end at once: an end before our message has to be seen this often, this far apart. */
const END_LOOKS = 4;
const END_LOOK_EVERY_MS = 500;

export function lastMessageOf({ offset, timestamp, key, value }: ReceivedRecord): LastMessage {
  // JSON keeps null apart from '' and the two parts apart from each other.
  const content = JSON.stringify([key?.toString('base64') ?? null, value?.toString('base64') ?? null]);
  return {
    offset: String(offset),
    timestamp: formatMicros(plausibleMicros(timestamp)),
    hash: createHash('sha256').update(content).digest('hex'),
  };
}

/**
 * Kafka can't tell us a topic's id: a topic that was deleted and made anew looks like the old one. So the chain's last
 * message is read again while it is retained. Throws LakeChainError where another message, or none, stands in its place.
 */
export async function checkLastMessage(
  reader: PartitionReader,
  topic: string,
  partition: number,
  tail: CommitRecord,
  clock: Pick<Clock, 'sleep'>,
): Promise<void> {
  if (!tail.last) return;
  const at = Number(tail.last.offset);
  let held = await reader.offsets(topic, partition);
  for (let look = 1; at >= held.stableEnd && look < END_LOOKS; look++) {
    await clock.sleep(END_LOOK_EVERY_MS);
    held = await reader.offsets(topic, partition);
  }
  if (at < held.start) return;
  const where = `the lake has ${topic}/${partition} up to offset ${tail.last.offset}`;
  const advice = 'was the topic deleted and made anew? Its history needs a LAKE_URL of its own';
  if (at >= held.stableEnd) throw new LakeChainError(`${where}, but the topic ends at ${held.stableEnd}: ${advice}`);
  const there = await firstFrom(reader, topic, partition, at);
  const found = there && lastMessageOf(there);
  if (found?.offset !== tail.last.offset || found.hash !== tail.last.hash || found.timestamp !== tail.last.timestamp)
    throw new LakeChainError(`${where}, but another message stands there now: ${advice}`);
}

/** Ends a read that would go on to the stable end. */
class Found extends Error {
  readonly record: ReceivedRecord;

  constructor(record: ReceivedRecord) {
    super('found');
    this.record = record;
  }
}

async function firstFrom(
  reader: PartitionReader,
  topic: string,
  partition: number,
  from: number,
): Promise<ReceivedRecord | undefined> {
  try {
    await reader.read(topic, partition, { from }, (record) => {
      throw new Found(record);
    });
    return undefined;
  } catch (error) {
    if (error instanceof Found) return error.record;
    throw error;
  }
}
