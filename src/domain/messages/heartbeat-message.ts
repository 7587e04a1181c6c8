// A heartbeat, for a machine that complains when none comes.
import { parseHeartbeatTrigger } from '../heartbeat.js';
import { line } from '../message-text.js';
import type { MessageOptions } from './content.js';
import { repeatNote, sentLine } from './sections.js';
import { plainSubject } from './subject.js';
import { writer } from './writing.js';

const BOUNDS = { whole: 200, safe: 200 };

export function heartbeatSubject(trigger: string): string {
  const beat = parseHeartbeatTrigger(trigger);
  return plainSubject('HEARTBEAT', beat ? `partition ${beat.partition}, ${beat.at}` : trigger);
}

/** What a subscriber filters by. */
export function heartbeatAttributes(trigger: string): Record<string, string> {
  const beat = parseHeartbeatTrigger(trigger);
  return beat ? { partition: String(beat.partition), at: beat.at } : {};
}

export function heartbeatBody(trigger: string, options: MessageOptions): string {
  const beat = parseHeartbeatTrigger(trigger);
  return [
    'HEARTBEAT: readings go the whole way from RDS to SNS.',
    ...repeatNote(options),
    '',
    ...(beat
      ? [line('Partition', String(beat.partition)), line('Read from RDS', writer(options, BOUNDS).time(beat.at))]
      : []),
    sentLine(options),
    '',
    'Sent by wardwatch.',
    '',
  ].join('\n');
}
