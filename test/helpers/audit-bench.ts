// A small deployment for the audit without services: readings evaluated by the real watcher, archived by the real chain, and a
// table and a Kafka in memory that say where everything stands. Tests harm one of them and ask the audit.
import { runAudit } from '../../jobs/audit.js';
import { ownWatchPartition } from '../../jobs/watch-partition.js';
import { createAges } from '../../src/domain/age.js';
import { ATTRIBUTES } from '../../src/domain/attributes.js';
import type { AuditReport } from '../../src/domain/audit.js';
import type { EvaluationContext } from '../../src/domain/evaluate.js';
import type { DeliveryRecord } from '../../src/domain/events.js';
import { startLedger } from '../../src/domain/gap-ledger.js';
import { entriesOfThresholds, entryOfPatient, versionOf } from '../../src/domain/import-version.js';
import { DEFAULT_VITALS } from '../../src/domain/mapping.js';
import type { Patient } from '../../src/domain/patient.js';
import type { ConditionTable } from '../../src/domain/policy.js';
import type { LakeStore, PartitionReader, PartitionWork, ReceivedRecord } from '../../src/domain/ports.js';
import { encodePosition } from '../../src/domain/position.js';
import type { Reading } from '../../src/domain/reading.js';
import type { ThresholdRow } from '../../src/domain/threshold.js';
import { compileThresholds } from '../../src/domain/threshold-table.js';
import type { KafkaAdmin } from '../../src/kafka/admin.js';
import { systemClock } from '../../src/telemetry/clock.js';
import { policyWith } from './policies.js';
import { START_US } from './readings.js';
import { recordingLogger, recordingMetrics } from './recorders.js';
import { archiveMessages, importReferenceTables } from './small-lake.js';

export const SOURCE = 'rds';
/** Its days begin at 18:30 UTC. */
export const AUDIT_ZONE = 'Asia/Kolkata';
const PARTITION = 0;

/** What is in force from one reading on. */
export interface InForce {
  readonly limits: readonly ThresholdRow[];
  readonly patients: readonly Patient[];
  readonly conditions: ConditionTable;
  /** Patients that are found by reading through. */
  readonly behind?: readonly Patient[];
}

/** Everything that the audit looks at; a test changes it before it asks. */
export interface AuditWorld {
  readings: Reading[];
  /** doctors-queue, as the watcher wrote it. */
  events: Record<string, unknown>[];
  /** alert-deliveries; undefined: what is written where each event is told once, and nothing goes wrong. */
  deliveries: DeliveryRecord[] | undefined;
  /** So many of these are not in the lake yet. */
  unarchivedDeliveries: number;
  gaps: { from: number; to: number; evidence?: string }[];
  /** Ids in the hospital's table. */
  rds: bigint[];
  high: bigint;
  open: { from: bigint; to: bigint }[];
  /** The watcher's position. */
  next: number;
  readonly forces: readonly InForce[];
  readonly accesses: Record<string, unknown>[];
  /** How often ids began to be handed out anew, and where; absent: never. */
  renumbered?: { readonly generation: number; readonly startId: bigint };
}

const topicOf = (context: InForce, n: number): EvaluationContext => {
  const entries = context.patients.map(entryOfPatient);
  const found = new Map([...context.patients, ...(context.behind ?? [])].map((patient) => [patient.id, patient]));
  return {
    limits: compileThresholds(context.limits, ATTRIBUTES),
    thresholdVersion: versionOf('thresholds', entriesOfThresholds(context.limits)).version,
    patientVersion: versionOf('patients', entries).version,
    policy: policyWith({}, { conditions: context.conditions, version: `policy-${n}` }),
    privacy: 'full',
    ageAt: createAges(AUDIT_ZONE),
    patient: (id) => found.get(id),
  };
};

/** `batches`: readings, what is in force (an index of `forces`), and whether another owner takes over before it. */
export async function evaluatedWorld(
  forces: readonly InForce[],
  batches: readonly { readonly readings: readonly Reading[]; readonly force?: number; readonly takeover?: boolean }[],
): Promise<AuditWorld> {
  const events: Record<string, unknown>[] = [];
  const state: { key: string; value: string | null }[] = [];
  const readings: Reading[] = [];
  let force = 0;
  const own = () =>
    ownWatchPartition(
      {
        topics: { vitalInfo: 'vital-info', watchState: 'watch-state', doctorsQueue: 'doctors-queue' },
        clock: systemClock,
        log: recordingLogger(),
        metrics: recordingMetrics(),
        onStep: () => undefined,
        newToken: () => `t${state.length}`,
        transactionalProducer: async () => ({
          transact: async (records) => {
            for (const { topic, key, value } of records) {
              if (topic === 'watch-state') state.push({ key: key ?? '', value });
              else events.push(JSON.parse(value ?? '') as Record<string, unknown>);
            }
          },
          close: async () => undefined,
        }),
        partitionReader: async () => ({
          offsets: async () => ({ start: 0, stableEnd: 0 }),
          read: async (_topic, _partition, _options, onRecord) => {
            for (const [offset, { key, value }] of state.entries()) onRecord(received(offset, key, value));
            return { next: state.length };
          },
          close: async () => undefined,
        }),
        contextFor: async () => topicOf(forces[force] as InForce, force),
        onTick: () => undefined,
        onOpenEpisodes: () => undefined,
      },
      {
        topic: 'vital-info',
        partition: PARTITION,
        isOurs: () => true,
        fail: () => undefined,
        heartbeat: async () => undefined,
      },
    );
  let work: PartitionWork = await own();
  for (const batch of batches) {
    if (batch.takeover) {
      await work.release('stop');
      work = await own();
    }
    force = batch.force ?? force;
    const records = batch.readings.map((reading, i) =>
      received(readings.length + i, reading.patientId, JSON.stringify(reading)),
    );
    readings.push(...batch.readings);
    await work.handle(records, readings.length);
  }
  await work.release('stop');
  const rds = readings.map(({ row }) => BigInt(row)).sort((a, b) => (a < b ? -1 : 1));
  return {
    readings,
    events,
    deliveries: undefined,
    unarchivedDeliveries: 0,
    gaps: [],
    rds,
    high: rds.at(-1) ?? 0n,
    open: [],
    next: readings.length,
    forces,
    accesses: [],
  };
}

export const DOCTORS = 'arn:aws:sns:eu-central-1:123456789012:doctors';
export const TOLD_AT = '2026-11-24T22:59:00.000000Z';

/** Of one notification; `changes` say what differs from a decision to send. */
export function delivery(about: Partial<DeliveryRecord>): DeliveryRecord {
  return {
    v: 1,
    notificationId: 'n',
    trigger: 'e',
    eventId: '',
    episodeId: 'e',
    kind: 'raised',
    n: 0,
    destination: DOCTORS,
    state: 'decided',
    reason: 'routed',
    attempt: 0,
    due: null,
    snsMessageId: null,
    coveredBy: null,
    possibleRepeat: false,
    timer: null,
    at: TOLD_AT,
    ...about,
  };
}

export function deliveriesOf({ deliveries, events }: AuditWorld): DeliveryRecord[] {
  const once = new Map(events.map((event) => [event.eventId, event]));
  return deliveries ?? [...once.values()].flatMap((event) => (event.episodeId === undefined ? [] : toldOnce(event)));
}

/** What dispatch and deliver write about an event that all goes well with. */
function toldOnce({ eventId, episodeId, kind, index }: Record<string, unknown>): DeliveryRecord[] {
  const about = { notificationId: `to-${eventId}`, trigger: episodeId, eventId, episodeId, kind, n: index };
  const record = (more: Partial<DeliveryRecord>) => delivery({ ...(about as Partial<DeliveryRecord>), ...more });
  if (kind === 'fresh') return [record({ state: 'suppressed', reason: 'not-notified', destination: '' })];
  return [
    record({}),
    record({ state: 'attempt', reason: 'sending', attempt: 1 }),
    record({ state: 'accepted', reason: 'accepted', attempt: 1, snsMessageId: `sns-${eventId}` }),
  ];
}

/** Archives the world into an empty lake. */
export async function archiveWorld(store: LakeStore, world: AuditWorld): Promise<void> {
  const attributes = ATTRIBUTES.map(({ name }) => name);
  const at = '2026-11-24T23:00:00.000000Z';
  await archiveMessages(store, { attributes, messages: world.readings });
  await archiveMessages(store, { topic: 'doctors-queue', attributes, messages: world.events });
  await archiveMessages(store, {
    topic: 'alert-deliveries',
    attributes,
    messages: deliveriesOf(world).slice(0, deliveriesOf(world).length - world.unarchivedDeliveries),
  });
  await archiveMessages(store, {
    topic: 'vital-gaps',
    attributes,
    messages: world.gaps.map(({ from, to, evidence = 'trx' }) => ({
      v: 1,
      source: SOURCE,
      from: String(from),
      to: String(to),
      evidence,
      at,
    })),
  });
  await archiveMessages(store, { topic: 'access-audit', attributes, messages: world.accesses });
  for (const [n, { limits, patients }] of world.forces.entries())
    await importReferenceTables(store, { patients, limits, source: SOURCE }, START_US + n);
}

/** Asks about the archived world. `known`: who is in the hospital's table of patients. */
export async function auditWorld(
  store: LakeStore,
  world: AuditWorld,
  options: { readonly known?: readonly string[]; readonly from?: bigint; readonly to?: bigint } = {},
): Promise<AuditReport> {
  const deliveries = deliveriesOf(world);
  const ends: Readonly<Record<string, number>> = {
    'vital-info': world.readings.length,
    'doctors-queue': world.events.length,
    'alert-deliveries': deliveries.length - world.unarchivedDeliveries,
    'vital-gaps': world.gaps.length,
    'access-audit': world.accesses.length,
  };
  const ledger = { ...startLedger(world.high, [], 0), gaps: startLedger(world.high, world.open, 0).gaps };
  const position = encodePosition(
    SOURCE,
    {
      server: { uuid: 'u1', startedAt: '2026-11-01T00:00:00.000000Z' },
      ledger,
      startId: world.renumbered?.startId ?? 1n,
      reachedEndAt: null,
      evidence: 'trx',
      ...(world.renumbered ? { generation: world.renumbered.generation } : {}),
    },
    0,
  );
  const reader: PartitionReader = {
    offsets: async () => ({ start: 0, stableEnd: 0 }),
    read: async (topic, _partition, { from = 0 }, onRecord) => {
      if (topic === 'alert-deliveries')
        for (const [offset, record] of deliveries.entries())
          if (offset >= from) onRecord(received(offset, record.trigger, JSON.stringify(record)));
      if (topic === 'vital-poll-state') onRecord(received(0, SOURCE, position));
      if (topic === 'watch-state') onRecord(received(0, 'next', JSON.stringify({ v: 1, next: String(world.next) })));
      return { next: topic === 'alert-deliveries' ? deliveries.length : 1 };
    },
    close: async () => undefined,
  };
  return runAudit(
    {
      source: SOURCE,
      prefix: '',
      mapping: DEFAULT_VITALS,
      idStep: 1,
      timeZone: AUDIT_ZONE,
      attributes: ATTRIBUTES,
      rds: {
        withConnection: (work) =>
          work({ query: async (sql, params = []) => answer(world.rds, sql, params), table: notAsked }),
      },
      knownPatients: async (ids) => new Set(ids.filter((id) => options.known?.includes(id))),
      kafka: {
        admin: {
          endOffsets: async (topic: string) => [ends[topic] ?? 0],
          clusterId: async () => 'c',
        } as unknown as KafkaAdmin,
        partitionReader: async () => reader,
      },
      lake: store,
      clock: systemClock,
      log: recordingLogger(),
    },
    { from: options.from, to: options.to, waitMs: 0 },
  );
}

function answer(ids: readonly bigint[], sql: string, params: readonly unknown[]): readonly Record<string, unknown>[] {
  if (sql.includes('VERSION()')) return [{ version: '10.11-MariaDB' }];
  if (sql.includes('server_uid')) return [{ value: 'u1' }];
  if (sql.includes('UNIX_TIMESTAMP')) return [{ now: 0 }];
  if (sql.includes('Uptime')) return [{ Value: 0 }];
  if (sql.includes('MIN(')) return [{ low: ids.length === 0 ? null : String(ids[0]) }];
  const [after, to] = params.map((param) => BigInt(String(param))) as [bigint, bigint];
  return ids.filter((id) => id > after && id <= to).map((id) => ({ id: String(id) }));
}

const notAsked = async (): Promise<never> => {
  throw new Error('not asked');
};

function received(offset: number, key: string, value: string | null): ReceivedRecord {
  return {
    offset,
    timestamp: 0,
    key: Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    headers: {},
  };
}
