// Topics for people: create one, subscribe to it, see who has confirmed (a publish to a topic that nobody reads succeeds).
import {
  CreateTopicCommand,
  GetTopicAttributesCommand,
  ListSubscriptionsByTopicCommand,
  SubscribeCommand,
} from '@aws-sdk/client-sns';
import { createSnsClient, type SnsSettings } from './client.js';

export const PROTOCOLS = ['email', 'email-json', 'sqs', 'sms', 'https', 'http', 'lambda'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

export interface Subscription {
  readonly protocol: string;
  readonly endpoint: string;
  /** False until the reader has followed the link in SNS's mail. */
  readonly confirmed: boolean;
}

export interface TopicStatus {
  readonly arn: string;
  readonly confirmed: number;
  readonly pending: number;
  readonly subscriptions: readonly Subscription[];
}

/** Every method throws the SDK's error; publishing rights are not needed for any of them. */
export interface SnsAdmin {
  /** Creates a standard topic (e-mail works on no other), or finds the one of that name. Resolves with its ARN. */
  createTopic(name: string): Promise<string>;
  /** An e-mail reader gets a mail to confirm first. Repeating it is harmless. */
  subscribe(arn: string, protocol: Protocol, endpoint: string): Promise<{ readonly confirmed: boolean }>;
  status(arn: string): Promise<TopicStatus>;
  close(): void;
}

const PENDING = /^pending ?confirmation$/i;

export function createSnsAdmin(settings: SnsSettings): SnsAdmin {
  const client = createSnsClient(settings);
  return {
    createTopic: async (name) => {
      const { TopicArn } = await client.send(new CreateTopicCommand({ Name: name }));
      if (!TopicArn) throw new Error('SNS answered without a topic ARN');
      return TopicArn;
    },
    subscribe: async (arn, protocol, endpoint) => {
      const { SubscriptionArn } = await client.send(
        new SubscribeCommand({ TopicArn: arn, Protocol: protocol, Endpoint: endpoint }),
      );
      return { confirmed: isConfirmed(SubscriptionArn) };
    },
    status: async (arn) => {
      // Throws NotFound for a topic that isn't there; listing its subscriptions would answer with none.
      await client.send(new GetTopicAttributesCommand({ TopicArn: arn }));
      const subscriptions: Subscription[] = [];
      let next: string | undefined;
      do {
        const page = await client.send(
          new ListSubscriptionsByTopicCommand({ TopicArn: arn, ...(next ? { NextToken: next } : {}) }),
        );
        for (const { Protocol, Endpoint, SubscriptionArn } of page.Subscriptions ?? []) {
          subscriptions.push({
            protocol: Protocol ?? '',
            endpoint: Endpoint ?? '',
            confirmed: isConfirmed(SubscriptionArn),
          });
        }
        next = page.NextToken;
      } while (next);
      const confirmed = subscriptions.filter((one) => one.confirmed).length;
      return { arn, confirmed, pending: subscriptions.length - confirmed, subscriptions };
    },
    close: () => client.destroy(),
  };
}

function isConfirmed(subscriptionArn: string | undefined): boolean {
  return subscriptionArn !== undefined && !PENDING.test(subscriptionArn);
}
