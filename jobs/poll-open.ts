// A connection to the table that the position fits: where a first start begins, and whether the server is still the one that was read.
import type { Logger, Metrics, PartitionReader } from '../src/domain/ports.js';
import { type Position, readingSource } from '../src/domain/position.js';
import type { VitalsSession, VitalsSource } from '../src/mysql/vitals-source.js';
import { checkNotBack, checkServerOf, firstPosition } from './poll-position.js';
import { compareAfterRestart } from './poll-restart.js';

export interface OpenParts {
  readonly source: string;
  readonly vitals: VitalsSource;
  /** POLL_START. */
  readonly start: string;
  readonly openReader: () => Promise<PartitionReader>;
  /** vital-info under its prefix. */
  readonly topic: string;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly steadyMs: () => number;
}

/** Answers the position for the session's server; `first`: it was chosen just now. Throws SourceRefused, MysqlError. */
export type OpenSource = (
  position: Position | undefined,
  partitions: number,
) => Promise<{ readonly session: VitalsSession; readonly position: Position; readonly first: boolean }>;

export function createOpenSource(parts: OpenParts): OpenSource {
  const { log, metrics } = parts;
  const { evidence } = parts.vitals;
  /** The start of the server that was last said aloud. */
  let saidStart: string | undefined;

  const compare = async (session: VitalsSession, position: Position, partitions: number): Promise<void> => {
    const { startedAt } = session.server;
    if (saidStart !== startedAt)
      log.warn('poll.server-restarted', { before: position.server.startedAt, now: startedAt });
    saidStart = startedAt;
    const { unchecked } = await compareAfterRestart({ ...parts, session, position, partitions });
    metrics.gauge('poll_restart_unchecked_rows', unchecked.length);
    if (unchecked.length > 0)
      log.warn('poll.restart-unchecked', { rows: unchecked.length, from: unchecked[0], to: unchecked.at(-1) });
  };

  return async (known, partitions) => {
    const session = await parts.vitals.open(readingSource(parts.source, known));
    try {
      if (known === undefined) {
        const first = { ...parts, evidence, nowMs: parts.steadyMs() };
        return { session, position: await firstPosition(session, first), first: true };
      }
      const restarted = checkServerOf(known, session);
      checkNotBack(known.ledger.high, await session.bounds());
      if (restarted) await compare(session, known, partitions);
      return { session, position: { ...known, server: session.server, evidence }, first: false };
    } catch (error) {
      session.close();
      throw error;
    }
  };
}
