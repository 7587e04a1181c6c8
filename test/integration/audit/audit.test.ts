// The audit over a lake that the real chain wrote: it holds for whatever the watcher did, and names each thing that is planted.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ATTRIBUTES } from '../../../src/domain/attributes.js';
import { type AuditReport, describeAudit } from '../../../src/domain/audit.js';
import type { Patient } from '../../../src/domain/patient.js';
import type { BySeverity, ConditionTable, ConditionTiming } from '../../../src/domain/policy.js';
import type { LakeStore } from '../../../src/domain/ports.js';
import type { Reading } from '../../../src/domain/reading.js';
import type { ThresholdRow } from '../../../src/domain/threshold.js';
import { diskFileOps } from '../../../src/lake/file-ops.js';
import { createFolderStore } from '../../../src/lake/folder-store.js';
import {
  type AuditWorld,
  archiveWorld,
  auditWorld,
  evaluatedWorld,
  type InForce,
  SOURCE,
} from '../../helpers/audit-bench.js';
import { limit, SEED_LIMITS, TEMPERATURE_LIMITS } from '../../helpers/limits.js';
import { testPatient } from '../../helpers/lookups.js';
import { policyWith } from '../../helpers/policies.js';
import { reading } from '../../helpers/readings.js';
import { archiveMessages } from '../../helpers/small-lake.js';

let folder: string;
let store: LakeStore;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'wardwatch-audit-'));
  store = createFolderStore(folder, diskFileOps);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const FORCE: InForce = {
  limits: SEED_LIMITS,
  patients: [testPatient('p1'), testPatient('p2', { age: 70 })],
  conditions: policyWith({ clearAfterMs: 2_000, clearSamples: 2 }).conditions,
};

/** p1's heart races from row 3 to 5, and is calm again at 8; p2 is well. Ids 11 to 13 were rolled back. */
async function ward(): Promise<AuditWorld> {
  const rows = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14].map((n) =>
    reading(
      n,
      n % 2 === 0 ? 'p2' : 'p1',
      n % 2 === 0 ? { heartBeat: 70, bp: 160 } : { heartBeat: n === 3 || n === 5 ? 150 : 72 },
    ),
  );
  const world = await evaluatedWorld([FORCE], [{ readings: rows }]);
  world.gaps.push({ from: 11, to: 13 });
  return world;
}

const offending = (report: AuditReport) =>
  Object.fromEntries(
    report.terms.flatMap(({ name, offending: all }) =>
      Object.entries(all)
        .filter(([, { count }]) => count > 0)
        .map(([what, { first }]) => [`${name}: ${what}`, first]),
    ),
  );
const ask = async (world: AuditWorld, options = {}) => {
  await archiveWorld(store, world);
  return auditWorld(store, world, options);
};

const alertsOf = ({ terms }: AuditReport) => terms.find(({ name }) => name === 'alerts')?.says;

describe('The audit', () => {
  it('holds where nothing is wrong, says its numbers, and counts apart what was deleted since', async () => {
    const world = await ward();
    world.rds = world.rds.filter((id) => id !== 2n);
    const report = await ask(world);
    expect(describeAudit(report)).toContain('The equation holds.');
    expect(report).toMatchObject({ ok: true, ids: { from: '1', to: '14' } });
    expect(report.terms.map(({ says }) => says).slice(1)).toEqual([
      '10 ids in RDS, 11 rows in the lake (1 since deleted in RDS), 0 dead',
      '3 ids retired, none of them in RDS or the lake',
      '11 readings compared with the limits of their time',
      "1 raised, 0 worsened and 1 resolved by the lake's readings",
      '2 events decided about; of 2 decisions to send 2 accepted, 0 covered, 0 cancelled, 0 held or dead',
    ]);
    expect(report.apart['ids since deleted in RDS']).toEqual({ count: 1, first: ['2'] });
  });

  it("holds where nobody is in the hospital's table: each value of a stranger is unclassified", async () => {
    const strangers = await ask(
      await evaluatedWorld([{ ...FORCE, patients: [] }], [{ readings: [reading(1, 'x', { heartBeat: 72 })] }]),
    );
    expect(offending(strangers)).toEqual({});
    expect(alertsOf(strangers)).toMatch(/^1 raised, 0 worsened and 0 resolved/);
  });

  it('says zero where there is nothing to raise', async () => {
    const quiet = await ask(await evaluatedWorld([FORCE], [{ readings: [reading(1, 'p1', {})] }]));
    expect(offending(quiet)).toEqual({});
    expect(alertsOf(quiet)).toMatch(/^0 raised, 0 worsened and 0 resolved/);
  });

  it('looks no further than below the lowest open gap, nor beyond what was asked for', async () => {
    const world = await ward();
    world.open.push({ from: 9n, to: 9n });
    world.rds.push(9_000n);
    expect((await ask(world)).ids).toEqual({ from: '1', to: '8' });
    expect((await auditWorld(store, world, { from: 4n, to: 6n })).ids).toEqual({ from: '4', to: '6' });
    expect((await auditWorld(store, world, { from: 20n })).ids).toBeNull();
  });

  const plants: [string, (world: AuditWorld) => void, Record<string, readonly string[]>][] = [
    [
      'a lost row',
      (w) => {
        w.rds.push(15n);
        w.high = 15n;
      },
      { 'rows: ids of RDS that are not in the lake': ['15'] },
    ],
    [
      'a doubled row',
      (w) => {
        w.readings.push(w.readings[1] as Reading);
        w.next += 1;
      },
      { 'rows: ids more than once': ['2'] },
    ],
    [
      'wrongly retired ids',
      (w) => {
        w.gaps.push({ from: 6, to: 7 });
      },
      { 'gaps: ids retired that are there': ['6', '7'] },
    ],
    [
      'an id that nobody retired',
      (w) => {
        w.gaps = [{ from: 11, to: 12 }];
      },
      { 'gaps: ranges of ids that are nowhere and were never retired': ['13'] },
    ],
    [
      'a missing alert',
      (w) => {
        w.events = w.events.filter(({ kind }) => kind !== 'raised');
      },
      { 'alerts: alerts missing on doctors-queue': ['raised p1 heartBeat high rds:3'] },
    ],
    [
      'an alert that does not end',
      (w) => {
        w.events = w.events.filter(({ kind }) => kind !== 'resolved');
      },
      { 'alerts: alerts missing on doctors-queue': ['resolved p1 heartBeat high rds:9'] },
    ],
    [
      'an invented alert',
      (w) => {
        w.events.push({ ...eventOf(w, 'raised'), eventId: 'other', readingId: 'rds:2', patient: { id: 'p2' } });
      },
      { 'alerts: alerts that no reading raised or ended': ['raised p2 heartBeat high rds:2'] },
    ],
    [
      'an alert for a row that is nowhere',
      (w) => {
        w.events.push({ ...eventOf(w, 'raised'), eventId: 'other', readingId: 'rds:77' });
      },
      { 'alerts: alerts that no reading raised or ended': ['raised p1 heartBeat high rds:77'] },
    ],
    [
      'an alert written twice',
      (w) => {
        w.events.push(eventOf(w, 'resolved'));
      },
      { 'alerts: alerts more than once': ['resolved p1 heartBeat high rds:9'] },
    ],
    [
      'rows that nobody compared',
      (w) => {
        w.next = 10;
      },
      { 'evaluated: readings that were never compared': ['rds:14'] },
    ],
  ];
  it('counts apart what a person let watch pass over', async () => {
    const world = await ward();
    world.events = world.events.filter(({ kind }) => kind === 'context');
    const skip = {
      user: 'ops',
      action: 'position-skip',
      reader: 'watch',
      topic: 'vital-info',
      partition: 0,
      from: '0',
      to: '9',
    };
    world.accesses.push({ v: 1, at: '2026-11-24T23:00:00.000000Z', patientId: null, reason: 'retention', ...skip });
    const report = await ask(world);
    expect(offending(report)).toEqual({});
    expect(report.apart['readings that a person let watch pass over']?.count).toBe(9);
  });

  it('looks at the rows and gaps of the numbering since a reset, and names what is missing of those', async () => {
    const again = { source: `${SOURCE}@2` };
    const world = await evaluatedWorld(
      [FORCE],
      [{ readings: [1, 2, 3].map((n) => reading(n, 'p2', {})) }, { readings: [{ ...reading(2, 'p2', {}), ...again }] }],
    );
    // Before the reset 2 was given up once; the row that has the id now is another.
    world.gaps.push({ from: 2, to: 2 });
    world.accesses.push({
      ...{
        v: 1,
        at: '2026-11-25T00:00:00.000000Z',
        user: 'ops',
        action: 'source-reset',
        patientId: null,
        reason: 'copy',
      },
      ...{ before: { generation: 1 }, after: { generation: 2 } },
    });
    world.renumbered = { generation: 2, startId: 2n };
    world.rds = [1n, 2n];
    world.high = 2n;
    const report = await ask(world);
    expect(offending(report)).toEqual({});
    expect(report.ids).toEqual({ from: '2', to: '2' });
    expect(report.apart['rows of an earlier numbering or another source']?.count).toBe(3);
    world.rds.push(3n);
    world.high = 3n;
    expect(offending(await auditWorld(store, world))).toMatchObject({
      'rows: ids of RDS that are not in the lake': ['3'],
    });
  });

  it.each(plants)('names %s', async (_what, plant, named) => {
    const world = await ward();
    plant(world);
    const report = await ask(world);
    expect(offending(report)).toEqual(named);
    expect(report.ok).toBe(false);
    for (const id of Object.values(named).flat()) expect(describeAudit(report)).toContain(id);
  });
});

describe('A damaged lake', () => {
  const RECORD = `_log/vital-info/0/${'0'.repeat(20)}.json`;
  const SECOND = `_log/vital-info/0/${'10'.padStart(20, '0')}.json`;
  const bytesOf = async (at: string) => Buffer.from((await store.read(at)) ?? []);
  const fileOf = async (table: string) => (await store.list(table))[0]?.path as string;
  const flip = async (at: string) => {
    const bytes = await bytesOf(at);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
    await store.write(at, bytes);
  };

  const harms: [string, () => Promise<string>][] = [
    [
      'a Parquet file that is cut short',
      async () => {
        const file = await fileOf('vital_info');
        await store.write(file, (await bytesOf(file)).subarray(0, 400));
        return file;
      },
    ],
    [
      'a flipped byte in a file of alerts',
      async () => {
        const file = await fileOf('alert');
        await flip(file);
        return file;
      },
    ],
    [
      'a file that is gone',
      async () => {
        const file = await fileOf('patient');
        await store.delete(file);
        return file;
      },
    ],
    [
      'a torn record',
      async () => {
        await store.write(SECOND, (await bytesOf(SECOND)).subarray(0, 90));
        return SECOND;
      },
    ],
    [
      'a missing record',
      async () => {
        await store.delete(RECORD);
        return SECOND;
      },
    ],
    [
      "another chain's record",
      async () => {
        await store.write(SECOND, await bytesOf(`_log/doctors-queue/0/${'0'.repeat(20)}.json`));
        return SECOND;
      },
    ],
    [
      'a record of another cluster',
      async () => {
        const record = JSON.parse((await bytesOf(SECOND)).toString()) as object;
        await store.write(SECOND, Buffer.from(JSON.stringify({ ...record, clusterId: 'another' })));
        return '_log/vital-info/0';
      },
    ],
    [
      'a file that no record names',
      async () => {
        const file = await fileOf('vital_info');
        const copy = `${file.slice(0, file.lastIndexOf('/'))}/part-00000.parquet`;
        await store.write(copy, await bytesOf(file));
        return copy;
      },
    ],
    [
      'a stranger in the log',
      async () => {
        const note = '_log/vital-info/0/notes.txt';
        await store.write(note, Buffer.from('hello'));
        return note;
      },
    ],
  ];
  it.each(harms)('is told of %s, by its path', async (_what, harm) => {
    const world = await ward();
    await archiveWorld(store, { ...world, readings: world.readings.slice(0, -1) });
    const attributes = ATTRIBUTES.map(({ name }) => name);
    await archiveMessages(store, { attributes, messages: world.readings.slice(-1) });
    expect((await auditWorld(store, world)).ok).toBe(true);
    const at = await harm();
    const report = await auditWorld(store, world);
    expect(report.ok).toBe(false);
    expect(offending(report)['lake: damaged or strange']).toEqual([expect.stringContaining(at)]);
    expect(describeAudit(report)).toContain(at);
  });
});

describe("The audit's evaluator", () => {
  const histories: [string, fc.Arbitrary<Histories>, number][] = [
    ['many patients', historiesOf({ patients: 120, lasting: false }), 500],
    ['few patients, whose values last', historiesOf({ patients: 20, lasting: true }), 200],
  ];
  it.each(histories)(
    'finds what the watcher raises and ends, for random histories of %s, under changing limits',
    async (_whose, some, least) => {
      const seed = 20261125;
      const random = fc.sample(some, { numRuns: 1, seed })[0] as Histories;
      const world = await evaluatedWorld(random.forces, random.batches);
      const report = await ask(world);
      const kinds = (kind: string) => world.events.filter((event) => event.kind === kind).length;
      // Otherwise it would have compared nothing.
      expect(kinds('raised')).toBeGreaterThan(least);
      expect(kinds('worsened')).toBeGreaterThan(least / 5);
      expect(kinds('resolved')).toBeGreaterThan(least / 5);
      expect(offending(report), `seed ${seed}`).toEqual({});
      expect(report.terms.find(({ name }) => name === 'alerts')?.says).toBe(
        `${kinds('raised')} raised, ${kinds('worsened')} worsened and ${kinds('resolved')} resolved by the lake's readings`,
      );
    },
  );
});

interface Histories {
  readonly forces: readonly InForce[];
  readonly batches: readonly { readings: readonly Reading[]; force: number; takeover: boolean }[];
}

const BATCHES = 60;
const READINGS_A_BATCH = 80;
const SIGNS = ['heartBeat', 'bp', 'bodyTemperature', 'spo2'];

/** Overlapping, missing, upside-down and unusual bands of spo2, and of heartBeat at ages that the seed leaves out. */
const oddLimits = fc.array(
  fc
    .tuple(
      fc.constantFrom('spo2', 'heartBeat', 'bodyTemperature'),
      fc.constantFrom<[number, number]>([0, 50], [30, 80], [101, 120], [0, 150], [60, 20]),
      fc.double({ min: 0, max: 100, noNaN: true }),
      fc.integer({ min: -3, max: 40 }),
      fc.constantFrom<0 | 1>(0, 1),
      fc.constantFrom<ThresholdRow['severity']>('high', 'medium', 'low'),
    )
    .map(([sign, ages, low, width, flag, severity]) => {
      const from = Math.round(low * 20) / 20;
      return limit(sign, ages, [from, from + width], flag, { severity });
    }),
  { minLength: 6, maxLength: 14 },
);

const value = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 30, max: 110 }) },
  { weight: 3, arbitrary: fc.integer({ min: 340, max: 4000 }).map((tenths) => tenths / 100) },
  { weight: 2, arbitrary: fc.double({ min: -10, max: 300, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(0, -0, 36.05, 35.95, 38.05, 0.5, 9999, 1e-9, 1e12) },
);

/** Around the hospital's day in which the readings begin, which is another one in UTC; a leap day; nobody yet. */
const BORN = ['1985-11-24', '1985-11-25', '1985-11-26', '1984-02-29', '2030-01-01', '1800-01-01'];

const age = fc.oneof(
  { weight: 3, arbitrary: fc.option(fc.integer({ min: 0, max: 130 })).map((years) => ({ age: years })) },
  { weight: 1, arbitrary: fc.constantFrom(...BORN).map((dateOfBirth) => ({ age: 9, dateOfBirth })) },
);
const people = (count: number) =>
  fc
    .array(age, { minLength: count, maxLength: count })
    .map((ages) => ages.map((own, n): Patient => testPatient(`p${n}`, own)));

const timing = fc.record<ConditionTiming>({
  sustainMs: fc.constantFrom(0, 0, 1_000, 4_000),
  minSamples: fc.integer({ min: 1, max: 3 }),
  clearMargin: fc.constantFrom(0, 0, 0.1, 0.55, 2, 7),
  clearAfterMs: fc.constantFrom(0, 1_000, 5_000),
  clearSamples: fc.integer({ min: 1, max: 3 }),
  staleAfterMs: fc.constant(60_000),
});

const conditions = fc.record<ConditionTable>({
  default: timing,
  attributes: fc.dictionary(
    fc.constantFrom(...SIGNS),
    fc.record<BySeverity<ConditionTiming>>({ high: timing, medium: timing, low: timing }),
    { maxKeys: 3 },
  ),
});

const force = (count: number) =>
  fc.tuple(oddLimits, people(count), conditions).map(([odd, patients, table]): InForce => {
    return { limits: [...SEED_LIMITS, ...TEMPERATURE_LIMITS, ...odd], patients, conditions: table };
  });

/** What a device may send: now and then late, ahead of its time, backfilled, unreadable; a tenth are of nobody that is known. */
const sent = (patients: number) =>
  fc.record({
    patient: fc.integer({ min: 0, max: patients * 1.1 }),
    values: fc.dictionary(fc.constantFrom(...SIGNS), value, { maxKeys: 3 }),
    bad: fc.option(fc.tuple(fc.constantFrom(...SIGNS, 'pain'), fc.constantFrom('n/a', '1e999')), { freq: 12 }),
    late: fc.oneof(
      { weight: 8, arbitrary: fc.constant(0) },
      { weight: 2, arbitrary: fc.integer({ min: -20, max: 20 }) },
    ),
    mark: fc.option(fc.constantFrom<'backfill' | 'replayed'>('backfill', 'replayed'), { freq: 15 }),
  });

const LASTING = [30, 45, 60, 70, 75, 78, 80, 90, 97, 99, 36.4, 38.3, 39.4, 120, 131, 34] as const;
/** Four readings in five of a patient show the same for some seconds, so that some of it is sustained. */
function lasts(patient: number, batch: number, i: number, values: Readonly<Record<string, number>>) {
  const spell = Math.floor(batch / (2 + (patient % 7)));
  return Object.fromEntries(
    Object.entries(values).map(([sign, any], k) => {
      const lasting = LASTING[(patient * 131 + sign.length * 17 + spell * 53) % LASTING.length] as number;
      return [sign, (i * 7_919 + batch * 31 + k) % 5 === 0 ? any : lasting];
    }),
  );
}

const historiesOf = ({
  patients,
  lasting,
}: {
  readonly patients: number;
  readonly lasting: boolean;
}): fc.Arbitrary<Histories> =>
  fc.record({
    forces: fc.array(force(patients), { minLength: 5, maxLength: 5 }),
    batches: fc
      .array(
        fc.record({
          sent: fc.array(sent(patients), { minLength: READINGS_A_BATCH, maxLength: READINGS_A_BATCH }),
          force: fc.integer({ min: 0, max: 4 }),
          takeover: fc.boolean(),
        }),
        { minLength: BATCHES, maxLength: BATCHES },
      )
      .map((batches) =>
        batches.map((batch, b) => ({
          force: batch.force,
          takeover: batch.takeover,
          readings: batch.sent.map(({ patient, values, bad, late, mark }, i) => {
            const seconds = b + late;
            return reading(
              b * READINGS_A_BATCH + i + 1,
              `p${patient}`,
              lasting ? lasts(patient, b, i, values) : values,
              seconds,
              {
                readAt: reading(0, '', {}, b).readAt,
                ...(bad ? { bad: Object.fromEntries([bad]) } : {}),
                ...(mark ? { mark } : {}),
              },
            );
          }),
        })),
      ),
  });

function eventOf(world: AuditWorld, kind: string): Record<string, unknown> {
  return world.events.find((event) => event.kind === kind) as Record<string, unknown>;
}
