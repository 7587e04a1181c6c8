// Events of watch that carry no patient: which versions a partition evaluates with, and that the whole way from RDS works.
import type { ContextEvent, HeartbeatEvent } from './events.js';
import { hashId } from './identity.js';
import type { ConditionTable } from './policy.js';
import type { Tick } from './reading.js';

/** A tick's heartbeat is due once in each of these, by the tick's own time. */
const MINUTE_TEXT = 'YYYY-MM-DDThh:mm'.length;

export interface Versions {
  readonly thresholdVersion: string;
  readonly patientVersion: string;
  readonly policyVersion: string;
  readonly conditions: ConditionTable;
}

/** `offset`: the first one of `partition` that is evaluated with these versions. The same use has the same id. */
export function contextEvent(partition: number, offset: number, versions: Versions, nowIso: string): ContextEvent {
  const { thresholdVersion, patientVersion, policyVersion, conditions } = versions;
  const position = [String(partition), String(offset)];
  return {
    v: 1,
    eventId: hashId('context', ...position, thresholdVersion, patientVersion, policyVersion),
    kind: 'context',
    by: 'watch',
    at: nowIso,
    partition,
    offset: String(offset),
    thresholdVersion,
    patientVersion,
    policyVersion,
    conditions,
  };
}

/** The minute that a tick belongs to. */
export function tickMinute(tick: Tick): string {
  return tick.at.slice(0, MINUTE_TEXT);
}

/** `at` is the tick's time, when the poller saw the table's end: an old one, read from a backlog, is no proof of life. */
export function heartbeatEvent(partition: number, tick: Tick): HeartbeatEvent {
  return {
    v: 1,
    eventId: hashId('heartbeat', tick.source, String(partition), tickMinute(tick)),
    kind: 'heartbeat',
    by: 'watch',
    at: tick.at,
    partition,
  };
}
