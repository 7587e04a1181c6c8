// CSV by RFC 4180: what is right comes back unchanged, what is wrong is named with its line.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CsvError, formatCsv, parseCsv } from '../../../src/domain/csv.js';

const headers = { required: ['a', 'b'], optional: ['c'] };
const parse = (text: string) => parseCsv(Buffer.from(text, 'utf8'), headers);
const values = (text: string) => parse(text).map((record) => record.values);

describe('parseCsv', () => {
  it('reads quotes, commas, newlines, a byte order mark and either line end', () => {
    expect(values('\uFEFFa,b\r\n1,2\r\n"x,""y""","l1\r\nl2\nl3"\n')).toEqual([
      { a: '1', b: '2' },
      { a: 'x,"y"', b: 'l1\r\nl2\nl3' },
    ]);
  });

  it('tells an empty text from NULL, and leaves the words null and \\N alone', () => {
    expect(values('b,c,a\n"",,null\n\\N, ,\u0000\u0001')).toEqual([
      { b: '', c: null, a: 'null' },
      { b: '\\N', c: ' ', a: '\u0000\u0001' },
    ]);
  });

  it('knows the line on which each record begins', () => {
    expect(parse('a,b\n"1\n\n2",3\n4,5').map((record) => record.line)).toEqual([2, 5]);
  });

  it('takes a header alone as an empty table', () => {
    expect(parse('a,b\r\n')).toEqual([]);
  });

  it.each([
    ['', 1, /empty/],
    ['a\n1', 1, /missing headers: b/],
    ['a,b,d\n1,2,3', 1, /header 3 is unknown.*known are a, b, c/],
    ['a,b,a\n1,2,3', 1, /header a stands there twice/],
    ['a,b\n1,2\n3', 3, /1 fields, but the header has 2/],
    ['a,b\n1,2\n\n3,4', 3, /1 fields/],
    ['a,b\n1,2,3', 2, /3 fields/],
    ['a,b\n"1\n",2\n3,"4', 4, /no closing quote/],
    ['a,b\n1,x"y"', 2, /a quote inside a field/],
    ['a,b\n"1"x,2', 2, /after a closing quote/],
    ['a,b\n1,2\r3,4', 2, /carriage return/],
  ])('refuses %j and names line %i', (text, line, problem) => {
    expect(() => parse(text)).toThrow(problem);
    try {
      parse(text);
    } catch (error) {
      expect((error as CsvError).line).toBe(line);
    }
  });

  it('says nothing of a file whose first line is data', () => {
    expect(() => parse('Zyx Plantedname,2\n')).toThrow(/^(?!.*Planted).*header 1 is unknown/);
  });

  it('refuses what is not UTF-8', () => {
    expect(() => parseCsv(Buffer.from([0x61, 0x2c, 0x62, 0x0a, 0xff, 0x2c, 0x31]), headers)).toThrow(CsvError);
  });

  it('reads back whatever was written', () => {
    const cell = fc.option(fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ', '\u0000', '😀', 'é') }));
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { maxLength: 8 }), (rows) => {
        expect(values(formatCsv(['a', 'b'], rows)).map((record) => [record.a, record.b])).toEqual(rows);
      }),
    );
  });
});
