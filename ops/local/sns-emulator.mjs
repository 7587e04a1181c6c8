// SNS for the demo and the tests: fauxqs, with a queue `inbox` whose messages stand for the doctors' e-mails.
// Subscribe it to a topic (protocol sqs, endpoint INBOX_ARN), then read GET /inbox. Listens on 127.0.0.1 unless told otherwise.
// @ts-check
import { buildApp } from 'fauxqs';
import { INBOX, INBOX_ARN } from './inbox.mjs';

const SQS_HEADERS = { 'content-type': 'application/x-amz-json-1.0' };
/** The most that SQS hands out at once. */
const RECEIVE_MAX = 10;

/**
 * @typedef {import('./inbox.mjs').Email} Email
 */

/**
 * Starts the emulator.
 * @param {{ readonly host?: string, readonly port: number }} address port 0 takes a free one
 * @returns {Promise<{ readonly url: string, close(): Promise<void> }>}
 */
export async function startSnsEmulator({ host = '127.0.0.1', port }) {
  const app = buildApp({ logger: false });
  /** @type {Email[]} */
  const emails = [];
  let queueUrl = '';
  let reading = Promise.resolve();

  /**
   * @param {string} action
   * @param {object} input
   */
  const sqs = async (action, input) => {
    const headers = { ...SQS_HEADERS, 'x-amz-target': `AmazonSQS.${action}` };
    const answer = await app.inject({ method: 'POST', url: '/', headers, payload: JSON.stringify(input) });
    if (answer.statusCode !== 200) throw new Error(`${action}: ${answer.payload}`);
    return JSON.parse(answer.payload || '{}');
  };

  const drain = async () => {
    for (;;) {
      const { Messages = [] } = await sqs('ReceiveMessage', { QueueUrl: queueUrl, MaxNumberOfMessages: RECEIVE_MAX });
      if (Messages.length === 0) return;
      for (const message of Messages) {
        emails.push(toEmail(emails.length + 1, JSON.parse(message.Body)));
        await sqs('DeleteMessage', { QueueUrl: queueUrl, ReceiptHandle: message.ReceiptHandle });
      }
    }
  };

  app.get('/inbox', async (request) => {
    const query = /** @type {{ after?: string, topic?: string }} */ (request.query);
    // One reader at a time: two would take every other message each, and the order would be lost.
    reading = reading.then(drain, drain);
    await reading;
    const wanted = emails.filter(({ topicArn }) => query.topic === undefined || topicArn === query.topic);
    const after = Number(query.after ?? 0);
    return { count: wanted.length, emails: wanted.filter(({ n }) => n > after) };
  });

  await app.listen({ host, port });
  ({ QueueUrl: queueUrl } = await sqs('CreateQueue', { QueueName: INBOX }));
  const { QueueArn } = (await sqs('GetQueueAttributes', { QueueUrl: queueUrl, AttributeNames: ['QueueArn'] }))
    .Attributes;
  if (QueueArn !== INBOX_ARN) throw new Error(`the inbox is ${QueueArn}, expected ${INBOX_ARN}`);
  const address = /** @type {import('node:net').AddressInfo} */ (app.server.address());
  return { url: `http://127.0.0.1:${address.port}`, close: () => app.close() };
}

/**
 * @param {number} n
 * @param {any} envelope what SNS puts into a queue without raw delivery
 * @returns {Email}
 */
function toEmail(n, envelope) {
  const attributes = Object.entries(envelope.MessageAttributes ?? {}).map(([name, { Value }]) => [name, Value]);
  return {
    n,
    topicArn: envelope.TopicArn,
    messageId: envelope.MessageId,
    subject: envelope.Subject ?? null,
    message: envelope.Message,
    attributes: Object.fromEntries(attributes),
    publishedAt: envelope.Timestamp,
  };
}

if (process.argv[1] && import.meta.filename === process.argv[1]) {
  const [host = '127.0.0.1', port = '4566'] = process.argv.slice(2);
  const emulator = await startSnsEmulator({ host, port: Number(port) });
  console.log(`SNS emulator at ${emulator.url}`);
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
    process.once(signal, () => void emulator.close());
  }
}
