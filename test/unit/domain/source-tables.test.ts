// The tables' SQL: the file for people is what the code makes, and renamed columns are followed.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DEFAULT_PATIENTS, DEFAULT_THRESHOLDS, DEFAULT_VITALS } from '../../../src/domain/mapping.js';
import { sourceTablesSql } from '../../../src/domain/source-tables.js';

it('ships the SQL that the code makes', () => {
  const file = readFileSync(new URL('../../../ops/sql/source-tables.sql', import.meta.url), 'utf8');
  const statements = file.replaceAll(/^--.*\n/gm, '').trim();
  expect(statements).toBe(`${sourceTablesSql().join(';\n\n')};`);
});

it('follows the mapping, also where columns or a table are left out', () => {
  const [vitals, patients, ...more] = sourceTablesSql({
    vitals: { ...DEFAULT_VITALS, table: 'icu.readings', key: 'seq`no', recordedAt: null },
    patients: { ...DEFAULT_PATIENTS, ward: null },
    thresholds: { ...DEFAULT_THRESHOLDS, table: null },
  });
  expect(vitals).toContain('CREATE TABLE IF NOT EXISTS `icu`.`readings`');
  expect(vitals).toContain('`seq``no` BIGINT UNSIGNED');
  expect(vitals).not.toContain('recorded_at');
  expect(patients).not.toContain('admitted_ward');
  expect(more).toEqual([]);
});
