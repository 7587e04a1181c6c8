// Operator events: read back as written, keyed to their episode's partition, refused when anything in them is wrong.
import { expect, test } from 'vitest';
import { decodeDoctorsQueue } from '../../../src/domain/doctors-queue.js';
import type { OperatorEvent } from '../../../src/domain/events.js';
import {
  OPERATOR_TEXT_MOST,
  operatorEventId,
  operatorKey,
  subjectOfOperator,
} from '../../../src/domain/operator-events.js';

const EPISODE = 'abcdefghijklmnopqrstuvwxyz';
const AT = '2026-11-24T22:00:00.000000Z';
const about = { v: 1, by: 'dr.rao', at: AT, episodeId: EPISODE, patientId: '1042' } as const;
const silence = { v: 1, by: 'dr.rao', at: AT, silenceId: 's1' } as const;
const EVENTS: readonly OperatorEvent[] = [
  { ...about, eventId: 'e1', kind: 'acknowledged', note: '', until: null },
  { ...about, eventId: 'e2', kind: 'acknowledged', note: 'on my way', until: AT },
  { ...about, eventId: 'e3', kind: 'ack-ended', reason: 'worsened' },
  { ...silence, eventId: 'e4', kind: 'silenced', matcher: { ward: '4B' }, startsAt: AT, endsAt: AT, reason: 'sensor' },
  { ...silence, eventId: 'e5', kind: 'silence-ended', reason: 'withdrawn' },
  { ...about, eventId: 'e6', kind: 'unstable', attribute: 'bp', direction: 'low', episodes: 4 },
  { ...about, eventId: 'e7', kind: 'rated', rating: 'not-actionable', note: '' },
];
const read = (message: object) => decodeDoctorsQueue(JSON.stringify(message));

test.each(EVENTS)('$kind is read back', (event) => {
  expect(read(event)).toEqual({ type: 'operator', event });
});

test('key and subject: an episode goes with its patient, a silence alone', () => {
  expect(EVENTS.map(operatorKey)).toEqual(['1042', '1042', '1042', 'silence:s1', 'silence:s1', '1042', '1042']);
  expect(EVENTS.map(subjectOfOperator)[0]).toBe(EPISODE);
  expect(EVENTS.map(subjectOfOperator)[3]).toBe('silence:s1');
});

test('an id is a function of subject, kind, author and time', () => {
  const id = operatorEventId(EPISODE, 'acknowledged', 'dr.rao', AT);
  expect(id).toMatch(new RegExp(`^${EPISODE}-acknowledged-[a-z2-7]{26}$`));
  const others = [
    operatorEventId(EPISODE, 'acknowledged', 'dr.ra', `o${AT}`),
    operatorEventId(EPISODE, 'rated', 'dr.rao', AT),
    operatorEventId('silence:s1', 'acknowledged', 'dr.rao', AT),
  ];
  expect(new Set([id, ...others]).size).toBe(4);
});

test.each([
  ['no author', { ...EVENTS[0], by: '' }],
  ['no id', { ...EVENTS[0], eventId: undefined }],
  ['a time that is none', { ...EVENTS[0], at: 'yesterday' }],
  ['an episode that could be another key', { ...EVENTS[0], episodeId: 'a:b' }],
  ['a novel for a note', { ...EVENTS[0], note: 'x'.repeat(OPERATOR_TEXT_MOST + 1) }],
  ['an end that is none', { ...EVENTS[0], until: 5 }],
  ['no patient', { ...EVENTS[0], patientId: undefined }],
  ['another reason', { ...EVENTS[2], reason: 'bored' }],
  ['a silence of everything', { ...EVENTS[3], matcher: {} }],
  ['a matcher of something unknown', { ...EVENTS[3], matcher: { ward: '4B', bed: '7' } }],
  ['a matcher of nothing', { ...EVENTS[3], matcher: { ward: '' } }],
  ['a silence without end', { ...EVENTS[3], endsAt: null }],
  ['a silence without reason', { ...EVENTS[3], reason: '' }],
  ['a count that is none', { ...EVENTS[5], episodes: '4' }],
  ['another rating', { ...EVENTS[6], rating: 'splendid' }],
])('%s: dead', (_what, message) => {
  expect(read(message)).toEqual({ type: 'dead', reason: 'wrong-shape' });
});
