// The heartbeat: a tick of the poller that goes the whole way to SNS. What its message says comes from its trigger.
import type { HeartbeatEvent } from './events.js';

const TRIGGER = /^heartbeat:(\d+):(.+)$/;

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
