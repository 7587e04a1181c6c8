// Publishes one message to SNS: once on the wire, with a time-out, and every failure classified.
import { PublishCommand } from '@aws-sdk/client-sns';
import type { AlertPublisher, OutgoingMessage, PublishResult } from '../domain/notification.js';
import { classifyPublishError } from './classify.js';
import { createSnsClient, DEFAULT_TIMEOUT_MS, type SnsSettings } from './client.js';

/** Over the SDK's `requestTimeout`, which does not count the credentials' own requests. */
const ABORT_MARGIN_MS = 250;

/** A publisher over the SDK. Never throws; a failure of identity makes a new client, which asks for credentials anew. */
export function createPublisher(settings: SnsSettings): AlertPublisher {
  const timeoutMs = settings.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  let client = createSnsClient(settings);
  return {
    timeoutMs: timeoutMs + ABORT_MARGIN_MS,
    publish: async (message: OutgoingMessage): Promise<PublishResult> => {
      const used = client;
      try {
        const answer = await used.send(command(message), {
          abortSignal: AbortSignal.timeout(timeoutMs + ABORT_MARGIN_MS),
        });
        // An answer without an id is no promise of SNS's.
        if (!answer.MessageId) return { ok: false, failure: 'ambiguous', code: 'NoMessageId' };
        return { ok: true, messageId: answer.MessageId };
      } catch (error) {
        const failed = classifyPublishError(error);
        // The old one is not destroyed: other requests may be on its way. Its idle connections close by themselves.
        if (failed.failure === 'identity' && client === used) client = createSnsClient(settings);
        return { ok: false, ...failed };
      }
    },
    close: () => client.destroy(),
  };
}

function command(message: OutgoingMessage): PublishCommand {
  const attributes = Object.entries(message.attributes).map(
    ([name, value]) => [name, { DataType: 'String', StringValue: value }] as const,
  );
  return new PublishCommand({
    TopicArn: message.destination,
    Subject: message.subject,
    Message: message.body,
    ...(attributes.length > 0 ? { MessageAttributes: Object.fromEntries(attributes) } : {}),
  });
}
