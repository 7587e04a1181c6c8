// The views over a lake, as DuckDB answers them; Spark and Hive are asked the same in test/peers/spark.test.ts.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ATTRIBUTES } from '../../../src/domain/attributes.js';
import type { Patient } from '../../../src/domain/patient.js';
import type { LakeStore } from '../../../src/domain/ports.js';
import { compileThresholds } from '../../../src/domain/threshold-table.js';
import { diskFileOps } from '../../../src/lake/file-ops.js';
import { createFolderStore } from '../../../src/lake/folder-store.js';
import { lakeQuery } from '../../../src/lake/query.js';
import { episodeEvent } from '../../helpers/alert-events.js';
import { limit, SEED_LIMITS, TEMPERATURE_LIMITS } from '../../helpers/limits.js';
import { reading, START_US } from '../../helpers/readings.js';
import { archiveMessages, importReferenceTables } from '../../helpers/small-lake.js';

const AGES = [null, -1, 0, 17, 40, 41, 100, 130, 151] as const;
const patients = AGES.map(
  (age, i): Patient => ({
    ...{ id: `p${i}`, name: `Name ${i}`, address: null, phone: null, ward: '4B', otherDetails: null },
    age,
  }),
);
const LIMITS = [
  ...SEED_LIMITS,
  ...TEMPERATURE_LIMITS,
  // Overlaps, of which the most alarming counts: a flag before none, then the severity, then the narrower band.
  limit('heartBeat', [0, 40], [70, 72], 1, { severity: 'low', message: 'in the middle' }),
  limit('heartBeat', [0, 40], [72, 74], 1, { severity: 'medium', message: 'more severe' }),
  limit('heartBeat', [0, 40], [72, 73], 1, { severity: 'medium', message: 'narrower' }),
  // No whole number lies in it, and a range upside down.
  limit('bp', [0, 100], [160.2, 160.8], 1, { message: 'matches nothing' }),
  limit('spo2', [0, 100], [95, 90], 1),
];
const VALUES = {
  heartBeat: [0, 69.4, 69.5, 70, 72, 73, 74, 78.5, 79, 10_000],
  bp: [160, 160.4, 160.5, 180.5, 220.49],
  bodyTemperature: [9.94, 35.04, 35.05, 35.1, 36.05, 38.05, 38.049_999, 39.1, 50.1],
  spo2: [92],
};

let folder: string;
let store: LakeStore;
const ask = async (sql: string) => (await lakeQuery(store, sql)).rows;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'wardwatch-views-'));
  store = createFolderStore(folder, diskFileOps);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('readings_with_limits has each value once, with the verdict, message and severity that the watcher would give', async () => {
  const gone: Patient = { ...(patients[0] as Patient), id: 'gone', age: 30 };
  await importReferenceTables(
    store,
    { patients: [gone, ...patients], limits: [limit('bp', [0, 150], [0, 999], 1)] },
    1,
  );
  await importReferenceTables(store, { patients, limits: LIMITS, gone: [gone] }, 2);
  const table = compileThresholds(LIMITS);
  const messages: object[] = [];
  const expected = new Map<string, unknown>();
  for (const { id, age } of [...patients, { id: 'gone', age: undefined }]) {
    for (const [attribute, values] of Object.entries(VALUES)) {
      for (const value of values) {
        messages.push(reading(messages.length + 1, id, { [attribute]: value }));
        const { verdict, message, severity } = table.judge(attribute, age, value);
        expected.set(`${messages.length} ${attribute}`, {
          verdict,
          ...(verdict === 'unclassified'
            ? { alert_message: null, severity: null }
            : { alert_message: message, severity }),
        });
      }
    }
  }
  await archiveMessages(store, { attributes: ATTRIBUTES.map(({ name }) => name), messages });
  const rows = await ask('SELECT id, attribute, verdict, alert_message, severity FROM readings_with_limits');
  expect(rows).toHaveLength(messages.length);
  const verdicts = new Set<unknown>();
  for (const { id, attribute, ...judged } of rows) {
    expect(judged, `${id} ${attribute}: ${JSON.stringify(messages[Number(id) - 1])}`).toEqual(
      expected.get(`${id} ${attribute}`),
    );
    verdicts.add(judged.verdict);
  }
  expect([...verdicts].sort()).toEqual(['abnormal', 'normal', 'unclassified']);
  const [row] = await ask(
    "SELECT * EXCLUDE (recorded_at) FROM readings_with_limits WHERE id = 5 * 25 + 1 AND attribute = 'heartBeat'",
  );
  expect(row).toMatchObject({
    source: 'rds',
    customerId: 'p5',
    patientname: 'Name 5',
    age: 41,
    admitted_ward: '4B',
    dt: '2026-11-24',
  });
});

it('patients_information tells the age of today where the date of birth is known', async () => {
  const today = new Date().toISOString().slice(0, 10);
  const years = Number(today.slice(0, 4));
  const born: Patient = { ...(patients[0] as Patient), id: 'born', age: 3 };
  const people: Patient[] = [
    { ...born, dateOfBirth: `${years - 30}-01-01` },
    { ...born, id: 'later', dateOfBirth: `${years - 30}-12-31` },
    { ...born, id: 'counted' },
  ];
  const before = await ask('SELECT max(epoch_us(imported_at)) AS us FROM patient');
  await importReferenceTables(store, { patients: people, limits: LIMITS }, Number(before[0]?.us ?? 0) + 1);
  const rows = await ask('SELECT patientid, age FROM patients_information ORDER BY patientid');
  expect(rows).toEqual([
    { patientid: 'born', age: 30 },
    { patientid: 'counted', age: 3 },
    { patientid: 'later', age: today.endsWith('12-31') ? 30 : 29 },
  ]);
});

it('episodes and notifications have one row each, from the first measurement to the last', async () => {
  const startMs = START_US / 1_000;
  const at = (second: number) => startMs + second * 1_000;
  const raised = episodeEvent({ atMs: at(0) });
  const events = [
    raised,
    episodeEvent({ atMs: at(5), kind: 'worsened', index: 1, episodeId: raised.episodeId }),
    episodeEvent({ atMs: at(12.5), kind: 'resolved', index: 2, episodeId: raised.episodeId }),
    episodeEvent({ atMs: at(3), patientId: '7', vitals: { heartBeat: 'n/a', bp: 12.5 } }),
    // A person's word on the same episode ends nothing.
    {
      ...raised,
      eventId: 'ack',
      kind: 'acknowledged',
      by: 'console',
      at: new Date(at(1)).toISOString().replace('Z', '000Z'),
    },
    { v: 1, eventId: 'c', kind: 'context', by: 'watch', at: raised.at, partition: 0, offset: '1' },
  ];
  await archiveMessages(store, { topic: 'doctors-queue', attributes: [], messages: events });
  expect(await ask('SELECT * EXCLUDE (episode_id) FROM episodes ORDER BY customerId')).toEqual([
    {
      ...{ customerId: '1042', ward: '4B', attribute: 'heartBeat', direction: 'high', dt: '2026-11-24', seconds: 12.5 },
      ...{ raised_at: '2026-11-24 22:00:00', resolved_at: '2026-11-24 22:00:12.5' },
    },
    {
      ...{ customerId: '7', ward: '4B', attribute: 'heartBeat', direction: 'high', dt: '2026-11-24', seconds: null },
      ...{ raised_at: '2026-11-24 22:00:03', resolved_at: null },
    },
  ]);
  // Every sign of the reading as it came; the patient is nobody that the import knows.
  expect(
    await ask("SELECT heartBeat, bp, spo2, patientname, input_message_time FROM doctors_queue WHERE customerId = '7'"),
  ).toEqual([
    { heartBeat: 'n/a', bp: '12.5', spo2: null, patientname: null, input_message_time: '2026-11-24 22:00:03' },
  ]);
  // The acknowledgement is no alert.
  expect(await ask('SELECT count(*)::INT AS n FROM doctors_queue')).toEqual([{ n: 4 }]);

  const line = (notificationId: string, state: string, second: number) => ({
    ...{ v: 1, notificationId, trigger: raised.episodeId, eventId: raised.eventId, episodeId: raised.episodeId },
    ...{ kind: 'raised', n: 0, destination: 'd', state, reason: 'r', attempt: 1, due: null, snsMessageId: null },
    ...{ coveredBy: null, possibleRepeat: false, at: new Date(at(second)).toISOString().replace('Z', '000Z') },
  });
  const history = [
    ...[
      line('a', 'decided', 1),
      line('a', 'attempt', 2),
      line('a', 'unknown', 3),
      line('a', 'attempt', 4),
      line('a', 'accepted', 4.25),
    ],
    ...[line('b', 'suppressed', 1), line('c', 'decided', 1), line('d', 'decided', 1), line('d', 'held', 2)],
  ];
  await archiveMessages(store, { topic: 'alert-deliveries', attributes: [], messages: history });
  expect(
    await ask(
      'SELECT notification_id AS id, outcome, attempts::INT AS attempts, seconds FROM notifications ORDER BY 1',
    ),
  ).toEqual([
    { id: 'a', outcome: 'accepted', attempts: 2, seconds: 4.25 },
    { id: 'b', outcome: 'suppressed', attempts: 0, seconds: null },
    { id: 'c', outcome: 'open', attempts: 0, seconds: null },
    { id: 'd', outcome: 'held', attempts: 0, seconds: null },
  ]);
});
