import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ATTRIBUTES } from '../../../src/domain/attributes.js';
import { TOPICS } from '../../../src/kafka/topics.js';
import { archivedTopics } from '../../../src/lake/archived-topics.js';
import { lakeTables, vitalInfoTable } from '../../../src/lake/columns.js';
import { CURRENT_VIEWS, vitalInfoView } from '../../../src/lake/current-views.js';
import { HIVE_TYPES } from '../../../src/lake/table.js';

const sql = (file: string) => readFileSync(new URL(`../../../ops/hive/${file}`, import.meta.url), 'utf8');
const names = ATTRIBUTES.map(({ name }) => name);

describe('ops/hive', () => {
  it('declares every table of the lake with exactly the columns that the files have', () => {
    const form =
      /CREATE EXTERNAL TABLE IF NOT EXISTS (\w+) \(\n([\s\S]*?)\n\)\nPARTITIONED BY \(`dt` STRING, `hr` STRING\)\nSTORED AS PARQUET\nLOCATION '\$\{hivevar:lake\}\/(\w+)';/g;
    const declared = [...sql('tables.sql').matchAll(form)].map(([, name, columns = '', folder]) => ({
      name,
      folder,
      columns: columns.split(',\n').map((line) => line.trim()),
    }));
    expect(declared).toEqual(
      lakeTables(names).map((table) => ({
        name: table.name,
        folder: table.name,
        columns: table.columns.map((column) => `\`${column.name}\` ${HIVE_TYPES[column.type]}`),
      })),
    );
    for (const { name } of declared) expect(sql('tables.sql')).toContain(`MSCK REPAIR TABLE ${name};`);
  });

  it('has the views under the original names that `lake query` has, over columns that exist', () => {
    const views = [...sql('views.sql').matchAll(/CREATE VIEW IF NOT EXISTS (\w+) AS\n([\s\S]*?);/g)];
    const wanted = [vitalInfoView(names), ...CURRENT_VIEWS].map(({ name }) => name);
    expect(views.map(([, name]) => name)).toEqual([...wanted, 'doctors_queue']);
    const vitals = views[0]?.[2] ?? '';
    for (const { name, type } of vitalInfoTable(names).columns)
      if (type === 'double') expect(vitals).toMatch(new RegExp(`\\b${name}\\b`));
  });
});

describe('The tables of the lake', () => {
  it('are those of the topics that are to be archived, with names that Hive does not fold', () => {
    expect(archivedTopics(names).map(({ topic }) => topic)).toEqual(
      TOPICS.filter(({ archived }) => archived).map(({ name }) => name),
    );
    const tables = lakeTables(names);
    expect(new Set(tables.map(({ name }) => name)).size).toBe(tables.length);
    for (const { name, columns, key } of tables) {
      expect(columns.find((column) => column.name === key)?.required, name).toBe(true);
      for (const column of columns) expect(column.name).toMatch(/^[a-z][a-z0-9_]*$/);
      expect(new Set(columns.map((column) => column.name)).size, name).toBe(columns.length);
    }
  });

  it('refuse an attribute whose column would be another one', () => {
    expect(() => vitalInfoTable(['heartBeat', 'heart_beat'])).toThrow('called heart_beat');
    expect(() => vitalInfoTable(['source'])).toThrow('called source');
  });
});
