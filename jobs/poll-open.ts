// A connection to the table that the position fits: where a first start begins, and whether the server is still the one that was read.
import type { IdRange } from '../src/domain/gap-ledger.js';
import type { Clock, Logger, Metrics, PartitionReader } from '../src/domain/ports.js';
import { type Position, readingSource } from '../src/domain/position.js';
import type { VitalsSession, VitalsSource } from '../src/mysql/vitals-source.js';
import type { LakeCheck } from './poll-lake-check.js';
import { checkServerOf, firstPosition, wentBackBelow } from './poll-position.js';
import { compareAfterRestart } from './poll-restart.js';

export interface OpenParts {
  readonly source: string;
  readonly vitals: VitalsSource;
  /** POLL_START. */
  readonly start: string;
  readonly openReader: () => Promise<PartitionReader>;
  /** vital-info under its prefix. */
  readonly topic: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly steadyMs: () => number;
  readonly lakeCheck: LakeCheck;
}

export interface SourceOpener {
  /** Answers the position as it is to go on; `first`: it was chosen just now. Throws SourceRefused, MysqlError. */
  open(
    position: Position | undefined,
    partitions: number,
  ): Promise<{ readonly session: VitalsSession; readonly position: Position; readonly first: boolean }>;
  /** Throws SourceRefused where the table ends below what was read, and remembers it: when it has grown again its rows are compared. */
  notBack(high: bigint, bounds: IdRange | undefined): void;
}

export function createSourceOpener(parts: OpenParts): SourceOpener {
  const { source, log, metrics } = parts;
  const { evidence } = parts.vitals;
  /** The start of the server that was last said aloud. */
  let saidStart: string | undefined;
  /** It ended below what was read: whatever its start says, it is not the table that was read. Starts are whole seconds, and a quick restart looks like none. */
  let wentBack = false;

  const compare = async (session: VitalsSession, position: Position, partitions: number): Promise<void> => {
    const { startedAt } = session.server;
    if (saidStart !== startedAt)
      log.warn('poll.server-restarted', { before: position.server.startedAt, now: startedAt });
    saidStart = startedAt;
    const { unchecked } = await compareAfterRestart({ ...parts, session, position, partitions });
    metrics.gauge('poll_restart_unchecked_rows', unchecked.size);
    const ids = [...unchecked.keys()];
    if (ids.length > 0) log.warn('poll.restart-unchecked', { rows: ids.length, from: ids[0], to: ids.at(-1) });
    parts.lakeCheck.left(readingSource(source, position), unchecked);
    wentBack = false;
  };

  const notBack: SourceOpener['notBack'] = (high, bounds) => {
    const refusal = wentBackBelow(high, bounds);
    if (!refusal) return;
    wentBack = true;
    throw refusal;
  };

  const open: SourceOpener['open'] = async (known, partitions) => {
    const session = await parts.vitals.open(readingSource(parts.source, known));
    try {
      if (known === undefined) {
        const first = { ...parts, evidence, nowMs: parts.steadyMs() };
        return { session, position: await firstPosition(session, first), first: true };
      }
      const restarted = checkServerOf(known, session);
      notBack(known.ledger.high, await session.bounds());
      if (restarted || wentBack) await compare(session, known, partitions);
      else parts.lakeCheck.left(source, new Map());
      // Until the rest is compared the position keeps the server's old start, so that whoever comes next compares again.
      return { session, position: { ...known, evidence }, first: false };
    } catch (error) {
      session.close();
      throw error;
    }
  };
  return { open, notBack };
}
