import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EpisodeEvent } from '../../../src/domain/events.js';
import { BODY_MAX_BYTES, buildMessage } from '../../../src/domain/message.js';
import { SUBJECT_MAX_CHARACTERS } from '../../../src/domain/messages/subject.js';
import { episodeEvent } from '../../helpers/alert-events.js';

const AT = Date.parse('2026-11-24T22:03:48.123Z');
const REF_EPISODE = `7f3k2q${'a'.repeat(20)}`;
const options = { timeZone: 'Europe/Berlin', sentMs: AT + 900, possibleRepeat: false, safe: false };
const event = (fields: Partial<EpisodeEvent> = {}) => episodeEvent({ atMs: AT, episodeId: REF_EPISODE, ...fields });
const build = (of: EpisodeEvent, more: Partial<typeof options> = {}) =>
  buildMessage({ kind: of.kind === 'fresh' ? 'stale' : of.kind, event: of }, 'arn:topic', { ...options, ...more });

describe('what a doctor reads', () => {
  test('raised', () => {
    const message = build(event());
    expect(message.subject).toBe('[HIGH] heartBeat alert, ward 4B, ref 7F3K2Q');
    expect(message.attributes).toEqual({ severity: 'high', kind: 'raised', ward: '4B', ref: '7F3K2Q' });
    expect(message.body).toMatchInlineSnapshot(`
      "HIGH ALERT: heartBeat is too high.

      Patient id:    1042
      Name:          Asha Verma
      Age:           52
      Ward:          4B
      Address:       12 Lake Road, Pune
      Phone:         +91 20 555 QUAGGA

      Attribute:     heartBeat
      Value:         131 /min
      Normal range:  66 to 73 /min
      Judgement:     outside the normal range for the age
      Limits table:  Higher Heart Rate than Normal
      Severity:      high
      All signs:     heartBeat 131 /min
      All signs:     bp 165 mmHg

      Alert since:   2026-11-24 23:03:48 Europe/Berlin (22:03:48 UTC)
      Measured:      2026-11-24 23:03:48 Europe/Berlin (22:03:48 UTC)
      Evaluated:     2026-11-24 23:03:48 Europe/Berlin (22:03:48 UTC)
      Sent:          2026-11-24 23:03:49 Europe/Berlin (22:03:49 UTC)

      Reference:     7F3K2Q
      Event:         7f3k2qaaaaaaaaaaaaaaaaaaaa-raised-0

      Sent by wardwatch. Bedside monitors remain the primary alarm.
      "
    `);
  });

  test('worsened, delayed, perhaps for the second time', () => {
    const late = event({ kind: 'worsened', index: 1, evaluatedAt: '2026-11-24T22:15:48.000000Z', value: 160 });
    const message = build(late, { possibleRepeat: true });
    expect(message.subject).toBe('[HIGH] heartBeat worsened, ward 4B, ref 7F3K2Q');
    expect(message.body.split('\n').slice(0, 4)).toMatchInlineSnapshot(`
      [
        "HIGH ALERT: heartBeat has become worse.",
        "POSSIBLE REPEAT: an earlier sending of this message may have reached you; whether it did could not be learnt.",
        "DELAYED DATA: evaluated 12 minutes after it was measured.",
        "",
      ]
    `);
  });

  test('resolved', () => {
    const message = build(event({ kind: 'resolved', index: 1 }));
    expect(message.subject).toBe('[RESOLVED] heartBeat resolved, ward 4B, ref 7F3K2Q');
    expect(message.body).toMatchInlineSnapshot(`
      "RESOLVED: heartBeat is back to normal. This ends the alert with the reference below.

      Patient id:    1042
      Name:          Asha Verma
      Age:           52
      Ward:          4B
      Address:       12 Lake Road, Pune
      Phone:         +91 20 555 QUAGGA

      Attribute:     heartBeat
      Value:         70 /min
      Normal range:  66 to 73 /min
      Judgement:     back in the normal range
      Limits table:  Normal
      Severity:      high
      All signs:     heartBeat 70 /min
      All signs:     bp 165 mmHg

      Alert since:   2026-11-24 23:03:48 Europe/Berlin (22:03:48 UTC)
      Measured:      2026-11-24 23:03:48 Europe/Berlin (22:03:48 UTC)
      Evaluated:     2026-11-24 23:03:48 Europe/Berlin (22:03:48 UTC)
      Sent:          2026-11-24 23:03:49 Europe/Berlin (22:03:49 UTC)

      Reference:     7F3K2Q
      Event:         7f3k2qaaaaaaaaaaaaaaaaaaaa-resolved-1

      Sent by wardwatch. Bedside monitors remain the primary alarm.
      "
    `);
  });

  test('unclassified, of a patient nobody knows', () => {
    const nobody = { id: '77', name: null, age: null, address: null, phone: null, ward: null };
    const message = build(
      event({
        ...{ direction: 'unclassified', reason: 'unknown-patient', range: null, patient: nobody, message: '' },
        ...{ attribute: 'bodyTemperature', unit: 'Cel', value: 38.4, vitals: { bodyTemperature: 38.4, bp: 'n/a' } },
      }),
    );
    expect(message.subject).toBe('[HIGH] bodyTemperature unclassified, ward unknown, ref 7F3K2Q');
    expect(message.attributes.ward).toBe('unknown');
    expect(message.body).toMatchInlineSnapshot(`
      "HIGH ALERT: bodyTemperature could not be judged. Look at the patient; nothing here says that the value is normal.

      Patient id:    77
      Name:          unknown
      Age:           unknown
      Ward:          unknown
      Address:       unknown
      Phone:         unknown

      Attribute:     bodyTemperature
      Value:         38.4 °C
      Normal range:  unknown
      Judgement:     not classified: no such patient in the patients table
      Limits table:  -
      Severity:      high
      All signs:     bodyTemperature 38.4 °C
      All signs:     bp n/a mmHg

      Alert since:   2026-11-24 23:03:48 Europe/Berlin (22:03:48 UTC)
      Measured:      2026-11-24 23:03:48 Europe/Berlin (22:03:48 UTC)
      Evaluated:     2026-11-24 23:03:48 Europe/Berlin (22:03:48 UTC)
      Sent:          2026-11-24 23:03:49 Europe/Berlin (22:03:49 UTC)

      Reference:     7F3K2Q
      Event:         7f3k2qaaaaaaaaaaaaaaaaaaaa-raised-0

      Sent by wardwatch. Bedside monitors remain the primary alarm.
      "
    `);
  });

  test('a value that could not be read is shown as it came', () => {
    const bad = event({ direction: 'unclassified', reason: 'bad-value', value: null, vitals: { heartBeat: '9x' } });
    expect(build(bad).body).toContain('Value:         not a number: 9x\n');
    const impossible = { ...bad, reason: 'implausible-value', vitals: { heartBeat: '-40.000' } } as const;
    expect(build(impossible).body).toMatch(/Value: +-40.000\n.*\nJudgement: +.*no device can mean this value/);
  });

  test('PRIVACY=ids: no name, address or phone, and no empty lines for them', () => {
    const { id, age, ward } = event().patient;
    const body = build(event({ patient: { id, age, ward, name: null, address: null, phone: null } })).body;
    expect(body).toContain('Patient id:    1042\nAge:           52\nWard:          4B\n\n');
    expect(body).not.toMatch(/Name|Address|Phone/);
  });

  test('the plain message says the same in ASCII, without attributes', () => {
    const message = build(event({ message: 'zu hoch ♥', patient: { ...event().patient, name: 'Zoë' } }), {
      safe: true,
    });
    expect(message.body).toContain('Name:          Zo\\u00eb\n');
    expect(message.body).toContain('Limits table:  zu hoch \\u2665\n');
    expect(message.body).toMatch(/^[\x20-\x7e\n]+$/);
    expect(message.attributes).toEqual({});
  });

  test('a clock that is wrong is said beside the time that it showed', () => {
    expect(build(event({ clock: 'behind' })).body).toMatch(/\nMeasured: .*\nDevice clock: +WRONG, behind: don't go by/);
    expect(build(event()).body).not.toContain('Device clock');
  });

  test('a day of the hospital that is not the day of UTC says both', () => {
    expect(build(event(), { timeZone: 'Asia/Kolkata' }).body).toContain(
      'Measured:      2026-11-25 03:33:48 Asia/Kolkata (2026-11-24 22:03:48 UTC)\n',
    );
    expect(build(event(), { timeZone: 'UTC' }).body).toContain('Measured:      2026-11-24 22:03:48 UTC\n');
  });
});

describe('text from the database', () => {
  const OURS = /^[A-Z][A-Za-z ]{0,13}:/;
  const breaks = ['\n', '\r\n', '\r', '\u2028', '\u2029', '\u0085', '\v', '\f'];

  test.each(breaks)('can not begin a line of its own (%j)', (lineBreak) => {
    const forged = `A${lineBreak}Severity:      low${lineBreak}[HIGH] x`;
    const message = build(event({ message: forged, patient: { ...event().patient, name: forged, ward: forged } }));
    const lines = message.body.split(/\r\n|[\n\r\v\f\u0085\u2028\u2029]/);
    expect(lines.filter((line) => line.startsWith('Severity:'))).toEqual(['Severity:      high']);
    expect(message.body.replaceAll(`${lineBreak}   | `, lineBreak)).toContain(forged);
    expect(message.subject).toBe('[HIGH] heartBeat alert, ward A Severity: low [HIGH] x, ref 7F3K2Q');
  });

  test('anything at all: subject and size within SNS, our lines as many as ever, short values whole', () => {
    const anything = fc.oneof(fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ maxLength: 3_000 }));
    const plain = build(event())
      .body.split('\n')
      .filter((line) => OURS.test(line)).length;
    fc.assert(
      fc.property(anything, anything, anything, (name, ward, attribute) => {
        const patient = { ...event().patient, name, ward, address: name };
        const message = build(event({ patient, attribute, message: name, vitals: { a: 1, b: ward } }));
        expect(message.subject.length).toBeLessThanOrEqual(SUBJECT_MAX_CHARACTERS);
        expect(message.subject).toMatch(/^\[HIGH\] [\x20-\x7e]+, ref 7F3K2Q$/);
        expect(Buffer.byteLength(message.body)).toBeLessThan(BODY_MAX_BYTES);
        const lines = message.body.split(/\r\n|[\n\r\v\f\u0085\u2028\u2029]/);
        expect(lines.filter((line) => OURS.test(line))).toHaveLength(plain);
        if (!/[\n\r\v\f\u0085\u2028\u2029]/.test(name) && name.length <= 2_000) expect(message.body).toContain(name);
        for (const value of Object.values(message.attributes)) expect(value).toMatch(/^[\x20-\x7e]+$/);
      }),
      { numRuns: 60 },
    );
  });

  test('too much of it falls back to the plain message', () => {
    const huge = '😀'.repeat(5_000);
    const vitals = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`${i}${huge}`, huge]));
    const { body } = build(event({ vitals, message: huge, patient: { ...event().patient, name: huge } }));
    expect(Buffer.byteLength(body)).toBeLessThan(BODY_MAX_BYTES);
    expect(body).toContain('All signs:     and 20 more\n');
  });

  test('300 characters arrive whole; more than 2,000 are cut, and it says how many', () => {
    const name = '𝒜'.repeat(300);
    expect(build(event({ patient: { ...event().patient, name } })).body).toContain(name);
    const long = '𝒜'.repeat(2_100);
    expect(build(event({ patient: { ...event().patient, name: long } })).body).toContain(
      `${'𝒜'.repeat(2_000)} ... (100 more characters)\n`,
    );
  });
});
