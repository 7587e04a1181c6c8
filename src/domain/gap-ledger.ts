// The gap ledger: ids are handed out in order but become visible in commit order, so every skipped id is kept until it comes or is proved rolled back.
import { EVERY_ID, holdsStep, type IdSteps, isOnStep } from './id-steps.js';

/**
 * How long an id may be handed out before its transaction shows in the server's list. Fresh lists of this time, and the first
 * one after it, name everyone who can still commit a gap (data-path.md 2.3).
 */
export const COLLECT_MS = 2_000;
/** Ids off the step are read again for so long. */
export const OFF_STEP_FOR_MS = 60_000;
/** Ranges of them that are found within this time become one. */
const OFF_STEP_JOINED_MS = 5_000;

/** Inclusive. */
export interface IdRange {
  readonly from: bigint;
  readonly to: bigint;
}

/** A range of skipped ids. Times are milliseconds of the poller's steady clock. */
export interface Gap extends IdRange {
  /** When it was first skipped: what people are shown. */
  readonly bornMs: number;
  /** What waiting counts from: its birth, or when a later owner took it over before its transactions were collected. */
  readonly waitFromMs: number;
  /** Set by the fresh list that ended the collecting: transactions first seen later are not its own. */
  readonly collectedMs: number | null;
  /** The newest evidence says that nobody can commit it any more. A read begun after that evidence decides. */
  readonly cleared: boolean;
  /**
   * Only the ids off the step count, between rows that are there: this server hands none of them out, so its transactions
   * are no evidence. They are read again for 60 s and then forgotten, not retired.
   */
  readonly offStep: boolean;
}

/** A read-write transaction of the newest fresh list. The server never gives its id to another. */
export interface SeenTransaction {
  readonly id: string;
  readonly firstSeenMs: number;
}

export interface Ledger {
  /** The highest id read. */
  readonly high: bigint;
  /** Ascending, disjoint, all below `high`. */
  readonly gaps: readonly Gap[];
  readonly transactions: readonly SeenTransaction[];
}

/** What one look at the table brought. Ids are decimal text, ascending. */
export interface TableRead {
  /** Rows in open gaps; null where the gaps were not read. `examinedTo`: the last id that was looked at, null = all gaps; `offStep`: those off the step too. */
  readonly gaps: {
    readonly ids: readonly string[];
    readonly examinedTo: bigint | null;
    readonly offStep?: boolean;
  } | null;
  /** Rows above `high`. */
  readonly page: readonly string[];
}

/** What a lock probe of one gap said: somebody holds a row there, a committed row is there, nothing is. */
export type Probe = 'held' | 'found' | 'nothing';

/** At the very first start the ids that are missing below it are gaps too: their transactions may still be open. */
export function startLedger(high: bigint, missing: readonly IdRange[], nowMs: number, steps = EVERY_ID): Ledger {
  return { high, gaps: withHoles([], missing, nowMs, steps), transactions: [] };
}

/**
 * Takes in a read that began after the newest evidence: late rows leave their gaps, cleared gaps that were looked at and are
 * still empty are retired, new holes become gaps. Every id of `read` must be emitted, once, together with the new ledger.
 * Throws where an id is in no gap or not above `high`: emitting it could repeat it.
 */
export function applyRead(
  ledger: Ledger,
  read: TableRead,
  nowMs: number,
  steps: IdSteps = EVERY_ID,
): { readonly ledger: Ledger; readonly retired: readonly IdRange[] } {
  const retired: IdRange[] = [];
  let gaps = ledger.gaps;
  if (read.gaps) {
    const { examinedTo, offStep = false } = read.gaps;
    gaps = withoutIds(gaps, read.gaps.ids, steps).filter((gap) => {
      if (examinedTo !== null && gap.to > examinedTo) return true;
      if (gap.offStep) return !offStep || nowMs < gap.waitFromMs + OFF_STEP_JOINED_MS + OFF_STEP_FOR_MS;
      if (!gap.cleared || nowMs < gap.waitFromMs + waitsForStepsMs(gap, steps)) return true;
      retired.push({ from: gap.from, to: gap.to });
      return false;
    });
  }
  const { high, holes } = holesAbove(ledger.high, read.page);
  if (holes.length > 0) gaps = withHoles(gaps, holes, nowMs, steps);
  return { ledger: { ...ledger, high, gaps }, retired };
}

/**
 * How many of the rows in gaps (ascending), from the first on, can be taken without leaving more gaps than `atMost`, and how many are left
 * then: a row within a gap makes two of it. Where there are more already, as many as leave no more.
 */
export function fitLate(
  gaps: readonly IdRange[],
  ids: readonly string[],
  atMost: number,
): { readonly taken: number; readonly gapsLeft: number } {
  const most = Math.max(atMost, gaps.length);
  let best = { taken: 0, gapsLeft: gaps.length };
  let at = 0;
  let from = gaps[0]?.from ?? 0n;
  /** Parts that are whole: those before the gap that is looked at, and what was split off from it. */
  let whole = 0;
  for (const [n, text] of ids.entries()) {
    const id = BigInt(text);
    for (let gap = gaps[at]; gap && id > gap.to; gap = gaps[at]) {
      if (from <= gap.to) whole += 1;
      at += 1;
      from = gaps[at]?.from ?? 0n;
    }
    if (id > from) whole += 1;
    from = id + 1n;
    const rest = id < (gaps[at]?.to ?? id) ? 1 : 0;
    const gapsLeft = whole + rest + gaps.length - at - 1;
    if (gapsLeft <= most) best = { taken: n + 1, gapsLeft };
  }
  return best;
}

/**
 * Folds a fresh list of read-write transactions, asked for after the gaps were found. A gap is cleared once the list that
 * ended its collecting is there and none of the transactions collected until then is in this list.
 */
export function foldTransactions(ledger: Ledger, listed: readonly string[], nowMs: number): Ledger {
  const known = new Map(ledger.transactions.map((seen) => [seen.id, seen.firstSeenMs]));
  const transactions = listed.map((id) => ({ id, firstSeenMs: known.get(id) ?? nowMs }));
  const oldestMs = transactions.reduce((oldest, seen) => Math.min(oldest, seen.firstSeenMs), Number.POSITIVE_INFINITY);
  const gaps = ledger.gaps.map((gap) => {
    if (gap.offStep) return gap;
    const collectedMs = gap.collectedMs ?? (nowMs >= gap.waitFromMs + COLLECT_MS ? nowMs : null);
    return { ...gap, collectedMs, cleared: collectedMs !== null && oldestMs > collectedMs };
  });
  return { ...ledger, gaps, transactions };
}

/** Folds lock probes, one a gap in order (undefined: not asked). `graceMs` must exceed the longest time between an id's hand-out and its row. */
export function foldProbes(
  ledger: Ledger,
  probes: readonly (Probe | undefined)[],
  nowMs: number,
  graceMs: number,
): Ledger {
  const gaps = ledger.gaps.map((gap, index) => ({
    ...gap,
    cleared: !gap.offStep && probes[index] === 'nothing' && nowMs >= gap.waitFromMs + graceMs,
  }));
  return { ...ledger, gaps };
}

/** No evidence but age: loses the rows of every transaction that lives longer than `graceMs`. */
export function foldAge(ledger: Ledger, nowMs: number, graceMs: number): Ledger {
  const gaps = ledger.gaps.map((gap) => ({ ...gap, cleared: !gap.offStep && nowMs >= gap.waitFromMs + graceMs }));
  return { ...ledger, gaps };
}

/** How many ids wait for evidence. Saturates at 2^53. */
export function openIds(ledger: Ledger): number {
  let ids = 0n;
  for (const gap of ledger.gaps) if (!gap.offStep) ids += gap.to - gap.from + 1n;
  return Number(ids);
}

/** The gap that has waited longest for evidence; undefined where none does. */
export function oldestGap(ledger: Ledger): Gap | undefined {
  let oldest: Gap | undefined;
  for (const gap of ledger.gaps) if (!gap.offStep && (oldest === undefined || gap.bornMs < oldest.bornMs)) oldest = gap;
  return oldest;
}

/** The transactions that may still commit ids of the gap, as far as the newest list knows; oldest first. */
export function holdersOf({ transactions }: Pick<Ledger, 'transactions'>, gap: Gap): readonly SeenTransaction[] {
  return transactions
    .filter(({ firstSeenMs }) => gap.collectedMs === null || firstSeenMs <= gap.collectedMs)
    .sort((a, b) => a.firstSeenMs - b.firstSeenMs);
}

/** The ranges of [from, to] that `ids` (ascending decimal text within it) leave out. */
export function missingIn(range: IdRange, ids: readonly string[]): IdRange[] {
  const { holes } = holesAbove(range.from - 1n, ids);
  const last = ids.at(-1);
  const after = last === undefined ? range.from : BigInt(last) + 1n;
  return after <= range.to ? [...holes, { from: after, to: range.to }] : holes;
}

function newGap({ from, to }: IdRange, nowMs: number, offStep: boolean): Gap {
  return { from, to, bornMs: nowMs, waitFromMs: nowMs, collectedMs: null, cleared: false, offStep };
}

/** Holes above all gaps. With a step there is one between any two rows: those without an id of the step are joined, over the rows between. */
function withHoles(gaps: readonly Gap[], holes: readonly IdRange[], nowMs: number, steps: IdSteps): Gap[] {
  const all = [...gaps];
  for (const hole of holes) {
    const gap = newGap(hole, nowMs, steps.step > 1n && !holdsStep(hole, steps));
    const last = all.at(-1);
    const joins =
      gap.offStep &&
      last?.offStep &&
      gap.from - last.to === 2n &&
      isOnStep(last.to + 1n, steps) &&
      nowMs - last.waitFromMs < OFF_STEP_JOINED_MS;
    if (joins) all[all.length - 1] = { ...last, to: gap.to };
    else all.push(gap);
  }
  return all;
}

/** Ids off the step within a gap may still come, from a server whose transactions can't be seen here. */
function waitsForStepsMs({ from, to }: Gap, { step }: IdSteps): number {
  return step === 1n || from === to ? 0 : OFF_STEP_FOR_MS;
}

function holesAbove(high: bigint, ids: readonly string[]): { high: bigint; holes: IdRange[] } {
  const last = ids.at(-1);
  if (last === undefined) return { high, holes: [] };
  const top = BigInt(last);
  // Ascending and unique by its key: as many ids as the range is wide leave no hole.
  if (BigInt(ids[0] as string) === high + 1n && top - high === BigInt(ids.length)) return { high: top, holes: [] };
  const holes: IdRange[] = [];
  let expected = high + 1n;
  for (const text of ids) {
    const id = BigInt(text);
    if (id < expected) throw new Error('the source gave ids out of order');
    if (id > expected) holes.push({ from: expected, to: id - 1n });
    expected = id + 1n;
  }
  return { high: top, holes };
}

function withoutIds(gaps: readonly Gap[], ids: readonly string[], steps: IdSteps): readonly Gap[] {
  if (ids.length === 0) return gaps;
  const left: Gap[] = [];
  const rest = (gap: Gap): void => {
    left.push(steps.step > 1n && !gap.offStep && !holdsStep(gap, steps) ? { ...gap, offStep: true } : gap);
  };
  let next = 0;
  for (const gap of gaps) {
    let from = gap.from;
    for (; next < ids.length; next += 1) {
      const id = BigInt(ids[next] as string);
      if (id > gap.to) break;
      if (id < from) throw new Error('the source gave an id that is in no open gap');
      if (id > from) rest({ ...gap, from, to: id - 1n });
      from = id + 1n;
    }
    if (from === gap.from) left.push(gap);
    else if (from <= gap.to) rest({ ...gap, from });
  }
  if (next < ids.length) throw new Error('the source gave an id that is in no open gap');
  return left;
}
