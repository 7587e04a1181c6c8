// The demo's doctor: acts once, only on the scripted patient's escalation, and the story is told in its order.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createActor, storyOf } from '../../../../ops/local/demo/actor.mjs';
import { createFollower } from '../../../../ops/local/demo/follower.mjs';
import { SCRIPTED_PATIENT_ID } from '../../../../ops/local/demo/ward.mjs';

const event = (kind: string, patientId: string, second: number) => ({
  ...{ eventId: `${patientId}-${kind}`, episodeId: `episode-${patientId}`, kind, at: `2026-11-25T03:00:0${second}Z` },
  ...(kind === 'acknowledged' ? { patientId } : { patient: { id: patientId } }),
});
const sent = (kind: string, patientId: string, second: number) => {
  const record = { eventId: `${patientId}-raised`, episodeId: `episode-${patientId}`, kind, destination: 'd' };
  return { record, states: ['decided', 'accepted'], accepted: [{ atMs: Date.parse(`2026-11-25T03:00:0${second}Z`) }] };
};
const follower = (events: ReturnType<typeof event>[], notifications: ReturnType<typeof sent>[]) => ({
  events: new Map(events.map((one) => [one.eventId, one])),
  notifications: new Map(notifications.map((one, i) => [String(i), one])),
});

test('acknowledges once, when the alert has climbed', async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers['x-wardwatch-request'] !== undefined}`);
    response.end('{}');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  const world = follower(
    [event('raised', SCRIPTED_PATIENT_ID, 1), event('raised', '9', 1)],
    [sent('raised', SCRIPTED_PATIENT_ID, 2), sent('escalated', '9', 3)],
  );
  let treated = 0;
  const consoleUrl = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const act = createActor({ follower: world, consoleUrl, treat: () => (treated += 1) });
  await act();
  expect({ asked, treated }).toEqual({ asked: [], treated: 0 });
  world.notifications.set('x', sent('escalated', SCRIPTED_PATIENT_ID, 4));
  await act();
  await act();
  expect(asked).toEqual([`POST /api/alerts/episode-${SCRIPTED_PATIENT_ID}/ack true`]);
  expect(treated).toBe(1);
});

test('the story, in the order of its time', () => {
  const one = SCRIPTED_PATIENT_ID;
  const world = follower(
    [event('raised', one, 1), event('raised', '9', 1), event('acknowledged', one, 5)],
    [
      sent('raised', '9', 1),
      sent('escalated', one, 4),
      sent('raised', one, 2),
      sent('resolved', one, 8),
      sent('reminder', one, 3),
    ],
  );
  expect(storyOf(world)).toEqual(['raised', 'reminder', 'escalation', 'acknowledged', 'resolved']);
});

test('a timer is nothing to send, and is waited for until it has come to something', async () => {
  const line = (kind: string, state: string, destination: string, due: string | null) => ({
    ...{ notificationId: `${kind}-${destination}`, trigger: 'e', episodeId: 'e', eventId: 'e', kind, n: 1, state },
    ...{ destination, due, at: '2026-11-25T03:00:00Z', coveredBy: null, snsMessageId: null },
  });
  const logs: Record<string, object[]> = {
    queue: [],
    deliveries: [
      line('reminder', 'scheduled', '', '2026-11-25T03:00:10Z'),
      line('escalated', 'scheduled', '', '2026-11-25T03:00:15Z'),
    ],
  };
  const reader = {
    read: async (topic: string, _p: number, { from }: { from: number }, take: (record: { value: Buffer }) => void) => {
      const records = logs[topic] ?? [];
      for (const one of records.slice(from)) take({ value: Buffer.from(JSON.stringify(one)) });
      return { next: records.length };
    },
  };
  const world = createFollower({ reader, queueTopic: 'queue', deliveriesTopic: 'deliveries', partitions: 1 });
  await world.advance();
  const soon = Date.parse('2026-11-25T03:00:12Z');
  expect(world.toSend()).toEqual([]);
  expect(world.timersBefore(soon).map(({ record }: { record: { kind: string } }) => record.kind)).toEqual(['reminder']);
  logs.deliveries?.push(line('reminder', 'decided', 'd', null));
  await world.advance();
  expect(world.timersBefore(soon)).toEqual([]);
  expect(world.toSend()).toHaveLength(1);
});
