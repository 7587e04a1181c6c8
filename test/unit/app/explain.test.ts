// What a person is told of an error: our words whole, others' only by class and code.
import { expect, it } from 'vitest';
import { explain, SayError } from '../../../src/app/explain.js';
import { renderColumns } from '../../../src/cli/text-table.js';
import { ConfigError } from '../../../src/config/problems.js';

it('says our own words, and of a driver only its symbol', () => {
  expect(explain(new SayError('no limits are in force'))).toBe('no limits are in force');
  expect(explain(new ConfigError([{ setting: 'A', what: 'is wrong', mend: 'Mend it' }]))).toContain(
    '✗ A: is wrong. Mend it',
  );
  const driver = Object.assign(new Error('connect to user:hush@host for Zyx Plantedname'), { code: 'ECONNREFUSED' });
  expect(explain(driver)).toBe('Failed: Error (ECONNREFUSED). `wardwatch doctor` looks at every service.');
  const bug = explain(new TypeError('cannot read Zyx Plantedname'));
  expect(bug).toMatch(/^Failed: TypeError\..*\n {4}at /);
  expect(bug).not.toContain('Plantedname');
  expect(explain('Zyx Plantedname')).toBe('Failed for an unknown reason.');
});

it('draws columns, and shows control characters instead of obeying them', () => {
  expect(
    renderColumns(
      ['id', 'name'],
      [
        ['1', 'Ada'],
        ['22', 'a\n\u001b[31mb"c'],
      ],
    ),
  ).toBe(['id  name', '──  ────────────────', '1   Ada', '22  a\\n\\u001b[31mb"c'].join('\n'));
});
