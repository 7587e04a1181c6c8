// Rows as the driver gives them, to messages as contracts.md has them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ATTRIBUTES } from '../../../src/domain/attributes.js';
import { DEFAULT_VITALS, type VitalsMapping } from '../../../src/domain/mapping.js';
import { decodeVitalInfo, readingNamedBy } from '../../../src/domain/reading.js';
import {
  ColumnsMissingError,
  createRowEncoder,
  markedMessage,
  type RowColumn,
} from '../../../src/domain/vitals-row.js';
import { createWallReader } from '../../../src/domain/zone.js';
import { anyText } from '../../helpers/texts.js';

const STAMP = { readAt: '2026-11-24T22:00:00.000001Z', notBefore: '2026-11-24T21:59:59.900000Z' };
const COLUMNS: RowColumn[] = [
  { name: 'id', kind: 'other' },
  { name: 'id', kind: 'other' },
  { name: 'customerId', kind: 'other' },
  { name: 'recorded_at', kind: 'datetime' },
  { name: 'heartBeat', kind: 'other' },
  { name: 'bp', kind: 'other' },
];

function encode(row: unknown[], columns = COLUMNS, mapping: VitalsMapping = DEFAULT_VITALS, timezone = 'UTC') {
  const wall = createWallReader(timezone);
  const encoded = createRowEncoder({ source: 'ward', mapping, attributes: ATTRIBUTES, wall }, columns)(row, STAMP);
  const decoded = decodeVitalInfo(encoded.value);
  if (decoded.type !== 'reading') throw new Error(`not a reading: ${encoded.value}`);
  return { encoded, reading: decoded.reading };
}

describe('row encoder', () => {
  it('writes the message of contracts.md', () => {
    const { encoded, reading } = encode(['42', '42', 'p1', '2026-11-24 21:59:59.5', 72, '165.50']);
    expect(reading).toEqual({
      v: 1,
      source: 'ward',
      row: '42',
      patientId: 'p1',
      recordedAt: '2026-11-24T21:59:59.500000Z',
      timeSource: 'row',
      ...STAMP,
      values: { heartBeat: 72, bp: 165.5 },
      bad: {},
      other: {},
    });
    expect(encoded).toMatchObject({
      row: '42',
      patientId: 'p1',
      recordedAt: '2026-11-24T21:59:59.500000Z',
      cut: false,
    });
  });

  it('keeps the row whatever its values are', () => {
    const value = (raw: unknown) => encode(['1', '1', 'p', null, raw, null]).reading;
    expect(value(null)).toMatchObject({ values: {}, bad: {} });
    for (const [raw, number] of [
      ['72', 72],
      [' 72.25 ', 72.25],
      ['+7e1', 70],
      ['.5', 0.5],
      [0, 0],
      ['0072', 72],
    ] as const)
      expect(value(raw).values, String(raw)).toEqual({ heartBeat: number });
    for (const raw of ['', '--', 'n/a', '72,5', '0x10', '1e400', '-1', '10000', '2026-11-24 10:00:00', 'Ä"\\\n😀'])
      expect(value(raw), raw).toMatchObject({ values: {}, bad: { heartBeat: raw } });
    expect(value(Number.NaN).bad).toEqual({ heartBeat: 'NaN' });
    expect(value(Buffer.from([1])).bad).toEqual({ heartBeat: 'AQ==' });
    expect(encode(['1', '1', 'p', null, 'x', 'y']).encoded.bad).toEqual(['heartBeat', 'bp']);
  });

  it('stands in for a time that is missing or none, and for a patient that is missing', () => {
    for (const raw of [null, '0000-00-00 00:00:00', 'soon', 17]) {
      const { reading } = encode(['1', '1', null, raw, 72, null]);
      expect(reading).toMatchObject({ patientId: '', recordedAt: STAMP.readAt, timeSource: 'poll' });
    }
    expect(
      encode(['1', '1', 7, '2026-07-01 12:00:00', 1, 1], COLUMNS, DEFAULT_VITALS, 'Europe/Berlin').reading,
    ).toMatchObject({
      patientId: '7',
      recordedAt: '2026-07-01T10:00:00.000000Z',
    });
    const stamped = COLUMNS.map((column) =>
      column.kind === 'datetime' ? { ...column, kind: 'timestamp' as const } : column,
    );
    const inUtc = encode(['1', '1', 'p', '2026-07-01 12:00:00', 1, 1], stamped, DEFAULT_VITALS, 'Europe/Berlin');
    expect(inUtc.reading.recordedAt).toBe('2026-07-01T12:00:00.000000Z');
  });

  it('carries unmapped columns, finds mapped ones without regard to case, and strips padding of ids', () => {
    const mapping: VitalsMapping = {
      table: 't',
      key: 'SEQ',
      patientId: 'PATIENT',
      recordedAt: null,
      attributes: [{ name: 'heartBeat', column: 'Pulse' }],
    };
    const columns: RowColumn[] = ['seq', 'seq', 'patient', 'pulse', 'note', 'photo', 'big', 'seen', 'gone', 'n'].map(
      (name) => ({
        name,
        kind: name === 'seen' ? 'datetime' : 'other',
      }),
    );
    const row = [
      '0000018446744073709551615',
      'x',
      '佐藤"',
      '71',
      'a\n"b"\\',
      Buffer.from('hi'),
      '9007199254740993',
      '2026-11-24 10:00:00',
      null,
      1.5,
    ];
    const { encoded, reading } = encode(row, columns, mapping);
    expect(reading).toMatchObject({ row: '18446744073709551615', patientId: '佐藤"', values: { heartBeat: 71 } });
    expect(reading.other).toEqual({
      note: 'a\n"b"\\',
      photo: 'aGk=',
      big: '9007199254740993',
      seen: '2026-11-24T10:00:00.000000Z',
      gone: null,
      n: 1.5,
    });
    expect(encoded.patientId).toBe('佐藤"');
  });

  it('leaves unmapped columns out rather than the row, where Kafka would not take the message', () => {
    const columns: RowColumn[] = [...COLUMNS, { name: 'scan', kind: 'other' }];
    const { encoded, reading } = encode(['1', '1', 'p', null, 72, 'x'.repeat(2_000_000), 'ü'.repeat(600_000)], columns);
    expect(encoded.cut).toBe(true);
    expect(reading).toMatchObject({ values: { heartBeat: 72 }, bad: { bp: 'x'.repeat(1_000) } });
    expect(reading.other).toEqual({ '~cut': 600_009 });
  });

  it("sends a patient's id of any length as a dead row, which Kafka takes, and one that fits with what still fits beside it", () => {
    const wall = createWallReader('UTC');
    const columns: RowColumn[] = [...COLUMNS, { name: 'scan', kind: 'other' }];
    const encoder = createRowEncoder(
      { source: 'ward', mapping: DEFAULT_VITALS, attributes: ATTRIBUTES, wall },
      columns,
    );
    const size = (message: { patientId: string; value: string }) =>
      Buffer.byteLength(message.patientId) + Buffer.byteLength(message.value);
    const endless = encoder(['7', '7', '佐'.repeat(1_000_000), null, 72, null, null], STAMP);
    expect(decodeVitalInfo(endless.value)).toEqual({ type: 'dead', reason: 'wrong-shape' });
    expect(readingNamedBy(Buffer.from(endless.value))).toEqual({ source: 'ward', row: '7' });
    expect(size(endless)).toBeLessThan(10_000);
    // Key and value count together.
    const large = encoder(['8', '8', 'p'.repeat(100_000), null, 72, null, 'x'.repeat(850_000)], STAMP);
    expect(large.cut).toBe(true);
    expect(size(large)).toBeLessThan(960 * 1024);
    expect(decodeVitalInfo(large.value)).toMatchObject({ type: 'reading', reading: { values: { heartBeat: 72 } } });
  });

  it('names the columns that are missing', () => {
    const mapping = { ...DEFAULT_VITALS, patientId: 'who', attributes: [{ name: 'spo2', column: 'sat' }] };
    expect(() => encode([], COLUMNS, mapping)).toThrow(ColumnsMissingError);
    expect(() => encode([], COLUMNS, mapping)).toThrow(/who, sat/);
  });
});

it('a marked message is the same reading with its mark, whatever a column holds', () => {
  fc.assert(
    fc.property(fc.oneof(anyText(20), fc.constant('",\n,"values":{"x":1}')), (text) => {
      const { encoded, reading } = encode(['42', '42', text, '2026-11-24 21:59:59.5', 72, text]);
      const marked = decodeVitalInfo(markedMessage(encoded.value, 'backfill'));
      expect(marked).toEqual({ type: 'reading', reading: { ...reading, mark: 'backfill' } });
    }),
  );
});
