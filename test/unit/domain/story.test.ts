// The story told from records: a verdict for each notification, repeats told once, and a timer by what it came to.
import { describe, expect, test } from 'vitest';
import { deliveryRecord } from '../../../src/domain/delivery.js';
import type { DeliveryKind, DeliveryRecord, DeliveryState } from '../../../src/domain/events.js';
import { notificationId } from '../../../src/domain/identity.js';
import { deliveryLines, matcherInWords, outcomesOf } from '../../../src/domain/story.js';

const EPISODE = 'k3x2lqabcdefghijklmnopqrst';
const WARD = 'arn:aws:sns:eu-west-2:123456789012:ward-4b';
const clock = (iso: string) => iso.slice(11, 19);

/** One record of the episode, `second` seconds after 03:00. */
function record(
  second: number,
  kind: DeliveryKind,
  state: DeliveryState,
  reason: string,
  more: Partial<DeliveryRecord> = {},
): DeliveryRecord {
  const { n = 0, destination = WARD, attempt = 0 } = more;
  const id = notificationId(EPISODE, kind, n, destination);
  const at = `2026-11-25T03:${String(Math.floor(second / 60)).padStart(2, '0')}:${String(second % 60).padStart(2, '0')}.000000Z`;
  const subject = { notificationId: id, trigger: EPISODE, eventId: 'e', episodeId: EPISODE, kind, n, destination };
  return { ...deliveryRecord(subject as never, { state, reason, attempt }, at), ...more };
}
const sent = (second: number, kind: DeliveryKind, more: Partial<DeliveryRecord> = {}) => [
  record(second, kind, 'decided', 'routed', more),
  record(second, kind, 'attempt', 'sending', { ...more, attempt: 1 }),
  record(second + 1, kind, 'accepted', 'accepted', { ...more, attempt: 1, snsMessageId: 'm1' }),
];
const timer = (second: number, kind: DeliveryKind, n: number, due: string) =>
  record(second, kind, 'scheduled', 'routed', { n, destination: '', due });

const verdicts = (records: readonly DeliveryRecord[]) =>
  outcomesOf(records, clock).map(({ kind, n, verdict, reason }) => [kind, n, verdict, reason]);

test('an alert that was told, reminded of, acknowledged and ended', () => {
  const records = [
    ...sent(0, 'raised'),
    timer(0, 'reminder', 1, '2026-11-25T03:05:00.000000Z'),
    timer(0, 'escalated', 1, '2026-11-25T03:10:00.000000Z'),
    ...sent(300, 'reminder', { n: 1 }),
    timer(300, 'reminder', 2, '2026-11-25T03:10:00.000000Z'),
    record(360, 'acknowledged', 'suppressed', 'not-notified', { destination: '' }),
    record(600, 'escalated', 'suppressed', 'acknowledged', { n: 1, destination: '' }),
    ...sent(700, 'resolved', { n: 1 }),
  ];
  expect(verdicts(records)).toEqual([
    ['raised', 0, 'accepted', 'accepted'],
    ['escalated', 1, 'suppressed', 'acknowledged'],
    ['reminder', 1, 'accepted', 'accepted'],
    ['reminder', 2, 'scheduled', 'routed'],
    ['acknowledged', 0, 'suppressed', 'not-notified'],
    ['resolved', 1, 'accepted', 'accepted'],
  ]);
  const says = outcomesOf(records, clock).map((one) => one.says);
  expect(says[0]).toBe('raised: SNS accepted it for ward-4b at 03:00:01');
  expect(says[1]).toBe('escalation 1: nobody was told: somebody had acknowledged the alert');
  expect(says[3]).toBe('reminder 2: to be decided at 03:10:00');
});

describe('what became of one notification', () => {
  const decided = record(0, 'raised', 'decided', 'routed');
  test.each<[string, DeliveryRecord[], string, string]>([
    ['nothing yet', [], 'waiting', 'routed'],
    ['tried and not accepted', [record(1, 'raised', 'failed', 'throttled', { attempt: 1 })], 'waiting', 'throttled'],
    ['held', [record(1, 'raised', 'held', 'configuration')], 'held', 'configuration'],
    ['dead', [record(1, 'raised', 'dead', 'payload')], 'dead', 'payload'],
    ['cancelled', [record(1, 'raised', 'cancelled', 'acknowledged')], 'cancelled', 'acknowledged'],
    [
      'held, then mended',
      [record(1, 'raised', 'held', 'configuration'), record(9, 'raised', 'accepted', 'accepted', { attempt: 2 })],
      'accepted',
      'accepted',
    ],
    ['grouped', [record(1, 'raised', 'scheduled', 'covered', { coveredBy: 'digest' })], 'waiting', 'covered'],
    [
      'grouped and sent',
      [
        record(1, 'raised', 'scheduled', 'covered', { coveredBy: 'digest' }),
        record(2, 'raised', 'accepted', 'covered', { coveredBy: 'digest' }),
      ],
      'covered',
      'covered',
    ],
  ])('%s', (_what, more, verdict, reason) => {
    expect(verdicts([decided, ...more])).toEqual([['raised', 0, verdict, reason]]);
  });
});

test('a step that was repeated is told once, and an outcome that stood is not overruled', () => {
  const records = sent(0, 'raised');
  const repeated = [...records, ...records, record(5, 'raised', 'attempt', 'sending', { attempt: 2 })];
  expect(deliveryLines(repeated, clock)).toHaveLength(4);
  expect(verdicts(repeated)).toEqual([['raised', 0, 'accepted', 'accepted']]);
});

test('only notifications with a record in the time that was asked for', () => {
  const records = [...sent(0, 'raised'), ...sent(700, 'resolved', { n: 1 })];
  const some = outcomesOf(records, clock, ({ at }) => at >= '2026-11-25T03:10');
  expect(some.map(({ kind }) => kind)).toEqual(['resolved']);
});

test('a reason of tomorrow is said as it stands', () => {
  expect(deliveryLines([record(0, 'raised', 'dead', 'of-tomorrow')], clock)[0]?.says).toBe(
    'raised to ward-4b: given up: of-tomorrow',
  );
});

test('what a silence fits, in words', () => {
  expect(matcherInWords({ patientId: '7', ward: '4B', attribute: 'spo2' })).toBe('patient 7 and ward 4B and spo2');
  expect(matcherInWords({})).toBe('');
});
