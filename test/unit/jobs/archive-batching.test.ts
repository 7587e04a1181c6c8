// The archive's batching against a model that is only a list: whatever arrives, waits, fails or is let go, each record is committed once and in order.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createByteBudget } from '../../../jobs/archive-budget.js';
import { type ArchivePartition, createArchivePartition } from '../../../jobs/archive-partition.js';
import type { ReceivedRecord } from '../../../src/domain/ports.js';
import { archivedTopics } from '../../../src/lake/archived-topics.js';
import type { Change } from '../../../src/lake/chain.js';
import { LakeRaceLostError } from '../../../src/lake/errors.js';
import { reading } from '../../helpers/readings.js';
import { recordingLogger, recordingMetrics } from '../../helpers/recorders.js';

const [TOPIC] = archivedTopics(['heartBeat']);
const PARTITIONS = 3;
const FLUSH_ROWS = 6;
const FLUSH_AFTER_MS = 1_000;
const EMPTY_AFTER_MS = 60_000;
const metrics = recordingMetrics();
const log = recordingLogger();
const turn = () => new Promise((resolve) => setImmediate(resolve));

type Kind = 'row' | 'tick' | 'dead';
const TICK = '{"v":1,"kind":"tick","source":"rds","partition":0,"at":"2026-11-24T22:00:00.000000Z"}';
const textOf = (kind: Kind, offset: number, hour: number) => {
  if (kind === 'tick') return TICK;
  return kind === 'dead' ? '{"v":' : JSON.stringify(reading(offset, 'p', { heartBeat: 70 }, hour * 3_600));
};

const who = fc.nat(PARTITIONS - 1);
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('fetch' as const),
      who,
      kinds: fc.array(fc.constantFrom<Kind>('row', 'row', 'row', 'tick', 'dead'), { maxLength: 5 }),
      hour: fc.nat(1),
      /** Transaction markers after the records. */
      markers: fc.nat(2),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('settle' as const), who }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(10, 500, 1_000, 60_000) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const), who, race: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const), who }) },
);

interface Outstanding extends Change {
  readonly settle: (error?: Error) => void;
}

/** One partition: what it was given, and what it has committed. */
interface Side {
  work: ArchivePartition;
  ours: boolean;
  /** Offset → is it a row of some table? In the order given. */
  readonly given: Map<number, boolean>;
  next: number;
  committedTo: number;
  rowsCommitted: number;
  outstanding: Outstanding | undefined;
  /** Fetches handed over one after the other. */
  tail: Promise<void>;
  handled: number;
}

it('commits what it was given, each record once, in order, within its memory, and gives all memory back', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.integer({ min: 1_000, max: 8_000 }),
      async (steps, budgetBytes) => {
        let nowMs = 0;
        const clock = {
          nowMs: () => nowMs,
          monotonicMs: () => nowMs,
          sleep: (_: number, signal?: AbortSignal) =>
            new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve())),
        };
        let highest = 0;
        let largestFetch = 0;
        const budget = createByteBudget(budgetBytes, (used) => {
          highest = Math.max(highest, used);
        });
        const sides: Side[] = [];
        const own = (partition: number, from: number): Side => {
          const side: Side = {
            work: undefined as unknown as ArchivePartition,
            ours: true,
            given: new Map(),
            next: from,
            committedTo: from,
            rowsCommitted: 0,
            outstanding: undefined,
            tail: Promise.resolve(),
            handled: from,
          };
          side.work = createArchivePartition({
            topic: TOPIC as NonNullable<typeof TOPIC>,
            ownership: {
              topic: 't',
              partition,
              isOurs: () => side.ours,
              fail: () => {
                side.ours = false;
              },
              heartbeat: async () => undefined,
            },
            chain: {
              tail: () => undefined,
              commit: (change) =>
                new Promise((resolve, reject) => {
                  expect(side.outstanding, 'one commit after the other').toBeUndefined();
                  expect(change.next).toBeGreaterThan(side.committedTo);
                  const settle = (error?: Error) => {
                    side.outstanding = undefined;
                    if (error) return reject(error);
                    // Exactly what was given between the last record and this one's end.
                    const rows = [...side.given].filter(
                      ([offset, isRow]) => isRow && offset >= side.committedTo && offset < change.next,
                    );
                    expect(change.rows.rows).toBe(rows.length);
                    side.rowsCommitted += rows.length;
                    side.committedTo = change.next;
                    resolve({ start: change.start, next: change.next, files: [] } as never);
                  };
                  side.outstanding = { ...change, settle };
                }),
            },
            expected: from,
            flushRows: FLUSH_ROWS,
            flushAfterMs: FLUSH_AFTER_MS,
            budget,
            clock,
            log,
            metrics,
            onStep: () => undefined,
          });
          return side;
        };
        const letGo = async (side: Side, why: 'lost' | 'failed' | 'stop') => {
          if (why !== 'stop') side.ours = false;
          const released = side.tail.then(() => side.work.release(why));
          while (side.outstanding) {
            side.outstanding.settle(why === 'stop' ? undefined : new LakeRaceLostError('given up'));
            await turn();
          }
          // Another's memory may be what it waits for.
          for (let i = 0; i < 20; i++) {
            for (const other of sides) other.outstanding?.settle();
            await turn();
          }
          await released;
        };
        for (let partition = 0; partition < PARTITIONS; partition++) sides.push(own(partition, 100 * partition));

        for (const action of steps) {
          if (action.do === 'fetch') {
            const side = sides[action.who] as Side;
            const records = action.kinds.map((kind): ReceivedRecord => {
              const offset = side.next++;
              side.given.set(offset, kind !== 'tick');
              return {
                offset,
                timestamp: 1_795_557_600_000,
                key: Buffer.from('p'),
                value: Buffer.from(textOf(kind, offset, action.hour)),
                headers: {},
              };
            });
            side.next += action.markers + (records.length === 0 ? 1 : 0);
            largestFetch = Math.max(
              largestFetch,
              records.reduce((sum, { value }) => sum + (value?.length ?? 0) + 64, 0),
            );
            const { next } = side;
            side.tail = side.tail.then(async () => {
              await side.work.handle(records, next);
              side.handled = next;
            });
          } else if (action.do === 'settle') sides[action.who]?.outstanding?.settle();
          else if (action.do === 'fail')
            sides[action.who]?.outstanding?.settle(action.race ? new LakeRaceLostError('lost') : new Error('EIO'));
          else if (action.do === 'lose') {
            const side = sides[action.who] as Side;
            await letGo(side, 'lost');
            // Read again from where the chain ends, by its next owner.
            sides[action.who] = own(action.who, side.committedTo);
          } else {
            nowMs += action.ms;
            for (const side of sides) {
              side.work.flushIfDue();
              await turn();
              // No row is older than its flush interval unless a commit is under way.
              const since = side.work.waitingSinceMs();
              if (side.ours && !side.outstanding && since !== undefined)
                expect(nowMs - since).toBeLessThan(FLUSH_AFTER_MS);
            }
          }
          await turn();
          for (const [partition, side] of sides.entries()) {
            if (side.ours) continue;
            await letGo(side, 'failed');
            sides[partition] = own(partition, side.committedTo);
          }
        }
        nowMs += EMPTY_AFTER_MS;
        for (const side of sides) {
          await letGo(side, 'stop');
          // A stop makes everything durable that had arrived.
          expect(side.committedTo).toBe(side.next);
          expect(side.rowsCommitted).toBe([...side.given.values()].filter(Boolean).length);
        }
        expect(budget.used()).toBe(0);
        expect(highest).toBeLessThan(budgetBytes + largestFetch * PARTITIONS);
      },
    ),
    { numRuns: 80 },
  );
});
