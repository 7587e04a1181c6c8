// The demo's equation: it holds for a run where all is there once, and fails for each way in which it is not.
import { expect, test } from 'vitest';
import { percentile, printSummary, sumUp } from '../../../../ops/local/demo/summary.mjs';

type Run = ReturnType<typeof good>;

const event = (eventId: string, kind: string, row: number) => ({
  eventId,
  kind,
  readingId: `source:${row}`,
  patient: { id: '1' },
  attribute: 'heartBeat',
  direction: 'high',
});
const decision = (eventId: string, ...snsMessageIds: string[]) => ({
  record: { eventId },
  states: ['decided', ...snsMessageIds.map(() => 'accepted')],
  accepted: snsMessageIds.map((snsMessageId) => ({ snsMessageId, atMs: 0 })),
});

/** One alert that came and went, all of it there once. */
function good() {
  return {
    rds: { rows: 9 },
    lake: { rows: 9, distinctIds: 9, deadRows: 0 },
    expected: new Set(['raised 1 heartBeat high 5', 'resolved 1 heartBeat high 8']),
    events: new Map([
      ['e1', event('e1', 'raised', 5)],
      ['e2', event('e2', 'resolved', 8)],
    ]),
    repeated: [] as string[],
    toSend: [decision('e1', 'm1'), decision('e2', 'm2')],
    suppressed: {} as Record<string, string>,
    inboxIds: ['m1', 'm2'],
    latenciesMs: [30, 10],
    unreadable: 0,
    workersNotZero: [] as { name: string; code: string }[],
    audit: { ok: true, says: '5 terms hold' },
  };
}

test('adds up, and reports exactly the fields that --report promises', () => {
  const { report, terms } = sumUp(good());
  expect(terms.filter(({ ok }) => !ok)).toEqual([]);
  expect(report).toEqual({
    rdsRows: 9,
    lakeRows: 9,
    lakeDistinctIds: 9,
    deadRows: 0,
    alertsRaised: 1,
    alertsResolved: 1,
    emailsAccepted: 2,
    emailsReceived: 2,
    latencyMs: { p50: 10, p99: 30 },
    ok: true,
  });
});

test.each<[string, string, Partial<Run>]>([
  ['a row is missing in the lake', 'rows', { lake: { rows: 8, distinctIds: 8, deadRows: 0 } }],
  ['a row is twice in the lake', 'rows', { lake: { rows: 10, distinctIds: 9, deadRows: 0 } }],
  ['one row is missing and another twice', 'rows', { lake: { rows: 9, distinctIds: 8, deadRows: 0 } }],
  ['a row is dead', 'rows', { lake: { rows: 9, distinctIds: 9, deadRows: 1 } }],
  ['an alert is missing', 'alerts', { expected: new Set([...good().expected, 'raised 2 bp low 9']) }],
  [
    'one that became worse is missing',
    'alerts',
    { expected: new Set([...good().expected, 'worsened 1 heartBeat high 6']) },
  ],
  ['an alert is not expected', 'alerts', { expected: new Set(['raised 1 heartBeat high 5']) }],
  ['an event stands twice on doctors-queue', 'alerts', { repeated: ['e1'] }],
  [
    'one alert was raised as two events',
    'alerts',
    {
      events: new Map([...good().events, ['e3', event('e3', 'raised', 5)]]),
      toSend: [...good().toSend, decision('e3', 'm3')],
      inboxIds: ['m1', 'm2', 'm3'],
    },
  ],
  ['a record can not be read', 'alerts', { unreadable: 1 }],
  ['an event has no decision', 'decisions', { toSend: [decision('e1', 'm1')], inboxIds: ['m1'] }],
  ['an e-mail was not accepted', 'decisions', { toSend: [decision('e1', 'm1'), decision('e2')], inboxIds: ['m1'] }],
  [
    'an e-mail was accepted twice',
    'decisions',
    { toSend: [decision('e1', 'm1'), decision('e2', 'm2', 'm3')], inboxIds: ['m1', 'm2', 'm3'] },
  ],
  ['an e-mail did not arrive', 'e-mails', { inboxIds: ['m1'] }],
  ['an e-mail arrived twice', 'e-mails', { inboxIds: ['m1', 'm2', 'm2'] }],
  ['an e-mail arrived in place of another', 'e-mails', { inboxIds: ['m1', 'm9'] }],
  ['the audit does not hold', 'audit', { audit: { ok: false, says: '1 ids of RDS that are not in the lake' } }],
  ['a worker was killed', 'processes', { workersNotZero: [{ name: 'archive-1', code: 'SIGKILL' }] }],
])('does not add up when %s', (_what, name, change) => {
  const { report, terms } = sumUp({ ...good(), ...change });
  expect(report.ok).toBe(false);
  expect(terms.filter(({ ok }) => !ok).map((term) => term.name)).toEqual([name]);
});

test('adds up where nobody is told of an event for a reason, and says the reason', () => {
  const flapped = { suppressed: { e2: 'flapping' }, toSend: [decision('e1', 'm1')], inboxIds: ['m1'] };
  const { report, terms } = sumUp({ ...good(), ...flapped });
  expect(report.ok).toBe(true);
  expect(terms.find(({ name }) => name === 'decisions')?.text).toContain('1 events that nobody is told of (flapping)');
});

test('is printed with what is wrong', () => {
  let text = '';
  const write = (part: string) => {
    text += part;
  };
  printSummary(sumUp({ ...good(), expected: new Set(['raised 2 bp low 9']) }), write);
  expect(text).toMatch(/✗ alerts .*; 1 missing: raised 2 bp low 9; 2 not expected: raised 1 heartBeat high 5 \|/);
  expect(text).toMatch(/It does NOT add up\.\n$/);
});

test('percentiles by nearest rank', () => {
  const values = Array.from({ length: 200 }, (_, i) => 200 - i);
  expect([percentile([], 0.5), percentile([7], 0.99), percentile(values, 0.5), percentile(values, 0.99)]).toEqual([
    null,
    7,
    100,
    198,
  ]);
});
