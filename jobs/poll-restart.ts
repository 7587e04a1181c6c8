// After a restart of the server: are the last rows still the rows that were read? A server can lose its last commits, or be an older copy of itself.
import type { IdRange } from '../src/domain/gap-ledger.js';
import type { Clock, Logger, PartitionReader } from '../src/domain/ports.js';
import { type Position, readingSource } from '../src/domain/position.js';
import { otherColumns, rowHash } from '../src/domain/row-hash.js';
import { SourceRefused } from '../src/mysql/refusal.js';
import type { VitalsSession } from '../src/mysql/vitals-source.js';

/** How many ids below the position are read again. */
const COMPARED_IDS = 10_000n;
const PAGE_ROWS = 1_000;
/** Of each partition so many records are read first, then four times as many, and so on. */
const FIRST_RECORDS = 8_192;
const MORE = 4;
/** Polling waits meanwhile, and must not be taken for stuck. What can't be looked at within this time is left to the lake. */
const LOOK_BACK_FOR_MS = 15_000;
const IDS_NAMED = 5;
/** A table is altered now and then; each set of columns costs one more read of the rows that seem to differ. */
const COLUMN_SETS_AT_MOST = 4;

export interface RestartComparison {
  readonly compared: number;
  /** Rows that vital-info no longer has, and their hashes: to be compared with the lake. */
  readonly unchecked: ReadonlyMap<string, string>;
}

/**
 * Reads the last 10,000 ids again and compares each row's hash with what vital-info has of it. Throws SourceRefused where a
 * row was changed, is gone, or is one that was never read.
 */
export async function compareAfterRestart(parts: {
  readonly session: VitalsSession;
  readonly position: Position;
  readonly source: string;
  readonly topic: string;
  readonly partitions: number;
  readonly openReader: () => Promise<PartitionReader>;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly log: Logger;
}): Promise<RestartComparison> {
  const { session, position, source, log } = parts;
  const range = await comparedRange(session, position);
  const table = range ? await hashesOfTable(session, range, position.ledger.gaps) : new Map<string, string>();
  const sent = await hashesOfLog(parts, range, table);
  const seemsChanged = [...table].filter(([id, hash]) => sent.hashes.get(id)?.has(hash) === false).map(([id]) => id);
  const differ = {
    changed: await withoutAddedColumns(session, range, position.ledger.gaps, sent, seemsChanged),
    gone: [...sent.hashes.keys()].filter((id) => !table.has(id)),
    unknown: [...table.keys()].filter((id) => !sent.hashes.has(id) && BigInt(id) > sent.knownAbove),
  };
  const unchecked = new Map([...table].filter(([id]) => !sent.hashes.has(id) && BigInt(id) <= sent.knownAbove));
  if (differ.changed.length + differ.gone.length + differ.unknown.length > 0)
    throw new SourceRefused('rows-differ', differenceInWords(differ, range));
  log.info('poll.restart-compared', { source, compared: table.size, unchecked: unchecked.size });
  return { compared: table.size, unchecked };
}

/** Not what lies below the first id that counts, nor what the hospital has deleted from the old end. */
async function comparedRange(session: VitalsSession, { ledger, startId }: Position): Promise<IdRange | undefined> {
  const bounds = await session.bounds();
  if (!bounds) return undefined;
  const lowest = [ledger.high - COMPARED_IDS + 1n, startId, bounds.from];
  const from = lowest.reduce((most, id) => (id > most ? id : most));
  return from > ledger.high ? undefined : { from, to: ledger.high };
}

/** Those that are changed also where only the columns count that the table had when rows were sent. */
async function withoutAddedColumns(
  session: VitalsSession,
  range: IdRange | undefined,
  gaps: readonly IdRange[],
  sent: Sent,
  ids: readonly string[],
): Promise<readonly string[]> {
  let changed = ids;
  for (const { names, ids: sentSo } of sent.columns) {
    if (!range || !changed.some((id) => sentSo.has(id))) continue;
    const table = await hashesOfTable(session, range, gaps, names);
    changed = changed.filter((id) => !sentSo.has(id) || sent.hashes.get(id)?.has(table.get(id) ?? '') !== true);
  }
  return changed;
}

/** Rows of open gaps are not compared: they have not been read yet. */
async function hashesOfTable(
  session: VitalsSession,
  { from, to }: IdRange,
  gaps: readonly IdRange[],
  columns?: ReadonlySet<string>,
): Promise<Map<string, string>> {
  const hashes = new Map<string, string>();
  for (let after = from - 1n; after < to; ) {
    const { readings, full } = await session.page(after, PAGE_ROWS, null);
    for (const { row, value } of readings) {
      const id = BigInt(row);
      if (id > to) return hashes;
      if (!gaps.some((gap) => id >= gap.from && id <= gap.to)) hashes.set(row, rowHash(JSON.parse(value), columns));
      after = id;
    }
    if (!full) break;
  }
  return hashes;
}

interface ColumnSet {
  readonly names: ReadonlySet<string>;
  readonly ids: Set<string>;
}

interface Sent {
  /** Of each id in the range that vital-info has: its hashes, more than one where a row was sent again. */
  readonly hashes: ReadonlyMap<string, ReadonlySet<string>>;
  /** The sets of unmapped columns that rows were sent with, and which rows. */
  readonly columns: readonly ColumnSet[];
  /** A row above this id that is not in `hashes` was never sent; one below may have been deleted by the topic's retention. */
  readonly knownAbove: bigint;
}

/** Back from the end of each partition, until every row of the table is found and older ones than those begin. */
async function hashesOfLog(
  parts: {
    readonly position: Position;
    readonly source: string;
    readonly topic: string;
    readonly partitions: number;
    readonly openReader: () => Promise<PartitionReader>;
    readonly clock: Pick<Clock, 'monotonicMs'>;
  },
  range: IdRange | undefined,
  table: ReadonlyMap<string, string>,
): Promise<Sent> {
  if (!range) return { hashes: new Map(), columns: [], knownAbove: 0n };
  const { topic, partitions, clock } = parts;
  const untilMs = clock.monotonicMs() + LOOK_BACK_FOR_MS;
  // After a reset that hands ids out again, rows have another name: no record of the old numbering is a witness.
  const name = readingSource(parts.source, parts.position);
  const reader = await parts.openReader();
  try {
    for (let records = FIRST_RECORDS; ; records *= MORE) {
      const passMs = clock.monotonicMs();
      const hashes = new Map<string, Set<string>>();
      const sets = new Map<string, ColumnSet>();
      let knownAbove = 0n;
      let wholly = true;
      let below = true;
      for (let partition = 0; partition < partitions; partition += 1) {
        const { start, stableEnd } = await reader.offsets(topic, partition);
        const from = Math.max(start, stableEnd - records);
        let first: bigint | undefined;
        await reader.read(topic, partition, { from }, ({ value }) => {
          const reading = readingOf(value, name);
          if (!reading) return;
          first ??= reading.id;
          if (reading.id < range.from || reading.id > range.to) return;
          const known = hashes.get(String(reading.id)) ?? new Set();
          hashes.set(String(reading.id), known.add(reading.hash()));
          const names = reading.columns();
          const set = JSON.stringify(names);
          if (!sets.has(set) && sets.size < COLUMN_SETS_AT_MOST)
            sets.set(set, { names: new Set(names), ids: new Set() });
          sets.get(set)?.ids.add(String(reading.id));
        });
        if (from > 0 && first !== undefined && first > knownAbove) knownAbove = first;
        // Nothing but ticks, and older records deleted: any row may have been among these.
        if (from > 0 && first === undefined) knownAbove = range.to;
        if (from > start) {
          wholly = false;
          if (first === undefined || first >= range.from) below = false;
        }
      }
      const found = [...table.keys()].every((id) => hashes.has(id));
      if (wholly || (found && below)) return { hashes, columns: [...sets.values()], knownAbove };
      const nowMs = clock.monotonicMs();
      if (nowMs + (nowMs - passMs) * MORE > untilMs)
        return { hashes, columns: [...sets.values()], knownAbove: range.to };
    }
  } finally {
    await reader.close();
  }
}

/** A row of this source; undefined for ticks and what others wrote. */
function readingOf(value: Buffer | null, source: string) {
  let message: Record<string, unknown>;
  try {
    message = JSON.parse(String(value)) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  if (message?.source !== source || typeof message.row !== 'string' || !/^-?\d+$/.test(message.row)) return undefined;
  return { id: BigInt(message.row), hash: () => rowHash(message), columns: () => otherColumns(message) };
}

function differenceInWords(
  differ: { readonly changed: readonly string[]; readonly gone: string[]; readonly unknown: string[] },
  range: IdRange | undefined,
): string {
  const say = (ids: readonly string[], what: string) => {
    if (ids.length === 0) return [];
    const named = [...ids].sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1)).slice(0, IDS_NAMED);
    return [`${ids.length} ${what} (${named.join(', ')}${ids.length > IDS_NAMED ? ', …' : ''})`];
  };
  const words = [
    ...say(differ.gone, 'rows that were read are gone'),
    ...say(differ.changed, 'say something else now'),
    ...say(differ.unknown, 'are there that were never read'),
  ];
  return `the server was restarted, and the rows from id ${range?.from} to ${range?.to} are not those that were read before: ${words.join('; ')}. It lost its last commits, is an older copy of itself, or somebody changed rows. Find out which; \`wardwatch source reset\` accepts the table as it is`;
}
