// The whole pipeline over a history that is backfilled: each reading once in the lake and once judged, nobody e-mailed of it, and the living not forgotten over it.
import { expect, onTestFinished, test } from 'vitest';
import { expectAuditHolds } from '../helpers/audit.js';
import { createDeployment } from '../helpers/deployment.js';
import { until } from '../helpers/kafka.js';

const HISTORY = 40;
const WITHIN_MS = 120_000;

test('a backfilled alarm is history; the same patient, still abnormal, is e-mailed with the next live reading; the audit holds', async () => {
  const deployment = await createDeployment('history', { env: { POLL_START: String(HISTORY + 1) } });
  onTestFinished(() => deployment.close());
  await deployment.sql(
    "INSERT INTO patients_information (patientid, patientname, age) VALUES ('p1', 'Ada', 30), ('p2', 'Bo', 30)",
  );
  expect((await deployment.run(['import', 'thresholds', '--file', 'ops/sql/thresholds-seed.csv'])).code).toBe(0);
  expect((await deployment.run(['import', 'patients'])).code).toBe(0);
  const rows = (from: number, to: number, patient: string, heartBeat: number) =>
    deployment.sql('INSERT INTO patients_vital_info (id, customerId, recorded_at, heartBeat, bp) VALUES ?', [
      Array.from({ length: to - from + 1 }, (_, n) => [from + n, patient, new Date(), heartBeat, 170]),
    ]);
  // Minutes old at most: by their age alone they would be e-mailed.
  await rows(1, HISTORY, 'p1', 130);
  await rows(HISTORY + 1, HISTORY + 3, 'p2', 72);
  deployment.worker('all');
  const held = async (where: string) => Number((await deployment.lake(`SELECT count(*) AS n FROM ${where}`))[0]?.n);
  await until('the live rows are in the lake', async () => (await held('vital_info')) === 3, WITHIN_MS);

  const backfilled = await deployment.run(['source', 'backfill', '--from', '1', '--to', String(HISTORY)]);
  expect(backfilled.out).toContain(`${HISTORY} rows read, ${HISTORY} added`);
  await until('it is judged', async () => (await held("delivery WHERE kind = 'raised'")) > 0, WITHIN_MS);
  expect(await deployment.lake("SELECT DISTINCT state, reason FROM delivery WHERE kind = 'raised'")).toEqual([
    { state: 'suppressed', reason: 'historic' },
  ]);
  expect(await deployment.emails()).toEqual([]);

  await rows(HISTORY + 4, HISTORY + 5, 'p1', 131);
  await until('the living are heard', async () => (await deployment.emails()).length > 0, WITHIN_MS);
  const emails = await deployment.emails();
  expect(emails).toHaveLength(1);
  expect(JSON.stringify(emails[0])).toContain('Ada');
  // Rows from the first start on; alerts of all readings, the backfilled ones too.
  await expectAuditHolds(deployment);
  expect(await held("vital_info WHERE mark = 'backfill'")).toBe(HISTORY);
  expect(await held("alert WHERE kind = 'raised'")).toBe(1);
});
