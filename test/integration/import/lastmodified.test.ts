// Mode lastmodified on a real MariaDB: the same version as a full import, whatever is open, deleted, restored or stamped wrongly.
import mysql from 'mysql2/promise';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type ImportParts, runImport } from '../../../jobs/import-run.js';
import { entryOfPatient, patientOfEntry, versionOf } from '../../../src/domain/import-version.js';
import { DEFAULT_PATIENTS, DEFAULT_THRESHOLDS } from '../../../src/domain/mapping.js';
import type { OnStep } from '../../../src/domain/ports.js';
import { createTableSource } from '../../../src/mysql/table-source.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { type ImportBench, importBench } from '../../helpers/import-bench.js';
import { testStack, uniqueName } from '../../helpers/stack.js';

let bench: ImportBench;
beforeAll(async () => {
  bench = await importBench('modified');
  await bench.sql(`ALTER TABLE patients_information MODIFY patientid VARCHAR(64) COLLATE utf8mb4_bin PRIMARY KEY,
    ADD COLUMN touched DATETIME(6) NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)`);
});
afterAll(() => bench.close());
beforeEach(async () => {
  await bench.sql('DELETE FROM patients_information');
  await bench.flush();
});

/** Without the 2 h that hide how long the overlap has to be. */
function partsOf(checkColumn = 'touched', onStep?: OnStep, patients = DEFAULT_PATIENTS): ImportParts {
  const source = createTableSource(bench.pool, {
    patients,
    thresholds: DEFAULT_THRESHOLDS,
    pageRows: 3,
    increments: {
      of: { patients: { mode: 'lastmodified', checkColumn }, thresholds: null },
      timezone: 'UTC',
      clock: systemClock,
      newNonce: () => uniqueName('nonce'),
      log: bench.log,
      overlapMinMs: 0,
    },
  });
  return { ...bench.parts(onStep ? { onStep } : {}), source };
}
const imported = (parts = partsOf()) => runImport('patients', parts);
/** What a full import would make of the table now. */
const wholeVersion = async () =>
  versionOf('patients', (await bench.parts().source.patients()).patients.map(entryOfPatient)).version;
const connect = () => mysql.createConnection({ uri: `${testStack().rdsUrl}/${bench.database}`, charset: 'utf8mb4' });
/**
 * One of several that work on ids of their own and are driven by one thread, so that none may wait for another's lock: under
 * REPEATABLE READ, who deletes an id that isn't there locks the gap where the others insert. A wait is an error at once.
 */
async function writer(): Promise<mysql.Connection> {
  const connection = await connect();
  await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
  await connection.query('SET SESSION innodb_lock_wait_timeout = 0');
  return connection;
}
const insert = (id: string, name: string | null = 'N') =>
  bench.sql('INSERT INTO patients_information (patientid, patientname) VALUES (?, ?)', [id, name]);
const rename = (id: string, name: string, touched = 'CURRENT_TIMESTAMP(6)') =>
  bench.sql(`UPDATE patients_information SET patientname = ?, touched = ${touched} WHERE patientid = ?`, [name, id]);

it('reads what changed, what is new under an old time, what has none; finds who is gone; and nothing else', async () => {
  for (const id of ['a', 'b', 'c', 'd', 'p2', 'P2 ', '😀']) await insert(id, "\u0000\n'null' \\N");
  expect(await imported()).toMatchObject({ outcome: 'changed', rows: 7 });
  expect(await imported()).toMatchObject({ outcome: 'unchanged' });

  await rename('a', '');
  await rename('b', 'no time', 'NULL');
  await bench.sql("INSERT INTO patients_information (patientid, touched) VALUES ('restored', '1999-01-01')");
  await bench.sql("DELETE FROM patients_information WHERE patientid = 'd'");
  expect(await imported()).toMatchObject({ outcome: 'changed', added: 1, changed: 2, deleted: 1, rows: 7 });
  expect((await bench.store.current('patients'))?.version).toBe(await wholeVersion());

  // A clock that is wrong by years must not carry the last value along.
  await rename('c', 'from the future', "'2099-01-01'");
  expect(await imported()).toMatchObject({ changed: 1 });
  await rename('a', 'after it');
  expect(await imported()).toMatchObject({ changed: 1 });
  // What the mode can't see: a change that says it is old. It shows that the rest is not read.
  await rename('a', 'hidden', "'1999-01-01'");
  expect(await imported()).toMatchObject({ outcome: 'unchanged' });
});

it('brings what an old transaction commits late, with a time before others that were read', async () => {
  await insert('early');
  await insert('late');
  await imported();
  const open = await connect();
  try {
    await open.beginTransaction();
    await open.query("UPDATE patients_information SET patientname = 'committed late' WHERE patientid = 'late'");
    await bench.sql('SELECT SLEEP(1.5)');
    await rename('early', 'committed early');
    expect(await imported()).toMatchObject({ changed: 1 });
    await open.commit();
    expect(await imported()).toMatchObject({ changed: 1 });
    expect((await bench.store.current('patients'))?.version).toBe(await wholeVersion());
  } finally {
    await open.end();
  }
});

it('makes the version of a full import after any history of overlapping transactions', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  let state = seed;
  const random = (n: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % n;
  };
  const workers = await Promise.all([writer(), writer(), writer()]);
  const openSince = new Set<number>();
  try {
    // The history that waits first, should any: it begins with a deletion of nobody, beside which others insert.
    const [first, second] = workers;
    await first.beginTransaction();
    await first.query("DELETE FROM patients_information WHERE patientid = '0-3'");
    await second.query("INSERT INTO patients_information (patientid) VALUES ('1-3')");
    await first.commit();
    for (let round = 0; round < 12; round++) {
      // The last value counts whole seconds: transactions have to stay open over some of them.
      await bench.sql('SELECT SLEEP(0.5)');
      for (let n = 0; n < 12; n++) {
        const who = random(workers.length);
        const worker = workers[who] as mysql.Connection;
        const id = `${who}-${random(6)}`;
        const act = random(6);
        if (act === 0 && !openSince.has(who)) {
          await worker.beginTransaction();
          openSince.add(who);
        } else if (act === 1 && openSince.delete(who)) await (random(3) === 0 ? worker.rollback() : worker.commit());
        else if (act === 2) await worker.query('DELETE FROM patients_information WHERE patientid = ?', [id]);
        else
          await worker.query(
            'INSERT INTO patients_information (patientid, patientname) VALUES (?, ?) ON DUPLICATE KEY UPDATE patientname = VALUES(patientname)',
            [id, `${round}.${n}`],
          );
      }
      const { outcome, version } = await imported();
      const where = `seed ${seed}, round ${round}`;
      // An empty table is refused on purpose, and here only by a rare history.
      if (outcome !== 'refused' && outcome !== 'nothing') expect(version, where).toBe(await wholeVersion());
    }
  } finally {
    for (const worker of workers) await worker.end();
  }
});

it('records last value and rows at once: killed before the record, the next import brings the same', async () => {
  await insert('a');
  await imported();
  await rename('a', 'changed');
  const dies: OnStep = (step) => {
    if (step === 'import.before-record') throw new Error('killed');
  };
  await expect(imported(partsOf('touched', dies))).rejects.toThrow('killed');
  const from = async () =>
    (JSON.parse((await bench.parts().lake.newest('patients'))?.position ?? '{}') as { from: string }).from;
  const before = await from();
  expect(await imported()).toMatchObject({ outcome: 'changed', changed: 1 });
  expect((await from()) >= before).toBe(true);
});

it('takes a DATE by the day, begins anew under another mode or column, and refuses a column that holds no time', async () => {
  await bench.sql('ALTER TABLE patients_information ADD COLUMN day DATE NULL');
  await bench.sql("INSERT INTO patients_information (patientid, patientname, day) VALUES ('a', 'N', CURRENT_DATE)");
  const position = async () => JSON.parse((await bench.parts().lake.newest('patients'))?.position ?? 'null');
  await imported(partsOf('day'));
  expect(await position()).toMatchObject({ mode: 'lastmodified', check: 'day' });
  await bench.sql("UPDATE patients_information SET patientname = 'same day' WHERE patientid = 'a'");
  expect(await imported(partsOf('day'))).toMatchObject({ changed: 1 });
  // Unseen by this column, and old for the next one, which therefore must not go on where this one was.
  await bench.sql("UPDATE patients_information SET patientname = 'unseen', day = '1999-01-01', touched = '1999-01-01'");
  expect(await imported(partsOf('day'))).toMatchObject({ outcome: 'unchanged' });
  expect(await imported(partsOf('touched'))).toMatchObject({ changed: 1 });
  expect(await position()).toMatchObject({ check: 'touched' });
  await expect(imported(partsOf('patientname'))).rejects.toThrow(/patientname holds no time/);
});

it('reads the table anew where another column is named: nobody keeps an old age', async () => {
  for (const id of ['a', 'b']) await insert(id);
  expect(await imported()).toMatchObject({ rows: 2 });
  await bench.sql("ALTER TABLE patients_information ADD COLUMN born DATE NULL DEFAULT '1961-04-23'");
  const withBirth = { ...DEFAULT_PATIENTS, dateOfBirth: 'born' };
  const parts = () => partsOf('touched', undefined, withBirth);
  expect(await runImport('patients', parts())).toMatchObject({ outcome: 'changed', changed: 2 });
  expect(await runImport('patients', parts())).toMatchObject({ outcome: 'unchanged' });
  const known = await bench.parts().lake.read('patients');
  expect(known.map(patientOfEntry).map(({ dateOfBirth }) => dateOfBirth)).toEqual(known.map(() => '1961-04-23'));
});
