import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LakeStore } from '../../../src/domain/ports.js';
import type { Reading } from '../../../src/domain/reading.js';
import { lakeTables } from '../../../src/lake/columns.js';
import { LakeQueryError } from '../../../src/lake/errors.js';
import { diskFileOps } from '../../../src/lake/file-ops.js';
import { createFolderStore } from '../../../src/lake/folder-store.js';
import { lakeQuery } from '../../../src/lake/query.js';
import { DUCKDB } from '../../../src/lake/sql-dialect.js';
import { lakeViews } from '../../../src/lake/views.js';
import { reading } from '../../helpers/readings.js';
import { archiveMessages } from '../../helpers/small-lake.js';

let folder: string;
let store: LakeStore;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'wardwatch-query-'));
  store = createFolderStore(path.join(folder, "ward's [1]* lake"), diskFileOps);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const archive = (attributes: readonly string[], messages: readonly Reading[], dieAt?: string) =>
  archiveMessages(store, { attributes, messages, ...(dieAt ? { dieAt } : {}) });
const signs = (...names: string[]) => names.map((name) => ({ name, decimals: 0 }));

describe('lakeQuery', () => {
  it('has every table with its columns, and the original names, before there is any file', async () => {
    const { rows } = await lakeQuery(
      store,
      `SELECT table_name, count(*)::INT AS columns FROM information_schema.columns GROUP BY 1`,
      signs('heartBeat'),
    );
    const found = Object.fromEntries(rows.map((row) => [row.table_name, row.columns]));
    for (const table of lakeTables(['heartBeat'])) expect(found[table.name], table.name).toBe(table.columns.length + 2);
    const { columns, rows: none } = await lakeQuery(store, 'SELECT * FROM patients_vital_info', signs('heartBeat'));
    expect([columns, none]).toEqual([['id', 'customerId', 'heartBeat', 'recorded_at', 'dt', 'hr'], []]);
    for (const { name } of lakeViews(signs('heartBeat'), DUCKDB))
      expect((await lakeQuery(store, `SELECT * FROM ${name}`)).rows, name).toEqual([]);
  });

  it('reads exactly the files of the log: staged ones too, strangers not, and signs that came later', async () => {
    await archive(['heartBeat'], [reading(1, 'p1', { heartBeat: 70, spo2: 97 }, 0, { other: { bed: '7' } })]);
    await archive(['heartBeat', 'spo2'], [reading(2, 'p1', { spo2: 96.5 }, 3600, { bad: { heartBeat: 'n/a' } })]);
    // Committed, and its writer died before it could publish.
    await archive(['heartBeat', 'spo2'], [reading(3, 'p2', { heartBeat: 71 }, 7200)], 'archive.after-record');
    const stranger = path.join(folder, "ward's [1]* lake", 'vital_info/dt=2026-11-24/hr=22/copy.parquet');
    const [file] = await store.list('vital_info');
    await writeFile(stranger, (await store.read(file?.path as string)) as Uint8Array);

    const sql = `SELECT row_id, patient_id, heart_beat, spo2, bad, other, dt, hr, strftime(recorded_at, '%H:%M') AS at,
      kafka_offset FROM vital_info ORDER BY row_id`;
    const expected = [
      { row_id: '1', heart_beat: 70, spo2: null, bad: null, other: '{"bed":"7","spo2":97}', hr: '22', at: '22:00' },
      { row_id: '2', heart_beat: null, spo2: 96.5, bad: '{"heartBeat":"n/a"}', other: null, hr: '23', at: '23:00' },
      { row_id: '3', heart_beat: 71, spo2: null, bad: null, other: null, dt: '2026-11-25', hr: '00', at: '00:00' },
    ].map((row, i) => ({ patient_id: i < 2 ? 'p1' : 'p2', dt: '2026-11-24', kafka_offset: String(i), ...row }));
    expect((await lakeQuery(store, sql, signs('heartBeat', 'spo2'))).rows).toEqual(expected);
    // The same once the next owner has published it, and for somebody who knows fewer or more signs.
    await archive(['heartBeat'], [reading(4, 'p2', {}, 7200)]);
    expect(await store.list('_staging')).toEqual([]);
    const after = await lakeQuery(store, sql, signs('heartBeat', 'bp'));
    expect(after.rows.slice(0, 3)).toEqual(expected);
    expect((await lakeQuery(store, 'SELECT count(bp) AS n FROM vital_info', signs('bp'))).rows).toEqual([{ n: '0' }]);
  });

  it("says what is wrong: a lake elsewhere, and DuckDB's own words on wrong SQL", async () => {
    await expect(lakeQuery({ ...store, url: 's3://bucket/lake' }, 'SELECT 1')).rejects.toThrow(LakeQueryError);
    await expect(lakeQuery(store, 'SELECT nothing FROM vital_info')).rejects.toThrow('nothing');
  });
});
