// Mode append on a real MariaDB: nothing lost to transactions that overlap, nothing waited for that was rolled back.
import mysql from 'mysql2/promise';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ImportParts, type ImportResult, runImport } from '../../../jobs/import-run.js';
import { type Entry, patientOfEntry } from '../../../src/domain/import-version.js';
import { DEFAULT_PATIENTS, DEFAULT_THRESHOLDS } from '../../../src/domain/mapping.js';
import { createTableSource } from '../../../src/mysql/table-source.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { type ImportBench, importBench } from '../../helpers/import-bench.js';
import { testStack, uniqueName } from '../../helpers/stack.js';

let bench: ImportBench;
let parts: ImportParts;
beforeAll(async () => {
  bench = await importBench('append');
  await bench.sql('ALTER TABLE patients_information ADD COLUMN seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE');
  await bench.sql('ALTER TABLE Threshold_Reference_table ADD COLUMN seq INT NOT NULL AUTO_INCREMENT PRIMARY KEY');
  const source = createTableSource(bench.pool, {
    patients: DEFAULT_PATIENTS,
    thresholds: DEFAULT_THRESHOLDS,
    increments: {
      of: {
        patients: { mode: 'append', checkColumn: 'seq' },
        thresholds: { mode: 'append', checkColumn: 'seq' },
      },
      timezone: 'UTC',
      clock: systemClock,
      newNonce: () => uniqueName('nonce'),
      log: bench.log,
    },
  });
  parts = { ...bench.parts(), source };
});
afterAll(() => bench.close());

const insert = (id: string, age: number) =>
  [`INSERT INTO patients_information (patientid, age) VALUES (?, ?)`, [id, String(age)]] as const;
const add = (id: string, age: number) => bench.sql(insert(id, age)[0], [...insert(id, age)[1]]);
const imported = (): Promise<ImportResult> => runImport('patients', parts);
const openGaps = async (): Promise<number> => {
  const position = (await parts.lake.newest('patients'))?.position ?? null;
  return (JSON.parse(position as string) as { gaps: unknown[] }).gaps.length;
};
async function ages(): Promise<Record<string, number | null>> {
  const version = (await bench.store.current('patients'))?.version;
  const hash = await bench.redis.hgetall(`${bench.prefix}:lookup:patients:${version}`);
  const patients = Object.entries(hash).map(([key, json]) => patientOfEntry({ key, json } as Entry));
  return Object.fromEntries(patients.map((patient) => [patient.id, patient.age]));
}

it('brings late commits, the newest row of each patient, and forgets what was rolled back', async () => {
  const open = await Promise.all(
    ['late', 'older', 'never'].map(() =>
      mysql.createConnection({ uri: `${testStack().rdsUrl}/${bench.database}`, charset: 'utf8mb4' }),
    ),
  );
  const [late, older, never] = open as [mysql.Connection, mysql.Connection, mysql.Connection];
  try {
    await add('a', 1);
    await add('b', 1);
    expect(await imported()).toMatchObject({ outcome: 'changed', rows: 2 });

    for (const connection of open) await connection.beginTransaction();
    await late.query(insert('late', 7)[0], [...insert('late', 7)[1]]);
    await older.query(insert('b', 2)[0], [...insert('b', 2)[1]]);
    await never.query(insert('never', 9)[0], [...insert('never', 9)[1]]);
    await add('b', 3);
    expect(await imported()).toMatchObject({ outcome: 'changed', added: 0, changed: 1 });
    expect(await ages()).toEqual({ a: 1, b: 3 });
    expect(await openGaps()).toBe(1);

    // A row that is older than what is known changes nothing; who is in the table no more is deleted.
    await late.commit();
    await older.commit();
    await never.rollback();
    await bench.sql("DELETE FROM patients_information WHERE patientid = 'a'");
    expect(await imported()).toMatchObject({ outcome: 'changed', added: 1, changed: 0, deleted: 1 });
    expect(await ages()).toEqual({ b: 3, late: 7 });
    expect(await imported()).toMatchObject({ outcome: 'unchanged' });
    // Transactions of others on this server may hold the proof up: the gap then waits for a later import.
    for (let n = 0; (await openGaps()) > 0; n++) {
      expect(n).toBeLessThan(6);
      await add(`later${n}`, n);
      await imported();
    }
  } finally {
    for (const connection of open) await connection.end();
  }
});

it('begins anew where the table was made anew', async () => {
  await bench.sql('TRUNCATE TABLE patients_information');
  await add('z', 5);
  expect(await imported()).toMatchObject({ outcome: 'changed', added: 1, rows: 1 });
  expect(await ages()).toEqual({ z: 5 });
});

it('adds limits to limits', async () => {
  expect(await runImport('thresholds', parts)).toMatchObject({ outcome: 'changed', rows: 3 });
  await bench.sql(`INSERT INTO Threshold_Reference_table (attribute, low_age_limit, high_age_limit, low_value, high_value,
    alert_flag, alert_message) VALUES ('bp', 0, 40, 0, 9999, 0, 'Normal')`);
  expect(await runImport('thresholds', parts)).toMatchObject({ outcome: 'changed', rows: 4, added: 1, deleted: 0 });
});

it('refuses a check column that is no integer, in words', async () => {
  const source = createTableSource(bench.pool, {
    patients: DEFAULT_PATIENTS,
    thresholds: DEFAULT_THRESHOLDS,
    increments: {
      of: { patients: { mode: 'append', checkColumn: 'patientid' }, thresholds: null },
      timezone: 'UTC',
      clock: systemClock,
      newNonce: () => uniqueName('nonce'),
      log: bench.log,
    },
  });
  await expect(runImport('patients', { ...parts, source })).rejects.toThrow(/patientid holds what is no integer/);
});
