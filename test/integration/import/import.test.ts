// Imports on real MariaDB, Redis and a folder lake: bytes unchanged, changes and deletions found, broken limits refused, every crash mended.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runImport } from '../../../jobs/import-run.js';
import { type Entry, patientOfEntry, versionOf } from '../../../src/domain/import-version.js';
import { DEFAULT_PATIENTS, DEFAULT_THRESHOLDS } from '../../../src/domain/mapping.js';
import { STEPS, type Step } from '../../../src/domain/steps.js';
import { lakeQuery } from '../../../src/lake/query.js';
import type { MysqlSession } from '../../../src/mysql/pool.js';
import { createTableSource } from '../../../src/mysql/table-source.js';
import { type ImportBench, importBench } from '../../helpers/import-bench.js';

/** id, name, address, phone, ward, age as the table has it, other_details, age as we have it. */
type Row = [string, string | null, string | null, string | null, string | null, string | null, string | Buffer | null];
const WEIRD: readonly (readonly [Row, number | null])[] = [
  [['p1', null, '', 'null', '\\N', '41', 'a\r\nb\tc'], 41],
  [['p2', 'Zoë "Q" O\'Hara \u0000\u0001\u001b\u007f', '\n\n', '+44\t20', '4B', '0', ''], 0],
  [['P2', 'other person', null, null, '4B', '42.9', null], 42],
  [['p2 ', 'one more', null, null, '4B', '-3', null], null],
  [['😀', '👩‍⚕️'.repeat(40), '𝔘𝔫𝔦', null, '病棟', '999', null], null],
  [['p5', 'x'.repeat(300), '"; DROP TABLE patients; --', '0x00', '{{ward}}', null, '{"json": [1]}'], null],
  [['18446744073709551615', 'big', 'NaN', 'undefined', 'true', 'abc', Buffer.from([0xff, 0x00, 0x1a])], null],
];
const INSERT = 'INSERT INTO patients_information VALUES ?';

let bench: ImportBench;
beforeAll(async () => {
  bench = await importBench('import');
});
afterAll(() => bench.close());
beforeEach(async () => {
  await bench.sql('DELETE FROM patients_information');
});

async function inRedis(): Promise<Record<string, unknown>[]> {
  const version = await bench.redis.get(`${bench.prefix}:lookup:patients:current`);
  const hash = await bench.redis.hgetall(`${bench.prefix}:lookup:patients:${version}`);
  return Object.entries(hash).map(([key, json]) => ({ ...patientOfEntry({ key, json } as Entry) }));
}

/** The newest snapshot as somebody else's reader finds it: every file of the table, the greatest imported_at. */
async function inLake(table: string): Promise<{ rows: Record<string, unknown>[]; files: string[] }> {
  const all = await readdir(bench.folder, { recursive: true });
  const files = all.filter((path) => path.startsWith(`${table}/`) && path.endsWith('.parquet')).sort();
  const rows: Record<string, unknown>[] = [];
  for (const path of files)
    rows.push(...(await parquetReadObjects({ file: await asyncBufferFromFile(join(bench.folder, path)) })));
  const newest = rows.reduce((max, row) => Math.max(max, Number(row.imported_at)), 0);
  return { rows: rows.filter((row) => Number(row.imported_at) === newest), files };
}

const byId = (rows: readonly Record<string, unknown>[], key: string) =>
  [...rows].sort((a, b) => (String(a[key]) < String(b[key]) ? -1 : 1));

describe('patients', () => {
  it('arrive in Redis and the lake byte for byte, page by page, with keys that the database takes for equal', async () => {
    await bench.sql(INSERT, [WEIRD.map(([row]) => row)]);
    const source = createTableSource(bench.pool, {
      patients: DEFAULT_PATIENTS,
      thresholds: DEFAULT_THRESHOLDS,
      pageRows: 2,
    });
    const result = await runImport('patients', { ...bench.parts(), source });
    expect(result).toMatchObject({ outcome: 'changed', rows: WEIRD.length, warnings: [], problems: [] });
    const expected = WEIRD.map(([[id, name, address, phone, ward, , other], age]) => ({
      id,
      name,
      address,
      phone,
      ward,
      age,
      otherDetails: Buffer.isBuffer(other) ? '0xFF001A' : other,
    }));
    expect(byId(await inRedis(), 'id')).toEqual(byId(expected, 'id'));
    const lake = byId((await inLake('patient')).rows, 'patient_id').map((row) => ({
      id: row.patient_id,
      name: row.name ?? null,
      address: row.address ?? null,
      phone: row.phone ?? null,
      ward: row.ward ?? null,
      age: row.age ?? null,
      otherDetails: row.other_details ?? null,
    }));
    expect(lake).toEqual(byId(expected, 'id'));
  });

  it('that are added, changed and deleted are found; the same table makes no new file', async () => {
    await bench.sql(INSERT, [['a', 'b', 'c'].map((id) => [id, 'N', null, null, '4B', '50', null])]);
    await runImport('patients', bench.parts());
    await bench.sql("DELETE FROM patients_information WHERE patientid = 'a'");
    await bench.sql("UPDATE patients_information SET admitted_ward = '5C' WHERE patientid = 'b'");
    await bench.sql(INSERT, [[['d', 'N', null, null, '4B', '50', null]]]);
    const counted = () => bench.metrics.value('import_rows_total', { table: 'patients' });
    const before = await counted();
    expect(await runImport('patients', bench.parts())).toMatchObject({
      outcome: 'changed',
      rows: 3,
      added: 1,
      changed: 1,
      deleted: 1,
    });
    expect((await counted()) - before).toBe(3);
    const { rows, files } = await inLake('patient');
    expect(byId(rows, 'patient_id').map((row) => [row.patient_id, row.ward, row.deleted])).toEqual([
      ['a', '4B', true],
      ['b', '5C', false],
      ['c', '4B', false],
      ['d', '4B', false],
    ]);
    // For whoever joins, the table is what it is now.
    const now = await lakeQuery(
      bench.lakeStore,
      'SELECT patientid, admitted_ward FROM patients_information ORDER BY 1',
    );
    expect(now.rows.map((row) => Object.values(row))).toEqual([
      ['b', '5C'],
      ['c', '4B'],
      ['d', '4B'],
    ]);
    expect(await runImport('patients', bench.parts())).toMatchObject({ outcome: 'unchanged', added: 0 });
    expect((await inLake('patient')).files).toEqual(files);
    expect((await inRedis()).map((row) => row.id).sort()).toEqual(['b', 'c', 'd']);
  });

  it('of one id are one, always the same; rows without id are counted; larger groups than a page are passed', async () => {
    const same = Array.from({ length: 7 }, (_, i) => ['twin', `N${i}`, null, null, null, null, null]);
    await bench.sql(INSERT, [
      [
        ...same,
        [null, 'x', null, null, null, null, null],
        ['', 'y', null, null, null, null, null],
        [' ', 'z', null, null, null, null, null],
        ['u', 'N', null, null, null, null, null],
      ],
    ]);
    const read = (pageRows: number) =>
      createTableSource(bench.pool, {
        patients: DEFAULT_PATIENTS,
        thresholds: DEFAULT_THRESHOLDS,
        pageRows,
      }).patients();
    for (const pageRows of [1, 3, 100]) {
      const snapshot = await read(pageRows);
      expect(snapshot.patients.map((p) => [p.id, p.name]).sort()).toEqual([
        [' ', 'z'],
        ['twin', 'N6'],
        ['u', 'N'],
      ]);
      expect(snapshot).toMatchObject({ duplicates: 6, withoutId: 2 });
    }
  });

  it('are of one moment, though the table changes between two pages', async () => {
    await bench.sql(INSERT, [['a', 'b', 'c', 'd'].map((id) => [id, 'old', null, null, null, null, null])]);
    let pages = 0;
    const watched = {
      query: bench.pool.query,
      withConnection: <T>(work: (session: MysqlSession) => Promise<T>) =>
        bench.pool.withConnection((session) =>
          work({
            ...session,
            query: async (sql, params, timeoutMs) => {
              const rows = await session.query(sql, params, timeoutMs);
              if (sql.includes('LIMIT') && ++pages === 1) {
                await bench.sql("UPDATE patients_information SET patientname = 'new'");
                await bench.sql("DELETE FROM patients_information WHERE patientid = 'd'");
                await bench.sql(INSERT, [[['e', 'new', null, null, null, null, null]]]);
              }
              return rows;
            },
          }),
        ),
    };
    const source = createTableSource(watched, {
      patients: DEFAULT_PATIENTS,
      thresholds: DEFAULT_THRESHOLDS,
      pageRows: 2,
    });
    const { patients } = await source.patients();
    expect(pages).toBeGreaterThan(1);
    expect(patients.map((p) => `${p.id} ${p.name}`).sort()).toEqual(['a old', 'b old', 'c old', 'd old']);
  });

  it('are not made strangers by a table that is emptied for a moment', async () => {
    await bench.sql(INSERT, [[['a', 'N', null, null, null, null, null]]]);
    const good = await runImport('patients', bench.parts());
    await bench.sql('DELETE FROM patients_information');
    const result = await runImport('patients', bench.parts());
    expect(result).toMatchObject({ outcome: 'refused', version: good.version });
    expect(result.problems.join()).toMatch(/empty/);
    expect((await inRedis()).length).toBe(1);
  });
});

describe('thresholds', () => {
  const version = async () => (await bench.store.current('thresholds'))?.version;

  it('that are broken are refused: the last good version stays, in words, in the log and in the metrics', async () => {
    const good = await runImport('thresholds', bench.parts());
    expect(good).toMatchObject({ outcome: 'changed', rows: 3 });
    await bench.sql("INSERT INTO Threshold_Reference_table VALUES ('bp', 0, 40, 200, 100, 0, 'upside down')");
    const refused = await runImport('thresholds', bench.parts());
    expect(refused).toMatchObject({ outcome: 'refused', version: good.version });
    expect(refused.problems.join()).toMatch(/bp.*upside down/);
    const { rows } = await lakeQuery(
      bench.lakeStore,
      'SELECT SUM(alert_flag)::INT AS n FROM threshold_reference_table',
    );
    expect(rows).toEqual([{ n: 2 }]);
    await bench.sql("UPDATE Threshold_Reference_table SET low_value = NULL WHERE attribute = 'bp'");
    expect((await runImport('thresholds', bench.parts())).problems).toEqual(['row 4 (bp): low_value is no number']);
    expect(await version()).toBe(good.version);
    expect(
      bench.log.lines.filter((line) => line.event === 'import.refused' && line.fields.table === 'thresholds').length,
    ).toBe(2);
    expect(await bench.metrics.value('import_runs_total', { table: 'thresholds', outcome: 'refused' })).toBe(2);
    await bench.sql("DELETE FROM Threshold_Reference_table WHERE attribute = 'bp'");
    expect(await runImport('thresholds', bench.parts())).toMatchObject({ outcome: 'unchanged', version: good.version });
  });

  it('from a file come back from the lake when Redis has lost them', async () => {
    const parts = bench.parts({ thresholds: { ...DEFAULT_THRESHOLDS, table: null } });
    const bytes = await readFile('ops/sql/thresholds-news2.csv');
    const loaded = await runImport('thresholds', parts, { file: { name: 'thresholds-news2.csv', bytes } });
    expect(loaded).toMatchObject({ outcome: 'changed', rows: 25, problems: [] });
    await bench.flush();
    expect(await runImport('thresholds', parts)).toMatchObject({
      outcome: 'restored',
      version: loaded.version,
      rows: 25,
    });
    expect(await version()).toBe(loaded.version);
    expect((await bench.store.current('thresholds'))?.source).toBe('file:thresholds-news2.csv');
    expect(await runImport('thresholds', parts)).toMatchObject({ outcome: 'unchanged', version: loaded.version });
    // One field of the version in force is gone: found by its checksum, and mended.
    await bench.redis.hdel(`${bench.prefix}:lookup:thresholds:${loaded.version}`, '000003');
    await runImport('thresholds', parts, { file: { name: 'thresholds-news2.csv', bytes } });
    expect(await bench.redis.hlen(`${bench.prefix}:lookup:thresholds:${loaded.version}`)).toBe(25);
    expect(await bench.redis.ttl(`${bench.prefix}:lookup:thresholds:${loaded.version}`)).toBe(-1);
  });

  it('come back from the lake while the source is away', async () => {
    const { version: last } = (await bench.parts().lake.newest('thresholds')) ?? {};
    await bench.flush();
    const real = bench.parts();
    const source = { ...real.source, thresholds: () => Promise.reject(new Error('away')) };
    await expect(runImport('thresholds', { ...real, source })).rejects.toThrow('away');
    expect(await version()).toBe(last);
    expect(bench.log.lines.map((line) => line.event)).toContain('import.restored-from-lake');
  });

  it('are nothing, said aloud, where there is neither table nor file', async () => {
    const other = await importBench('nolimits');
    try {
      const result = await runImport('thresholds', other.parts({ thresholds: { ...DEFAULT_THRESHOLDS, table: null } }));
      expect(result).toMatchObject({ outcome: 'nothing', version: null });
      await expect(
        runImport('thresholds', other.parts({ thresholds: { ...DEFAULT_THRESHOLDS, table: 'nowhere' } })),
      ).rejects.toMatchObject({ code: 'ER_NO_SUCH_TABLE' });
    } finally {
      await other.close();
    }
  });
});

describe('a crash', () => {
  class Crash extends Error {}

  it.each(STEPS.import)('at %s is mended by the next import, with one set of files', async (at: Step) => {
    const own = await importBench('crash');
    try {
      const sql = (n: number) => own.sql(INSERT, [[[`p${n}`, 'N', null, null, null, '30', null]]]);
      await sql(1);
      await runImport('patients', own.parts());
      await sql(2);
      const crashing = own.parts({
        onStep: (step) => {
          if (step === at) throw new Crash();
        },
      });
      // Killed: nothing that comes after runs, its lock stays.
      const store = { ...own.store, unlock: async () => undefined };
      await expect(runImport('patients', { ...crashing, store })).rejects.toThrow(Crash);
      const inForce = await own.store.current('patients');
      expect(inForce?.rows).toBe(at === 'import.after-switch' ? 2 : 1);
      expect(await runImport('patients', own.parts())).toMatchObject({ outcome: 'skipped' });
      await own.redis.del(`${own.prefix}:lookup:patients:lock`);
      const next = await runImport('patients', own.parts());
      expect(next.rows).toBe(2);
      expect((await own.store.current('patients'))?.version).toBe(next.version);
      const again = await runImport('patients', own.parts());
      expect(again).toMatchObject({ outcome: 'unchanged', version: next.version });
      // What was staged in vain went when its place in the chain had been passed.
      const files = (await readdir(own.folder, { recursive: true })).filter((path) => path.endsWith('.parquet'));
      expect(files.filter((path) => path.startsWith('patient/')).length).toBe(2);
      expect(files.filter((path) => path.startsWith('_staging/'))).toEqual([]);
    } finally {
      await own.close();
    }
  });

  it('whoever lost its lock takes nothing from a version that another has put in force meanwhile', async () => {
    const { store } = bench;
    const entries = [{ key: 'p1', json: '{}' }];
    const info = versionOf('patients', entries);
    const other = versionOf('patients', []);
    const { redis, prefix } = bench;
    const rows = `${prefix}:lookup:patients:${info.version}`;
    expect(await store.lock('patients', 'second', 30_000)).toBe(true);
    await store.write('patients', info, entries, 'test', 'second', 1);
    await store.switchTo('patients', info, 'second', 1);
    // What the sleeper saw in force was another.
    await redis.set(`${prefix}:lookup:patients:current`, other.version);
    await expect(store.write('patients', info, entries, 'test', 'first', 2)).rejects.toThrow(
      'another import took over',
    );
    await redis.set(`${prefix}:lookup:patients:current`, info.version);
    expect(await redis.ttl(rows)).toBe(-1);
    const read: unknown[] = [];
    await store.read('patients', info, (entry) => read.push(entry));
    expect(read).toEqual(entries);
    await store.unlock('patients', 'second');
  });

  it('between two replicas: whoever lost its lock does not switch', async () => {
    await bench.sql(INSERT, [[['a', 'N', null, null, null, '77', null]]]);
    await runImport('patients', bench.parts());
    await bench.sql("UPDATE patients_information SET age = '78'");
    const slow = bench.parts({
      onStep: async (step) => {
        if (step !== 'import.before-switch') return;
        await bench.redis.del(`${bench.prefix}:lookup:patients:lock`);
        await bench.sql("UPDATE patients_information SET age = '79'");
        await runImport('patients', bench.parts());
      },
    });
    await expect(runImport('patients', slow)).rejects.toMatchObject({ name: 'ImportLockLost' });
    expect((await inRedis()).map((row) => row.age)).toEqual([79]);
  });
});
