// A reading is read by one match where it is a usual one, and as JSON otherwise: both must say the same of every text.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeVitalInfo, readingNamedBy } from '../../../src/domain/reading.js';

const instant = fc
  .date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
  .map((date) => date.toISOString().replace('Z', '123Z'));
const name = fc.oneof(fc.constantFrom('p1', 'ward', '{}', '},"bad":{}', 'a"b', 'a\\b', 'Zoë', ''), fc.string());
const reading = fc.record({
  v: fc.constantFrom(1, 1, 1, 2),
  source: name,
  row: name,
  patientId: name,
  recordedAt: fc.oneof(instant, fc.constant('yesterday')),
  timeSource: fc.constantFrom('row', 'poll', 'clock'),
  readAt: instant,
  notBefore: fc.oneof(instant, fc.constant(null)),
  values: fc.oneof(
    fc.dictionary(name, fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }))),
    fc.constantFrom({ heartBeat: '72' }, { heartBeat: null }, [72]),
  ),
  bad: fc.oneof(fc.constant({}), fc.dictionary(name, name)),
  other: fc.oneof(fc.constant({}), fc.dictionary(name, fc.jsonValue())),
});

test('the quick way and the whole way agree', () => {
  fc.assert(
    fc.property(reading, (message) => {
      const usual = decodeVitalInfo(Buffer.from(JSON.stringify(message)));
      // Blanks between its parts make a text that only JSON.parse can read.
      expect(usual).toEqual(decodeVitalInfo(JSON.stringify(message, undefined, 1)));
      if (usual.type === 'reading') expect(usual.reading).toEqual(JSON.parse(JSON.stringify(message)));
    }),
    { numRuns: 300 },
  );
});

const start =
  '{"v":1,"source":"s","row":"1","patientId":"p","recordedAt":"2026-11-24T22:00:00.000001Z","timeSource":"row","readAt":"2026-11-24T22:00:00.000001Z","notBefore":null,';

test.each([
  ['a field more', `${start}"values":{"bp":1},"bad":{},"other":{"a":1},"more":{"b":2}}`, 'reading'],
  ['a mark', `${start}"values":{"bp":1},"bad":{},"other":{},"mark":"replayed"}`, 'reading'],
  ['an unknown mark', `${start}"values":{"bp":1},"bad":{},"other":{},"mark":"x"}`, 'wrong-shape'],
  ['broken values', `${start}"values":{"bp":01},"bad":{},"other":{}}`, 'not-json'],
  ['broken others', `${start}"values":{"bp":1},"bad":{},"other":{"a"}}`, 'not-json'],
  ['two in one', `${start}"values":{},"bad":{},"other":{}},{"v":1}`, 'not-json'],
  ['a control character', `${start.replace('"p"', '"p\t"')}"values":{},"bad":{},"other":{}}`, 'not-json'],
])('%s', (_what, text, expected) => {
  const decoded = decodeVitalInfo(text);
  expect(decoded.type === 'dead' ? decoded.reason : decoded.type).toBe(expected);
});

test('what no event could repeat is dead: an endless id, more signs than anybody measures; endless other columns are not', () => {
  const whole = (change: object) =>
    decodeVitalInfo(JSON.stringify({ ...JSON.parse(`${start}"values":{"bp":1},"bad":{},"other":{}}`), ...change }));
  const long = 'x'.repeat(600_000);
  const many = Object.fromEntries(Array.from({ length: 1_001 }, (_, n) => [`sign${n}`, n]));
  for (const change of [{ patientId: long }, { row: long }, { source: long }, { values: many }, { bad: { bp: long } }])
    expect(whole(change), Object.keys(change)[0]).toEqual({ type: 'dead', reason: 'wrong-shape' });
  expect(whole({ patientId: 'x'.repeat(65_535), other: { note: long } }).type).toBe('reading');
});

test('what a dead record is about is read from what is left of it, and never guessed', () => {
  const named = (text: string) => readingNamedBy(Buffer.from(text));
  expect(named('{"v":2,"source":"ward","row":"7","x":{"row":"8"}}')).toEqual({ source: 'ward', row: '7' });
  expect(named('{"v":1,"source":"ward@2","row":"7","patientId":"p')).toEqual({ source: 'ward@2', row: '7' });
  for (const text of ['', 'null', '[]', '{"row":"7"}', '{"source":"ward","row":7}', '{"source":"ward","row":"07"}'])
    expect(named(text), text).toBeUndefined();
  expect(named('garbage {"v":1,"source":"ward","row":"7"')).toBeUndefined();
  expect(readingNamedBy(null)).toBeUndefined();
});
