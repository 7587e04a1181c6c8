// Times as people say them: the hospital's clock unless they say otherwise, and never a time that is still to come.
import { expect, test } from 'vitest';
import { saidTime } from '../../../src/domain/said-time.js';

const NOW = Date.parse('2026-11-25T02:30:00Z'); // 03:30 in Berlin
const iso = (said: string, zone = 'Europe/Berlin', now = NOW) => {
  const us = saidTime(said, zone, now);
  return us === undefined ? undefined : new Date(us / 1000).toISOString();
};

test.each([
  ['03:12', '2026-11-25T02:12:00.000Z'],
  ['3:12', '2026-11-25T02:12:00.000Z'],
  ['03:12:45', '2026-11-25T02:12:45.000Z'],
  ['03:31', '2026-11-25T02:31:00.000Z'],
  ['03:40', '2026-11-24T02:40:00.000Z'],
  ['23:50', '2026-11-24T22:50:00.000Z'],
  ['2026-11-20 03:12', '2026-11-20T02:12:00.000Z'],
  ['2026-07-20T03:12:30', '2026-07-20T01:12:30.000Z'],
  ['2026-11-25T03:12:00Z', '2026-11-25T03:12:00.000Z'],
])('%s', (said, expected) => expect(iso(said)).toBe(expected));

test('just after midnight, yesterday evening is yesterday', () => {
  expect(iso('23:59', 'Europe/Berlin', Date.parse('2026-11-24T23:05:00Z'))).toBe('2026-11-24T22:59:00.000Z');
});

test.each(['', 'noon', '25:00', '03:60', '2026-13-01 03:12', '2026-11-25', '03'])('%s is no time', (said) => {
  expect(iso(said)).toBeUndefined();
});
