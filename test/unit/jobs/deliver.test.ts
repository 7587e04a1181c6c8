import { describe, expect, test } from 'vitest';
import { deliverHealth } from '../../../jobs/deliver.js';
import { createDestinationGate } from '../../../jobs/destination-gate.js';
import { dispatchHealth } from '../../../jobs/dispatch.js';
import { afterFailure } from '../../../jobs/publish-outcome.js';
import { backoffMs } from '../../../src/domain/backoff.js';
import { FAILURE_CLASSES } from '../../../src/domain/notification.js';
import type { PartitionStatus } from '../../../src/domain/ports.js';

const HELD_MS = 30_000;
const row = { failures: 0, possibleRepeat: false, safe: false };

describe('after a failed publish', () => {
  test.each(FAILURE_CLASSES)('%s: nothing is given up, and the reason is the class', (failure) => {
    const { fact, settlement } = afterFailure(failure, row, 0.5, HELD_MS);
    expect([fact.reason, settlement.reason]).toEqual([failure, failure]);
    expect(settlement.state).toBe(failure === 'configuration' ? 'HELD' : 'PENDING');
    expect(settlement.dueInMs).toBeGreaterThanOrEqual(0);
  });

  test('only ambiguous may have been accepted, and the mark stays', () => {
    const marked = FAILURE_CLASSES.filter((one) => afterFailure(one, row, 0, HELD_MS).settlement.possibleRepeat);
    expect(marked).toEqual(['ambiguous']);
    expect(afterFailure('throttled', { ...row, possibleRepeat: true }, 0, HELD_MS).fact.possibleRepeat).toBe(true);
  });

  test('throttled counts no failure; the second refusal of a text is the last; identity is serious from the second on', () => {
    expect(afterFailure('throttled', row, 0, HELD_MS).settlement.countFailure).toBe(false);
    expect(afterFailure('payload', row, 0, HELD_MS).settlement).toMatchObject({
      state: 'PENDING',
      safe: true,
      dueInMs: 0,
    });
    expect(afterFailure('payload', { ...row, safe: true }, 0, HELD_MS).settlement.state).toBe('DEAD');
    expect([0, 1].map((failures) => afterFailure('identity', { ...row, failures }, 0, HELD_MS).serious)).toEqual([
      false,
      true,
    ]);
  });

  test('waits grow, are jittered over their whole width, and end at the most', () => {
    const backoff = { firstMs: 500, mostMs: 30_000 };
    expect([1, 2, 3, 50].map((failures) => backoffMs(backoff, failures, 0.5))).toEqual([250, 500, 1_000, 15_000]);
    expect(backoffMs(backoff, 3, 0)).toBe(0);
  });
});

test('a refusing destination: one probe a time, others are not held up', () => {
  let now = 0;
  const clock = { nowMs: () => now, monotonicMs: () => now, sleep: async () => undefined };
  const gate = createDestinationGate(clock, HELD_MS);
  expect(gate.enter('a')).toBe(0);
  gate.close('a');
  expect([gate.enter('a'), gate.enter('b')]).toEqual([HELD_MS, 0]);
  now = HELD_MS;
  expect([gate.enter('a'), gate.enter('a')]).toEqual([0, 1_000]);
  gate.close('a');
  now += HELD_MS;
  expect(gate.enter('a')).toBe(0);
  gate.open('a');
  expect([gate.enter('a'), gate.enter('a')]).toEqual([0, 0]);
});

describe('health', () => {
  const part = (state: PartitionStatus['state'], busySinceMs: number | null): PartitionStatus => ({
    ...{ topic: 'q', partition: 3, state, expected: 0, lastProgressMs: 0, lag: 0, busySinceMs },
  });
  const base = { ledger: true, joined: true, crashed: false, timersSinceMs: [], nowMs: 100_000, stuckAfterMs: 60_000 };

  test('dispatch', () => {
    expect(dispatchHealth({ ...base, partitions: [part('ready', 90_000)] })).toEqual({
      ready: true,
      live: true,
      reasons: [],
    });
    expect(dispatchHealth({ ...base, partitions: [part('owning', null)] })).toMatchObject({ ready: false, live: true });
    expect(dispatchHealth({ ...base, partitions: [part('ready', 30_000)] })).toMatchObject({
      ready: true,
      live: false,
    });
    expect(dispatchHealth({ ...base, partitions: [], ledger: false }).reasons.join()).toMatch(/ledger/);
    expect(dispatchHealth({ ...base, partitions: [], joined: false }).ready).toBe(false);
    expect(dispatchHealth({ ...base, partitions: [], timersSinceMs: [30_000] })).toMatchObject({ live: false });
    expect(dispatchHealth({ ...base, partitions: [], crashed: true })).toMatchObject({ ready: false, live: false });
  });

  test('deliver', () => {
    expect(deliverHealth({ ready: true, quietMs: [10], stuckAfterMs: 60_000 })).toEqual({
      ready: true,
      live: true,
      reasons: [],
    });
    const stuck = deliverHealth({ ready: false, quietMs: [61_000, 5], stuckAfterMs: 60_000 });
    expect(stuck).toMatchObject({ ready: false, live: false });
    expect(stuck.reasons).toHaveLength(2);
  });
});
