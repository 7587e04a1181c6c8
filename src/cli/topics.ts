// `wardwatch topics create|subscribe|status`: the SNS topics and who reads them.
import { Argument, Command } from 'commander';
import type { CliContext } from './program.js';

const PROTOCOLS = ['email', 'email-json', 'sqs', 'sms', 'https', 'http', 'lambda'] as const;

export function topicsCommand(context: CliContext): Command {
  const create = new Command('create')
    .description('create a standard SNS topic, or find the one of that name')
    .argument('<name>', 'name of the topic')
    .addHelpText('after', '\nExample:\n  $ wardwatch topics create wardwatch-doctors')
    .action(async (name: string) => {
      const { createTopic } = await import('./run-topics.js');
      context.exit(await createTopic(name, context));
    });
  const subscribe = new Command('subscribe')
    .description('add a reader; an e-mail reader is sent a mail to confirm first')
    .addArgument(new Argument('<protocol>').choices(PROTOCOLS))
    .argument('<endpoint>', 'an e-mail address, an ARN, a number or a URL')
    .option('--topic <arn>', 'another topic than SNS_TOPIC_ARN')
    .addHelpText('after', '\nExample:\n  $ wardwatch topics subscribe email oncall@hospital.example')
    .action(async (protocol: (typeof PROTOCOLS)[number], endpoint: string, options: { topic?: string }) => {
      const { subscribeTopic } = await import('./run-topics.js');
      context.exit(await subscribeTopic(protocol, endpoint, options.topic, context));
    });
  const status = new Command('status')
    .description('list the readers of every configured topic; none or only unconfirmed ones is a failure')
    .addHelpText('after', '\nExample:\n  $ wardwatch topics status')
    .action(async () => {
      const { topicsStatus } = await import('./run-topics.js');
      context.exit(await topicsStatus(context));
    });
  return new Command('topics')
    .description('the SNS topics and who reads them')
    .addCommand(create)
    .addCommand(subscribe)
    .addCommand(status);
}
