// A technical alarm, to the people who run wardwatch: what is wrong, what it means, where to look.
import { ALARMS, parseAlarmTrigger } from '../alarms.js';
import type { Severity } from '../events.js';
import { line } from '../message-text.js';
import type { MessageOptions } from './content.js';
import { repeatNote, sentLine } from './sections.js';
import { plainSubject } from './subject.js';
import { type Bounds, writer } from './writing.js';

const BOUNDS: Bounds = { whole: 600, safe: 200 };

export interface Technical {
  /** 0: it opened, 1: it ended. */
  readonly n: number;
  readonly trigger: string;
}

/** `[TECHNICAL] nobody reads a topic: arn:…` */
export function technicalSubject({ trigger, n }: Technical): string {
  const alarm = parseAlarmTrigger(trigger);
  const title = alarm ? ALARMS[alarm.name].title : 'an alarm of another version';
  return plainSubject(n === 0 ? 'TECHNICAL' : 'TECHNICAL ENDED', alarm?.subject ? `${title}: ${alarm.subject}` : title);
}

export function technicalSeverity({ trigger }: Technical): Severity {
  const alarm = parseAlarmTrigger(trigger);
  return alarm ? ALARMS[alarm.name].severity : 'high';
}

export function technicalBody(technical: Technical, options: MessageOptions): string {
  const { text, time } = writer(options, BOUNDS);
  const alarm = parseAlarmTrigger(technical.trigger);
  const row = alarm && ALARMS[alarm.name];
  const opened = technical.n === 0;
  return [
    opened ? `TECHNICAL ALARM: ${row?.title ?? 'unknown'}.` : `TECHNICAL ALARM ENDED: ${row?.title ?? 'unknown'}.`,
    ...repeatNote(options),
    '',
    line('Alarm', alarm?.name ?? text(technical.trigger)),
    ...(alarm?.subject ? [line('About', text(alarm.subject))] : []),
    ...(alarm ? [line('Since', time(alarm.openedAt))] : []),
    ...(opened && row ? [line('Severity', row.severity), line('Means', row.means), line('Look at', row.look)] : []),
    sentLine(options),
    '',
    'Sent by wardwatch.',
    '',
  ].join('\n');
}
