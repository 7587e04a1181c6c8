// Two replicas at one notification, the first asleep at some step while the second takes over: on a real ledger, step by step.
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMBINED_AFTER_MS } from '../../../jobs/deliver-cover.js';
import { deliverNotification } from '../../../jobs/deliver-notification.js';
import type { DeliverParts } from '../../../jobs/deliver-parts.js';
import { createDestinationGate } from '../../../jobs/destination-gate.js';
import { RunLater } from '../../../queues/worker.js';
import { decide } from '../../../src/domain/decide.js';
import { deliveryRecord, occasionOf, subjectOf } from '../../../src/domain/delivery.js';
import type { DeliveryRecord, EpisodeEvent } from '../../../src/domain/events.js';
import { type Ledger, type LedgerEpoch, LedgerLostError, TOO_OLD } from '../../../src/domain/ledger.js';
import { NO_EPISODE, NO_KEY, type OutgoingMessage } from '../../../src/domain/notification.js';
import type { Step } from '../../../src/domain/steps.js';
import type { DeliveryLog } from '../../../src/kafka/delivery-log.js';
import { connectRedis, redisReady } from '../../../src/redis/connections.js';
import { createLedger } from '../../../src/redis/ledger.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { ALERT_POLICY, TOPIC_ARN } from '../../helpers/alert-bench.js';
import { episodeEvent } from '../../helpers/alert-events.js';
import { memoryDeliveries } from '../../helpers/memory-deliveries.js';
import { fixed } from '../../helpers/policies.js';
import { recordingLogger, recordingMetrics } from '../../helpers/recorders.js';
import { testStack, uniqueName } from '../../helpers/stack.js';
import { UNLIMITED } from '../../helpers/unlimited.js';

const LEASE_MS = 1_000;

const keyOf = ({ patient, attribute, direction }: EpisodeEvent) => ({ patientId: patient.id, attribute, direction });
const decided = (event: EpisodeEvent, offset: number) =>
  decide({
    ...{ event, offset, view: NO_EPISODE, key: NO_KEY, silences: [] },
    ...{ policy: ALERT_POLICY, nowMs: systemClock.nowMs() },
  });
const folding = (event: EpisodeEvent, offset: number) => ({
  ...{ episodeId: event.episodeId, id: event.eventId, offset, event },
  look: { view: NO_EPISODE, key: NO_KEY },
});

describe('a ledger in Redis', () => {
  const prefix = `{${uniqueName('ledger')}}`;
  const log = recordingLogger();
  let redis: Redis;
  let ledger: Ledger & LedgerEpoch;
  let sent: OutgoingMessage[];
  let records: DeliveryRecord[];
  /** How often the next appends fail. */
  let failing = 0;
  const kept = memoryDeliveries(() => records);
  const deliveries: DeliveryLog = {
    ...kept,
    append: async (more) => {
      if (failing > 0) {
        failing -= 1;
        throw new Error('Kafka is away');
      }
      return kept.append(more);
    },
  };
  const states = () => records.map(({ state, reason }) => (state === reason ? state : `${state}:${reason}`));

  const parts = (more: Partial<DeliverParts> = {}): DeliverParts => ({
    ledger,
    limiter: UNLIMITED,
    policy: fixed(ALERT_POLICY),
    enqueue: async () => undefined,
    deliveries,
    publisher: {
      timeoutMs: 100,
      publish: async (message) => {
        sent.push(message);
        return { ok: true, messageId: `m${sent.length}` };
      },
      close: () => undefined,
    },
    gate: createDestinationGate(systemClock),
    timeZone: 'UTC',
    leaseMs: LEASE_MS,
    combinedAfterMs: COMBINED_AFTER_MS,
    clock: systemClock,
    log,
    metrics: recordingMetrics(),
    onStep: () => undefined,
    newToken: () => randomBytes(8).toString('hex'),
    random: () => 0,
    ...more,
  });

  /** Runs the job until it is settled, as the worker does. */
  const drive = async (p: DeliverParts, id: string, signal = new AbortController().signal) => {
    for (let turn = 0; turn < 20; turn += 1) {
      try {
        return await deliverNotification(p, id, { signal, moved: () => undefined });
      } catch (error) {
        if (!(error instanceof RunLater)) throw error;
        await systemClock.sleep(Math.min(error.delayMs, LEASE_MS));
      }
    }
    throw new Error('not settled in 20 turns');
  };

  /** A raised event, folded, decided and in the ledger. */
  const pending = async (): Promise<string> => {
    sent = [];
    records = [];
    const event = episodeEvent({ patientId: uniqueName('p'), atMs: systemClock.nowMs() });
    const { decision, next } = decided(event, 0);
    const [one] = decision.send;
    if (!one) throw new Error('nothing to send');
    await ledger.fold({ ...folding(event, 0), decision, next });
    records.push(deliveryRecord(subjectOf(occasionOf(event), one), { state: 'decided', reason: 'routed' }, event.at));
    await ledger.open({
      ...subjectOf(occasionOf(event), one),
      severity: event.severity,
      after: [],
      logPartition: 0,
      logOffset: 0,
    });
    return one.notificationId;
  };

  beforeAll(async () => {
    redis = connectRedis({ url: testStack().redisUrl }, 'command', log);
    await redisReady(redis);
    ledger = createLedger(redis, prefix);
    expect(await ledger.attach()).toBe('lost');
    await (await ledger.rebuild())?.finish();
    expect(await ledger.attach()).toBe('ready');
  });
  afterAll(async () => {
    const keys = (await redis.keys('*')).filter((key) => key.startsWith(prefix));
    if (keys.length > 0) await redis.del(...keys);
    redis.disconnect();
  });

  test.each<[Step, readonly boolean[]]>([
    ['deliver.claimed', [false]],
    ['deliver.attempt-recorded', [true]],
    ['deliver.published', [false, true]],
    ['deliver.outcome-recorded', [false]],
    ['deliver.settled', [false]],
  ])(
    'asleep at %s: the second replica finishes, the first one wakes up and sends nothing more',
    async (at, labelled) => {
      const id = await pending();
      let wake: () => void = () => undefined;
      const asleep = new Promise<void>((resolve) => {
        wake = resolve;
      });
      let reached: () => void = () => undefined;
      const there = new Promise<void>((resolve) => {
        reached = resolve;
      });
      const first = drive(
        parts({
          onStep: async (step) => {
            if (step !== at) return;
            reached();
            await asleep;
          },
        }),
        id,
      );
      await there;
      await drive(parts(), id);
      wake();
      await first;
      expect(sent.map(({ body }) => body.includes('POSSIBLE REPEAT'))).toEqual(labelled);
      expect((await ledger.read(id))?.state).toBe('SENT');
    },
  );

  test('a claim that comes back late from Kafka does not publish on a lease that is nearly over', async () => {
    const id = await pending();
    let slow = true;
    const late: DeliveryLog = {
      ...deliveries,
      append: async (more) => {
        if (slow && more[0]?.state === 'attempt') {
          slow = false;
          await systemClock.sleep(LEASE_MS - 50);
        }
        return deliveries.append(more);
      },
    };
    await drive(parts({ deliveries: late }), id);
    expect(states()).toEqual([
      'decided:routed',
      'attempt:sending',
      'failed:lease-too-short',
      'attempt:sending',
      'accepted',
    ]);
    expect(sent.map(({ body }) => body.includes('POSSIBLE REPEAT'))).toEqual([false]);
  });

  test('Kafka away before the attempt: nothing is sent; away after publishing: the outcome is kept until it stands', async () => {
    const id = await pending();
    failing = 1;
    await drive(parts(), id);
    expect(sent).toHaveLength(1);
    const second = await pending();
    const onStep = (step: Step) => {
      if (step === 'deliver.published') failing = 2;
    };
    await drive(parts({ onStep }), second);
    expect(sent).toHaveLength(1);
    expect(states()).toEqual(['decided:routed', 'attempt:sending', 'accepted']);
  });

  test('many replicas at one notification: one e-mail', async () => {
    const id = await pending();
    await Promise.all(Array.from({ length: 12 }, () => drive(parts(), id)));
    expect(sent).toHaveLength(1);
  });

  test('no row: nothing is sent, and it is said', async () => {
    sent = [];
    await drive(parts(), 'a'.repeat(26));
    expect(sent).toEqual([]);
    expect(log.lines.some(({ event }) => event === 'deliver.no-row')).toBe(true);
  });

  test('a fold is repeated with its first decision, refused below the last one, and conflicts on another version', async () => {
    const patientId = uniqueName('p');
    const raised = episodeEvent({ patientId, atMs: systemClock.nowMs() });
    const late = episodeEvent({ patientId, atMs: systemClock.nowMs(), kind: 'worsened', index: 1 });
    const made = decided(raised, 5);
    const input = { ...folding(raised, 5), ...made };
    const stored = { version: 1, decision: made.decision, silencedBy: null };
    expect(await ledger.fold(input)).toEqual({ outcome: 'folded', stored });
    const other = { ...made.decision, reason: 'historic' as const, send: [] };
    expect(await ledger.fold({ ...input, offset: 9, decision: other })).toEqual({ outcome: 'stored', stored });
    expect(await ledger.fold({ ...input, id: late.eventId, offset: 5 })).toEqual({ outcome: 'below' });
    expect(await ledger.fold({ ...input, id: late.eventId, offset: 6 })).toEqual({ outcome: 'conflict' });
    const { view, key } = await ledger.look(raised.episodeId, late.eventId, keyOf(raised));
    expect(view).toEqual({ ...made.next, version: 1, offset: 5 });
    expect(key).toEqual({ ...made.nextKey, version: 1 });
    // Of one key two episodes can begin at once: the second looks again.
    const twin = { ...folding({ ...raised, episodeId: uniqueName('e') }, 6), ...made };
    expect(await ledger.fold(twin)).toEqual({ outcome: 'conflict' });
    expect(await ledger.event(raised.episodeId, raised.eventId)).toEqual(raised);
  });

  test('another rebuild: the old epoch writes nothing any more, the old rebuilder neither', async () => {
    const id = await pending();
    const old = createLedger(redis, prefix);
    await old.attach();
    const zombie = await ledger.rebuild();
    expect(await ledger.rebuild()).toBeUndefined();
    await expect(old.claim(id, 't', 1_000)).rejects.toThrow(LedgerLostError);
    await zombie?.abandon();
    const next = await ledger.rebuild();
    expect(next).toBeDefined();
    await expect(zombie?.finish()).rejects.toThrow(LedgerLostError);
    await zombie?.abandon();
    expect(await ledger.rebuild()).toBeUndefined();
    await next?.restore(
      {
        ...{
          notificationId: id,
          trigger: 't',
          eventId: 'e',
          episodeId: 'e',
          kind: 'raised',
          n: 0,
          destination: TOPIC_ARN,
          severity: 'high',
        },
        ...{ after: [], logPartition: 0, logOffset: 0, state: 'HELD', attempt: 0, possibleRepeat: false },
        ...{ reason: TOO_OLD, coveredBy: '', covers: [], driven: false },
      },
      LEASE_MS,
    );
    expect(await ledger.attach()).toBe('rebuilding');
    await next?.finish();
    expect(await ledger.attach()).toBe('ready');
    // Too old to be sent without a person: left alone by everybody.
    await drive(parts(), id);
    expect(sent).toEqual([]);
    expect((await ledger.overdue(1_000)).map(({ notificationId }) => notificationId)).not.toContain(id);
  });
});
