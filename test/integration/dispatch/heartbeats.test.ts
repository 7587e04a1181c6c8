// Heartbeats and technical alarms the whole way from doctors-queue to SNS: to their own topics, and to no doctor.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COUNTED } from '../../../src/domain/heartbeat.js';
import { formatMicros, microsOfMs } from '../../../src/domain/time.js';
import { heartbeatEvent } from '../../../src/domain/watch-events.js';
import { countingHeartbeats } from '../../../src/sns/counting-publisher.js';
import { createPublisher } from '../../../src/sns/publisher.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { type AlertBench, startAlertBench, TOPIC_ARN } from '../../helpers/alert-bench.js';

const [BEATS, OPERATORS] = [TOPIC_ARN.replace('doctors', 'beats'), TOPIC_ARN.replace('doctors', 'operators')];
const HOUR_MS = 3_600_000;

describe.each([
  ['with a topic', BEATS],
  ['without one', undefined],
])('heartbeats %s', (_name, heartbeatTopic) => {
  let bench: AlertBench;
  const beat = (partition: number, agoMs = 0) => {
    const at = formatMicros(microsOfMs(systemClock.nowMs() - agoMs));
    return JSON.stringify(heartbeatEvent(partition, { source: 'rds', at } as never));
  };
  const outcomes = async () =>
    (await bench.deliveries())
      .filter(({ kind, state }) => kind === 'heartbeat' && (state === 'accepted' || state === 'cancelled'))
      .map(({ state, reason, destination }) => `${state} ${reason} ${destination.split(':').at(-1)}`);

  beforeAll(async () => {
    bench = await startAlertBench();
    const publisher = createPublisher({
      ...{ region: 'eu-west-1', endpoint: bench.sns.url, timeoutMs: 20_000 },
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    });
    const actors = [
      await bench.dispatch({ heartbeatTopic, operatorsTopic: OPERATORS }),
      await bench.deliver({ publisher: countingHeartbeats(publisher) }),
    ];
    await bench.until('ready', () => actors.every((actor) => actor.health().ready));
  });
  afterAll(() => bench.close());

  test('go the way of every alert, to their own topic; their age is known, and none comes late', async () => {
    await bench.write(beat(0), beat(1), beat(2, HOUR_MS));
    await bench.until('three outcomes', async () => (await outcomes()).length === 3);
    const to = heartbeatTopic === undefined ? COUNTED : 'beats';
    expect((await outcomes()).sort()).toEqual([
      `accepted accepted ${to}`,
      `accepted accepted ${to}`,
      `cancelled outdated ${to}`,
    ]);
    expect(bench.sns.accepted.map(({ topicArn }) => topicArn)).toEqual(
      heartbeatTopic === undefined ? [] : [BEATS, BEATS],
    );
    for (const { subject, body } of bench.sns.accepted) {
      expect(subject).toContain('HEARTBEAT');
      expect(body).toContain('the whole way from RDS to SNS');
    }
    await bench.until(
      'the age is told',
      async () => ((await bench.metrics.value('heartbeat_age_seconds')) ?? Number.NaN) < 60,
    );
    await bench.settled();
    // They are not kept as long as what a doctor may ask for.
    const rows = (await bench.redis.keys('*')).filter(
      (key) => key.startsWith(`${bench.redisPrefix}:notif:`) && key.length > 60,
    );
    const lives = await Promise.all(rows.map((key) => bench.redis.pttl(key)));
    expect(lives.filter((ms) => ms > 0 && ms < HOUR_MS)).toHaveLength(3);
  });

  test('an alarm is mailed to the operators when it opens', async () => {
    await bench.write('{"v":1,"kind":"nonsense"}');
    const seen = `${bench.redisPrefix}:alarms:seen`;
    // As the process that met it says.
    await bench.redis.zadd(seen, systemClock.nowMs(), 'dead-rows:dispatch');
    await bench.redis.hset(`${bench.redisPrefix}:alarms:since`, 'dead-rows:dispatch', systemClock.nowMs());
    await bench.until('mailed', () => bench.sns.accepted.some(({ topicArn }) => topicArn === OPERATORS));
    const mails = bench.sns.accepted.filter(({ topicArn }) => topicArn === OPERATORS);
    expect(mails.map(({ subject }) => subject)).toEqual(['[TECHNICAL] records can not be decoded: dispatch']);
    expect(mails[0]?.body).toContain('wardwatch dead list');
    expect(await bench.metrics.value('alarm_open', { alarm: 'dead-rows' })).toBe(1);
  });
});
