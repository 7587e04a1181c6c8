// What kafkajs's admin stumbles over for a moment is asked again, by a new one; what stays wrong is said.
import { expect, it } from 'vitest';
import type { Clock } from '../../../src/domain/ports.js';
import { createKafkaAdmin } from '../../../src/kafka/admin.js';
import { KafkaGrantError } from '../../../src/kafka/errors.js';

function adminThat(answers: readonly (Error | { partition: number; offset: string }[])[]) {
  const slept: number[] = [];
  let made = 0;
  let asked = 0;
  const clock: Clock = {
    nowMs: () => 0,
    monotonicMs: () => 0,
    sleep: async (ms) => {
      slept.push(ms);
    },
  };
  const make = () => {
    made += 1;
    return {
      connect: async () => undefined,
      disconnect: async () => undefined,
      fetchTopicOffsetsByTimestamp: async () => {
        const answer = answers[Math.min(asked, answers.length - 1)];
        asked += 1;
        if (answer instanceof Error) throw answer;
        return answer;
      },
    };
  };
  return { admin: createKafkaAdmin(make as never, clock), slept, made: () => made };
}

it('asks again where the cluster has forgotten the topic for a moment', async () => {
  const forgot = new TypeError("Cannot destructure property 'partitions' of 'high.pop(...)' as it is undefined.");
  const { admin, slept, made } = adminThat([forgot, [{ partition: 0, offset: '7' }]]);
  expect(await admin.offsetsAt('doctors-queue', 0)).toEqual(new Map([[0, 7]]));
  expect(slept).toEqual([50]);
  expect(made()).toBe(2);
});

it('gives up on what stays wrong, within seconds', async () => {
  const { admin, slept } = adminThat([new TypeError('for good')]);
  await expect(admin.offsetsAt('doctors-queue', 0)).rejects.toThrow('for good');
  expect(slept.reduce((sum, ms) => sum + ms, 0)).toBeLessThan(3_000);
});

it('names a right that is missing, and asks only once', async () => {
  const refused = Object.assign(new Error('Not authorized'), { type: 'TOPIC_AUTHORIZATION_FAILED' });
  const { admin, slept } = adminThat([refused]);
  const error = await admin.offsetsAt('doctors-queue', 0).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(KafkaGrantError);
  expect(String(error)).toMatch(/doctors-queue/);
  expect(String(error)).toMatch(/describe/i);
  expect(slept).toEqual([]);
});

it('a call whose connection was closed because of another call is asked again by the new one', async () => {
  const asked: string[] = [];
  let made = 0;
  const make = () => {
    const mine = made;
    made += 1;
    let close: (error: Error) => void = () => undefined;
    const closed = new Promise<never>((_resolve, reject) => {
      close = reject;
    });
    closed.catch(() => undefined);
    return {
      connect: async () => undefined,
      disconnect: async () => close(Object.assign(new Error('write after end'), { name: 'KafkaJSConnectionError' })),
      fetchTopicOffsetsByTimestamp: async (topic: string) => {
        asked.push(`${topic} ${mine}`);
        if (mine === 0 && topic === 'first') throw new TypeError('forgotten for a moment');
        return mine === 0 ? closed : [{ partition: 0, offset: '7' }];
      },
    };
  };
  const clock: Clock = { nowMs: () => 0, monotonicMs: () => 0, sleep: async () => undefined };
  const admin = createKafkaAdmin(make as never, clock);
  const both = await Promise.all([admin.offsetsAt('second', 0), admin.offsetsAt('first', 0)]);
  expect(both).toEqual([new Map([[0, 7]]), new Map([[0, 7]])]);
  expect(asked.sort()).toEqual(['first 0', 'first 1', 'second 0', 'second 1']);
});
