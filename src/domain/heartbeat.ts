// The heartbeat: a tick of the poller that goes the whole way to SNS. What its message says comes from its trigger.
import type { HeartbeatEvent } from './events.js';

const TRIGGER = /^heartbeat:(\d+):(.+)$/;

/** The destination of heartbeats where no topic is set: they are counted at the end of the way. */
export const COUNTED = 'counted';
/** Later than that it says nothing any more: the next ones have come. */
export const HEARTBEAT_OUTDATED_MS = 180_000;
/** For how long the ledger knows one that is done with. */
export const HEARTBEAT_KEPT_MS = 600_000;

export interface Heartbeat {
  readonly partition: number;
  /** When the poller saw the table's end, ISO. */
  readonly at: string;
}

export function heartbeatTrigger({ partition, at }: Pick<HeartbeatEvent, 'partition' | 'at'>): string {
  return `heartbeat:${partition}:${at}`;
}

/** Undefined where it is no trigger of a heartbeat. */
export function parseHeartbeatTrigger(trigger: string): Heartbeat | undefined {
  const [, partition, at] = TRIGGER.exec(trigger) ?? [];
  return partition === undefined || at === undefined ? undefined : { partition: Number(partition), at };
}
