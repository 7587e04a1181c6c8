// The rebuild over topics in memory: what each history becomes, whose decision counts, what is too old.
import { describe, expect, test } from 'vitest';
import { createLedgerKeeper } from '../../../jobs/ledger-keeper.js';
import { rebuildLedger } from '../../../jobs/ledger-rebuild.js';
import { SENT_AT_MOST_AFTER_MS } from '../../../jobs/ledger-restore.js';
import type { AlarmId } from '../../../src/domain/alarms.js';
import { decide } from '../../../src/domain/decide.js';
import { decisionRecords, deliveryRecord, occasionOf } from '../../../src/domain/delivery.js';
import type {
  DeliveryRecord,
  DeliveryState,
  EpisodeEvent,
  OperatorEvent,
  SilenceEvent,
} from '../../../src/domain/events.js';
import type { Ledger, LedgerEpoch, LedgerRebuild, RestoredNotification } from '../../../src/domain/ledger.js';
import { type EpisodeView, type KeyView, NO_EPISODE, NO_KEY, type Timer } from '../../../src/domain/notification.js';
import type { Clock, PartitionReader } from '../../../src/domain/ports.js';
import { formatMicros, microsOfMs } from '../../../src/domain/time.js';
import type { FlappingKey, RestoredEpisode } from '../../../src/domain/views.js';
import { episodeEvent } from '../../helpers/alert-events.js';
import { policyWith } from '../../helpers/policies.js';
import { recordingLogger } from '../../helpers/recorders.js';

const NOW = Date.parse('2026-11-24T22:00:00Z');
const policy = policyWith(
  {},
  {
    routes: [
      {
        ...{ name: 'default', match: {}, topic: 'arn:a', reminder: null },
        escalation: [{ afterMs: 60_000, topic: 'arn:senior' }],
      },
    ],
  },
);
const clock: Clock = { nowMs: () => NOW, monotonicMs: () => NOW, sleep: async () => undefined };
const of = (patientId: string, kind: EpisodeEvent['kind'] = 'raised', index = 0) =>
  episodeEvent({ patientId, atMs: NOW, kind, index });

/** Runs a rebuild over one partition of each topic. */
async function rebuilt(deliveries: readonly DeliveryRecord[], events: readonly (EpisodeEvent | OperatorEvent)[]) {
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
  const episodes: RestoredEpisode[] = [];
  const keys: [FlappingKey, KeyView][] = [];
  const silences: [SilenceEvent, number][] = [];
  const timers: [Timer, string | null][] = [];
  const alarms: AlarmId[] = [];
  const rows: RestoredNotification[] = [];
  let cleared = 0;
  const into: LedgerRebuild = {
    clearViews: async () => {
      cleared = episodes.length === 0 ? cleared + 1 : Number.NaN;
    },
    restoreEpisode: async (episode) => void episodes.push(episode),
    restoreKey: async (key, view) => void keys.push([key, view]),
    restoreSilence: async (event, offset) => void silences.push([event, offset]),
    restoreAlarm: async (alarm) => void alarms.push(alarm),
    restoreTimer: async (timer, silencedBy) => void timers.push([timer, silencedBy]),
    restore: async (row) => void rows.push(row),
    renew: async () => undefined,
    abandon: async () => undefined,
    finish: async () => undefined,
  };
  const offsetsAt = async () => new Map([[0, 0]]);
  const parts = { reader, doctorsQueue: 'events', alertDeliveries: 'deliveries', offsetsAt, leaseMs: 1, clock };
  await rebuildLedger({ ...parts, log: recordingLogger() }, into, new AbortController().signal);
  expect(cleared).toBe(1);
  return { episodes, keys, silences, timers, alarms, rows };
}

/** One fold after the other, as dispatch does; what each one makes on alert-deliveries. */
function folded(events: readonly EpisodeEvent[], nowMs = NOW) {
  let [view, key]: [EpisodeView, KeyView] = [NO_EPISODE, NO_KEY];
  return events.map((event, offset) => {
    const made = decide({ event, offset, view, key, silences: [], policy, nowMs });
    const { decision } = made;
    view = made.next;
    if (made.nextKey !== key) key = { ...made.nextKey, version: key.version + 1 };
    const stored = { version: view.version, decision, silencedBy: view.silencedBy };
    const records = decisionRecords(occasionOf(event), decision, { id: event.eventId, stored, view, key });
    return { event, decision, stored, view, key, records };
  });
}
const fold = (event: EpisodeEvent, nowMs = NOW) => {
  const [one] = folded([event], nowMs);
  if (!one) throw new Error('nothing folded');
  return one;
};
const then = (event: EpisodeEvent, ...states: DeliveryState[]): DeliveryRecord[] => {
  const [decided] = fold(event).records;
  if (!decided) throw new Error('no decision');
  const { fold: _, ...about } = decided;
  const at = formatMicros(microsOfMs(NOW));
  return [decided, ...states.map((state) => deliveryRecord(about, { state, reason: 'x', attempt: 1 }, at))];
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

  test('decisions, views and timers are repeated, not made; the first decision counts; what is undecided is left to dispatch', async () => {
    const [raised, end, undecided] = [of('a'), of('a', 'resolved', 1), of('b')];
    const [first, last] = folded([raised, end]);
    if (!first || !last) throw new Error('nothing folded');
    const again = { ...first.decision, at: formatMicros(microsOfMs(NOW + 1)), reason: 'historic' as const, send: [] };
    const late = { ...first.stored, decision: again };
    const records = [
      ...first.records,
      ...last.records,
      // Another's, of before a Redis was lost: late, and with a view of before.
      ...decisionRecords(occasionOf(raised), again, {
        id: raised.eventId,
        stored: late,
        view: first.view,
        key: first.key,
      }),
    ];
    const { episodes, keys, timers, rows } = await rebuilt(records, [raised, end, undecided, raised]);
    expect(episodes.map(({ episodeId }) => episodeId)).toEqual([raised.episodeId]);
    expect(episodes[0]?.view).toEqual(last.view);
    expect(episodes[0]?.decisions).toEqual([
      [raised.eventId, first.stored],
      [end.eventId, last.stored],
    ]);
    expect(episodes[0]?.events.map(({ eventId }) => eventId)).toEqual([raised.eventId, end.eventId, raised.eventId]);
    expect(keys).toEqual([[{ patientId: 'a', attribute: raised.attribute, direction: raised.direction }, last.key]]);
    expect(timers).toEqual(first.decision.timers.map((timer) => [timer, null]));
    expect(rows.map(({ after }) => after)).toEqual([[], [first.decision.send[0]?.notificationId]]);
  });

  test('a timer that something was decided about is done with; the others keep their due time', async () => {
    const [a, b] = [fold(of('a')), fold(of('b'))];
    const [timer] = a.decision.timers;
    if (!timer) throw new Error('no timer');
    const nothing = { reason: 'acknowledged' as const, send: [], timers: [], emits: [], at: timer.due };
    const gone = decisionRecords(
      {
        ...{ id: timer.timerId, trigger: timer.episodeId, episodeId: timer.episodeId, eventId: a.event.eventId },
        ...{ kind: timer.kind, n: timer.n, timer: timer.timerId },
      },
      nothing,
      {
        ...{ id: timer.timerId, stored: { version: 2, decision: nothing, silencedBy: null } },
        ...{ view: { ...a.view, version: 2 }, key: null },
      },
    );
    const { timers, episodes } = await rebuilt([...a.records, ...b.records, ...gone], [a.event, b.event]);
    expect(timers).toEqual(b.decision.timers.map((one) => [one, null]));
    expect(episodes.map(({ view }) => view.version)).toEqual([2, 1]);
  });

  test('silences come back in their order, those that dispatch has passed', async () => {
    const silence = (kind: 'silenced' | 'silence-ended', at: string): SilenceEvent => ({
      ...{ v: 1 as const, eventId: `silence:s-${kind}`, by: 'anna', at, silenceId: 's' },
      ...(kind === 'silenced'
        ? { kind, matcher: { ward: '4B' }, startsAt: at, endsAt: at, reason: 'bath' }
        : { kind, reason: 'withdrawn' as const }),
    });
    const [begun, ended] = [
      silence('silenced', '2026-11-24T21:00:00.000000Z'),
      silence('silence-ended', '2026-11-24T21:10:00.000000Z'),
    ];
    const decision = { reason: 'not-notified' as const, send: [], timers: [], emits: [], at: begun.at };
    const records = decisionRecords(
      {
        id: begun.eventId,
        trigger: 'silence:s',
        episodeId: '',
        eventId: begun.eventId,
        kind: 'silenced',
        n: 0,
        timer: null,
      },
      decision,
      { id: begun.eventId, stored: { version: 0, decision, silencedBy: null }, view: null, key: null },
    );
    const { silences } = await rebuilt(records, [begun, ended]);
    expect(silences).toEqual([[begun, 0]]);
  });

  test('what was decided a day ago and never settled waits for a person', async () => {
    const { event, records } = fold(of('a'), NOW - SENT_AT_MOST_AFTER_MS - 1);
    const { rows } = await rebuilt(records, [event]);
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
