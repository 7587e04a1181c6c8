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

it('a date of birth is read where the hospital has one, as a DATE, a DATETIME or text', () => {
  const mapping = { ...DEFAULT_PATIENTS, dateOfBirth: 'born' };
  expect(patientColumns(mapping)).toContain('born');
  const born = (cell: unknown) => patientOfRow(mapping, { patientid: '1', age: 7, born: cell });
  for (const cell of ['1961-04-23', '1961-04-23 00:00:00', ' 1961-04-23', Buffer.from('1961-04-23')])
    expect(born(cell)).toMatchObject({ age: 7, dateOfBirth: '1961-04-23' });
  for (const cell of [null, '0000-00-00', '23/04/1961', '']) expect(born(cell)).not.toHaveProperty('dateOfBirth');
});

describe('textOfCell', () => {
  it('shows binary that is no UTF-8 without losing a byte', () => {
    expect(textOfCell(Buffer.from('Zoë', 'utf8'))).toBe('Zoë');
    expect(textOfCell(Buffer.from([0xff, 0x00, 0x1a]))).toBe('0xFF001A');
    expect(textOfCell(true)).toBe('true');
  });
});
