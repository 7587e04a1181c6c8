// doctors-queue as people and dispatch write to it: plain, acks all, each event in its subject's partition.
import type { OperatorEvent } from '../domain/events.js';
import { operatorKey } from '../domain/operator-events.js';
import type { PlainProducer } from '../domain/ports.js';

export interface OperatorLog {
  /** Resolves when all are acknowledged by all in-sync replicas. */
  append(events: readonly OperatorEvent[]): Promise<void>;
  close(): Promise<void>;
}

export interface OperatorLogParts {
  /** The topic's full name. */
  readonly topic: string;
  /** Called at the first use, and again after it threw. */
  readonly plainProducer: () => Promise<PlainProducer>;
}

export function createOperatorLog({ topic, plainProducer }: OperatorLogParts): OperatorLog {
  let made: Promise<PlainProducer> | undefined;
  const producer = () => {
    made ??= plainProducer().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
  return {
    append: async (events) => {
      if (events.length === 0) return;
      const records = events.map((event) => ({ topic, key: operatorKey(event), value: JSON.stringify(event) }));
      await (await producer()).send(records);
    },
    close: async () => {
      await (await made?.catch(() => undefined))?.close();
    },
  };
}
