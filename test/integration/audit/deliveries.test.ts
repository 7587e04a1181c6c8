// The audit's last term over a lake that the real chain wrote: every event decided about, every decision to send ended, and each way in which not.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AuditReport, describeAudit } from '../../../src/domain/audit.js';
import type { DeliveryRecord } from '../../../src/domain/events.js';
import type { LakeStore } from '../../../src/domain/ports.js';
import { diskFileOps } from '../../../src/lake/file-ops.js';
import { createFolderStore } from '../../../src/lake/folder-store.js';
import {
  type AuditWorld,
  archiveWorld,
  auditWorld,
  DOCTORS,
  deliveriesOf,
  delivery,
  evaluatedWorld,
} from '../../helpers/audit-bench.js';
import { SEED_LIMITS } from '../../helpers/limits.js';
import { testPatient } from '../../helpers/lookups.js';
import { policyWith } from '../../helpers/policies.js';
import { reading } from '../../helpers/readings.js';

let folder: string;
let store: LakeStore;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'wardwatch-audit-'));
  store = createFolderStore(folder, diskFileOps);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Two patients' hearts race and calm down again: four events. */
async function ward(): Promise<AuditWorld> {
  const rows = [150, 72, 72, 72].flatMap((heartBeat, i) => [
    reading(2 * i + 1, 'p1', { heartBeat }, i),
    reading(2 * i + 2, 'p2', { heartBeat }, i),
  ]);
  const conditions = policyWith({ clearAfterMs: 2_000 }).conditions;
  const force = { limits: SEED_LIMITS, patients: [testPatient('p1'), testPatient('p2')], conditions };
  return evaluatedWorld([force], [{ readings: rows }]);
}

const ask = async (world: AuditWorld, options = {}) => {
  await archiveWorld(store, world);
  return auditWorld(store, world, options);
};
const delivered = (report: AuditReport) => {
  const term = report.terms.find(({ name }) => name === 'delivered');
  const offending = Object.entries(term?.offending ?? {}).filter(([, { count }]) => count > 0);
  return {
    ok: term?.ok,
    says: term?.says,
    offending: Object.fromEntries(offending.map(([what, { first }]) => [what, first])),
  };
};

/** All but the records of p1's raised, which a test writes itself. */
const withRaised = (world: AuditWorld, ...records: Partial<DeliveryRecord>[]) => {
  const raised = world.events.find(({ kind }) => kind === 'raised') as Record<string, string>;
  const others = deliveriesOf(world).filter(({ eventId }) => eventId !== raised.eventId);
  const about = {
    notificationId: 'the-one',
    trigger: raised.episodeId,
    eventId: raised.eventId,
    episodeId: raised.episodeId,
  } as Partial<DeliveryRecord>;
  world.deliveries = [...others, ...records.map((record) => delivery({ ...about, ...record }))];
  return raised;
};
const held: Partial<DeliveryRecord> = { state: 'held', reason: 'configuration', attempt: 1 };
const dead: Partial<DeliveryRecord> = { state: 'dead', reason: 'payload', attempt: 1 };
/** n: 0 that it opened, 1 that it ended. Nobody is told by a deployment without an operators' topic. */
const alarm = (name: string, n: number, at: string, subject = 'doctors'): Partial<DeliveryRecord> => ({
  ...{
    notificationId: `${name}-${n}-${at}`,
    trigger: `technical:${name}:${subject}:2026-11-24T21:00:00.000000Z`,
    n,
    at,
  },
  ...{ kind: 'technical', eventId: `${name}-${n}`, episodeId: '', destination: '' },
  ...{ state: 'suppressed', reason: 'not-routed' },
});
const THE_ONE = `raised the-one to ${DOCTORS}`;
const sent = (attempt: number, more: Partial<DeliveryRecord> = {}): Partial<DeliveryRecord> => ({
  state: 'attempt',
  reason: 'sending',
  attempt,
  ...more,
});
const accepted = (attempt: number): Partial<DeliveryRecord> => ({
  state: 'accepted',
  reason: 'accepted',
  attempt,
  snsMessageId: `sns-${attempt}`,
});
const digest = (record: Partial<DeliveryRecord>): Partial<DeliveryRecord> => ({
  notificationId: 'digest-1',
  trigger: 'digest:w1',
  eventId: '',
  episodeId: '',
  kind: 'digest',
  ...record,
});

describe('The term delivered', () => {
  const ends: [string, Partial<DeliveryRecord>[], string][] = [
    ['accepted', [{}, sent(1), accepted(1)], '4 accepted, 0 covered, 0 cancelled, 0 held or dead'],
    [
      'accepted after failures',
      [{}, sent(1), { state: 'failed', reason: 'throttled', attempt: 1 }, sent(2), accepted(2)],
      '4 accepted, 0 covered, 0 cancelled, 0 held or dead',
    ],
    [
      'accepted, whatever a slow replica says afterwards',
      [
        {},
        sent(1),
        sent(2, { possibleRepeat: true }),
        accepted(2),
        { state: 'unknown', reason: 'ambiguous', attempt: 1 },
      ],
      '4 accepted, 0 covered, 0 cancelled, 0 held or dead',
    ],
    [
      'covered by an accepted digest',
      [{}, { state: 'scheduled', coveredBy: 'digest-1' }, digest({}), digest(sent(1)), digest(accepted(1))],
      '4 accepted, 1 covered, 0 cancelled, 0 held or dead',
    ],
    [
      'covered, and recorded so',
      [
        {},
        { state: 'scheduled', coveredBy: 'digest-1' },
        digest({}),
        digest(sent(1)),
        digest(accepted(1)),
        { state: 'accepted', reason: 'covered', coveredBy: 'digest-1' },
      ],
      '4 accepted, 1 covered, 0 cancelled, 0 held or dead',
    ],
    [
      'cancelled',
      [{}, { state: 'cancelled', reason: 'acknowledged' }],
      '3 accepted, 0 covered, 1 cancelled, 0 held or dead',
    ],
    [
      'held, which a technical alarm says',
      [{}, sent(1), held, alarm('notification-held', 0, '2026-11-24T22:59:30.000000Z')],
      '3 accepted, 0 covered, 0 cancelled, 1 held or dead',
    ],
    [
      'dead, while the alarm of an earlier one was open',
      [
        {},
        alarm('notification-dead', 0, '2026-11-24T22:10:00.000000Z'),
        sent(1),
        dead,
        alarm('notification-dead', 1, '2026-11-24T23:10:00.000000Z'),
      ],
      '3 accepted, 0 covered, 0 cancelled, 1 held or dead',
    ],
    [
      'dead, driven again by a person, and accepted',
      [{}, sent(1), dead, { state: 'scheduled', reason: 'redriven' }, sent(2), accepted(2)],
      '4 accepted, 0 covered, 0 cancelled, 0 held or dead',
    ],
  ];
  it.each(ends)('holds for a notification that was %s', async (_what, records, says) => {
    const world = await ward();
    withRaised(world, ...records);
    const report = delivered(await ask(world));
    expect(report.offending).toEqual({});
    expect(report.says).toContain(says);
  });

  it('takes a decision to send nothing for one', async () => {
    const world = await ward();
    withRaised(world, { state: 'suppressed', reason: 'historic', destination: '' });
    expect(delivered(await ask(world))).toMatchObject({
      ok: true,
      says: '4 events decided about; of 3 decisions to send 3 accepted, 0 covered, 0 cancelled, 0 held or dead',
    });
  });

  it('reads on in Kafka what the archive has not written yet', async () => {
    const world = await ward();
    withRaised(world, {}, sent(1), accepted(1));
    world.unarchivedDeliveries = 2;
    expect(delivered(await ask(world)).offending).toEqual({});
  });

  const plants: [
    string,
    Partial<DeliveryRecord>[],
    (raised: Record<string, string>) => Record<string, readonly string[]>,
  ][] = [
    [
      'an event that nobody decided about',
      [],
      ({ eventId }) => ({ 'events that nobody decided about': [`raised p1 heartBeat high ${eventId}`] }),
    ],
    [
      'a decision about an event that is nowhere',
      [
        {},
        sent(1),
        accepted(1),
        { notificationId: 'x', eventId: 'gone-raised-0', state: 'suppressed', reason: 'historic' },
      ],
      () => ({ 'decisions about events that are nowhere': ['gone-raised-0'] }),
    ],
    ['a notification that was never tried', [{}], () => ({ 'notifications that never ended': [THE_ONE] })],
    ['an attempt without an outcome', [{}, sent(1)], () => ({ 'notifications that never ended': [THE_ONE] })],
    [
      'a failure that nobody tried again',
      [{}, sent(1), { state: 'failed', reason: 'throttled', attempt: 1 }],
      () => ({ 'notifications that never ended': [THE_ONE] }),
    ],
    [
      'an attempt that a slow replica calls failed after the next one began',
      [{}, sent(1), sent(2), { state: 'cancelled', reason: 'acknowledged', attempt: 1 }],
      () => ({ 'notifications that never ended': [THE_ONE] }),
    ],
    [
      'a digest that was never accepted, with what it covers',
      [{}, { state: 'scheduled', coveredBy: 'digest-1' }, digest({}), digest(sent(1))],
      () => ({ 'notifications that never ended': [THE_ONE, `digest digest-1 to ${DOCTORS}`] }),
    ],
    [
      'one that is covered by nothing',
      [{}, { state: 'accepted', reason: 'covered', coveredBy: 'digest-9' }],
      () => ({ 'notifications that never ended': [THE_ONE] }),
    ],
    [
      'one that a person drove again, and nobody else did',
      [{}, sent(1), dead, { state: 'scheduled', reason: 'redriven' }],
      () => ({ 'notifications that never ended': [THE_ONE] }),
    ],
    [
      'a dead one that no technical alarm tells of: one had ended before, another is about what is held',
      [
        {},
        sent(1),
        dead,
        alarm('notification-dead', 0, '2026-11-24T21:00:00.000000Z'),
        alarm('notification-dead', 1, '2026-11-24T22:00:00.000000Z'),
        alarm('notification-held', 0, '2026-11-24T21:00:00.000000Z'),
      ],
      () => ({ 'notifications held or dead without a technical alarm': [THE_ONE] }),
    ],
    [
      'a held one whose alarm is about another topic',
      [{}, sent(1), held, alarm('notification-held', 0, '2026-11-24T22:59:30.000000Z', 'other')],
      () => ({ 'notifications held or dead without a technical alarm': [THE_ONE] }),
    ],
    [
      'an event that nobody decided about, though people and timers had their say',
      [
        { kind: 'acknowledged', notificationId: 'ack', state: 'suppressed', reason: 'not-notified', destination: '' },
        { kind: 'reminder', n: 1001, notificationId: 'rem', timer: 'timer-1' },
        ...[sent(1), accepted(1)].map((one) => ({ ...one, kind: 'reminder' as const, notificationId: 'rem' })),
      ],
      ({ eventId }) => ({ 'events that nobody decided about': [`raised p1 heartBeat high ${eventId}`] }),
    ],
    [
      'a timer that another one of that kind and number was decided for',
      [
        {},
        sent(1),
        accepted(1),
        timer({ due: '2026-11-24T23:30:00.000000Z' }),
        timer({ timer: 'timer-2', state: 'suppressed', reason: 'acknowledged' }),
      ],
      ({ episodeId }) => ({
        'timers that nobody decided about when they were due': [`reminder 1 of ${episodeId}, due 2026-11-24 23:30:00Z`],
      }),
    ],
    [
      'one that was cancelled for no reason',
      [{}, { state: 'cancelled', reason: '' }],
      () => ({ 'notifications cancelled without a reason': [THE_ONE] }),
    ],
    [
      'one that was sent twice',
      [{}, sent(1), accepted(1), sent(2), accepted(2)],
      () => ({ 'notifications sent twice without saying so': [THE_ONE] }),
    ],
    [
      'one that was sent by itself and in a digest',
      [
        {},
        sent(1),
        accepted(1),
        { state: 'scheduled', coveredBy: 'digest-1' },
        digest({}),
        digest(sent(1)),
        digest(accepted(1)),
      ],
      () => ({ 'notifications sent twice without saying so': [THE_ONE] }),
    ],
    [
      'one that nobody decided',
      [{}, sent(1), accepted(1), { notificationId: 'wild', ...sent(1) }],
      () => ({ 'notifications sent that nobody decided': ['raised wild'] }),
    ],
    [
      'a reminder that was due and forgotten',
      [{}, sent(1), accepted(1), timer({ due: '2026-11-24T23:30:00.000000Z' })],
      ({ episodeId }) => ({
        'timers that nobody decided about when they were due': [`reminder 1 of ${episodeId}, due 2026-11-24 23:30:00Z`],
      }),
    ],
  ];
  it.each(plants)('names %s', async (_what, records, named) => {
    const world = await ward();
    const raised = withRaised(world, ...records);
    const report = await ask(world);
    expect(report.ok).toBe(false);
    expect(delivered(report).offending).toEqual(named(raised));
    for (const id of Object.values(named(raised)).flat()) expect(describeAudit(report)).toContain(id);
  });

  it('counts apart what was labelled as a possible repeat, what is not due yet, and what a person let dispatch pass over', async () => {
    const world = await ward();
    withRaised(
      world,
      {},
      sent(1),
      accepted(1),
      sent(2, { possibleRepeat: true }),
      accepted(2),
      timer({ due: '2199-01-01T00:00:00.000000Z' }),
      timer({ n: 2, due: '2026-11-24T23:30:00.000000Z' }),
      timer({ n: 2, state: 'suppressed', reason: 'acknowledged' }),
    );
    const last = world.events.at(-1) as Record<string, string>;
    world.deliveries = world.deliveries?.filter(({ eventId }) => eventId !== last.eventId);
    world.accesses.push({
      v: 1,
      at: '2026-11-24T23:00:00.000000Z',
      user: 'ops',
      action: 'position-skip',
      patientId: null,
      reader: 'dispatch',
      topic: 'doctors-queue',
      partition: 0,
      from: String(world.events.length - 1),
      to: String(world.events.length),
      reason: 'retention',
    });
    const report = await ask(world);
    expect(delivered(report).offending).toEqual({});
    expect(report.apart['notifications that may have come twice, and say so']?.first).toEqual([THE_ONE]);
    expect(report.apart['timers that are not due yet']?.count).toBe(1);
    expect(report.apart['events that a person let dispatch pass over']?.first).toEqual([
      `resolved p2 heartBeat high ${last.eventId}`,
    ]);
  });

  it('looks only at what became of the readings that were asked for', async () => {
    const world = await ward();
    const raised = withRaised(world);
    await archiveWorld(store, world);
    expect(delivered(await auditWorld(store, world, { from: 2n, to: 2n }))).toMatchObject({
      ok: true,
      says: '1 events decided about; of 1 decisions to send 1 accepted, 0 covered, 0 cancelled, 0 held or dead',
    });
    expect(delivered(await auditWorld(store, world, { from: 1n, to: 1n })).offending).toEqual({
      'events that nobody decided about': [`raised p1 heartBeat high ${raised.eventId}`],
    });
  });
});

/** Set for the episode of p1's raised; its notification is one of its own. */
function timer(record: Partial<DeliveryRecord>): Partial<DeliveryRecord> {
  return {
    notificationId: `timer-${record.n ?? 1}`,
    kind: 'reminder',
    n: 1,
    destination: '',
    state: 'scheduled',
    timer: `timer-${record.n ?? 1}`,
    ...record,
  };
}
