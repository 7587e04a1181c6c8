// Records of watch-state: what is written is read back, and nothing unreadable passes for "no episode".
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { begin, type EpisodeState, sawReading } from '../../../src/domain/episode.js';
import {
  decodeWatchState,
  encodeEpisode,
  encodeNext,
  encodeSeen,
  episodeKeyText,
  seenKeyText,
  WatchStateError,
} from '../../../src/domain/watch-state.js';
import { anyText } from '../../helpers/texts.js';

const KEY = { patientId: 'p1', attribute: 'bp', direction: 'high' } as const;
const AT_ONCE = () => ({ sustainMs: 0, minSamples: 1, clearAfterMs: 0, clearSamples: 1 });
const BEGUN = begin('abc', 'medium', 1_795_557_600_000_001, AT_ONCE).state as EpisodeState;
const STATE = sawReading(BEGUN, 1_795_557_600_100_000, 'rds:7');

it('has the form of contracts.md', () => {
  expect(episodeKeyText(KEY)).toBe('["p1","bp","high"]');
  expect(
    JSON.parse(encodeEpisode({ ...STATE, phase: 'recovering', recoveringSince: 1_795_557_600_500_000 }) ?? ''),
  ).toEqual({
    v: 1,
    phase: 'recovering',
    episodeId: 'abc',
    eventIndex: 0,
    severity: 'medium',
    since: '2026-11-24T22:00:00.000001Z',
    samples: 1,
    recoveringSince: '2026-11-24T22:00:00.500000Z',
    recoveringSamples: 0,
    maxEventTime: '2026-11-24T22:00:00.000001Z',
    lastSeen: '2026-11-24T22:00:00.100000Z',
    lastReading: 'rds:7',
    stale: false,
  });
  expect(encodeNext(12)).toBe('{"v":1,"next":"12"}');
  expect(encodeEpisode(null)).toBeNull();
});

it('reads back every state under every key, also one that looks like next or token', () => {
  const us = fc.integer({ min: 0, max: 4_102_444_800_000_000 });
  const state = fc.record<EpisodeState>(
    {
      phase: fc.constantFrom('pending' as const, 'active' as const, 'recovering' as const),
      episodeId: fc.stringMatching(/^[a-z2-7]{26}$/),
      eventIndex: fc.nat(),
      severity: fc.constantFrom('high' as const, 'medium' as const, 'low' as const),
      since: us,
      samples: fc.nat(),
      recoveringSince: fc.option(us),
      recoveringSamples: fc.nat(),
      maxEventTime: us,
      lastSeen: fc.option(us),
      lastReading: anyText(20),
      stale: fc.boolean(),
      marked: fc.constant(true as const),
    },
    {
      requiredKeys: [
        'phase',
        'episodeId',
        'eventIndex',
        'severity',
        'since',
        'samples',
        'recoveringSince',
        'recoveringSamples',
        'maxEventTime',
        'lastSeen',
        'lastReading',
        'stale',
      ],
    },
  );
  const text = fc.oneof(anyText(20), fc.constantFrom('next', 'token', 'seen', '"', '[]', '\u0000', ''));
  const key = fc.record({
    patientId: text,
    attribute: text,
    direction: fc.constantFrom('low' as const, 'high' as const, 'unclassified' as const),
  });
  const keys = new Map<string, string>();
  fc.assert(
    fc.property(key, fc.option(state), (k, s) => {
      const name = episodeKeyText(k);
      const value = encodeEpisode(s);
      const record = decodeWatchState(Buffer.from(name), value === null ? null : Buffer.from(value));
      expect(record).toEqual({ type: 'episode', change: { ...k, state: s } });
      const parts = `${k.patientId.length}:${k.attribute.length}:${k.patientId}${k.attribute}${k.direction}`;
      expect(keys.get(name) ?? parts).toBe(parts);
      keys.set(name, parts);
    }),
    { numRuns: 100 },
  );
});

it('reads a pending episode, of which there was no event yet, and the records of the version before', () => {
  const pending: EpisodeState = { ...STATE, phase: 'pending', eventIndex: -1 };
  const decode = (value: string) => decodeWatchState(episodeKeyText(KEY), value);
  expect(decode(encodeEpisode(pending) ?? '')).toEqual({ type: 'episode', change: { ...KEY, state: pending } });
  const { lastSeen: _, lastReading: __, ...older } = JSON.parse(encodeEpisode(STATE) ?? '') as Record<string, unknown>;
  expect(decode(JSON.stringify(older))).toEqual({ type: 'episode', change: { ...KEY, state: BEGUN } });
});

it('knows next, tokens of others, and who was seen when', () => {
  expect(decodeWatchState('next', '{"v":1,"next":"9007199254740991"}')).toEqual({
    type: 'next',
    next: 9007199254740991,
  });
  expect(decodeWatchState('token', 'anything')).toEqual({ type: 'other' });
  const seen = { lastSeen: 1_795_557_600_000_001, reading: 'rds:7', told: null };
  expect(seenKeyText('p1')).toBe('["p1","seen"]');
  expect(encodeSeen(seen)).toBe('{"v":1,"lastSeen":"2026-11-24T22:00:00.000001Z","reading":"rds:7","staleSince":null}');
  for (const state of [seen, { ...seen, told: { since: 1_795_557_661_000_000, episodeId: 'abc' } }, null])
    expect(decodeWatchState(seenKeyText('token'), encodeSeen(state))).toEqual({
      type: 'seen',
      change: { patientId: 'token', seen: state },
    });
  expect(
    decodeWatchState('["p1","seen"]', '{"v":1,"lastSeen":"2026-11-24T22:00:00.000001Z","staleSince":null}'),
  ).toEqual({ type: 'seen', change: { patientId: 'p1', seen: { ...seen, reading: '' } } });
  const ticks = { sinceUs: 1_795_557_600_000_001, newestUs: 1_795_557_602_000_001 };
  expect(decodeWatchState('next', encodeNext(7, ticks))).toEqual({ type: 'next', next: 7, ticks });
  expect(() => decodeWatchState('["p1","seen"]', '{"v":1}')).toThrow(WatchStateError);
});

describe('refuses, without quoting', () => {
  const good = JSON.parse(encodeEpisode(STATE) ?? '') as Record<string, unknown>;
  const key = episodeKeyText(KEY);
  it.each<[string, string | null, string | null]>([
    ['no key', null, '{}'],
    ['a key of another form', 'p1|bp|high', '{}'],
    ['a key of numbers', '[1,2,3]', '{}'],
    ['an unknown direction', '["p1","bp","sideways"]', '{}'],
    ['too many parts', '["p1","bp","high","x"]', '{}'],
    ['no JSON', key, 'p1 is ill'],
    ['another version', key, JSON.stringify({ ...good, v: 2 })],
    ['an unknown phase', key, JSON.stringify({ ...good, phase: 'asleep' })],
    ['no event of an episode that is told', key, JSON.stringify({ ...good, eventIndex: -1 })],
    ['an unknown severity', key, JSON.stringify({ ...good, severity: 'toString' })],
    ['no episode id', key, JSON.stringify({ ...good, episodeId: '' })],
    ['a broken count', key, JSON.stringify({ ...good, samples: -1 })],
    ['a broken time', key, JSON.stringify({ ...good, since: 'yesterday' })],
    ['an empty position', 'next', null],
    ['a broken position', 'next', '{"v":1,"next":"-5"}'],
    ['a position of another version', 'next', '{"v":2,"next":"5"}'],
  ])('%s', (_, name, value) => {
    expect(() => decodeWatchState(name, value)).toThrow(WatchStateError);
    expect(() => decodeWatchState(name, value)).not.toThrow(/p1|ill/);
  });
});
