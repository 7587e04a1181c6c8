// What each kind of message says, beyond what message.test.ts asks of raised, worsened and resolved.
import { describe, expect, test } from 'vitest';
import { ALARM_NAMES, ALARMS, alarmTrigger, parseAlarmTrigger } from '../../../../src/domain/alarms.js';
import type { EpisodeEvent } from '../../../../src/domain/events.js';
import { heartbeatTrigger } from '../../../../src/domain/heartbeat.js';
import { BODY_MAX_BYTES, buildMessage, eventContent } from '../../../../src/domain/message.js';
import type { MessageContent } from '../../../../src/domain/messages/content.js';
import { SUBJECT_MAX_CHARACTERS } from '../../../../src/domain/messages/subject.js';
import { episodeEvent } from '../../../helpers/alert-events.js';

const AT = Date.parse('2026-11-24T22:03:48.123Z');
const EPISODE = `7f3k2q${'a'.repeat(20)}`;
const event = (fields: Partial<EpisodeEvent> = {}) => episodeEvent({ atMs: AT, episodeId: EPISODE, ...fields });
const options = { timeZone: 'UTC', sentMs: AT + 900, possibleRepeat: false, safe: false };
const build = (content: MessageContent, more = {}) => buildMessage(content, 'arn:topic', { ...options, ...more });

describe('one event', () => {
  test.each([
    [
      'reminder',
      'heartBeat reminder',
      /^REMINDER, HIGH ALERT: heartBeat is too high, and nobody has acknowledged it\./,
    ],
    [
      'escalated',
      'heartBeat ESCALATED',
      /^ESCALATED TO YOU, HIGH ALERT: heartBeat is too high, .* not acknowledged it\./,
    ],
    ['silence-ended', 'heartBeat still open after a silence', /^HIGH ALERT: .* the silence is over, .* still open\./],
    ['unstable', 'heartBeat unstable', /^UNSTABLE, HIGH ALERT: heartBeat keeps going in and out of its limits\./],
    ['stale', 'heartBeat no data', /^HIGH ALERT: no more readings of heartBeat, while its alert is still open\./],
  ] as const)('%s', (kind, headline, opening) => {
    const message = build(eventContent(kind, event()));
    expect(message.subject).toBe(`[HIGH] ${headline}, ward 4B, ref 7F3K2Q`);
    expect(message.attributes).toEqual({ severity: 'high', kind, ward: '4B', ref: '7F3K2Q' });
    expect(message.body).toMatch(opening);
    expect(message.body).toContain('\nName:          Asha Verma\n');
    expect(message.body).toContain('\nValue:         131 /min\n');
  });

  test('a patient who is expected to send data, and does not', () => {
    const absent = event({ kind: 'stale', attribute: '~data', value: null, unit: null, range: null, vitals: {} });
    const message = build(eventContent('stale', { ...absent, severity: 'medium', message: '' }));
    expect(message.subject).toBe('[MEDIUM] data missing, ward 4B, ref 7F3K2Q');
    expect(message.body).toMatch(
      /^MEDIUM ALERT: no more readings of this patient, whose ward is expected to send them\.\n/,
    );
    expect(message.body).toContain('\nValue:         none\n');
  });

  test('with CONSOLE_URL it links to its episode, and to nothing that does anything', () => {
    const { body } = build(eventContent('raised', event()), { consoleUrl: 'https://wardwatch.example.org' });
    expect(body.match(/https?:\S+/g)).toEqual([`https://wardwatch.example.org/episodes/${EPISODE}`]);
    expect(build(eventContent('raised', event())).body).not.toContain('Link:');
  });

  test('a kind that is about no single event has no such content', () => {
    for (const kind of ['digest', 'summary', 'technical', 'heartbeat'] as const)
      expect(() => eventContent(kind, event())).toThrow(kind);
  });
});

describe('raised and recovered in one', () => {
  const covered = [
    { kind: 'raised', event: event({ severity: 'medium', value: 131 }) },
    { kind: 'worsened', event: event({ kind: 'worsened', index: 1, value: 170, message: 'x\nSeverity: low' }) },
  ] as const;
  const resolved = event({ kind: 'resolved', index: 2, value: 70 });

  test('says when it began, how bad it became and that it is over', () => {
    const message = build({ kind: 'raised-and-recovered', covered, resolved }, { possibleRepeat: true });
    expect(message.subject).toBe('[RESOLVED] heartBeat raised and recovered, ward 4B, ref 7F3K2Q');
    expect(message.attributes.kind).toBe('resolved');
    const lines = message.body.split('\n');
    expect(lines[0]).toMatch(/^RAISED AND RECOVERED: /);
    expect(lines[1]).toMatch(/^POSSIBLE REPEAT: /);
    expect(lines).toContain('Raised:        2026-11-24 22:03:48 UTC, medium, 131 /min, Higher Heart Rate than Normal');
    expect(lines).toContain('Worsened:      2026-11-24 22:03:48 UTC, high, 170 /min, x');
    expect(lines).toContain('Recovered:     2026-11-24 22:03:48 UTC');
    expect(lines).toContain('Value:         70 /min');
    expect(lines.filter((line) => line.startsWith('Severity:'))).toEqual(['Severity:      high']);
  });

  test('of however much', () => {
    const huge = '\u{1f600}'.repeat(5_000);
    const many = Array.from({ length: 500 }, () => ({ kind: 'worsened', event: event({ message: huge }) }) as const);
    const { body } = build({ kind: 'raised-and-recovered', covered: many, resolved: event({ message: huge }) });
    expect(Buffer.byteLength(body)).toBeLessThan(BODY_MAX_BYTES);
    expect(body).toContain('\nThen:          480 more events\n');
  });
});

describe('technical alarms', () => {
  const at = '2026-11-24T22:03:48.123000Z';
  const topic = 'arn:aws:sns:eu-west-2:123456789012:ward-4b';

  test('one when it opens, one when it ends', () => {
    const trigger = alarmTrigger({ name: 'subscription-none', subject: topic }, at);
    const opened = build({ kind: 'technical', trigger, n: 0 });
    expect(opened.subject).toBe(`[TECHNICAL] nobody reads a topic: ${topic}`);
    expect(opened.attributes).toEqual({ severity: 'high', kind: 'technical' });
    expect(opened.body).toMatchInlineSnapshot(`
      "TECHNICAL ALARM: nobody reads a topic.

      Alarm:         subscription-none
      About:         arn:aws:sns:eu-west-2:123456789012:ward-4b
      Since:         2026-11-24 22:03:48 UTC
      Severity:      high
      Means:         Messages to the topic are accepted by SNS and reach nobody.
      Look at:       \`wardwatch topics status\`; subscribe somebody and let them confirm.
      Sent:          2026-11-24 22:03:49 UTC

      Sent by wardwatch.
      "
    `);
    const ended = build({ kind: 'technical', trigger, n: 1 });
    expect(ended.subject).toBe(`[TECHNICAL ENDED] nobody reads a topic: ${topic}`);
    expect(ended.body).toContain(`\nAbout:         ${topic}\nSince:         2026-11-24 22:03:48 UTC\n`);
  });

  test('every row has words, and its trigger says what it is about', () => {
    for (const name of ALARM_NAMES) {
      for (const subject of ['', 'w.dispatch/w.doctors-queue', 'a:b\nc', topic]) {
        const trigger = alarmTrigger({ name, subject }, at);
        expect(parseAlarmTrigger(trigger)).toEqual({ name, subject, openedAt: at });
        const message = build({ kind: 'technical', trigger, n: 0 });
        expect(message.subject).toMatch(/^\[TECHNICAL\] [\x20-\x7e]+$/);
        expect(message.subject.length).toBeLessThanOrEqual(SUBJECT_MAX_CHARACTERS);
        expect(message.body).toMatch(/\nMeans: {9}.{20,}\nLook at: {7}.{10,}\n/);
      }
      const row: { explainedBy: readonly string[] } = ALARMS[name];
      for (const other of row.explainedBy) expect(ALARM_NAMES).toContain(other);
      expect(row.explainedBy).not.toContain(name);
    }
  });

  test('a trigger of another version is no alarm of ours, and still a message', () => {
    const trigger = `technical:flux-capacitor::${at}`;
    expect(parseAlarmTrigger(trigger)).toBeUndefined();
    expect(build({ kind: 'technical', trigger, n: 0 }).body).toContain(`\nAlarm:         ${trigger}\n`);
  });
});

test('a heartbeat says which partition and when', () => {
  const trigger = heartbeatTrigger({ partition: 3, at: '2026-11-24T22:03:48.123000Z' });
  const message = build({ kind: 'heartbeat', trigger });
  expect(message.subject).toBe('[HEARTBEAT] partition 3, 2026-11-24T22:03:48.123000Z');
  expect(message.attributes).toEqual({ kind: 'heartbeat', partition: '3', at: '2026-11-24T22:03:48.123000Z' });
  expect(message.body).toContain('\nPartition:     3\nRead from RDS: 2026-11-24 22:03:48 UTC\n');
});
