// The emulator as wardwatch meets it: through the AWS SDK, with the inbox read over HTTP.
import {
  CreateTopicCommand,
  GetTopicAttributesCommand,
  ListSubscriptionsByTopicCommand,
  PublishCommand,
  SNSClient,
  SubscribeCommand,
} from '@aws-sdk/client-sns';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { INBOX_ARN, readInbox } from '../../../ops/local/inbox.mjs';
import { startSnsEmulator } from '../../../ops/local/sns-emulator.mjs';

let emulator: Awaited<ReturnType<typeof startSnsEmulator>>;
let sns: SNSClient;
beforeAll(async () => {
  emulator = await startSnsEmulator({ port: 0 });
  // Another region than the inbox's: hospitals are not all in us-east-1.
  sns = new SNSClient({ endpoint: emulator.url, region: 'eu-west-1', maxAttempts: 1 });
});
afterAll(async () => {
  sns.destroy();
  await emulator.close();
});

async function subscribedTopic(name: string): Promise<string> {
  const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: name }));
  await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: INBOX_ARN }));
  return TopicArn!;
}

test('what is published arrives once, whole and in order', async () => {
  const ward = await subscribedTopic('ward');
  const other = await subscribedTopic('other');
  const ids: (string | undefined)[] = [];
  for (let i = 1; i <= 25; i += 1) {
    const sent = await sns.send(
      new PublishCommand({
        TopicArn: i === 13 ? other : ward,
        Subject: `[HIGH] alert ${i}`,
        Message: `Zoë 🩺\nline two of ${i}`,
        MessageAttributes: { severity: { DataType: 'String', StringValue: 'high' } },
      }),
    );
    ids.push(sent.MessageId);
  }
  const [all, together] = await Promise.all([readInbox(emulator.url), readInbox(emulator.url)]);
  expect(together).toEqual(all);
  expect(all.count).toBe(25);
  expect(all.emails.map(({ n }) => n)).toEqual(Array.from({ length: 25 }, (_, i) => i + 1));
  expect(all.emails.map(({ messageId }) => messageId)).toEqual(ids);
  expect(all.emails[2]).toMatchObject({
    topicArn: ward,
    subject: '[HIGH] alert 3',
    message: 'Zoë 🩺\nline two of 3',
    attributes: { severity: 'high' },
  });
  expect(all.emails[2]?.publishedAt).toMatch(/^\d{4}-\d\d-\d\dT/);
  const some = await readInbox(emulator.url, { after: 23, topicArn: ward });
  expect(some.count).toBe(24);
  expect(some.emails.map(({ n }) => n)).toEqual([24, 25]);
  expect((await readInbox(emulator.url, { topicArn: other })).emails.map(({ n }) => n)).toEqual([13]);
});

test('topics tell of themselves and of their subscriptions', async () => {
  const topic = await subscribedTopic('told');
  const { Subscriptions } = await sns.send(new ListSubscriptionsByTopicCommand({ TopicArn: topic }));
  expect(Subscriptions).toMatchObject([{ Protocol: 'sqs', Endpoint: INBOX_ARN, TopicArn: topic }]);
  const { Attributes } = await sns.send(new GetTopicAttributesCommand({ TopicArn: topic }));
  expect(Attributes).toMatchObject({ TopicArn: topic, SubscriptionsConfirmed: '1' });
});

test('a topic that is not there is said to be missing', async () => {
  const TopicArn = 'arn:aws:sns:eu-west-1:000000000000:nowhere';
  await expect(sns.send(new PublishCommand({ TopicArn, Message: 'x' }))).rejects.toMatchObject({
    name: 'NotFoundException',
  });
});
