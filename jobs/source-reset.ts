// `source reset`: accepts the server and the table as they are, and begins where a person says. What is given up is written down.
import type { IdRange } from '../src/domain/gap-ledger.js';
import type { Clock, Logger, OutRecord } from '../src/domain/ports.js';
import type { EvidenceKind, Position } from '../src/domain/position.js';
import { readingSource } from '../src/domain/position.js';
import { isoOfMs } from '../src/domain/time.js';
import { SourceRefused } from '../src/mysql/refusal.js';
import type { VitalsSource } from '../src/mysql/vitals-source.js';
import { firstPosition } from './poll-position.js';
import { givenUpRecords, type PollTopics } from './poll-records.js';
import type { SourceInHand } from './poll-source.js';
import { CommandRefused } from './source-desk.js';

export interface ResetRequest {
  /** Of the request: the same one twice changes nothing the second time. */
  readonly id: string;
  /** `end`, `beginning` or a row id. */
  readonly from: string;
  readonly by: string;
  readonly reason: string;
}

export interface ResetParts {
  readonly source: string;
  readonly vitals: VitalsSource;
  readonly topics: PollTopics;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface ResetAnswer {
  readonly firstId: string;
  /** Name of the source in readings from now on. */
  readonly readingSource: string;
  /** Ids below the new beginning that nobody will read, unless a backfill does. */
  readonly givenUp: number;
}

/** One transaction: the new position, the ranges given up (vital-gaps, evidence `reset`), who did it and why (access-audit). Throws CommandRefused. */
export async function resetSource(
  parts: ResetParts,
  inHand: SourceInHand,
  request: ResetRequest,
): Promise<ResetAnswer> {
  const { source, log, clock } = parts;
  const before = inHand.position;
  if (!before)
    throw new CommandRefused('there is no position yet: a first start begins where POLL_START says, without a reset');
  if (before.resetId === request.id) return answerOf(source, before, []);
  const nowMs = clock.nowMs();
  const position = await newPosition(parts, before, request, nowMs);
  const givenUp = givenUpBy(before, position);
  const at = isoOfMs(nowMs);
  const records: OutRecord[] = [
    ...givenUpRecords(parts.topics, { source, ranges: givenUp, reason: request.reason, at }),
    {
      topic: parts.topics.accesses,
      partition: 0,
      key: request.by,
      value: JSON.stringify({
        v: 1,
        at,
        user: request.by,
        action: 'source-reset',
        patientId: null,
        request: request.id,
        source,
        from: request.from,
        reason: request.reason,
        before: { server: before.server, high: String(before.ledger.high), generation: before.generation ?? 1 },
        after: { server: position.server, high: String(position.ledger.high), generation: position.generation ?? 1 },
      }),
    },
  ];
  await inHand.commit(position, records);
  const answer = answerOf(source, position, givenUp);
  log.warn('poll.reset', { source, from: request.from, ...answer });
  return answer;
}

async function newPosition(
  { source, vitals, log }: ResetParts,
  before: Position,
  { id, from }: ResetRequest,
  nowMs: number,
): Promise<Position> {
  const evidence: EvidenceKind = vitals.evidence;
  const session = await vitals.open();
  try {
    const first = await firstPosition(session, { source, start: from, evidence, nowMs, log });
    const again = first.ledger.high < before.ledger.high;
    const generation = (before.generation ?? 1) + (again ? 1 : 0);
    return { ...first, resetId: id, ...(generation === 1 ? {} : { generation }) };
  } catch (error) {
    if (error instanceof SourceRefused && error.code === 'start')
      throw new CommandRefused(`--from ${from} is above the next id of the table`);
    throw error;
  } finally {
    session.close();
  }
}

/** Open gaps that aren't gaps any more, and ids that are passed over. After ids that come again the old ones say nothing. */
function givenUpBy(before: Position, after: Position): IdRange[] {
  const sameIds = (before.generation ?? 1) === (after.generation ?? 1);
  const kept = sameIds ? after.ledger.gaps : [];
  const gone = before.ledger.gaps.filter(({ offStep }) => !offStep).flatMap((gap) => without(gap, kept));
  const passedOver =
    sameIds && after.ledger.high > before.ledger.high
      ? without({ from: before.ledger.high + 1n, to: after.ledger.high }, kept)
      : [];
  return [...gone, ...passedOver];
}

/** What of the range is in none of the others (ascending, disjoint). */
function without(range: IdRange, others: readonly IdRange[]): IdRange[] {
  const left: IdRange[] = [];
  let { from } = range;
  for (const other of others) {
    if (other.to < from) continue;
    if (other.from > range.to) break;
    if (other.from > from) left.push({ from, to: other.from - 1n });
    from = other.to + 1n;
  }
  if (from <= range.to) left.push({ from, to: range.to });
  return left;
}

function answerOf(source: string, position: Position, givenUp: readonly IdRange[]): ResetAnswer {
  return {
    firstId: String(position.ledger.high + 1n),
    readingSource: readingSource(source, position),
    givenUp: Number(givenUp.reduce((sum, { from, to }) => sum + to - from + 1n, 0n)),
  };
}
