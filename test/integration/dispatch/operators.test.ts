// What operators are told, over two real dispatch and deliver: each alarm once when it opens and once when it ends, also over a Redis that was emptied.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Actor } from '../../../jobs/actor.js';
import { watchSubscriptions } from '../../../jobs/subscription-look.js';
import { createConditionWatch } from '../../../src/domain/alarm-conditions.js';
import type { AlertPublisher } from '../../../src/domain/notification.js';
import { createSnsAdmin } from '../../../src/sns/admin.js';
import { createPublisher } from '../../../src/sns/publisher.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { createMetrics } from '../../../src/telemetry/metrics.js';
import { type AlertBench, startAlertBench, TOPIC_ARN } from '../../helpers/alert-bench.js';
import { episodeEvent } from '../../helpers/alert-events.js';
import { keysOf } from '../../helpers/deployment.js';

const topic = (name: string) => TOPIC_ARN.replace('doctors', name);
const OPERATORS = topic('operators');
const DEAD = 'dead-rows:dispatch';
const LONG_AGO_MS = 600_000;

let bench: AlertBench;
let dispatchers: Actor[];
/** The doctors' topic refuses everything. */
let refuses: boolean;
const key = (name: string) => `${bench.redisPrefix}:alarms:${name}`;
const mails = () => bench.sns.accepted.filter(({ topicArn }) => topicArn === OPERATORS).map(({ subject }) => subject);
const opened = '[TECHNICAL] records can not be decoded: dispatch';
const ended = '[TECHNICAL ENDED] records can not be decoded: dispatch';
/** As some process reports it. */
const holds = async (sinceMs = systemClock.nowMs()) => {
  await bench.redis.hset(key('since'), DEAD, sinceMs);
  await bench.redis.zadd(key('seen'), systemClock.nowMs(), DEAD);
};
/** As if nobody had reported it for long. */
const away = () => bench.redis.zadd(key('seen'), 'XX', systemClock.nowMs() - LONG_AGO_MS, DEAD);

beforeEach(async () => {
  bench = await startAlertBench();
  const parts = { operatorsTopic: OPERATORS };
  dispatchers = [await bench.dispatch(parts), await bench.dispatch(parts)];
  refuses = false;
  const sns = createPublisher({
    ...{ region: 'eu-west-1', endpoint: bench.sns.url, timeoutMs: 20_000 },
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  const publisher: AlertPublisher = {
    ...sns,
    publish: async (message) =>
      refuses && message.destination === TOPIC_ARN
        ? { ok: false, failure: 'configuration', code: 'NotFound' }
        : sns.publish(message),
  };
  await bench.deliver({ publisher });
  await bench.deliver({ publisher });
  await bench.until('ready', () => dispatchers.every((actor) => actor.health().ready));
});
afterEach(() => bench.close());

test('two dispatchers, Redis emptied in between and in the middle of a message: told once that it began and once that it ended', async () => {
  const empty = async () => {
    await bench.settled();
    await bench.redis.del(...(await keysOf(bench.redis, bench.redisPrefix)));
    bench.log.lines.length = 0;
    await bench.until('rebuilt', () => bench.log.lines.some(({ event }) => event === 'ledger.rebuild.done'));
    await bench.until('ready', () => dispatchers.every((actor) => actor.health().ready));
  };
  await holds();
  await bench.until('told', () => mails().length > 0);
  const event = episodeEvent({ patientId: 'p', atMs: systemClock.nowMs() });
  await bench.write(event);
  await bench.until('a doctor is told', () => bench.sns.accepted.length === 2);
  await empty();
  // It is still so.
  await holds();
  await bench.until('known again', async () => (await bench.redis.hlen(key('open'))) === 1);
  await bench.sns.down();
  await away();
  await bench.until('tried', async () =>
    (await bench.deliveries()).some(({ kind, n, state }) => kind === 'technical' && n === 1 && state === 'failed'),
  );
  await bench.redis.del(...(await keysOf(bench.redis, bench.redisPrefix)));
  await bench.sns.up();
  await bench.until('told of the end', () => mails().length > 1);
  await bench.settled();
  expect(mails()).toEqual([opened, ended]);
  expect(bench.sns.accepted.filter(({ topicArn }) => topicArn === TOPIC_ARN).length).toBe(1);
  expect(await bench.redis.hlen(key('open'))).toBe(0);
  // It comes again: another alarm.
  await holds();
  await bench.until('told again', () => mails().length > 2);
  await bench.settled();
  expect(mails()).toEqual([opened, ended, opened]);
  const triggers = (await bench.deliveries()).filter(({ kind }) => kind === 'technical').map(({ trigger }) => trigger);
  expect(new Set(triggers).size).toBe(2);
});

test('a topic that refuses is an alarm, and its end is told when it is mended', async () => {
  refuses = true;
  await bench.write(episodeEvent({ patientId: 'p', atMs: systemClock.nowMs() }));
  await bench.until('told', () => mails().length > 0);
  refuses = false;
  await bench.until('mended', () => bench.sns.accepted.some(({ topicArn }) => topicArn === TOPIC_ARN));
  await bench.settled();
  expect(mails()).toEqual([`[TECHNICAL] a topic refuses notifications: ${TOPIC_ARN}`]);
  await bench.redis.zadd(key('seen'), 'XX', systemClock.nowMs() - LONG_AGO_MS, `notification-held:${TOPIC_ARN}`);
  await bench.until('ended', () => mails().length > 1);
  expect(mails()[1]).toBe(`[TECHNICAL ENDED] a topic refuses notifications: ${TOPIC_ARN}`);
});

test('each topic is asked for its readers: none, pending and unknown are seen, and that they are mended', async () => {
  const reader = (endpoint: string, confirmed = true) => ({ endpoint, confirmed });
  const sns = createSnsAdmin({
    ...{ region: 'eu-west-1', endpoint: bench.sns.url },
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  bench.sns.subscribe(topic('read'), reader('a@example.org'), reader('b@example.org'), reader('c@example.org'));
  bench.sns.subscribe(topic('empty'));
  // The one who has not confirmed stands on the second page.
  bench.sns.subscribe(
    topic('half'),
    reader('a@example.org'),
    reader('b@example.org'),
    reader('rao@example.org', false),
  );
  bench.sns.subscribe(topic('leaves'));
  let named = ['read', 'empty', 'half', 'absent', 'leaves'];
  const metrics = createMetrics();
  const watch = createConditionWatch({ read: metrics.samples, host: 'h', staleAfterSeconds: () => undefined });
  const seen = async () =>
    (await watch.look(0)).map(({ name, subject }) => `${name} ${subject.split(':').at(-1)}`).sort();
  const over = new AbortController();
  let looks = 0;
  let next = () => {};
  const clock = {
    ...systemClock,
    sleep: () => {
      looks += 1;
      return new Promise<void>((resolve) => {
        next = resolve;
      });
    },
  };
  const readers = {
    topics: () => named.map(topic),
    subscriptions: async (arn: string) => (await sns.status(arn)).subscriptions,
  };
  const watching = watchSubscriptions({ readers, metrics, clock, log: bench.log }, over.signal);
  await bench.until('looked', () => looks === 1);
  const lacking = ['subscription-none empty', 'subscription-none leaves', 'subscription-pending half'];
  expect(await seen()).toEqual([...lacking, 'subscription-unknown absent']);
  for (const name of ['empty', 'half', 'absent']) bench.sns.subscribe(topic(name), reader('a@example.org'));
  named = named.filter((name) => name !== 'leaves');
  next();
  await bench.until('looked again', () => looks === 2);
  expect(await seen()).toEqual([]);
  over.abort();
  next();
  await watching;
  sns.close();
  // A reader's address is nobody's business here.
  expect(`${JSON.stringify(bench.log.lines)}${await metrics.text()}`).not.toContain('example.org');
});
