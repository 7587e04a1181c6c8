// One audit (data-path.md 8): take the cut, wait until the archive has passed it, then ask the lake in SQL whether the equation holds.
import type { Attribute } from '../src/domain/attributes.js';
import {
  AuditImpossible,
  type AuditReport,
  type AuditTerm,
  auditedIds,
  auditTerm,
  found,
} from '../src/domain/audit.js';
import type { IdRange } from '../src/domain/gap-ledger.js';
import { EVERY_ID, type IdSteps } from '../src/domain/id-steps.js';
import type { VitalsMapping } from '../src/domain/mapping.js';
import type { Clock, LakeStore, Logger, PartitionReader } from '../src/domain/ports.js';
import { decodePosition, type Position, readingSource } from '../src/domain/position.js';
import { isoOfMs } from '../src/domain/time.js';
import type { KafkaAdmin } from '../src/kafka/admin.js';
import { topicName } from '../src/kafka/topics.js';
import { auditAlerts } from '../src/lake/audit-alerts.js';
import { auditRows } from '../src/lake/audit-rows.js';
import { readHeld } from '../src/lake/audit-sql.js';
import { examineLake, type LakeExam } from '../src/lake/lake-exam.js';
import type { LocalCopies } from '../src/lake/local-copies.js';
import { type LakeSql, withLakeSql } from '../src/lake/query.js';
import { checkServer, serverOf } from '../src/mysql/identity.js';
import { oldestKey, readKeys } from '../src/mysql/key-list.js';
import type { MysqlPool, MysqlSession } from '../src/mysql/pool.js';
import { type Cut, type CutLimits, takeCut } from './audit-cut.js';
import { followDeliveries } from './audit-deliveries.js';
import { peekPosition } from './poll-position.js';

/** The archive flushes once a minute by default. */
const WAIT_MS = 600_000;
/** Files move from staging to their place while the lake is read. */
const ATTEMPTS = 3;
/** What is asked of the lake; other tables are only examined. */
const TABLES: ReadonlySet<string> = new Set([
  'vital_info',
  'vital_info_dead',
  'gap',
  'alert',
  'alert_dead',
  'delivery',
  'delivery_dead',
  'patient',
  'threshold',
  'access_audit',
]);

export interface AuditParts {
  readonly source: string;
  /** KAFKA_PREFIX. */
  readonly prefix: string;
  readonly mapping: VitalsMapping;
  /** The configured auto_increment_increment. */
  readonly idStep: number;
  readonly attributes: readonly Attribute[];
  /** HOSPITAL_TIMEZONE: birthdays begin there. */
  readonly timeZone: string;
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
  /** How long it waits for watch and archive to pass the cut, and for notifications to end. */
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
      const untilMs = parts.clock.monotonicMs() + (request.waitMs ?? WAIT_MS);
      const limits = { untilMs, signal: request.signal };
      const cut = await takeCut(parts, reader, limits);
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
            reader,
            position,
            ids,
            cut,
            limits,
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

interface Compared {
  readonly session: MysqlSession;
  readonly reader: PartitionReader;
  readonly position: Position;
  readonly ids: IdRange | undefined;
  readonly cut: Cut;
  readonly limits: CutLimits;
  readonly exam: LakeExam;
  readonly all: boolean;
}

async function compare(parts: AuditParts, compared: Compared): Promise<AuditReport> {
  const { source, clock, attributes, lake, mapping } = parts;
  const { session, position, ids, cut, exam } = compared;
  const at = isoOfMs(clock.nowMs());
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
        timeZone: parts.timeZone,
        knownPatients: parts.knownPatients,
        partitions: cut.partitions,
        ids: compared.all ? null : range,
      });
      // Last: what is under way has had the most time.
      const deliveries = await followDeliveries(parts, compared.reader, sql, {
        ends: cut.deliveries,
        onlyAsked: !compared.all,
        ...compared.limits,
      });
      const terms = [lakeTerm(exam, cut.behind), ...rows.terms, ...alerts.terms, deliveries.term];
      return {
        v: 1,
        at,
        source,
        ids: ids ? { from: String(ids.from), to: String(ids.to) } : null,
        ok: terms.every(({ ok }) => ok),
        terms,
        apart: { ...rows.apart, ...alerts.apart, ...deliveries.apart },
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
