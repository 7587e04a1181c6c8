// The publisher and the topic commands through the real SDK, against an emulator and against addresses where nobody answers.

import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { type FauxqsServer, startFauxqs } from 'fauxqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildMessage } from '../../../src/domain/message.js';
import { createSnsAdmin } from '../../../src/sns/admin.js';
import { createPublisher } from '../../../src/sns/publisher.js';
import { episodeEvent } from '../../helpers/alert-events.js';
import { startFakeSns } from '../../helpers/fake-sns.js';

const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
const HOSTILE = 'Zoë\n"quoted" \u0007 🫀';

describe('an emulator of SNS', () => {
  let emulator: FauxqsServer;
  let settings: { region: string; endpoint: string; credentials: typeof credentials };
  beforeAll(async () => {
    emulator = await startFauxqs({ port: 0, host: '127.0.0.1', logger: false });
    settings = { region: 'eu-west-1', endpoint: `http://127.0.0.1:${emulator.port}`, credentials };
  });
  afterAll(() => emulator.stop());

  test('a topic is made once, read by a queue, and what is published arrives there as it was', async () => {
    const admin = createSnsAdmin(settings);
    const arn = await admin.createTopic('doctors');
    expect(await admin.createTopic('doctors')).toBe(arn);
    expect(await admin.status(arn)).toEqual({ arn, confirmed: 0, pending: 0, subscriptions: [] });
    const { queueArn } = emulator.createQueue('inbox', { region: 'eu-west-1' });
    expect(await admin.subscribe(arn, 'sqs', queueArn)).toEqual({ confirmed: true });
    expect(await admin.status(arn)).toMatchObject({ confirmed: 1, pending: 0 });
    await expect(admin.status(`${arn}-that-is-not-there`)).rejects.toThrow();
    const event = episodeEvent({ atMs: 0 });
    const message = buildMessage(
      { kind: 'raised', event: { ...event, patient: { ...event.patient, name: HOSTILE } } },
      arn,
      { timeZone: 'UTC', sentMs: 0, possibleRepeat: false, safe: false },
    );
    const publisher = createPublisher(settings);
    const result = await publisher.publish(message);
    const bodies = emulator.inspectQueue('inbox')?.messages.ready.map(({ body }) => JSON.parse(body));
    expect(bodies).toHaveLength(1);
    expect(bodies?.[0]).toMatchObject({ MessageId: result.ok ? result.messageId : '', Subject: message.subject });
    expect(bodies?.[0].Message).toBe(message.body);
    expect(bodies?.[0].MessageAttributes.ref).toEqual({ Type: 'String', Value: message.attributes.ref });
    expect(await publisher.publish({ ...message, destination: `${arn}-gone` })).toMatchObject({
      failure: 'configuration',
    });
    publisher.close();
    admin.close();
  });
});

describe('where nobody answers', () => {
  const message = { destination: 'arn:aws:sns:eu-west-1:0:t', subject: 's', body: 'b', attributes: {} };
  const to = (endpoint: string) => createPublisher({ region: 'eu-west-1', endpoint, credentials, timeoutMs: 300 });
  const servers: Server[] = [];
  const listen = async (onConnection: (socket: import('node:net').Socket) => void) => {
    const server = createServer(onConnection);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  };
  afterAll(() => {
    for (const server of servers) server.close();
  });

  test('refused, unknown host, TLS cut off: certainly not accepted', async () => {
    const port = await listen((socket) => void socket.destroy());
    for (const endpoint of ['http://127.0.0.1:1', 'http://nowhere.invalid', `https://127.0.0.1:${port}`])
      expect(await to(endpoint).publish(message)).toMatchObject({ ok: false, failure: 'definite-transport' });
  });

  test('silence after the request was written: unknown, within the time-out', async () => {
    let received = 0;
    const port = await listen((socket) => {
      socket.on('data', () => {
        received += 1;
      });
      socket.on('error', () => undefined);
    });
    expect(await to(`http://127.0.0.1:${port}`).publish(message)).toMatchObject({ ok: false, failure: 'ambiguous' });
    expect(received).toBeGreaterThan(0);
  });

  test('one publish is one request, whatever the answer: the SDK does not try again by itself', async () => {
    const sns = await startFakeSns();
    const publisher = to(sns.url);
    for (const how of ['reset', 'accept-500', 'accept-reset', 'accept-hang'] as const) {
      sns.behave({ how });
      expect(await publisher.publish(message)).toMatchObject({ ok: false, failure: 'ambiguous' });
    }
    expect(sns.requests()).toBe(4);
    sns.behave({ how: 'accept' });
    expect(await publisher.publish(message)).toEqual({ ok: true, messageId: 'fake-4' });
    publisher.close();
    await sns.close();
  });
});
