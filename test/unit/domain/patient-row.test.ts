// Rows of the hospital's table: texts unchanged, ages only where they can be one.
import { describe, expect, it } from 'vitest';
import { DEFAULT_PATIENTS } from '../../../src/domain/mapping.js';
import { ageOfCell, patientColumns, patientOfRow, textOfCell } from '../../../src/domain/patient-row.js';

describe('ageOfCell', () => {
  it.each([
    [0, 0],
    [42, 42],
    ['42', 42],
    [' 7 ', 7],
    ['42.9', 42],
    [0.5, 0],
    ['150', 150],
    [151, null],
    [-1, null],
    ['-0.5', null],
    ['999999999999', null],
    ['', null],
    [null, null],
    [undefined, null],
    ['null', null],
    ['\\N', null],
    ['42 years', null],
    ['0x1F', null],
    ['1e2', null],
    [Number.NaN, null],
  ])('%j is %j', (cell, age) => expect(ageOfCell(cell)).toBe(age));
});

describe('patientOfRow', () => {
  it('keeps every text as it is', () => {
    const weird = [
      '',
      'null',
      '\\N',
      'a\r\nb\tc',
      '\u0000\u0001\u007f',
      '"; DROP TABLE x; --',
      '👩‍⚕️ Zoë',
      '  padded  ',
    ];
    for (const text of weird)
      expect(
        patientOfRow(DEFAULT_PATIENTS, { patientid: text || 'x', patientname: text, other_details: null }),
      ).toEqual({
        id: text || 'x',
        name: text,
        address: null,
        phone: null,
        ward: null,
        age: null,
        otherDetails: null,
      });
  });

  it('is nobody without an id', () => {
    expect(patientOfRow(DEFAULT_PATIENTS, { patientid: null })).toBeUndefined();
    expect(patientOfRow(DEFAULT_PATIENTS, { patientid: '' })).toBeUndefined();
    expect(patientOfRow(DEFAULT_PATIENTS, { patientid: 0 })?.id).toBe('0');
  });

  it('reads only the columns that the hospital has', () => {
    const mapping = { ...DEFAULT_PATIENTS, id: 'pid', name: 'n', address: null, phone: 'pid', otherDetails: null };
    expect(patientColumns(mapping)).toEqual(['pid', 'n', 'admitted_ward', 'age']);
    expect(patientOfRow(mapping, { pid: 5n, n: 'A', admitted_ward: '4B', age: '9' })).toEqual({
      id: '5',
      name: 'A',
      address: null,
      phone: '5',
      ward: '4B',
      age: 9,
      otherDetails: null,
    });
  });
});

describe('textOfCell', () => {
  it('shows binary that is no UTF-8 without losing a byte', () => {
    expect(textOfCell(Buffer.from('Zoë', 'utf8'))).toBe('Zoë');
    expect(textOfCell(Buffer.from([0xff, 0x00, 0x1a]))).toBe('0xFF001A');
    expect(textOfCell(true)).toBe('true');
  });
});
