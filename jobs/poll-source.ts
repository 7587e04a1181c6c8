// The source while it is ours: owning it, and one look at the table after another, each committed with its position.
import { applyRead, fitLate, type Gap } from '../src/domain/gap-ledger.js';
import type {
  Clock,
  Logger,
  Metrics,
  OnStep,
  OutRecord,
  PartitionReader,
  TransactionalProducer,
} from '../src/domain/ports.js';
import { decodePosition, encodePosition, GAPS_AT_MOST, type Position, readAhead } from '../src/domain/position.js';
import { formatMicros, isoOfMs, microsOfMs } from '../src/domain/time.js';
import { FencedError } from '../src/kafka/errors.js';
import type { VitalsRows, VitalsSession, VitalsSource } from '../src/mysql/vitals-source.js';
import { createPollAlarms } from './poll-alarms.js';
import { createFoldEvidence } from './poll-evidence.js';
import { createLakeCheck, type LakeHashes } from './poll-lake-check.js';
import { createSourceOpener } from './poll-open.js';
import { readPosition, tokenRecord } from './poll-position.js';
import { pollRecords, pollTopics } from './poll-records.js';
import { reportLook } from './poll-report.js';

const TICK_EVERY_MS = 2_000;
/** How often max(id) is looked at: for the lag, and for a table that went back. */
const BOUNDS_EVERY_MS = 1_000;
/** While pages are full, gaps are read no more often than this. */
const GAPS_EVERY_MS = 100;
const OFF_STEP_EVERY_MS = 2_000;
const NOTHING: VitalsRows = { readings: [], full: false };
type LateRows = Awaited<ReturnType<VitalsSession['gapRows']>>;

export class TopicMissingError extends Error {
  override readonly name = 'TopicMissingError';
  constructor(topic: string) {
    super(`there is no topic ${topic}: run \`wardwatch schema\``);
  }
}

export interface PollKafka {
  transactionalProducer(id: string): Promise<TransactionalProducer>;
  partitionReader(): Promise<PartitionReader>;
  readonly admin: { partitionCount(topic: string): Promise<number | undefined> };
}

export interface PollSourceParts {
  /** Name of the source: in every reading, and the key of its position. */
  readonly source: string;
  readonly vitals: VitalsSource;
  readonly kafka: PollKafka;
  /** KAFKA_PREFIX: before topics and the transactional id. */
  readonly prefix: string;
  /** POLL_START: `end`, `beginning` or a row id; counts at the very first start only. */
  readonly start: string;
  /** POLL_BATCH_ROWS. */
  readonly batchRows: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly onStep: OnStep;
  /** A random text, new at each call. */
  readonly newToken: () => string;
  /** For rows that vital-info no longer has when the server was restarted; without it they stay unchecked. */
  readonly lakeHashes?: LakeHashes;
  /** How many gaps a position may have: GAPS_AT_MOST, unless a test says otherwise. */
  readonly gapsAtMost?: number;
}

/** The source between two looks, for requests that are carried out in the poller's own transactions. */
export interface SourceInHand {
  /** Another object each time that the source was owned anew: in between it may have been somebody else's. */
  readonly ownership: object;
  /** As committed; undefined before the very first start. */
  readonly position: Position | undefined;
  /** The poller's own connection, its server compared with the position's. Throws SourceRefused, MysqlError. */
  session(): Promise<VitalsSession>;
  /** Records and position in one transaction. */
  commit(position: Position, records: readonly OutRecord[]): Promise<void>;
}

export interface PollSource {
  /** At the start of a turn: a source kept from an earlier one may be another's by now, which fencing tells. */
  beginTurn(): Promise<void>;
  /**
   * One look at the table, committed. `more`: there is more to read at once. Throws FencedError, SourceRefused,
   * PositionUnreadableError, MysqlError (`forgetSession`); anything else leaves a commit in doubt (`letGo`).
   */
  look(): Promise<'more' | 'end'>;
  /** Owns the source if it isn't ours yet. Throws what `work` throws, and what `look` throws of Kafka. */
  between<T>(work: (source: SourceInHand) => Promise<T>): Promise<T>;
  /** The connection to the table is gone; the position in memory is the committed one, and stays. */
  forgetSession(): void;
  /** Forgets everything; the next look owns the source anew. */
  letGo(): Promise<void>;
  /** A look has failed: the lag is what has passed since the end of the table was last reached. */
  reportStandstill(): void;
  /** For people: what stands still, and what to do. */
  reasons(): readonly string[];
}

interface Owned {
  readonly producer: TransactionalProducer;
  readonly partitions: number;
  /** Undefined until the very first start has chosen one. */
  position: Position | undefined;
  positionBytes: number;
}

export function createPollSource(parts: PollSourceParts): PollSource {
  const { source, kafka, clock, log, metrics, onStep } = parts;
  const { evidence } = parts.vitals;
  const gapsAtMost = parts.gapsAtMost ?? GAPS_AT_MOST;
  const topics = pollTopics(parts.prefix);
  // Wall time that never jumps within a process: gaps and transactions are timed by it.
  const startMs = clock.nowMs() - clock.monotonicMs();
  const steadyMs = () => Math.round(startMs + clock.monotonicMs());
  const isoNow = () => isoOfMs(clock.nowMs());
  const alarms = createPollAlarms(log, clock);
  const last = { tickMs: -Infinity, boundsMs: -Infinity, gapsMs: -Infinity, offStepMs: -Infinity, pageFull: false };
  const foldEvidence = createFoldEvidence({ clock, metrics, onStep, alarms, steadyMs });
  let owned: Owned | undefined;
  let session: VitalsSession | undefined;

  const own = async (): Promise<Owned> => {
    const partitions = await kafka.admin.partitionCount(topics.readings);
    if (partitions === undefined) throw new TopicMissingError(topics.readings);
    const producer = await kafka.transactionalProducer(`${parts.prefix}poll.${source}`);
    try {
      const text = await readPosition(
        () => kafka.partitionReader(),
        topics.state,
        source,
        async () => {
          const token = parts.newToken();
          await producer.transact([tokenRecord(topics.state, token)]);
          await onStep('poll.own');
          return token;
        },
      );
      await onStep('poll.state-read');
      const position = text === undefined ? undefined : decodePosition(text, steadyMs());
      const high = position ? String(position.ledger.high) : null;
      log.info('poll.owned', { source, high, gaps: position?.ledger.gaps.length ?? 0 });
      return { producer, partitions, position, positionBytes: text?.length ?? 0 };
    } catch (error) {
      await producer.close();
      throw error;
    }
  };

  const commit = async (to: Owned, position: Position, records: OutRecord[]): Promise<void> => {
    const value = encodePosition(source, position, clock.nowMs());
    records.push({ topic: topics.state, partition: 0, key: source, value });
    await onStep('poll.before-commit');
    try {
      await to.producer.transact(records);
    } catch (error) {
      metrics.count('poll_commits_total', { outcome: error instanceof FencedError ? 'fenced' : 'unknown' });
      throw error;
    }
    to.position = position;
    to.positionBytes = value.length;
    metrics.count('poll_commits_total', { outcome: 'committed' });
    await onStep('poll.after-commit');
  };

  const lakeCheck = createLakeCheck({ lake: parts.lakeHashes, clock, log, metrics });
  const opener = createSourceOpener({
    ...parts,
    lakeCheck,
    topic: topics.readings,
    openReader: () => kafka.partitionReader(),
    steadyMs,
  });

  const open = async (to: Owned): Promise<VitalsSession> => {
    const opened = await opener.open(to.position, to.partitions);
    try {
      if (opened.first) await commit(to, opened.position, []);
      else to.position = opened.position;
      return opened.session;
    } catch (error) {
      opened.session.close();
      throw error;
    }
  };

  const lookAtBounds = async (from: VitalsSession, high: bigint): Promise<void> => {
    if (clock.monotonicMs() - last.boundsMs < BOUNDS_EVERY_MS) return;
    last.boundsMs = clock.monotonicMs();
    const bounds = await from.bounds();
    opener.notBack(high, bounds);
    metrics.gauge('poll_lag_rows', Number((bounds?.to ?? high) - high));
  };

  /** A table's end is reached only by a short page and all gaps. */
  const read = async (from: VitalsSession, { ledger, reachedEndAt }: Position, limit: number) => {
    const notBefore = reachedEndAt === null ? null : formatMicros(reachedEndAt);
    const { gaps, high } = ledger;
    const nowMs = clock.monotonicMs();
    const readGaps = gaps.length > 0 && (!last.pageFull || nowMs - last.gapsMs >= GAPS_EVERY_MS);
    const offStep = readGaps && nowMs - last.offStepMs >= OFF_STEP_EVERY_MS;
    if (readGaps) last.gapsMs = nowMs;
    if (offStep) last.offStepMs = nowMs;
    const asked = offStep ? gaps : gaps.filter((gap) => !gap.offStep);
    const fit = readGaps ? fitting(gaps, await from.gapRows(asked, parts.batchRows, notBefore), gapsAtMost) : undefined;
    const late = fit?.late;
    const room = Math.min(limit, gapsAtMost - (fit?.gapsLeft ?? gaps.length));
    const page = room > 0 ? await from.page(high, room, notBefore) : NOTHING;
    last.pageFull = page.full;
    const allGapsRead = gaps.length === 0 || (late !== undefined && !late.full);
    return { late, offStep, page, reachedEnd: room > 0 && !page.full && allGapsRead };
  };

  const letGo = async (): Promise<void> => {
    const held = owned;
    owned = undefined;
    session?.close();
    session = undefined;
    await held?.producer.close();
  };

  return {
    beginTurn: async () => {
      if (!owned?.position) return;
      try {
        await commit(owned, owned.position, []);
      } catch (error) {
        if (!(error instanceof FencedError)) throw error;
        // The turns in between were another's. This one is ours by its job, so owning anew takes nothing from anybody.
        await letGo();
      }
    },
    look: async () => {
      const begunUs = microsOfMs(clock.nowMs());
      owned ??= await own();
      session ??= await open(owned);
      const mine = owned;
      const position = mine.position as Position;
      await lookAtBounds(session, position.ledger.high);
      const { late, offStep, page, reachedEnd } = await read(
        session,
        position,
        readAhead(mine.positionBytes, parts.batchRows),
      );
      await onStep('poll.page-read');
      const ids = (rows: VitalsRows) => rows.readings.map(({ row }) => row);
      const gaps = late ? { ids: ids(late), examinedTo: late.examinedTo, offStep } : null;
      const { steps } = session;
      const { ledger: seen, retired } = applyRead(position.ledger, { gaps, page: ids(page) }, steadyMs(), steps);
      const ledger = await foldEvidence(session, seen);
      const server = lakeCheck.passed() ? session.server : position.server;
      const next: Position = {
        ...position,
        server,
        ledger,
        reachedEndAt: reachedEnd ? begunUs : position.reachedEndAt,
      };
      const readings = late ? [...late.readings, ...page.readings] : page.readings;
      const nowMs = clock.monotonicMs();
      const ticks = reachedEnd && nowMs - last.tickMs >= TICK_EVERY_MS ? mine.partitions : 0;
      if (readings.length > 0 || retired.length > 0 || ticks > 0) {
        await commit(mine, next, pollRecords(topics, { source, readings, retired, ticks, evidence, at: isoNow() }));
        if (ticks > 0) last.tickMs = nowMs;
        log.debug('poll.page', { rows: readings.length, late: late?.readings.length ?? 0, high: String(ledger.high) });
      } else {
        // Nothing that a successor would miss: it collects its own evidence.
        mine.position = next;
      }
      reportLook(
        { log, metrics, clock, alarms },
        {
          readings,
          late: late?.readings.length ?? 0,
          retired,
          ledger,
          positionBytes: mine.positionBytes,
          reachedEnd,
          steadyMs: steadyMs(),
        },
      );
      // Where rows wait for room in the position, asking again at once brings nothing.
      return readings.length > 0 && (page.full || late?.full) ? 'more' : 'end';
    },
    between: async (work) => {
      owned ??= await own();
      const mine = owned;
      return work({
        ownership: mine,
        get position() {
          return mine.position;
        },
        session: async () => {
          session ??= await open(mine);
          return session;
        },
        commit: (position, records) => commit(mine, position, [...records]),
      });
    },
    forgetSession: () => {
      session?.close();
      session = undefined;
    },
    letGo,
    reportStandstill: () => {
      const endUs = owned?.position?.reachedEndAt;
      if (endUs != null) metrics.gauge('poll_lag_seconds', Math.max(0, clock.nowMs() / 1e3 - endUs / 1e6));
    },
    reasons: alarms.reasons,
  };
}

/**
 * Of rows that came into gaps as many as leave a position that can be written: two long transactions whose ids alternate leave a gap for
 * every other id when one of them commits. The others wait, and so do the gaps above them; those below were looked at.
 */
function fitting(gaps: readonly Gap[], found: LateRows, gapsAtMost: number): { late: LateRows; gapsLeft: number } {
  const { taken, gapsLeft } = fitLate(
    gaps,
    found.readings.map(({ row }) => row),
    gapsAtMost,
  );
  const next = found.readings[taken];
  if (!next) return { late: found, gapsLeft };
  return {
    late: { readings: found.readings.slice(0, taken), full: true, examinedTo: BigInt(next.row) - 1n },
    gapsLeft,
  };
}
