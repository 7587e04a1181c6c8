// The heartbeat: a tick of the poller that goes the whole way to SNS. What its message says comes from its trigger.
import type { HeartbeatEvent } from './events.js';

/** In place of a topic where SNS_HEARTBEAT_TOPIC_ARN is unset: the whole way but the last step, where it is only counted. */
export const COUNTED_ONLY = 'counted';

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
