// Wall clocks of a database to UTC: offsets and changes taken from the zones' published rules, not from the code.
import { expect, it } from 'vitest';
import { createWallReader, wallOf } from '../../../src/domain/zone.js';

it('reads UTC as it is, with six decimals', () => {
  const read = createWallReader('UTC');
  expect(read('2026-11-24 22:03:48')).toBe('2026-11-24T22:03:48.000000Z');
  expect(read('2026-11-24 22:03:48.5')).toBe('2026-11-24T22:03:48.500000Z');
  expect(read('2026-11-24 22:03:59.123456')).toBe('2026-11-24T22:03:59.123456Z');
});

it('takes nothing for an instant that is none', () => {
  const read = createWallReader('Europe/Berlin');
  const none = [
    '0000-00-00 00:00:00',
    '2026-02-31 10:00:00',
    '2026-13-01 10:00:00',
    '2026-11-24',
    '',
    'yesterday',
    '2026-11-24T10:00:00',
  ];
  for (const text of none) expect(read(text), text).toBeUndefined();
  expect(read('2026-02-28 10:00:00')).toBe('2026-02-28T09:00:00.000000Z');
});

it('follows summer time: the hour that is skipped and the hour that comes twice', () => {
  const berlin = createWallReader('Europe/Berlin');
  const cases: [string, string][] = [
    ['2026-03-29 01:59:59.999999', '2026-03-29T00:59:59.999999Z'],
    ['2026-03-29 02:30:00', '2026-03-29T01:30:00.000000Z'],
    ['2026-03-29 03:00:00', '2026-03-29T01:00:00.000000Z'],
    ['2026-10-25 01:59:59', '2026-10-24T23:59:59.000000Z'],
    ['2026-10-25 02:30:00', '2026-10-25T00:30:00.000000Z'],
    ['2026-10-25 03:00:00', '2026-10-25T02:00:00.000000Z'],
  ];
  for (const [wall, utc] of cases) expect(berlin(wall), wall).toBe(utc);
  expect(createWallReader('Asia/Kathmandu')('2026-06-01 00:00:00')).toBe('2026-05-31T18:15:00.000000Z');
  expect(createWallReader('America/New_York')('2026-07-04 20:00:00.25')).toBe('2026-07-05T00:00:00.250000Z');
});

it('shows what the clock on the wall shows', () => {
  const us = Date.UTC(2026, 9, 25, 0, 59, 59, 250) * 1_000 + 7;
  expect(wallOf('UTC', us)).toBe('2026-10-25 00:59:59.250007');
  expect(wallOf('Europe/Berlin', us)).toBe('2026-10-25 02:59:59.250007');
  expect(wallOf('Europe/Berlin', us + 1_000_000)).toBe('2026-10-25 02:00:00.250007');
  expect(wallOf('Asia/Kathmandu', us)).toBe('2026-10-25 06:44:59.250007');
});
