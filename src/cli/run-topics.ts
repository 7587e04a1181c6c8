// What `wardwatch topics` does.
import { createBase } from '../app/base.js';
import { snsSettings } from '../app/connections.js';
import { EXIT } from '../app/process.js';
import type { SettingName, Settings } from '../config/settings.js';
import { createSnsAdmin, type Protocol, type SnsAdmin } from '../sns/admin.js';
import type { CliContext } from './program.js';

const TOPIC_SETTINGS = ['SNS_TOPIC_ARN', 'SNS_OPERATORS_TOPIC_ARN', 'SNS_HEARTBEAT_TOPIC_ARN'] as const;

export async function createTopic(name: string, context: CliContext): Promise<number> {
  return withSns(context, ['AWS_REGION'], async (sns) => {
    const arn = await sns.createTopic(name);
    context.out(`✓ ${arn}`);
    context.out(`  Set SNS_TOPIC_ARN=${arn}, then add readers: wardwatch topics subscribe email ADDRESS`);
    return EXIT.ok;
  });
}

export async function subscribeTopic(
  protocol: Protocol,
  endpoint: string,
  topic: string | undefined,
  context: CliContext,
): Promise<number> {
  return withSns(context, topic === undefined ? ['SNS_TOPIC_ARN'] : ['AWS_REGION'], async (sns, settings) => {
    const arn = topic ?? settings.SNS_TOPIC_ARN ?? '';
    const { confirmed } = await sns.subscribe(arn, protocol, endpoint);
    context.out(
      confirmed
        ? `✓ ${endpoint} reads ${arn}`
        : `! ${endpoint} must confirm first: SNS has sent it a message with a link. wardwatch topics status shows when it has`,
    );
    return EXIT.ok;
  });
}

/** 1 where a configured topic has no reader who has confirmed: a publish to it succeeds and reaches nobody. */
export async function topicsStatus(context: CliContext): Promise<number> {
  return withSns(context, ['SNS_TOPIC_ARN'], async (sns, settings) => {
    let unread = false;
    for (const setting of TOPIC_SETTINGS) {
      const arn = settings[setting];
      if (arn === undefined) continue;
      const { confirmed, pending, subscriptions } = await sns.status(arn);
      unread ||= confirmed === 0;
      const mark = confirmed === 0 ? '✗' : pending > 0 ? '!' : '✓';
      context.out(`${mark} ${setting} ${arn}: ${confirmed} confirmed, ${pending} pending`);
      for (const reader of subscriptions) {
        context.out(`    ${reader.protocol} ${reader.endpoint}${reader.confirmed ? '' : ' (has not confirmed)'}`);
      }
    }
    return unread ? EXIT.failed : EXIT.ok;
  });
}

async function withSns(
  context: CliContext,
  needs: readonly SettingName[],
  work: (sns: SnsAdmin, settings: Settings) => Promise<number>,
): Promise<number> {
  const { config } = createBase({ envFile: context.envFile(), needs, quiet: true });
  const sns = createSnsAdmin(snsSettings(config.settings));
  try {
    return await work(sns, config.settings);
  } finally {
    sns.close();
  }
}
