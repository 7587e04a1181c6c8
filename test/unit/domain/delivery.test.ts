import { describe, expect, test } from 'vitest';
import {
  type DeliverySubject,
  decodeDelivery,
  deliveryRecord,
  foldDelivery,
  NO_HISTORY,
} from '../../../src/domain/delivery.js';
import type { DeliveryState } from '../../../src/domain/events.js';

const subject = {
  notificationId: 'n',
  trigger: 't',
  eventId: 'e',
  episodeId: 'e',
  kind: 'raised',
  n: 0,
  destination: 'arn',
} as const satisfies DeliverySubject;
const record = (state: DeliveryState, attempt: number) =>
  deliveryRecord(subject, { state, reason: 'x', attempt }, '2026-01-01T00:00:00.000000Z');

describe('what the records of a notification add up to', () => {
  test.each<[string, [DeliveryState, number][], string, boolean]>([
    ['nothing yet', [['decided', 0]], 'unsent', false],
    [
      'an attempt that began',
      [
        ['decided', 0],
        ['attempt', 1],
      ],
      'open-attempt',
      false,
    ],
    [
      'accepted',
      [
        ['attempt', 1],
        ['accepted', 1],
      ],
      'accepted',
      false,
    ],
    [
      'failed for certain',
      [
        ['attempt', 1],
        ['failed', 1],
      ],
      'unsent',
      false,
    ],
    [
      'nobody knows',
      [
        ['attempt', 1],
        ['unknown', 1],
      ],
      'unsent',
      true,
    ],
    [
      'an attempt that another overtook',
      [
        ['attempt', 1],
        ['attempt', 2],
      ],
      'open-attempt',
      true,
    ],
    [
      'a failure that woke up late',
      [
        ['attempt', 1],
        ['attempt', 2],
        ['failed', 1],
      ],
      'open-attempt',
      true,
    ],
    [
      'an acceptance that woke up late',
      [
        ['attempt', 1],
        ['attempt', 2],
        ['accepted', 1],
      ],
      'accepted',
      true,
    ],
    [
      'accepted is final',
      [
        ['attempt', 1],
        ['accepted', 1],
        ['attempt', 2],
        ['failed', 2],
      ],
      'accepted',
      false,
    ],
    [
      'held, then tried again',
      [
        ['attempt', 1],
        ['held', 1],
        ['attempt', 2],
      ],
      'open-attempt',
      false,
    ],
    [
      'dead',
      [
        ['attempt', 1],
        ['failed', 1],
        ['attempt', 2],
        ['dead', 2],
      ],
      'dead',
      false,
    ],
    [
      'cancelled',
      [
        ['decided', 0],
        ['cancelled', 0],
      ],
      'cancelled',
      false,
    ],
    [
      'decided again',
      [
        ['attempt', 1],
        ['decided', 0],
      ],
      'open-attempt',
      false,
    ],
  ])('%s', (_name, records, standing, possibleRepeat) => {
    const history = records.reduce((h, [state, attempt]) => foldDelivery(h, record(state, attempt)), NO_HISTORY);
    expect(history).toMatchObject({ standing, possibleRepeat });
  });

  test('what is none of our records is refused', () => {
    expect(decodeDelivery(Buffer.from(JSON.stringify(record('attempt', 1))))).toEqual(record('attempt', 1));
    for (const bad of ['null', '{"v":2}', '{"v":1}']) expect(() => decodeDelivery(Buffer.from(bad))).toThrow();
    expect(() => decodeDelivery(null)).toThrow();
  });
});
