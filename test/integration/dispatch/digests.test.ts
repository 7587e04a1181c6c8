// Too many at once, and what could not be told in time: digests and "raised and recovered" on real Redis and Kafka, also when their maker dies at each step.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { redrive } from '../../../jobs/deliver-redrive.js';
import type { DeliveryRecord, EpisodeEvent } from '../../../src/domain/events.js';
import { operatorEventId } from '../../../src/domain/operator-events.js';
import type { Policy } from '../../../src/domain/policy.js';
import type { Step } from '../../../src/domain/steps.js';
import { formatMicros, microsOfMs } from '../../../src/domain/time.js';
import { createDeliveryLog } from '../../../src/kafka/delivery-log.js';
import { createLedger } from '../../../src/redis/ledger.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { ALERT_POLICY, type AlertBench, startAlertBench, TOPIC_ARN } from '../../helpers/alert-bench.js';
import { episodeEvent } from '../../helpers/alert-events.js';
import { fixed } from '../../helpers/policies.js';

const FALLBACK = TOPIC_ARN.replace('doctors', 'fallback');
const MANY = 30;
const POLICY: Policy = {
  ...ALERT_POLICY,
  fallbackTopic: FALLBACK,
  limits: { perSecond: 8, burst: 8, digestAbove: 5, digestEveryMs: 1_000 },
};

let bench: AlertBench;
beforeEach(async () => {
  // What dies while it is claimed waits for its lease.
  bench = await startAlertBench({ snsTimeoutMs: 2_500 });
});
afterEach(() => bench.close());

const raised = (i: number): EpisodeEvent =>
  episodeEvent({ patientId: `p${i}`, atMs: systemClock.nowMs(), severity: i % 3 === 0 ? 'high' : 'low' });
/** How often each event is told: by an accepted message of its own, or by one that stands for it and was accepted. */
function told(events: readonly EpisodeEvent[], records: readonly DeliveryRecord[]): number[] {
  const accepted = records.filter(({ state }) => state === 'accepted');
  const received = new Set(bench.sns.accepted.map(({ messageId }) => messageId));
  const reached = (id: string | null): boolean =>
    accepted.some(
      (one) =>
        one.notificationId === id &&
        (one.coveredBy === null ? received.has(one.snsMessageId ?? '') : reached(one.coveredBy)),
    );
  return events.map(({ eventId }) => {
    const mine = new Set(
      records
        .filter((one) => one.eventId === eventId && one.destination === TOPIC_ARN)
        .map((one) => one.notificationId),
    );
    return [...mine].filter(reached).length;
  });
}

/** Until every one of `events` has been told. */
const allTold = async (events: readonly EpisodeEvent[]) => {
  await bench.until(
    'all are told',
    async () => told(events, await bench.deliveries()).every((times) => times > 0),
    60_000,
  );
  await bench.settled();
  return told(events, await bench.deliveries());
};
const bodies = () => bench.sns.accepted.map(({ body }) => body);

describe('too many at once', () => {
  test('each is told once, most of them in digests, the most severe first; nothing goes faster than the topic takes', async () => {
    const events = Array.from({ length: MANY }, (_, i) => raised(i));
    await bench.dispatch();
    await bench.write(...events);
    await bench.dispatched();
    await bench.deliver({ policy: fixed(POLICY) });
    expect(await allTold(events)).toEqual(events.map(() => 1));
    const digests = bodies().filter((body) => body.startsWith('DIGEST'));
    const alone = bodies().length - digests.length;
    expect(alone).toBeLessThanOrEqual(POLICY.limits.burst);
    expect(digests.reduce((sum, body) => sum + Number(/\d+/.exec(body)?.[0]), alone)).toBe(MANY);
    for (const body of digests) {
      const severities = [...body.matchAll(/^\[\d+\] (HIGH|LOW)/gm)].map(([, severity]) => severity);
      expect(severities).toEqual([...severities].sort());
      expect(new Set(severities).size).toBeGreaterThan(0);
    }
    expect(await bench.redis.keys(`${bench.redisPrefix.replace('{', '\\{')}:limit:*:pool`)).toEqual([]);
  });

  test.each(['deliver.covered', 'deliver.covers-recorded', 'deliver.claimed', 'deliver.covers-settled'] as const)(
    'its maker dies at %s',
    async (step) => {
      const events = Array.from({ length: MANY }, (_, i) => raised(i));
      await bench.dispatch();
      await bench.write(...events);
      await bench.dispatched();
      let left = 2;
      const onStep = (at: Step) => {
        if (at === step && left > 0) {
          left -= 1;
          throw new Error('the test ends it here');
        }
      };
      await bench.deliver({ policy: fixed(POLICY), onStep });
      expect(await allTold(events)).toEqual(events.map(() => 1));
      // There may be one digest only.
      expect(left).toBeLessThan(2);
    },
  );
});

describe('not in time', () => {
  test('raised and recovered while SNS was away: one message for both', async () => {
    const [begin, end] = [
      raised(1),
      { ...episodeEvent({ patientId: 'p1', atMs: systemClock.nowMs(), kind: 'resolved', index: 1 }) },
    ];
    await bench.sns.down();
    await bench.dispatch();
    await bench.deliver({ combinedAfterMs: 0 });
    await bench.write(begin);
    await bench.until('it failed', async () => (await bench.deliveries()).some(({ state }) => state === 'failed'));
    await bench.write(end);
    await bench.dispatched();
    await bench.until('it is covered', async () =>
      (await bench.deliveries()).some(({ reason }) => reason === 'covered'),
    );
    await bench.sns.up();
    expect(await allTold([begin, end])).toEqual([1, 1]);
    expect(bodies()).toEqual([expect.stringMatching(/^RAISED AND RECOVERED/)]);
    expect(bodies()[0]).not.toContain('POSSIBLE REPEAT');
  });

  test('acknowledged before it was published: no e-mail, and the record says why', async () => {
    const event = raised(1);
    await bench.dispatch();
    await bench.write(event);
    await bench.dispatched();
    const at = formatMicros(microsOfMs(systemClock.nowMs()));
    const eventId = operatorEventId(event.episodeId, 'acknowledged', 'anna', at);
    const about = { episodeId: event.episodeId, patientId: event.patient.id, note: '', until: null };
    await bench.write({ v: 1, eventId, kind: 'acknowledged', by: 'anna', at, ...about });
    await bench.dispatched();
    await bench.deliver();
    await bench.settled();
    expect(bench.sns.requests()).toBe(0);
    const last = (await bench.deliveries())
      .filter((one) => one.eventId === event.eventId && one.destination !== '')
      .at(-1);
    expect(last).toMatchObject({ state: 'cancelled', reason: 'acknowledged' });
  });

  test('a topic that refuses everything: told at the fallback topic at once, and at its own once it is mended', async () => {
    const event = raised(1);
    bench.sns.behave({ how: 'error', code: 'NotFound', status: 404, topicArn: TOPIC_ARN });
    await bench.dispatch();
    await bench.deliver({ policy: fixed(POLICY) });
    await bench.write(event);
    await bench.until('it is told at the fallback topic', () => bench.sns.accepted.length === 1);
    expect(bench.sns.accepted[0]?.topicArn).toBe(FALLBACK);
    bench.sns.behave({ how: 'accept' });
    await bench.settled();
    expect(bench.sns.accepted.map(({ topicArn }) => topicArn)).toEqual([FALLBACK, TOPIC_ARN]);
    const states = (await bench.deliveries())
      .filter((one) => one.destination === FALLBACK)
      .map(({ state, reason }) => [state, reason]);
    expect(states).toEqual([
      ['decided', 'fallback'],
      ['attempt', 'sending'],
      ['accepted', 'accepted'],
    ]);
  });

  test('a digest whose text is refused twice is given up with all that it stands for, and sent with them when a person asks', async () => {
    const events = Array.from({ length: MANY }, (_, i) => raised(i));
    bench.sns.behave({ how: 'error', code: 'InvalidParameter', status: 400 });
    await bench.dispatch();
    await bench.write(...events);
    await bench.dispatched();
    await bench.deliver({ policy: fixed(POLICY) });
    await bench.settled();
    const ledger = createLedger(bench.redis, bench.redisPrefix);
    expect(await ledger.attach()).toBe('ready');
    const dead = await ledger.troubled(1_000);
    expect(new Set(dead.map(({ state }) => state))).toEqual(new Set(['DEAD']));
    expect(dead.filter(({ kind }) => kind === 'raised')).toHaveLength(MANY);
    bench.sns.behave({ how: 'accept' });
    const deliveries = createDeliveryLog({
      topic: `${bench.kafkaPrefix}alert-deliveries`,
      plainProducer: () => bench.kafka.plainProducer(),
      partitionReader: () => bench.kafka.partitionReader(),
    });
    const asked = dead.filter(({ coveredBy }) => coveredBy === '');
    for (const { notificationId } of asked)
      expect(await redrive({ ledger, deliveries, clock: systemClock }, notificationId)).toBe(true);
    await deliveries.close();
    expect(await allTold(events)).toEqual(events.map(() => 1));
    expect(await ledger.troubled(1_000)).toEqual([]);
    expect((await bench.deliveries()).filter(({ reason }) => reason === 'redriven')).toHaveLength(asked.length);
  });
});
