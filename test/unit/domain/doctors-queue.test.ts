import { expect, test } from 'vitest';
import { decodeDoctorsQueue } from '../../../src/domain/doctors-queue.js';
import { episodeEvent } from '../../helpers/alert-events.js';

const good = episodeEvent({ atMs: 0 });
const decode = (value: unknown) => decodeDoctorsQueue(Buffer.from(JSON.stringify(value)));

test('an event comes back as it was written; context and heartbeat carry no episode', () => {
  expect(decode(good)).toEqual({ type: 'episode', event: good });
  expect(decode({ ...good, value: null, unit: null, range: null })).toMatchObject({ type: 'episode' });
  expect(decode({ v: 1, kind: 'heartbeat', eventId: 'h', by: 'watch', at: good.at, partition: 0 }).type).toBe('other');
});

test.each<[string, unknown, string]>([
  ['an unknown version', { ...good, v: 2 }, 'unknown-version'],
  ['an unknown kind', { ...good, kind: 'shouted' }, 'wrong-shape'],
  ['no patient', { ...good, patient: null }, 'wrong-shape'],
  ['a patient without an id', { ...good, patient: { ...good.patient, id: 7 } }, 'wrong-shape'],
  ['a name that is no text', { ...good, patient: { ...good.patient, name: {} } }, 'wrong-shape'],
  ['a time that is none', { ...good, measuredAt: 'yesterday' }, 'wrong-shape'],
  ['half a range', { ...good, range: { low: 1 } }, 'wrong-shape'],
  ['another severity', { ...good, severity: 'extreme' }, 'wrong-shape'],
  ['signs that are objects', { ...good, vitals: { bp: {} } }, 'wrong-shape'],
  ['a list', [good], 'wrong-shape'],
])('%s is dead', (_name, value, reason) => {
  expect(decode(value)).toEqual({ type: 'dead', reason });
});

test('bytes that are no JSON, and none at all', () => {
  expect(decodeDoctorsQueue(Buffer.from('{'))).toEqual({ type: 'dead', reason: 'not-json' });
  expect(decodeDoctorsQueue(null)).toEqual({ type: 'dead', reason: 'empty' });
});
