// The rebuild over topics in memory: what each history becomes, whose decision counts, what is too old.
import { describe, expect, test } from 'vitest';
import { createLedgerKeeper } from '../../../jobs/ledger-keeper.js';
import { rebuildLedger } from '../../../jobs/ledger-rebuild.js';
import { SENT_AT_MOST_AFTER_MS } from '../../../jobs/ledger-restore.js';
import { decide, fold } from '../../../src/domain/decision.js';
import { decisionRecords, deliveryRecord } from '../../../src/domain/delivery.js';
import type { DeliveryRecord, DeliveryState, EpisodeEvent } from '../../../src/domain/events.js';
import type {
  FoldInput,
  Ledger,
  LedgerEpoch,
  LedgerRebuild,
  RestoredNotification,
} from '../../../src/domain/ledger.js';
import { type Decision, NO_EPISODE } from '../../../src/domain/notification.js';
import type { Clock, PartitionReader } from '../../../src/domain/ports.js';
import { formatMicros, microsOfMs } from '../../../src/domain/time.js';
import { episodeEvent } from '../../helpers/alert-events.js';
import { recordingLogger } from '../../helpers/recorders.js';

const NOW = Date.parse('2026-11-24T22:00:00Z');
const rules = { destinations: ['arn:a'], alertMaxAgeMs: 900_000 };
const clock: Clock = { nowMs: () => NOW, monotonicMs: () => NOW, sleep: async () => undefined };
const of = (patientId: string, kind: EpisodeEvent['kind'] = 'raised', index = 0) =>
  episodeEvent({ patientId, atMs: NOW, kind, index });

/** Runs a rebuild over one partition of each topic. */
async function rebuilt(deliveries: readonly DeliveryRecord[], events: readonly EpisodeEvent[]) {
  const topics: Record<string, readonly unknown[]> = { deliveries, events };
  const reader: PartitionReader = {
    offsets: async () => ({ start: 0, stableEnd: 0 }),
    read: async (topic, _partition, { from = 0 }, onRecord) => {
      const records = topics[topic] ?? [];
      for (let offset = from; offset < records.length; offset += 1)
        onRecord({
          offset,
          timestamp: NOW,
          key: null,
          value: Buffer.from(JSON.stringify(records[offset])),
          headers: {},
        });
      return { next: records.length };
    },
    close: async () => undefined,
  };
  const folds: Pick<FoldInput, 'event' | 'offset' | 'decision' | 'next'>[] = [];
  const rows: RestoredNotification[] = [];
  const into: LedgerRebuild = {
    fold: async (input) => void folds.push(input),
    restore: async (row) => void rows.push(row),
    renew: async () => undefined,
    abandon: async () => undefined,
    finish: async () => undefined,
  };
  const offsetsAt = async () => new Map([[0, 0]]);
  const parts = { reader, doctorsQueue: 'events', alertDeliveries: 'deliveries', offsetsAt, leaseMs: 1, clock };
  await rebuildLedger({ ...parts, log: recordingLogger() }, into, new AbortController().signal);
  return { folds, rows };
}

const decisionOn = (event: EpisodeEvent, nowMs = NOW): Decision => decide(event, NO_EPISODE, rules, nowMs);
const then = (event: EpisodeEvent, ...states: DeliveryState[]): DeliveryRecord[] => {
  const [decided] = decisionRecords(event, decisionOn(event));
  if (!decided) throw new Error('no decision');
  const at = formatMicros(microsOfMs(NOW));
  return [decided, ...states.map((state) => deliveryRecord(decided, { state, reason: 'x', attempt: 1 }, at))];
};

describe('a rebuild', () => {
  test('each history becomes its state, with where to look for the last attempt', async () => {
    const histories: [string, DeliveryState[], string, number][] = [
      ['a', [], 'PENDING', 0],
      ['b', ['attempt'], 'SENDING', 2],
      ['c', ['attempt', 'accepted'], 'SENT', 4],
      ['d', ['attempt', 'unknown'], 'PENDING', 7],
      ['e', ['attempt', 'held'], 'HELD', 10],
      ['f', ['attempt', 'dead'], 'DEAD', 13],
      ['g', ['cancelled'], 'CANCELLED', 15],
    ];
    const events = histories.map(([patient]) => of(patient));
    const { rows } = await rebuilt(
      histories.flatMap(([patient, states]) => then(of(patient), ...states)),
      events,
    );
    expect(rows.map(({ eventId, state, logOffset }) => [eventId, state, logOffset])).toEqual(
      histories.map(([, , state, offset], i) => [events[i]?.eventId, state, offset]),
    );
    expect(rows.map(({ possibleRepeat }) => possibleRepeat)).toEqual([false, false, false, true, false, false, false]);
  });

  test('decisions are repeated, not made; the first of two counts; what is undecided is left to dispatch', async () => {
    const [raised, end, undecided] = [of('a'), of('a', 'resolved', 1), of('b')];
    const first = decisionOn(raised);
    const again = { ...first, at: formatMicros(microsOfMs(NOW + 1)), reason: 'historic' as const, send: [] };
    const ended = decide(end, fold(NO_EPISODE, first, 0), rules, NOW);
    const records = [
      ...decisionRecords(raised, first),
      ...decisionRecords(raised, again),
      ...decisionRecords(end, ended),
    ];
    const { folds, rows } = await rebuilt(records, [raised, end, undecided, raised]);
    expect(folds.map(({ event, offset, decision }) => [event.eventId, offset, decision])).toEqual([
      [raised.eventId, 0, first],
      [end.eventId, 1, ended],
    ]);
    expect(rows.map(({ after }) => after)).toEqual([[], [first.send[0]?.notificationId]]);
  });

  test('what was decided a day ago and never settled waits for a person', async () => {
    const event = of('a');
    const old = decisionOn(event, NOW - SENT_AT_MOST_AFTER_MS - 1);
    const { rows } = await rebuilt(decisionRecords(event, old), [event]);
    expect(rows).toMatchObject([{ state: 'HELD', driven: false, reason: 'too-old' }]);
  });
});

test('the keeper: lost → rebuilt by one → ready; a failed rebuild is tried again; a loss is looked at at once', async () => {
  let state: 'ready' | 'lost' = 'lost';
  let rebuilds = 0;
  let locked = false;
  const ledger = {
    attach: async () => state,
    rebuild: async () => {
      if (locked) return undefined;
      locked = true;
      return {
        renew: async () => undefined,
        abandon: async () => {
          locked = false;
        },
        finish: async () => {
          locked = false;
          state = 'ready';
        },
      };
    },
  } as unknown as Ledger & LedgerEpoch;
  const ticks: Clock = {
    ...clock,
    sleep: (_ms, signal) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, 1);
        signal?.addEventListener(
          'abort',
          () => {
            clearTimeout(timer);
            resolve();
          },
          { once: true },
        );
      }),
  };
  const log = recordingLogger();
  const keeper = createLedgerKeeper({
    ledger,
    rebuild: async () => {
      rebuilds += 1;
      if (rebuilds === 1) throw new Error('Kafka is away');
    },
    clock: ticks,
    log,
  });
  const until = async (holds: () => boolean) => {
    for (let i = 0; i < 1_000 && !holds(); i += 1) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(holds()).toBe(true);
  };
  keeper.start();
  await until(() => keeper.isReady());
  expect(rebuilds).toBe(2);
  expect(log.lines.filter(({ event }) => event === 'ledger.unavailable')).toHaveLength(1);
  state = 'lost';
  keeper.lost();
  expect(keeper.isReady()).toBe(false);
  await until(() => keeper.isReady());
  expect(rebuilds).toBe(3);
  await keeper.stop();
  expect(keeper.isReady()).toBe(false);
});
