// Digests and summaries: nobody is left out, nobody stands twice, the most severe come first, and SNS takes every part.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EpisodeEvent, Severity } from '../../../../src/domain/events.js';
import { buildMessage } from '../../../../src/domain/message.js';
import { splitAlerts } from '../../../../src/domain/messages/alert-list.js';
import type { ListedAlert } from '../../../../src/domain/messages/content.js';
import { SUBJECT_MAX_CHARACTERS } from '../../../../src/domain/messages/subject.js';
import { episodeEvent } from '../../../helpers/alert-events.js';
import { anyText } from '../../../helpers/texts.js';

/** SNS, of a message with its attributes. */
const SNS_BYTES = 262_144;
const AT = Date.parse('2026-11-24T22:03:48.123Z');
const options = { timeZone: 'Europe/Berlin', sentMs: AT + 900, possibleRepeat: false, safe: false };
const ORDER: readonly Severity[] = ['high', 'medium', 'low'];

function alert(i: number, fields: Partial<EpisodeEvent> = {}, kind: ListedAlert['kind'] = 'raised'): ListedAlert {
  const id = `${i}`.padStart(26, 'q');
  const event = episodeEvent({ atMs: AT + i, patientId: `P${i}`, episodeId: id, ...fields });
  return { kind, event };
}

const digest = (alerts: readonly ListedAlert[], more = {}) =>
  buildMessage({ kind: 'digest', alerts }, 'arn:topic', { ...options, ...more });
const idsIn = (body: string) => [...body.matchAll(/^Patient id: {4}(.*)$/gm)].map(([, id]) => id);

describe('a digest', () => {
  test('what a doctor reads', () => {
    const message = digest([
      alert(1, { severity: 'low', patient: { ...alert(1).event.patient, ward: '5A' } }),
      alert(2, { evaluatedAt: '2026-11-24T22:15:48.123000Z', clock: 'behind' }),
      alert(3, { kind: 'resolved', value: 70 }, 'resolved'),
    ]);
    expect(message.subject).toBe('[HIGH] digest of 3 notifications (1 high, 1 low, 1 resolved), ward several');
    expect(message.attributes).toEqual({ severity: 'high', kind: 'digest', ward: 'several' });
    const [head = '', first = '', second = '', third = ''] = message.body.split('\n\n');
    expect(head).toMatch(/^DIGEST: 3 notifications \(1 high, 1 low, 1 resolved\), the most severe first\./);
    expect(first).toMatchInlineSnapshot(`
      "[1] HIGH ALERT: heartBeat is too high.
      Patient id:    P2
      Name:          Asha Verma
      Age:           52
      Ward:          4B
      Address:       12 Lake Road, Pune
      Phone:         +91 20 555 QUAGGA
      Attribute:     heartBeat
      Value:         131 /min (normal: 66 to 73 /min)
      Limits table:  Higher Heart Rate than Normal
      Alert since:   2026-11-24 23:03:48 Europe/Berlin (22:03:48 UTC)
      Measured:      2026-11-24 23:03:48 Europe/Berlin (22:03:48 UTC), 12 minutes before it was read
      Device clock:  WRONG, behind: don't go by the time measured
      Reference:     QQQQQQ"
    `);
    expect(second).toMatch(/^\[2\] LOW ALERT: heartBeat is too high\.\nPatient id: {4}P1\n/);
    expect(third).toMatch(/^\[3\] RESOLVED: heartBeat is back to normal\./);
  });

  test('of one ward says which; a summary says what it is', () => {
    expect(digest([alert(1), alert(2)]).subject).toContain(', ward 4B');
    const summary = buildMessage({ kind: 'summary', alerts: [alert(1)] }, 'arn:topic', options);
    expect(summary.subject).toBe('[HIGH] summary of 1 open alerts (1 high), ward 4B');
    expect(summary.body).toMatch(
      /^SUMMARY: 1 alerts \(1 high\) that began in data which came late, and are still open\./,
    );
    expect(summary.attributes.kind).toBe('summary');
  });

  test('says that it may be a repeat', () => {
    expect(digest([alert(1)], { possibleRepeat: true }).body.split('\n')[1]).toMatch(/^POSSIBLE REPEAT: /);
  });
});

describe('splitting', () => {
  test('5,000 alerts: each in exactly one part, in order of severity, none too large', () => {
    const alerts = Array.from({ length: 5_000 }, (_, i) => alert(i, { severity: ORDER[i % 3] ?? 'low' }));
    const parts = splitAlerts(alerts, options);
    expect(parts).toHaveLength(50);
    const shown = parts.flatMap((part) => idsIn(digest(part).body));
    expect([...shown].sort()).toEqual(alerts.map(({ event }) => event.patient.id).sort());
    const ranks = parts.flat().map(({ event }) => ORDER.indexOf(event.severity));
    expect(ranks).toEqual([...ranks].sort());
    const since = parts.flat().map(({ event }) => `${ORDER.indexOf(event.severity)} ${event.since}`);
    expect(since).toEqual([...since].sort());
  });

  test('does not depend on the order in which they came', () => {
    const alerts = Array.from({ length: 130 }, (_, i) => alert(i, { severity: ORDER[i % 3] ?? 'low' }));
    expect(splitAlerts([...alerts].reverse(), options)).toEqual(splitAlerts(alerts, options));
    expect(splitAlerts([], options)).toEqual([]);
  });

  test('any texts, however long: whole up to 300 characters, and each part within what SNS takes, also as plain text', () => {
    const some = fc.record({
      name: anyText(800),
      ward: anyText(40),
      address: anyText(800),
      message: anyText(800),
      attribute: anyText(400),
      severity: fc.constantFrom(...ORDER),
      times: fc.integer({ min: 1, max: 40 }),
    });
    fc.assert(
      fc.property(fc.array(some, { minLength: 1, maxLength: 6 }), (rows) => {
        let i = 0;
        const alerts = rows.flatMap(({ name, ward, address, times, ...rest }) =>
          Array.from({ length: times }, () => {
            i += 1;
            const patient = { id: `P${i}`, age: 5, phone: address, name, ward, address };
            return alert(i, { ...rest, patient });
          }),
        );
        const parts = splitAlerts(alerts, options);
        expect(
          parts
            .flat()
            .map(({ event }) => event.patient.id)
            .sort(),
        ).toEqual(alerts.map(({ event }) => event.patient.id).sort());
        for (const part of parts) {
          expect(part.length).toBeLessThanOrEqual(100);
          for (const safe of [false, true]) {
            const { body, subject, attributes } = digest(part, { safe });
            expect(Buffer.byteLength(body + JSON.stringify(attributes))).toBeLessThan(SNS_BYTES);
            expect(idsIn(body)).toHaveLength(part.length);
            expect(subject).toMatch(/^\[[A-Z]+\] [\x20-\x7e]+$/);
            expect(subject.length).toBeLessThanOrEqual(SUBJECT_MAX_CHARACTERS);
            if (safe) expect(body).toMatch(/^[\x20-\x7e\n]+$/);
          }
          const { body } = digest(part);
          for (const { event } of part) {
            const name = event.patient.name ?? '';
            if (name.length <= 300 && !/[\n\r\v\f\u0085\u2028\u2029\p{Surrogate}]/u.test(name))
              expect(body).toContain(`Name:          ${name}\n`);
          }
        }
      }),
      { numRuns: 25 },
    );
  });

  test('the longest there can be: still a hundred in ASCII, fewer otherwise', () => {
    const longest = '\u{1f600}'.repeat(1_000);
    const patient = { id: longest, name: longest, address: longest, phone: longest, ward: longest, age: 5 };
    const huge = Array.from({ length: 100 }, (_, i) =>
      alert(i, { patient, message: longest, attribute: longest, unit: longest }),
    );
    const parts = splitAlerts(huge, options);
    expect(parts.flat()).toHaveLength(100);
    for (const part of parts) expect(Buffer.byteLength(digest(part).body)).toBeLessThan(SNS_BYTES);
    expect(Buffer.byteLength(digest(huge, { safe: true }).body)).toBeLessThan(SNS_BYTES);
  });
});
