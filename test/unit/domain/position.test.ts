// The stored position: read back as it was, by another process with another clock, and refused where it can't be understood.
import { describe, expect, it } from 'vitest';
import { foldTransactions, startLedger } from '../../../src/domain/gap-ledger.js';
import {
  decodePosition,
  encodePosition,
  POSITION_LIMIT_BYTES,
  type Position,
  PositionUnreadableError,
  readAhead,
} from '../../../src/domain/position.js';

const NOW = 1_764_000_000_000;
const BIG = 18_446_744_073_709_551_615n;

function position(): Position {
  const start = startLedger(
    BIG,
    [
      { from: 3n, to: 3n },
      { from: BIG - 9n, to: BIG - 2n },
    ],
    NOW - 5_000,
  );
  const collected = foldTransactions(start, ['71', '72'], NOW - 1_000);
  const born = { ...collected.gaps[0], from: 5n, to: 6n, bornMs: NOW - 200, collectedMs: null } as never;
  return {
    server: { uuid: 'u-1', startedAt: '2026-11-01T00:00:00.000000Z' },
    ledger: { ...collected, gaps: [collected.gaps[0] as never, born, collected.gaps[1] as never] },
    startId: 9_007_199_254_740_993n,
    reachedEndAt: 1_764_000_000_123_456,
    evidence: 'trx',
  };
}

describe('position', () => {
  it('comes back with every digit', () => {
    const back = decodePosition(encodePosition('ward', position(), NOW), NOW);
    expect(back.ledger.high).toBe(BIG);
    expect(back.startId).toBe(9_007_199_254_740_993n);
    expect(back.reachedEndAt).toBe(1_764_000_000_123_456);
    expect(back.ledger.gaps.map(({ from, to, bornMs }) => [from, to, bornMs])).toEqual([
      [3n, 3n, NOW - 5_000],
      [5n, 6n, NOW - 200],
      [BIG - 9n, BIG - 2n, NOW - 5_000],
    ]);
    expect(back.ledger.transactions).toEqual([
      { id: '71', firstSeenMs: NOW - 1_000 },
      { id: '72', firstSeenMs: NOW - 1_000 },
    ]);
  });

  it('lets gaps that were still collecting wait anew, under either clock, and remembers who was collected', () => {
    for (const hereMs of [NOW - 60_000, NOW + 60_000]) {
      const { ledger } = decodePosition(encodePosition('ward', position(), NOW), hereMs);
      expect(ledger.gaps[1]).toMatchObject({ waitFromMs: hereMs, collectedMs: null, cleared: false });
      // Everybody known counts for the gap that collects anew, and for the gaps that were done.
      const later = foldTransactions(ledger, ['72'], hereMs + 2_000);
      expect(later.gaps.map((gap) => gap.cleared)).toEqual([false, false, false]);
      const newcomer = foldTransactions(foldTransactions(later, ['72', '80'], hereMs + 2_200), ['80'], hereMs + 2_400);
      expect(newcomer.gaps.map((gap) => gap.cleared)).toEqual([true, true, true]);
    }
  });

  it('refuses what it can not understand', () => {
    const stored = JSON.parse(encodePosition('ward', position(), NOW));
    const broken = [
      'no json',
      'null',
      JSON.stringify({ ...stored, v: 2 }),
      JSON.stringify({ ...stored, high: 7 }),
      JSON.stringify({ ...stored, high: 'x' }),
      JSON.stringify({ ...stored, gaps: [{ from: '1', to: '2' }] }),
      JSON.stringify({ ...stored, server: null }),
    ];
    for (const text of broken) expect(() => decodePosition(text, NOW), text).toThrow(PositionUnreadableError);
  });

  it('stops reading ahead before the position no longer fits into a record', () => {
    expect(readAhead(1_000, 5_000)).toBe(5_000);
    expect(readAhead(POSITION_LIMIT_BYTES + 1, 5_000)).toBe(0);
    // Whatever one more page adds: each row after a hole, with the longest ids.
    const rows = readAhead(POSITION_LIMIT_BYTES, 50_000);
    const missing = Array.from({ length: rows }, (_, n) => ({ from: BIG - 9n, to: BIG - BigInt(n % 9) }));
    const added = { ...position(), ledger: foldTransactions(startLedger(BIG, missing, NOW), [], NOW + 9_000) };
    expect(rows).toBeGreaterThan(1_000);
    expect(POSITION_LIMIT_BYTES + encodePosition('ward', added, NOW).length).toBeLessThan(1_000_000);
  });
});
