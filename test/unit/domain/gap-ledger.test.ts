// The ledger against a small database of its own: transactions that overlap, commit out of order, roll back; pollers that die.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  applyRead,
  COLLECT_MS,
  fitLate,
  foldAge,
  foldProbes,
  foldTransactions,
  type Ledger,
  missingIn,
  oldestGap,
  openIds,
  startLedger,
} from '../../../src/domain/gap-ledger.js';
import { EVERY_ID, type IdSteps } from '../../../src/domain/id-steps.js';
import { decodePosition, encodePosition, type Position } from '../../../src/domain/position.js';

/** A transaction of the model: holds ids from their hand-out on, is listed from `listed` on, ends once. */
interface Trx {
  readonly name: string;
  readonly ids: number[];
  firstIdMs: number | undefined;
  listed: boolean;
}

class ModelServer {
  readonly step: number;
  constructor(step: number) {
    this.step = step;
  }
  /** Ids off the step, in the order in which they were passed over. */
  readonly passedOver: { readonly id: number; readonly ms: number }[] = [];
  nowMs = 1_000_000;
  nextId = 1;
  nextTrx = 1;
  readonly open: Trx[] = [];
  readonly visible = new Set<number>();
  readonly rolledBack = new Set<number>();

  begin(): Trx {
    const trx = { name: String(this.nextTrx++), ids: [], firstIdMs: undefined, listed: false };
    this.open.push(trx);
    return trx;
  }
  handOut(trx: Trx | undefined, count: number) {
    if (!trx) return;
    trx.firstIdMs ??= this.nowMs;
    for (let n = 0; n < count; n += 1) {
      trx.ids.push(this.nextId);
      for (let id = this.nextId + 1; id < this.nextId + this.step; id += 1)
        this.passedOver.push({ id, ms: this.nowMs });
      this.nextId += this.step;
    }
  }
  /** A row off the step, of another server: soon after the ids around it, and in no transaction that is seen here. */
  stray(back: number) {
    const found = this.passedOver.at(-1 - back);
    if (found && this.nowMs - found.ms < 60_000) this.visible.add(found.id);
  }
  offStep(id: number) {
    return id % this.step !== 1 % this.step;
  }
  beListed(trx: Trx | undefined) {
    if (trx && trx.ids.length > 0) trx.listed = true;
  }
  end(trx: Trx | undefined, commit: boolean) {
    if (!trx) return;
    this.open.splice(this.open.indexOf(trx), 1);
    for (const id of trx.ids) (commit ? this.visible : this.rolledBack).add(id);
  }
  /** The one promise that the ledger leans on: less than COLLECT_MS between an id's hand-out and its transaction being listed. */
  pass(ms: number) {
    for (const trx of this.open)
      if (trx.firstIdMs !== undefined && this.nowMs + ms >= trx.firstIdMs + COLLECT_MS) trx.listed = true;
    this.nowMs += ms;
  }
  list() {
    return this.open.filter((trx) => trx.listed).map((trx) => trx.name);
  }
  select(where: (id: number) => boolean, limit: number) {
    return [...this.visible]
      .filter(where)
      .sort((a, b) => a - b)
      .slice(0, limit)
      .map(String);
  }
}

/** A poller whose every read is one transaction: emitted ids, retired ids and position change together or not at all. */
class ModelPoller {
  readonly server: ModelServer;
  readonly emitted: number[] = [];
  readonly retired: number[] = [];
  stored: string;
  ledger: Ledger;
  skewMs = 0;
  readonly steps: IdSteps;

  constructor(server: ModelServer) {
    this.server = server;
    this.steps = server.step === 1 ? EVERY_ID : { step: BigInt(server.step), rest: 1n };
    this.ledger = startLedger(0n, [], this.nowMs());
    this.stored = this.encode(this.ledger);
  }
  nowMs() {
    return this.server.nowMs + this.skewMs;
  }
  encode(ledger: Ledger) {
    const position: Position = {
      server: { uuid: 'u', startedAt: 't' },
      ledger,
      startId: 1n,
      reachedEndAt: null,
      evidence: 'trx',
    };
    return encodePosition('s', position, this.nowMs());
  }
  read(limit: number, gapLimit: number, offStep: boolean, outcome: 'ok' | 'lost-after' | 'lost-before') {
    const { gaps, high } = this.ledger;
    const inGap = (id: number) =>
      gaps.some((gap) => id >= gap.from && id <= gap.to && (!gap.offStep || (offStep && this.server.offStep(id))));
    const late = gapLimit > 0 ? this.server.select(inGap, gapLimit) : [];
    const full = late.length === gapLimit;
    const result = applyRead(
      this.ledger,
      {
        gaps: gapLimit > 0 ? { ids: late, examinedTo: full ? BigInt(late.at(-1) ?? 0) : null, offStep } : null,
        page: this.server.select((id) => BigInt(id) > high, limit),
      },
      this.nowMs(),
      this.steps,
    );
    const ids = [...late, ...this.server.select((id) => BigInt(id) > high, limit)].map(Number);
    if (outcome !== 'lost-before') {
      this.emitted.push(...ids);
      for (const range of result.retired)
        for (let id = range.from; id <= range.to; id += 1n) this.retired.push(Number(id));
      this.stored = this.encode(result.ledger);
      this.ledger = result.ledger;
    }
    if (outcome !== 'ok') this.takeOver(0);
  }
  list() {
    this.ledger = foldTransactions(this.ledger, this.server.list(), this.nowMs());
  }
  takeOver(skewMs: number) {
    this.skewMs = skewMs;
    this.ledger = decodePosition(this.stored, this.nowMs()).ledger;
  }
}

const outcome = fc.constantFrom(
  'ok' as const,
  'ok' as const,
  'ok' as const,
  'lost-after' as const,
  'lost-before' as const,
);
const who = fc.nat(3);
const steps = {
  begin: fc.record({ do: fc.constant('begin' as const), ids: fc.integer({ min: 1, max: 3 }) }),
  handOut: fc.record({ do: fc.constant('hand-out' as const), who, n: fc.integer({ min: 1, max: 2 }) }),
  beListed: fc.record({ do: fc.constant('be-listed' as const), who }),
  end: fc.record({ do: fc.constant('end' as const), who, commit: fc.boolean() }),
  pass: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(20, 110, 1_200, 1_900, 2_500, 30_000) }),
  read: fc.record({
    do: fc.constant('read' as const),
    limit: fc.integer({ min: 0, max: 4 }),
    gapLimit: fc.integer({ min: 0, max: 3 }),
    offStep: fc.boolean(),
    outcome,
  }),
  list: fc.record({ do: fc.constant('list' as const) }),
  stray: fc.record({ do: fc.constant('stray' as const), back: fc.nat(20) }),
  /** What the real loop does: a list, then a read of everything. */
  poll: fc.record({ do: fc.constant('poll' as const), outcome }),
  takeOver: fc.record({ do: fc.constant('take-over' as const), skewMs: fc.constantFrom(-60_000, 60_000) }),
};
const step = fc.oneof(
  { weight: 4, arbitrary: steps.begin },
  { weight: 1, arbitrary: steps.handOut },
  { weight: 2, arbitrary: steps.beListed },
  { weight: 4, arbitrary: steps.end },
  { weight: 4, arbitrary: steps.pass },
  { weight: 3, arbitrary: steps.read },
  { weight: 2, arbitrary: steps.list },
  { weight: 5, arbitrary: steps.poll },
  { weight: 2, arbitrary: steps.takeOver },
  { weight: 4, arbitrary: steps.stray },
);

describe('gap ledger', () => {
  it('emits every committed id once and retires exactly the rolled-back ones, whatever the order', () => {
    fc.assert(
      fc.property(fc.constantFrom(1, 1, 2, 4), fc.array(step, { minLength: 10, maxLength: 120 }), (idStep, run) => {
        const server = new ModelServer(idStep);
        const mayBeRetired = (id: number) =>
          server.rolledBack.has(id) || (server.offStep(id) && !server.visible.has(id));
        const poller = new ModelPoller(server);
        for (const s of run) {
          const trx = 'who' in s ? server.open[s.who % Math.max(1, server.open.length)] : undefined;
          if (s.do === 'begin') server.handOut(server.begin(), s.ids);
          else if (s.do === 'hand-out') server.handOut(trx, s.n);
          else if (s.do === 'be-listed') server.beListed(trx);
          else if (s.do === 'end') server.end(trx, s.commit);
          else if (s.do === 'pass') server.pass(s.ms);
          else if (s.do === 'read') poller.read(s.limit, s.gapLimit, s.offStep, s.outcome);
          else if (s.do === 'stray') server.stray(s.back);
          else if (s.do === 'list') poller.list();
          else if (s.do === 'poll') {
            poller.list();
            poller.read(100, 100, true, s.outcome);
          } else poller.takeOver(s.skewMs);
          for (const id of poller.retired) if (!mayBeRetired(id)) throw new Error(`id ${id} retired too soon`);
        }
        for (const trx of [...server.open]) server.end(trx, trx.ids.length % 2 === 0);
        const last = server.begin();
        server.handOut(last, 1);
        server.end(last, true);
        for (let round = 0; round < 80; round += 1) {
          poller.read(10, 10, true, 'ok');
          server.pass(COLLECT_MS);
          poller.list();
        }
        expect(poller.ledger.gaps).toEqual([]);
        expect([...poller.emitted].sort((a, b) => a - b)).toEqual([...server.visible].sort((a, b) => a - b));
        const onStep = poller.retired.filter((id) => !server.offStep(id));
        expect(onStep.sort((a, b) => a - b)).toEqual([...server.rolledBack].sort((a, b) => a - b));
        expect(poller.retired.filter((id) => !mayBeRetired(id))).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });

  it('joins ids off the step over the rows between, reads them again for 60 s and forgets them', () => {
    const steps: IdSteps = { step: 3n, rest: 1n };
    const read = (ledger: Ledger, page: string[], nowMs: number, gaps: string[] = []) =>
      applyRead(ledger, { gaps: { ids: gaps, examinedTo: null, offStep: true }, page }, nowMs, steps);
    let { ledger } = read(startLedger(1n, [], 0, steps), ['4', '7', '8', '10'], 0);
    // 2, 3, 5, 6 over row 4; 9 stands alone behind row 8, which is off the step itself.
    expect(ledger.gaps).toMatchObject([
      { from: 2n, to: 6n, offStep: true },
      { from: 9n, to: 9n, offStep: true },
    ]);
    // 13 is missing: whoever holds it, it waits for evidence.
    ({ ledger } = read(ledger, ['16'], 1_000));
    expect(ledger.gaps.at(-1)).toMatchObject({ from: 11n, to: 15n, offStep: false });
    expect([openIds(ledger), oldestGap(ledger)?.from]).toEqual([5, 11n]);
    ({ ledger } = read(foldTransactions(ledger, ['70'], 1_100), [], 1_200, ['5']));
    expect(ledger.gaps.slice(0, 2)).toMatchObject([
      { from: 2n, to: 4n },
      { from: 6n, to: 6n },
    ]);
    ledger = foldTransactions(foldTransactions(ledger, ['70'], 3_500), ['99'], 9_000);
    // 13 was rolled back, but 11 could still come.
    let after = read(ledger, [], 59_000);
    expect(after.retired).toEqual([]);
    expect(after.ledger.gaps).toHaveLength(4);
    const without = applyRead(ledger, { gaps: { ids: [], examinedTo: null, offStep: false }, page: [] }, 66_000, steps);
    expect(without.ledger.gaps.map(({ offStep }) => offStep)).toEqual([true, true, true]);
    after = read(ledger, [], 66_000);
    expect(after.retired).toEqual([{ from: 11n, to: 15n }]);
    expect(after.ledger.gaps).toEqual([]);
  });

  it('waits for a transaction of its own list, not for those that came later', () => {
    let ledger = applyRead(startLedger(0n, [], 0), { gaps: null, page: ['1', '5'] }, 0).ledger;
    expect(ledger.gaps).toMatchObject([{ from: 2n, to: 4n, bornMs: 0 }]);
    ledger = foldTransactions(ledger, ['70', '71'], 100);
    ledger = foldTransactions(ledger, ['71'], 2_100);
    expect(ledger.gaps[0]?.cleared).toBe(false);
    ledger = foldTransactions(ledger, ['71', '90'], 2_300);
    expect(ledger.gaps[0]?.cleared).toBe(false);
    ledger = foldTransactions(ledger, ['90'], 2_500);
    expect(ledger.gaps[0]?.cleared).toBe(true);
    const late = applyRead(ledger, { gaps: { ids: ['3'], examinedTo: null }, page: [] }, 2_600);
    expect(late.retired).toEqual([
      { from: 2n, to: 2n },
      { from: 4n, to: 4n },
    ]);
    expect(late.ledger.gaps).toEqual([]);
  });

  it('retires nothing that a cut-off read did not look at', () => {
    const ledger = foldAge(
      startLedger(
        9n,
        [
          { from: 1n, to: 2n },
          { from: 4n, to: 8n },
        ],
        0,
      ),
      10,
      10,
    );
    const cut = applyRead(ledger, { gaps: { ids: ['4', '5'], examinedTo: 5n }, page: [] }, 20);
    expect(cut.retired).toEqual([{ from: 1n, to: 2n }]);
    expect(cut.ledger.gaps).toMatchObject([{ from: 6n, to: 8n }]);
  });

  it('refuses ids that would be emitted twice', () => {
    const ledger = startLedger(9n, [{ from: 4n, to: 5n }], 0);
    expect(() => applyRead(ledger, { gaps: { ids: ['6'], examinedTo: null }, page: [] }, 1)).toThrow(/no open gap/);
    expect(() => applyRead(ledger, { gaps: { ids: ['4', '4'], examinedTo: null }, page: [] }, 1)).toThrow();
    expect(() => applyRead(ledger, { gaps: null, page: ['9', '12'] }, 1)).toThrow(/out of order/);
    expect(() => applyRead(ledger, { gaps: null, page: ['12', '11'] }, 1)).toThrow(/out of order/);
  });

  it('clears by lock probes only what was probed empty for the grace period', () => {
    const ledger = startLedger(
      9n,
      [
        { from: 1n, to: 1n },
        { from: 3n, to: 3n },
        { from: 5n, to: 5n },
      ],
      0,
    );
    const flags = (l: Ledger) => l.gaps.map((gap) => gap.cleared);
    expect(flags(foldProbes(ledger, ['nothing', 'held', 'found'], 999, 1_000))).toEqual([false, false, false]);
    expect(flags(foldProbes(ledger, ['nothing', 'held', undefined], 1_000, 1_000))).toEqual([true, false, false]);
  });

  it('counts what is open', () => {
    const ledger = startLedger(
      100n,
      [
        { from: 1n, to: 10n },
        { from: 20n, to: 20n },
      ],
      5,
    );
    expect([openIds(ledger), oldestGap(ledger)?.bornMs]).toEqual([11, 5]);
    expect(missingIn({ from: 5n, to: 9n }, ['6', '8'])).toEqual([
      { from: 5n, to: 5n },
      { from: 7n, to: 7n },
      { from: 9n, to: 9n },
    ]);
    expect(missingIn({ from: 5n, to: 9n }, [])).toEqual([{ from: 5n, to: 9n }]);
    expect(missingIn({ from: 5n, to: 6n }, ['5', '6'])).toEqual([]);
  });
});

describe('rows in gaps', () => {
  it('are taken as far as they leave no more gaps than a position can hold, and no further', () => {
    const picked = fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { maxLength: 40 });
    fc.assert(
      fc.property(picked, picked, fc.integer({ min: 0, max: 12 }), (present, late, atMost) => {
        // Ids 1 to 60 of which some were read: the others are gaps.
        const read = [...present, 61].sort((a, b) => a - b).map(String);
        const { ledger } = applyRead(startLedger(0n, [], 0), { gaps: null, page: read }, 0);
        const ids = late
          .filter((id) => !present.includes(id))
          .sort((a, b) => a - b)
          .map(String);
        const leaves = (n: number) =>
          applyRead(ledger, { gaps: { ids: ids.slice(0, n), examinedTo: null }, page: [] }, 0).ledger.gaps.length;
        const most = Math.max(atMost, ledger.gaps.length);
        const { taken, gapsLeft } = fitLate(ledger.gaps, ids, atMost);
        expect(gapsLeft).toBe(leaves(taken));
        expect(gapsLeft).toBeLessThanOrEqual(most);
        for (let n = taken + 1; n <= ids.length; n += 1) expect(leaves(n)).toBeGreaterThan(most);
      }),
    );
  });
});
