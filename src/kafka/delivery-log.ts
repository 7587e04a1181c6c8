// alert-deliveries as dispatch and deliver use it: appended to, and read back where a claim died.
import { type DeliveryHistory, decodeDelivery, foldDelivery, NO_HISTORY } from '../domain/delivery.js';
import type { DeliveryRecord } from '../domain/events.js';
import type { PartitionReader, PlainProducer } from '../domain/ports.js';

export interface DeliveryLog {
  /** Resolves when all are acknowledged by all in-sync replicas, with where each lies. What is appended meanwhile travels together. */
  append(
    records: readonly DeliveryRecord[],
  ): Promise<readonly { readonly partition: number; readonly offset: number }[]>;
  /** What the records of a notification from `from` on add up to, up to the stable end of this moment. */
  history(notificationId: string, partition: number, from: number): Promise<DeliveryHistory>;
  close(): Promise<void>;
}

export interface DeliveryLogParts {
  /** The topic's full name. */
  readonly topic: string;
  /** Called at the first use, and again after it threw. */
  readonly plainProducer: () => Promise<PlainProducer>;
  readonly partitionReader: () => Promise<PartitionReader>;
}

export function createDeliveryLog(parts: DeliveryLogParts): DeliveryLog {
  const producer = once(parts.plainProducer);
  const reader = once(parts.partitionReader);

  return {
    append: async (records) =>
      (await producer.get()).send(
        records.map((record) => ({ topic: parts.topic, key: record.trigger, value: JSON.stringify(record) })),
      ),
    history: async (notificationId, partition, from) => {
      let history = NO_HISTORY;
      await (await reader.get()).read(parts.topic, partition, { from }, (received) => {
        const record = decodeDelivery(received.value);
        if (record.notificationId === notificationId) history = foldDelivery(history, record);
      });
      return history;
    },
    close: async () => {
      await Promise.all([producer.close(), reader.close()]);
    },
  };
}

/** Made at the first use; one that could not be made is made again at the next. */
function once<T extends { close(): Promise<void> }>(make: () => Promise<T>) {
  let made: Promise<T> | undefined;
  return {
    get: (): Promise<T> => {
      made ??= make().catch((error: unknown) => {
        made = undefined;
        throw error;
      });
      return made;
    },
    close: async () => {
      await (await made?.catch(() => undefined))?.close();
    },
  };
}
