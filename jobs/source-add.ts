// What backfill and replay share: "what the lake lacks" made true, and rows added to it by the poller, marked, never a second copy.
import type { IdRange } from '../src/domain/gap-ledger.js';
import type { Clock, LakeStore, Metrics, OnStep, OutRecord, PartitionReader } from '../src/domain/ports.js';
import { type Position, readingSource } from '../src/domain/position.js';
import { decodeVitalInfo, type Reading } from '../src/domain/reading.js';
import { PositionLostError } from '../src/kafka/errors.js';
import { type ChainBehind, chainsBehind, openReadingsHeld, type ReadingsHeld } from '../src/lake/readings-held.js';
import type { PollTopics } from './poll-records.js';
import type { SourceInHand } from './poll-source.js';
import { CommandRefused, NotOurTurn, type SourceDesk } from './source-desk.js';

const CHAINS_EVERY_MS = 1_000;
/** The archive flushes once a minute by default, also what holds no rows. */
const CHAINS_WITHIN_MS = 600_000;
/** The topic's name in the lake, without prefix. */
const READINGS = 'vital-info';

export interface AddParts {
  readonly source: string;
  readonly desk: SourceDesk;
  readonly topics: PollTopics;
  readonly kafka: { partitionReader(): Promise<PartitionReader> };
  /** End of each partition of a topic. */
  readonly endOffsets: (topic: string) => Promise<readonly number[]>;
  /** The lake of this deployment. Throws CommandRefused where there is none, or it is another's. */
  readonly lake: () => Promise<LakeStore>;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly onStep: OnStep;
}

export type Mark = NonNullable<Reading['mark']>;

/** How far a request is, for the person who waits. */
export type Progress = (far: Readonly<Record<string, string | number>>) => void;

/**
 * The source at one moment. Whatever polling has ever written of an id up to `high` that is in no gap lies below `ends`, and
 * it writes nothing more of it: once the chains have passed `ends`, what the lake lacks of those ids is missing for good.
 */
export interface Moment {
  readonly high: bigint;
  /** Ascending, disjoint. Polling itself brings these ids, or retires them. */
  readonly gaps: readonly IdRange[];
  readonly readingSource: string;
  readonly ownership: SourceInHand['ownership'];
  readonly held: ReadingsHeld;
}

/** Takes the moment between two looks, then waits for the archive while polling goes on. Throws CommandRefused, NotOurTurn, and the lake's failures. */
export async function takeMoment(parts: AddParts, progress: Progress): Promise<Moment> {
  const { desk, clock, topics } = parts;
  const store = await parts.lake();
  const turn = desk.turn();
  const { position, ownership, ends } = await desk.between(async (inHand) => {
    await inHand.session();
    const owned = inHand.position as Position;
    // A commit is answered before its markers stand, and until they do a partition seems to end below its newest rows. The
    // coordinator lets the next transaction begin only after that.
    await inHand.commit(owned, []);
    return { position: owned, ownership: inHand.ownership, ends: await parts.endOffsets(topics.readings) };
  });
  await parts.onStep('command.begun');
  const untilMs = clock.monotonicMs() + CHAINS_WITHIN_MS;
  for (;;) {
    if (!turn || turn.aborted) throw new NotOurTurn();
    const behind = await chainsBehind(store, READINGS, ends);
    const first = await firstBehind(parts, behind);
    if (first === undefined) break;
    progress({ phase: 'archive', partition: first.partition, at: first.at, end: first.end });
    if (clock.monotonicMs() > untilMs)
      throw new CommandRefused(
        `the archive did not reach offset ${first.end} of vital-info partition ${first.partition} within ${CHAINS_WITHIN_MS / 60_000} minutes (it is at ${first.at}): does it run, and does the lake answer? What the lake lacks can't be told before`,
      );
    await clock.sleep(CHAINS_EVERY_MS, turn);
  }
  await parts.onStep('command.chains-passed');
  return {
    high: position.ledger.high,
    gaps: position.ledger.gaps.map(({ from, to }) => ({ from, to })),
    readingSource: readingSource(parts.source, position),
    ownership,
    held: await openReadingsHeld(store),
  };
}

/** A chain whose readings aren't all in the lake. Ticks alone are no reason to wait: the archive writes them down once a minute. */
async function firstBehind(parts: AddParts, behind: readonly ChainBehind[]): Promise<ChainBehind | undefined> {
  if (behind.length === 0) return undefined;
  const reader = await parts.kafka.partitionReader();
  try {
    for (const one of behind) if (await holdsReadings(reader, parts.topics.readings, one)) return one;
    return undefined;
  } finally {
    await reader.close();
  }
}

/** Ends a read that would go on to the stable end. */
class Seen extends Error {}

async function holdsReadings(
  reader: PartitionReader,
  topic: string,
  { partition, at, end }: ChainBehind,
): Promise<boolean> {
  let found = false;
  try {
    await reader.read(topic, partition, { from: at }, ({ offset, value }) => {
      found = offset < end && decodeVitalInfo(value).type !== 'tick';
      if (found || offset >= end) throw new Seen();
    });
    return false;
  } catch (error) {
    // Deleted before it was archived: that chain stands still, and a person has to decide.
    if (error instanceof PositionLostError) return true;
    if (!(error instanceof Seen)) throw error;
    return found;
  }
}

/** Marked readings into vital-info, in one transaction with the position as it is. */
export async function addReadings(
  parts: AddParts,
  moment: Moment,
  mark: Mark,
  readings: readonly { readonly patientId: string; readonly value: string }[],
): Promise<void> {
  if (readings.length === 0) return;
  const records: OutRecord[] = readings.map(({ patientId, value }) => ({
    topic: parts.topics.readings,
    key: patientId,
    value,
  }));
  await parts.onStep('command.before-commit');
  await parts.desk.between((inHand) => inHand.commit(sameSource(inHand, moment), records));
  parts.metrics.count('poll_marked_rows_total', { mark }, readings.length);
  await parts.onStep('command.after-commit');
}

/**
 * The position, where the source has been ours without a break since the moment. Otherwise somebody else may have carried out this very
 * request meanwhile (a process that slept finds it its own still), or reset the source, and what the lake lacked says nothing any more.
 */
export function sameSource({ ownership, position }: SourceInHand, moment: Moment): Position {
  if (!position || ownership !== moment.ownership) throw new NotOurTurn('the source was owned anew meanwhile');
  return position;
}

/** Parts of the range that polling has done with. */
export function settledWithin(range: IdRange, { high, gaps }: Pick<Moment, 'high' | 'gaps'>): IdRange[] {
  const settled: IdRange[] = [];
  const to = range.to < high ? range.to : high;
  let { from } = range;
  for (const gap of gaps) {
    if (gap.to < from) continue;
    if (gap.from > to) break;
    if (gap.from > from) settled.push({ from, to: gap.from - 1n });
    from = gap.to + 1n;
  }
  if (from <= to) settled.push({ from, to });
  return settled;
}
