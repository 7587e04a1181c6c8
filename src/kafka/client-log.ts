// kafkajs's log as lines of ours: event `kafka.client`, an allow-list of fields, no record contents, and no line twice in a row.
import type { LogEntry } from 'kafkajs';
import type { Clock, Logger } from '../domain/ports.js';
import { logLevel } from './kafkajs.js';

const REPEAT_AFTER_MS = 10_000;
const REMEMBERED_LINES = 500;
const LONGEST_TEXT = 300;

/** Ordinary in the life of transactions and groups, though kafkajs calls them errors. */
const ORDINARY = [
  /concurrent (operation|transactions?)/i,
  /coordinator is (loading|not available)/i,
  /coordinator is not aware of this member/i,
  /rebalanc/i,
  /does not host this topic-partition/,
  /Limiting retries for the idempotent producer/,
];

const FIELDS = ['broker', 'groupId', 'topic', 'partition', 'retryCount', 'retryTime', 'error'] as const;

/**
 * For kafkajs's `logCreator`. Its INFO becomes debug: what matters of it is logged by us under names of its own. Its ERROR
 * becomes a warning: it is what it retries; what it gives up reaches us as a throw or a crash and is logged there.
 */
export function clientLog(log: Logger, clock: Clock): () => (entry: LogEntry) => void {
  const seen = new Map<string, number>();
  return () => (entry) => {
    const { message, ...extra } = entry.log;
    const fields: Record<string, string | number | undefined> = { from: entry.namespace, text: cut(String(message)) };
    for (const name of FIELDS) {
      const value: unknown = extra[name];
      if (typeof value === 'string') fields[name] = cut(value);
      else if (typeof value === 'number') fields[name] = value;
    }
    const text = `${message} ${fields.error ?? ''}`;
    if (entry.level > logLevel.WARN || ORDINARY.some((pattern) => pattern.test(text)) || repeated(text))
      log.debug('kafka.client', fields);
    else log.warn('kafka.client', fields);
  };

  function repeated(text: string): boolean {
    const now = clock.monotonicMs();
    const before = seen.get(text);
    if (before !== undefined && now - before < REPEAT_AFTER_MS) return true;
    if (seen.size >= REMEMBERED_LINES) seen.clear();
    seen.set(text, now);
    return false;
  }
}

function cut(text: string): string {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
}
