// Bad input through the whole pipeline: each bad thing is kept, said in the log, counted, and everything else goes on beside it.
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { topicName } from '../../src/kafka/topics.js';
import { createDeployment, type Deployment, type WorkerProcess, withKafka } from '../helpers/deployment.js';
import { testStack } from '../helpers/stack.js';

/** 300 characters: quotes, a line break that would begin a line of its own, markup, an emoji. */
const NAME = `O'Brien "Bob"\r\nWard: none <b>\u0007 🫀 ${'x'.repeat(263)}é`;

/** Each with what the doctors are told of it; null: nobody is told. */
const ROWS: readonly {
  readonly patient: string | null;
  readonly heartBeat?: number;
  readonly bp?: string;
  readonly spo2?: number;
  readonly at?: string | null;
  readonly told: readonly string[] | null;
}[] = [
  { patient: 'well', heartBeat: 72, bp: '170', told: null },
  { patient: 'nothing-measured', told: null },
  { patient: 'named', heartBeat: 130, told: [NAME.slice(-264), `O'Brien "Bob"`, '🫀'] },
  {
    patient: 'ageless',
    heartBeat: 72,
    told: ["not classified: the patient's age is unknown", 'Age:           unknown'],
  },
  { patient: 'no-such-patient', heartBeat: 72, told: ['not classified: no such patient in the patients table'] },
  { patient: null, heartBeat: 72, told: ['not classified: no such patient in the patients table'] },
  { patient: 'text', bp: 'n/a', told: ['not classified: the value could not be read', 'n/a'] },
  { patient: 'impossible', heartBeat: -40, told: ['not classified: no device can mean this value', '-40'] },
  { patient: 'gap', bp: '165', told: ['not classified: no band of the limits table covers the value'] },
  { patient: 'no-limits', spo2: 91, told: ['not classified: no limits for this attribute'] },
  { patient: 'timeless', heartBeat: 20, at: null, told: ['20 /min'] },
  { patient: 'future', heartBeat: 20, at: '9999-12-31 23:59:59.999999', told: ['20 /min'] },
];
const TOLD = ROWS.filter(({ told }) => told !== null);

let deployment: Deployment;
let worker: WorkerProcess;

const until = (check: () => unknown, timeout = 30_000) => vi.waitFor(check, { timeout, interval: 50 });
const page = async (path: string) => (await worker.get(path))?.body ?? '';
const said = (event: string) => worker.events.filter((line) => line.event === event);
const limits = (values: string) =>
  deployment.sql(`REPLACE INTO Threshold_Reference_table
    (attribute, low_age_limit, high_age_limit, low_value, high_value, alert_flag, alert_message) VALUES ${values}`);

beforeAll(async () => {
  deployment = await createDeployment('bad', {
    config: { yaml: 'attributes: [heartBeat, bp, spo2]' },
    env: { POLL_START: 'beginning' },
  });
  await deployment.sql(`ALTER TABLE patients_vital_info MODIFY bp VARCHAR(40) NULL, ADD spo2 DECIMAL(10,3) NULL`);
  await deployment.sql('INSERT INTO patients_information (patientid, patientname, admitted_ward, age) VALUES ?', [
    ROWS.flatMap(({ patient }) =>
      patient === null || patient === 'no-such-patient'
        ? []
        : [[patient, patient === 'named' ? NAME : 'Ada', '4B', patient === 'ageless' ? null : 30]],
    ),
  ]);
  // bp's normal band is upside down.
  await limits(`('heartBeat', 0, 120, 0, 69, 1, 'low'), ('heartBeat', 0, 120, 70, 78, 0, 'normal'), ('heartBeat', 0, 120, 79, 9999, 1, 'high'),
    ('bp', 0, 120, 0, 160, 1, 'low'), ('bp', 0, 120, 220, 170, 0, 'normal'), ('bp', 0, 120, 221, 9999, 1, 'high')`);
  worker = deployment.worker('all');
});

afterAll(() => deployment?.close());

it('limits that are upside down are refused, in words, and nobody is judged by them', async () => {
  await until(async () => expect(await page('/ready')).toMatch(/import: .*refused.*bp/));
  expect(await page('/ready')).toContain('watch: ');
  await until(async () =>
    expect(await page('/metrics')).toMatch(/import_runs_total\{table="thresholds",outcome="refused"\} 1/),
  );
  expect(JSON.stringify(said('import.refused'))).toContain('bp');
  await deployment.sql('INSERT INTO patients_vital_info (customerId, heartBeat, bp, spo2, recorded_at) VALUES ?', [
    ROWS.map((row) => [
      row.patient,
      row.heartBeat ?? null,
      row.bp ?? null,
      row.spo2 ?? null,
      row.at === undefined ? new Date() : row.at,
    ]),
  ]);
  const value = (text: string) => ({ topic: topicName(`${deployment.name}.`, 'vital-info'), key: 'x', value: text });
  await withKafka(testStack(), async (kafka) => {
    const producer = await kafka.plainProducer();
    await producer.send([value('{"v":1,'), value('{"v":99,"patientId":"well"}'), value('[1]')]);
  });
  await until(async () => expect(await page('/metrics')).toContain(`\nwardwatch_poll_rows_total ${ROWS.length}\n`));
  expect(await deployment.emails()).toEqual([]);
});

it('limits with a gap are taken, with a warning; then each bad row is told once, and the good ones nobody', async () => {
  await deployment.sql(
    "UPDATE Threshold_Reference_table SET low_value = 170, high_value = 220 WHERE attribute = 'bp' AND alert_flag = 0",
  );
  const { code, out } = await deployment.run(['import', 'thresholds']);
  expect({ code, out }).toMatchObject({ code: 0, out: expect.stringMatching(/! bp.*16[01]/) });
  await until(async () => expect(await deployment.emails()).toHaveLength(TOLD.length));
  const emails = await deployment.emails();
  for (const { patient, told } of TOLD) {
    const own = emails.filter(({ message }) => message.includes(`Patient id:    ${patient ?? ''}\n`));
    expect(own, String(patient)).toHaveLength(1);
    for (const words of told ?? []) expect(own[0]?.message, String(patient)).toContain(words);
    expect(own[0]?.subject).toMatch(/^[\x20-\x7e]{1,99}$/);
  }
  expect(emails.some(({ message }) => /^Ward: none/m.test(message))).toBe(false);
});

it('says and counts them', async () => {
  const counted = [
    `poll_rows_total ${ROWS.length}`,
    'poll_bad_values_total{attribute="bp"} 1',
    'poll_bad_values_total{attribute="heartBeat"} 1',
    `watch_readings_total ${ROWS.length}`,
    'watch_dead_total{reason="not-json"} 1',
    'watch_dead_total{reason="unknown-version"} 1',
    'watch_dead_total{reason="wrong-shape"} 1',
    'watch_clamped_total 1',
    'watch_unclassified_total{reason="unknown-patient"} 2',
    'watch_unclassified_total{reason="unknown-age"} 1',
    'watch_unclassified_total{reason="bad-value"} 1',
    'watch_unclassified_total{reason="implausible-value"} 1',
    'watch_unclassified_total{reason="no-band-for-value"} 1',
    'watch_unclassified_total{reason="no-threshold-for-attribute"} 1',
    `watch_events_total{kind="raised",severity="high"} ${TOLD.length}`,
    `watch_episodes_open ${TOLD.length}`,
    `dispatch_decisions_total{kind="raised",reason="routed"} ${TOLD.length}`,
    `notifications_total{kind="raised",outcome="accepted",reason="accepted"} ${TOLD.length}`,
    'archive_dead_rows_total{topic="vital-info",reason="not-json"} 1',
    'archive_dead_rows_total{topic="vital-info",reason="unknown-version"} 1',
    // With the row whose time the lake can't hold.
    'archive_dead_rows_total{topic="vital-info",reason="wrong-shape"} 2',
    `archive_rows_total{topic="vital-info"} ${ROWS.length - 1}`,
    // What every pipeline counts, bad input or not.
    `watch_evaluate_seconds_count ${ROWS.length}`,
    `notification_seconds_count{kind="raised"} ${TOLD.length}`,
    'notifications_open{state="pending"} 0',
    'poll_lag_rows 0',
    'poll_active 1',
    'queue_depth{queue="deliver-alert",state="waiting"} 0',
    'queue_depth{queue="import-table",state="completed"} 2',
    'import_runs_total{table="patients",outcome="changed"} 1',
    'lookup_rows{table="thresholds"} 6',
    ...['archive', 'dispatch', 'watch'].map((group) => {
      const topic = group === 'dispatch' ? 'doctors-queue' : 'vital-info';
      return `consumer_lag_rows{group="${deployment.name}.${group}",topic="${deployment.name}.${topic}"} 0`;
    }),
  ];
  // Heartbeats are jobs as well.
  const moving = ['archive_flush_seconds_count', 'archive_files_total', 'lookup_age_seconds', 'jobs_total'];
  await until(async () => {
    const metrics = await page('/metrics');
    expect(counted.filter((line) => !metrics.includes(`\nwardwatch_${line}\n`))).toEqual([]);
    for (const name of moving) expect(metrics).toMatch(new RegExp(`^wardwatch_${name}(?:\\{.*\\})? [0-9.]*[1-9]`, 'm'));
  });
  for (const [event, words] of [
    ['poll.bad-value', '"patientId":"text"'],
    ['poll.bad-value', '"patientId":"impossible"'],
    ['watch.dead', '"reason":"not-json"'],
    ['watch.dead', '"reason":"unknown-version"'],
    ['archive.dead', '"reason":"unknown-version"'],
    ['watch.clock', '"clamped":1'],
    ['import.refused', 'upside down'],
    ...['unknown-age', 'no-band-for-value', 'no-threshold-for-attribute', 'bad-value'].map((why) => [
      'watch.raised',
      why,
    ]),
  ] as [string, string][]) {
    expect(JSON.stringify(said(event)), event).toContain(words);
  }
  expect(worker.output.join('\n')).not.toMatch(/O'Brien|n\/a/);
});

it('keeps every row, and every record that is none, with its reason', async () => {
  worker.signal('SIGTERM');
  expect(await worker.exited).toBe(0);
  const kept = await deployment.lake(
    'SELECT patient_id, heart_beat, bp, spo2, bad, time_source FROM vital_info ORDER BY row_id',
  );
  const bad: Readonly<Record<string, string>> = { text: '{"bp":"n/a"}', impossible: '{"heartBeat":"-40.000"}' };
  expect(kept).toEqual(
    ROWS.filter(({ patient }) => patient !== 'future').map(({ patient, heartBeat, bp, spo2, at }) => ({
      patient_id: patient ?? '',
      heart_beat: patient === 'impossible' ? null : (heartBeat ?? null),
      bp: patient === 'text' || bp === undefined ? null : Number(bp),
      spo2: spo2 ?? null,
      bad: bad[patient ?? ''] ?? null,
      time_source: at === null ? 'poll' : 'row',
    })),
  );
  const dead = await deployment.lake(
    'SELECT reason, decode(raw) AS raw FROM vital_info_dead ORDER BY reason, kafka_offset',
  );
  expect(dead.map(({ reason }) => reason)).toEqual(['not-json', 'unknown-version', 'wrong-shape', 'wrong-shape']);
  expect(dead[0]?.raw).toBe('{"v":1,');
  expect(dead[1]?.raw).toBe('{"v":99,"patientId":"well"}');
  expect(JSON.stringify(dead)).toContain('9999-12-31T23:59:59.999999Z');
});
