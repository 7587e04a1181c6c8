// Who reads our topics, asked of SNS.
import type { Readers } from '../../jobs/alert-why.js';
import type { Config } from '../config/load.js';
import type { Policy } from '../domain/policy.js';
import { createSnsAdmin } from '../sns/admin.js';

/** Of the topics that settings and the policy at hand name. */
export function readersOf({ settings }: Config, policy: () => Policy): Readers {
  return {
    topics: () => {
      const { routes, fallbackTopic } = policy();
      const named = routes.flatMap(({ topic, escalation }) => [topic, ...escalation.map((level) => level.topic)]);
      const all = [...named, fallbackTopic, settings.SNS_OPERATORS_TOPIC_ARN, settings.SNS_HEARTBEAT_TOPIC_ARN];
      return [...new Set(all.filter((arn): arn is string => typeof arn === 'string' && arn !== ''))];
    },
    subscriptions: async (arn) => {
      const sns = createSnsAdmin({ region: arn.split(':')[3] ?? '', endpoint: settings.AWS_ENDPOINT_URL_SNS });
      try {
        return (await sns.status(arn)).subscriptions;
      } finally {
        sns.close();
      }
    },
  };
}
