// One audit (data-path.md 8): take the cut, wait until the archive has passed it, then ask the lake in SQL whether the equation holds.
import type { Attribute } from '../src/domain/attributes.js';
import { type AuditReport, type AuditTerm, auditedIds, auditTerm, found } from '../src/domain/audit.js';
import type { IdRange } from '../src/domain/gap-ledger.js';
import { EVERY_ID, type IdSteps } from '../src/domain/id-steps.js';
import type { VitalsMapping } from '../src/domain/mapping.js';
import type { Policy } from '../src/domain/policy.js';
import type { Clock, LakeStore, Logger, PartitionReader } from '../src/domain/ports.js';
import { decodePosition, type Position, readingSource } from '../src/domain/position.js';
import { decodeVitalInfo } from '../src/domain/reading.js';
import { formatMicros, microsOfMs } from '../src/domain/time.js';
import { decodeWatchState } from '../src/domain/watch-state.js';
import type { KafkaAdmin } from '../src/kafka/admin.js';
import { type TopicName, topicName } from '../src/kafka/topics.js';
import { auditAlerts, type PartitionCut } from '../src/lake/audit-alerts.js';
import { auditRows } from '../src/lake/audit-rows.js';
import { readHeld } from '../src/lake/audit-sql.js';
import { LakeChainError } from '../src/lake/errors.js';
import { examineLake, type LakeExam } from '../src/lake/lake-exam.js';
import type { LocalCopies } from '../src/lake/local-copies.js';
import { type LakeSql, withLakeSql } from '../src/lake/query.js';
import { chainsBehind } from '../src/lake/readings-held.js';
import { checkServer, serverOf } from '../src/mysql/identity.js';
import { oldestKey, readKeys } from '../src/mysql/key-list.js';
import type { MysqlPool, MysqlSession } from '../src/mysql/pool.js';
import { peekPosition } from './poll-position.js';

const LOOK_MS = 500;
/** Records that are looked through to see whether they are but ticks. */
const LOOKED_THROUGH = 5_000;
/** A watcher that goes no further for so long stands still, or has nothing to do but has not written where it is. */
const WATCH_STANDS_MS = 10_000;
/** The archive flushes once a minute by default. */
export const AUDIT_WAIT_MS = 600_000;
/** Files move from staging to their place while the lake is read. */
const ATTEMPTS = 3;
/** Whose chains the equation needs. */
const TOPICS = ['vital-info', 'vital-gaps', 'doctors-queue', 'access-audit'] as const satisfies readonly TopicName[];

/** What is asked of the lake; other tables are only examined. */
const TABLES: ReadonlySet<string> = new Set([
  'vital_info',
  'vital_info_dead',
  'gap',
  'alert',
  'patient',
  'threshold',
  'access_audit',
]);

/** There is nothing to compare, or with what: for people. */
export class AuditImpossible extends Error {
  override readonly name = 'AuditImpossible';
}

export interface AuditParts {
  readonly source: string;
  /** KAFKA_PREFIX. */
  readonly prefix: string;
  readonly mapping: VitalsMapping;
  /** The configured auto_increment_increment. */
  readonly idStep: number;
  readonly attributes: readonly Attribute[];
  readonly policy: Policy;
  readonly rds: Pick<MysqlPool, 'withConnection'>;
  /** Which of these patients are in the hospital's table now. */
  readonly knownPatients: (ids: readonly string[]) => Promise<ReadonlySet<string>>;
  readonly kafka: { readonly admin: KafkaAdmin; partitionReader(): Promise<PartitionReader> };
  readonly lake: LakeStore;
  /** Where files of a lake that is no local folder are copied to. */
  readonly copies?: LocalCopies;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface AuditRequest {
  /** Ids; absent: all that can be compared. */
  readonly from?: bigint | undefined;
  readonly to?: bigint | undefined;
  /** How long it waits for archive and watch to pass the cut. */
  readonly waitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Reads only. Throws AuditImpossible, and what a source, Kafka or lake that is away throws. */
export async function runAudit(parts: AuditParts, request: AuditRequest = {}): Promise<AuditReport> {
  const { rds, kafka, source, mapping } = parts;
  const reader = await kafka.partitionReader();
  try {
    return await rds.withConnection(async (session) => {
      const position = await positionOf(parts, reader, session);
      const ids = auditedIds(position, await oldestKey(session, mapping), request);
      const cut = await takeCut(parts, reader, request);
      for (let attempt = 1; ; attempt += 1) {
        const exam = await examineLake({
          store: parts.lake,
          signs: parts.attributes,
          clusterId: await kafka.admin.clusterId(),
          source,
        });
        try {
          return await compare(parts, {
            session,
            position,
            ids,
            cut,
            exam,
            all: request.from === undefined && request.to === undefined,
          });
        } catch (error) {
          const moved = exam.files.some(({ at, path }) => at !== path) && attempt < ATTEMPTS;
          if (!moved) throw error;
          parts.log.info('audit.files-moved', { source, attempt });
        }
      }
    });
  } finally {
    await reader.close();
  }
}

async function positionOf(parts: AuditParts, reader: PartitionReader, session: MysqlSession): Promise<Position> {
  const { source, prefix, clock } = parts;
  const stored = await peekPosition(reader, topicName(prefix, 'vital-poll-state'), source);
  if (stored === undefined)
    throw new AuditImpossible(`no poller has ever owned the source ${source}: there is nothing to compare yet`);
  const position = decodePosition(stored, clock.nowMs());
  const { identity } = await serverOf(session);
  if (identity.uuid !== position.server.uuid)
    throw new AuditImpossible(
      `this server is ${identity.uuid}, the position belongs to ${position.server.uuid}: point RDS_URL back, or accept the new server with \`wardwatch source reset\``,
    );
  return position;
}

interface Cut {
  readonly partitions: readonly PartitionCut[];
  /** Chains that did not get there in time. */
  readonly behind: readonly string[];
}

/**
 * In this order: ends of the readings; the watcher past them; then ends of everything, so that each event below the end of
 * doctors-queue has its reading below the end of vital-info; the archive past those.
 */
async function takeCut(parts: AuditParts, reader: PartitionReader, request: AuditRequest): Promise<Cut> {
  const { kafka, prefix, clock, lake } = parts;
  const untilMs = clock.monotonicMs() + (request.waitMs ?? AUDIT_WAIT_MS);
  const endsOf = (topic: TopicName) => kafka.admin.endOffsets(topicName(prefix, topic));
  const readings = await endsOf('vital-info');
  const evaluated = await watchPast(parts, reader, readings, untilMs, request.signal);
  const ends = new Map<TopicName, readonly number[]>();
  for (const topic of TOPICS) ends.set(topic, await endsOf(topic));
  let behind: string[];
  for (;;) {
    behind = [];
    for (const topic of TOPICS) {
      for (const { partition, at, end } of await behindOf(lake, topic, ends.get(topic) ?? [])) {
        const lacks = await isAnythingBetween(reader, topicName(prefix, topic), partition, at, end);
        if (lacks) behind.push(`${topic}/${partition} is at ${at} of ${end}`);
      }
    }
    if (behind.length === 0 || clock.monotonicMs() > untilMs) break;
    await clock.sleep(LOOK_MS, request.signal);
    if (request.signal?.aborted) throw new AuditImpossible('stopped before the archive had passed the cut');
  }
  const events = ends.get('doctors-queue') ?? [];
  return {
    behind,
    partitions: readings.map((end, p) => ({ end, evaluated: evaluated[p] ?? 0, events: events[p] ?? 0 })),
  };
}

/** Ticks and the marks of transactions go nowhere: whoever was stopped before them has missed nothing. What lies far behind is not read for it. */
async function isAnythingBetween(
  reader: PartitionReader,
  topic: string,
  partition: number,
  from: number,
  end: number,
): Promise<boolean> {
  if (from >= end) return false;
  if (end - from > LOOKED_THROUGH) return true;
  let anything = false;
  await reader.read(topic, partition, { from }, ({ offset, value }) => {
    if (offset < end && decodeVitalInfo(value).type !== 'tick') anything = true;
  });
  return anything;
}

/** A broken chain is no reason to wait: the exam names it. */
async function behindOf(lake: LakeStore, topic: string, ends: readonly number[]) {
  try {
    return await chainsBehind(lake, topic, ends);
  } catch (error) {
    if (error instanceof LakeChainError) return [];
    throw error;
  }
}

/** Where the watcher stands, as soon as it has passed `ends`, or goes no further. */
async function watchPast(
  { prefix, clock }: AuditParts,
  reader: PartitionReader,
  ends: readonly number[],
  untilMs: number,
  signal: AbortSignal | undefined,
): Promise<readonly number[]> {
  const looks = ends.map((_, partition) => followWatch(reader, topicName(prefix, 'watch-state'), partition));
  let at: readonly number[] = [];
  let movedMs = clock.monotonicMs();
  for (;;) {
    const now: number[] = [];
    for (const look of looks) now.push(await look());
    if (now.join() !== at.join()) movedMs = clock.monotonicMs();
    at = now;
    const nowMs = clock.monotonicMs();
    let past = true;
    for (const [partition, end] of ends.entries())
      past &&= !(await isAnythingBetween(reader, topicName(prefix, 'vital-info'), partition, at[partition] ?? 0, end));
    if (past || nowMs > untilMs || nowMs - movedMs > WATCH_STANDS_MS || signal?.aborted) return at;
    await clock.sleep(LOOK_MS, signal);
  }
}

/** Where the watcher stands in a partition: each look reads what came since the one before. */
function followWatch(reader: PartitionReader, topic: string, partition: number): () => Promise<number> {
  let from: number | undefined;
  let evaluated = 0;
  return async () => {
    const { next } = await reader.read(topic, partition, from === undefined ? {} : { from }, ({ key, value }) => {
      const record = decodeWatchState(key, value);
      if (record.type === 'next') evaluated = record.next;
    });
    from = next;
    return evaluated;
  };
}

interface Compared {
  readonly session: MysqlSession;
  readonly position: Position;
  readonly ids: IdRange | undefined;
  readonly cut: Cut;
  readonly exam: LakeExam;
  readonly all: boolean;
}

async function compare(parts: AuditParts, compared: Compared): Promise<AuditReport> {
  const { source, clock, attributes, lake, mapping } = parts;
  const { session, position, ids, cut, exam } = compared;
  const at = formatMicros(microsOfMs(clock.nowMs()));
  return withLakeSql(
    lake,
    exam.files.filter(({ table }) => TABLES.has(table)),
    attributes,
    async (sql) => {
      await readHeld(sql, attributes);
      await sql.run('CREATE TABLE rds (id HUGEINT)');
      // An empty range compares nothing, and says so.
      const range = ids ?? { from: position.startId, to: position.startId - 1n };
      if (ids) await readKeys(session, mapping, ids, (page) => sql.appendIds('rds', page));
      const rows = await auditRows(sql, {
        source,
        readingSource: readingSource(source, position),
        ids: range,
        steps: await stepsOf(session, parts.idStep),
        numberedSinceUs: await numberedSince(sql, position),
      });
      const alerts = await auditAlerts(sql, {
        attributes,
        policy: parts.policy,
        knownPatients: parts.knownPatients,
        partitions: cut.partitions,
        ids: compared.all ? null : range,
      });
      const terms = [lakeTerm(exam, cut.behind), ...rows.terms, ...alerts.terms];
      return {
        v: 1,
        at,
        source,
        ids: ids ? { from: String(ids.from), to: String(ids.to) } : null,
        ok: terms.every(({ ok }) => ok),
        terms,
        apart: { ...rows.apart, ...alerts.apart },
      };
    },
    parts.copies,
  );
}

async function stepsOf(session: MysqlSession, idStep: number): Promise<IdSteps> {
  if (idStep === 1) return EVERY_ID;
  return checkServer(session, (await serverOf(session)).flavour, idStep);
}

function lakeTerm({ files, bytes, damage }: LakeExam, behind: readonly string[]): AuditTerm {
  return auditTerm('lake', `${files.length} files of ${bytes} bytes are what was committed`, {
    'damaged or strange': found(damage),
    'chains that have not come so far': found(behind),
  });
}

/** When ids began to be handed out a second time, by a reset. */
async function numberedSince(sql: LakeSql, { generation }: Position): Promise<number | null> {
  if ((generation ?? 1) === 1) return null;
  const { rows } = await sql.query(
    // DuckDB takes a bare `at` for a keyword.
    `SELECT max(epoch_us("at")) AS us FROM access_audit WHERE action = 'source-reset'
     AND json_extract_string(body, '$.before.generation') <> json_extract_string(body, '$.after.generation')`,
  );
  const us = rows[0]?.us;
  return us === null || us === undefined ? null : Number(us);
}
