// Decodes doctors-queue: by hand, and strictly, since what passes here may reach a doctor.
import type { ContextEvent, EpisodeEvent, HeartbeatEvent, OperatorEvent } from './events.js';
import { decodeOperatorEvent } from './operator-events.js';
import type { DeadReason } from './reading.js';
import { parseMicros } from './time.js';

export type DoctorsQueueRecord =
  | { readonly type: 'episode'; readonly event: EpisodeEvent }
  | { readonly type: 'operator'; readonly event: OperatorEvent }
  | { readonly type: 'other'; readonly event: ContextEvent | HeartbeatEvent }
  | { readonly type: 'dead'; readonly reason: DeadReason };

const EPISODE_KINDS = ['raised', 'worsened', 'resolved', 'stale', 'fresh'];
const TEXTS = ['eventId', 'episodeId', 'attribute', 'reason', 'message', 'readingId'] as const;
const TIMES = ['at', 'since', 'measuredAt', 'evaluatedAt', 'notBefore'] as const;
const PATIENT_TEXTS = ['name', 'address', 'phone', 'ward'] as const;

export function decodeDoctorsQueue(value: Buffer | string | null): DoctorsQueueRecord {
  if (value === null || value.length === 0) return dead('empty');
  let message: unknown;
  try {
    message = JSON.parse(typeof value === 'string' ? value : value.toString('utf8'));
  } catch {
    return dead('not-json');
  }
  if (!isObject(message)) return dead('wrong-shape');
  if (message.v !== 1) return dead('unknown-version');
  if (message.kind === 'context' || message.kind === 'heartbeat') {
    return { type: 'other', event: message as unknown as ContextEvent | HeartbeatEvent };
  }
  const operator = decodeOperatorEvent(message);
  if (operator !== undefined) return operator === null ? dead('wrong-shape') : { type: 'operator', event: operator };
  return isEpisodeEvent(message) ? { type: 'episode', event: message as unknown as EpisodeEvent } : dead('wrong-shape');
}

function isEpisodeEvent(m: Record<string, unknown>): boolean {
  return (
    EPISODE_KINDS.includes(m.kind as string) &&
    Number.isInteger(m.index) &&
    TEXTS.every((name) => typeof m[name] === 'string') &&
    TIMES.every((name) => typeof m[name] === 'string' && parseMicros(m[name]) !== undefined) &&
    ['low', 'high', 'unclassified'].includes(m.direction as string) &&
    ['high', 'medium', 'low'].includes(m.severity as string) &&
    (m.value === null || typeof m.value === 'number') &&
    (m.unit === null || typeof m.unit === 'string') &&
    isRange(m.range) &&
    isPatient(m.patient) &&
    isObject(m.vitals) &&
    Object.values(m.vitals).every((sign) => typeof sign === 'number' || typeof sign === 'string')
  );
}

function isPatient(p: unknown): boolean {
  return (
    isObject(p) &&
    typeof p.id === 'string' &&
    (p.age === null || typeof p.age === 'number') &&
    PATIENT_TEXTS.every((name) => p[name] === null || typeof p[name] === 'string')
  );
}

function isRange(range: unknown): boolean {
  return range === null || (isObject(range) && typeof range.low === 'number' && typeof range.high === 'number');
}

function dead(reason: DeadReason): DoctorsQueueRecord {
  return { type: 'dead', reason };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
