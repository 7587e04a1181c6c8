// Thousands of new episodes at once while SNS throttles: all are told, the more severe first, no topic above its ceiling, no message above SNS's size, and no flood when it is over.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EpisodeEvent } from '../../src/domain/events.js';
import type { Policy } from '../../src/domain/policy.js';
import { systemClock } from '../../src/telemetry/clock.js';
import { ALERT_POLICY, type AlertBench, startAlertBench, TOPIC_ARN } from '../helpers/alert-bench.js';
import { episodeEvent } from '../helpers/alert-events.js';
import type { Published } from '../helpers/fake-sns.js';
import { fixed } from '../helpers/policies.js';

const ICU_ARN = TOPIC_ARN.replace('doctors', 'icu');
const EPISODES = 5_000;
/** Every so-manieth is not severe; is of the other ward; is over before anybody could be told. */
const [LOW_EVERY, ICU_EVERY, OVER_EVERY] = [5, 4, 10];
const THROTTLED_REQUESTS = 12;
const WRITTEN_TOGETHER = 500;
const WITHIN_MS = 300_000;
const SNS_MAX_BYTES = 262_144;
/** Publishes that were admitted apart may arrive together: as many as one worker has under way. */
const UNDER_WAY = 8;
const POLICY: Policy = {
  ...ALERT_POLICY,
  routes: [
    { name: 'icu', match: { wards: ['ICU'] }, topic: ICU_ARN, reminder: null, escalation: [] },
    { name: 'default', match: {}, topic: TOPIC_ARN, reminder: null, escalation: [] },
  ],
  limits: { perSecond: 8, burst: 8, digestAbove: 20, digestEveryMs: 5_000 },
};

let bench: AlertBench;
beforeAll(async () => {
  bench = await startAlertBench();
});
afterAll(() => bench.close());

const of = (i: number, kind: 'raised' | 'resolved'): EpisodeEvent => {
  const event = episodeEvent({ patientId: `p${i}`, atMs: systemClock.nowMs(), kind, index: kind === 'raised' ? 0 : 1 });
  const ward = i % ICU_EVERY === 0 ? 'ICU' : '4B';
  return {
    ...event,
    severity: i % LOW_EVERY === 0 ? 'low' : 'high',
    patient: { ...event.patient, ward, name: `${'é'.repeat(290)} ${i}`, address: 'ü'.repeat(300) },
  };
};
const all = Array.from({ length: EPISODES }, (_, i) => i);
const over = all.filter((i) => i % OVER_EVERY === 1);

test('5,000 at once', { timeout: 600_000 }, async () => {
  const raised = all.map((i) => of(i, 'raised'));
  const resolved = over.map((i) => of(i, 'resolved'));
  const dispatch = await bench.dispatch({ policy: fixed(POLICY) });
  await bench.until('partitions are owned', () => dispatch.health().ready);
  const events = [...raised, ...resolved];
  for (let from = 0; from < events.length; from += WRITTEN_TOGETHER)
    await bench.write(...events.slice(from, from + WRITTEN_TOGETHER));
  await bench.until('all are decided', async () => (await open()) === events.length, WITHIN_MS);

  bench.sns.behave({ how: 'error', code: 'Throttling', status: 400 }, THROTTLED_REQUESTS);
  await bench.deliver({ policy: fixed(POLICY), combinedAfterMs: 0 });
  await bench.until('nothing is open any more', async () => (await open()) === 0, WITHIN_MS);

  const { accepted } = bench.sns;
  const times = new Map<string, number>();
  for (const one of accepted.flatMap(told)) times.set(one, (times.get(one) ?? 0) + 1);
  // Each end once; each beginning once, by itself or with its end.
  expect(over.filter((i) => times.get(`resolved ${i}`) !== 1)).toEqual([]);
  const untold = all.filter((i) => times.get(`raised ${i}`) !== 1);
  expect(untold.filter((i) => !over.includes(i))).toEqual([]);
  expect(times.size).toBe(all.length - untold.length + over.length);

  for (const arn of [TOPIC_ARN, ICU_ARN]) {
    const mails = accepted.filter(({ topicArn }) => topicArn === arn);
    const { perSecond, burst } = POLICY.limits;
    mails.forEach(({ atMs }, i) => {
      const since = mails.slice(0, i + 1).filter((one) => atMs - one.atMs <= 10_000).length;
      expect(since).toBeLessThanOrEqual(burst + 10 * perSecond + UNDER_WAY);
    });
    // Whoever came late after a throttled one aside: once half of the others were told, no severe one is left.
    const order = mails.flatMap(({ body }) =>
      [...body.matchAll(/^(?:\[\d+\] )?(HIGH|LOW) ALERT/gm)].map(([, one]) => one),
    );
    const lows = order.filter((one) => one === 'LOW').length;
    let seen = 0;
    const half = order.findIndex((one) => one === 'LOW' && ++seen > lows / 2);
    expect(order.slice(half).filter((one) => one === 'HIGH')).toEqual([]);
  }
  for (const { subject, body } of accepted) expect(Buffer.byteLength(subject + body)).toBeLessThan(SNS_MAX_BYTES);
  // What waited is grouped, not sent one by one afterwards.
  expect(accepted.length).toBeLessThan(EPISODES / 20);
  expect(accepted.filter(({ body }) => body.includes('POSSIBLE REPEAT'))).toEqual([]);
});

const open = () => bench.redis.zcard(`${bench.redisPrefix}:notif:due`);

/** Kind and number of each alert in it. */
function told({ body }: Published): string[] {
  const kinds = [...body.matchAll(/^(?:\[\d+\] )?(HIGH ALERT|LOW ALERT|RESOLVED|RAISED AND RECOVERED)/gm)].map(
    ([, kind]) => (kind?.endsWith('ALERT') ? 'raised' : 'resolved'),
  );
  const names = [...body.matchAll(/^Name: +é+ (\d+)$/gm)].map(([, name]) => name);
  if (kinds.length !== names.length)
    throw new Error(`${kinds.length} alerts, ${names.length} names: ${body.slice(0, 2_000)}`);
  return names.map((name, i) => `${kinds[i]} ${name}`);
}
