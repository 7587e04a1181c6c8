// An SNS of our own for tests that count: speaks the query protocol over HTTP and fails in the ways that SNS and networks do.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../src/telemetry/clock.js';

/** How the next publishes are answered. `then` (default `accept`) is what happens after `times`. */
export type Behaviour =
  | { readonly how: 'accept' }
  /** An error of that code; nothing is accepted. `topicArn`: by that topic only. */
  | {
      readonly how: 'error';
      readonly code: string;
      readonly status: number;
      readonly message?: string;
      readonly topicArn?: string;
    }
  /** Accepted, but the answer is a 500, a reset, or never comes. */
  | { readonly how: 'accept-500' | 'accept-reset' | 'accept-hang' }
  /** Not accepted; the connection is reset after the request was read. */
  | { readonly how: 'reset' };

export interface Published {
  readonly messageId: string;
  readonly topicArn: string;
  readonly subject: string;
  readonly body: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** True where the client got the id. */
  readonly told: boolean;
  /** Monotonic. */
  readonly atMs: number;
}

interface Reader {
  readonly endpoint: string;
  readonly confirmed: boolean;
}

export interface FakeSns {
  readonly url: string;
  /** All that was accepted, in order. */
  readonly accepted: readonly Published[];
  /** Who reads a topic: one that nobody was ever named for does not exist. */
  subscribe(topicArn: string, ...readers: readonly Reader[]): void;
  /** Publish requests that reached the server. */
  readonly requests: () => number;
  /** From now on, for the next `times` publishes (default: all that come). */
  behave(behaviour: Behaviour, times?: number): void;
  /** Refuses connections until `up`. */
  down(): Promise<void>;
  up(): Promise<void>;
  close(): Promise<void>;
}

export async function startFakeSns(): Promise<FakeSns> {
  const accepted: Published[] = [];
  const readers = new Map<string, readonly Reader[]>();
  let behaviour: Behaviour = { how: 'accept' };
  let left = Number.POSITIVE_INFINITY;
  let requests = 0;

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const form = new URLSearchParams(await text(request));
    const action = form.get('Action') ?? '';
    if (action !== 'Publish') {
      const of = readers.get(form.get('TopicArn') ?? '');
      if (!of) return xml(response, 404, errorXml('NotFound', 'Topic does not exist'));
      return xml(response, 200, answerAbout(action, of, Number(form.get('NextToken') ?? 0)));
    }
    requests += 1;
    const now = left > 0 ? behaviour : ({ how: 'accept' } as const);
    left -= 1;
    const refused = now.how === 'error' && (now.topicArn ?? form.get('TopicArn')) === form.get('TopicArn');
    if (now.how === 'error' && refused)
      return xml(response, now.status, errorXml(now.code, now.message ?? 'refused by the test'));
    if (now.how === 'reset') return void request.socket.destroy();
    const messageId = `fake-${accepted.length + 1}`;
    accepted.push(published(form, messageId, now.how === 'accept' || now.how === 'error'));
    if (now.how === 'accept-reset') return void request.socket.destroy();
    if (now.how === 'accept-hang') return;
    if (now.how === 'accept-500') return xml(response, 500, errorXml('InternalError', 'after accepting'));
    xml(
      response,
      200,
      `<PublishResponse><PublishResult><MessageId>${messageId}</MessageId></PublishResult></PublishResponse>`,
    );
  };

  const server = createServer((request, response) => void answer(request, response));
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const unlisten = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    accepted,
    subscribe: (topicArn, ...those) => {
      readers.set(topicArn, those);
    },
    requests: () => requests,
    behave: (next, times = Number.POSITIVE_INFINITY) => {
      behaviour = next;
      left = times;
    },
    down: unlisten,
    up: () => listen(port),
    close: async () => {
      if (server.listening) await unlisten();
    },
  };
}

function published(form: URLSearchParams, messageId: string, told: boolean): Published {
  const attributes: Record<string, string> = {};
  for (let i = 1; form.has(`MessageAttributes.entry.${i}.Name`); i += 1)
    attributes[form.get(`MessageAttributes.entry.${i}.Name`) ?? ''] =
      form.get(`MessageAttributes.entry.${i}.Value.StringValue`) ?? '';
  return {
    messageId,
    topicArn: form.get('TopicArn') ?? '',
    subject: form.get('Subject') ?? '',
    body: form.get('Message') ?? '',
    attributes,
    told,
    atMs: systemClock.monotonicMs(),
  };
}

/** SNS lists a hundred at a time. */
const LISTED_AT_ONCE = 2;

function answerAbout(action: string, readers: readonly Reader[], from: number): string {
  if (action === 'GetTopicAttributes')
    return '<GetTopicAttributesResponse><GetTopicAttributesResult><Attributes/></GetTopicAttributesResult></GetTopicAttributesResponse>';
  if (action !== 'ListSubscriptionsByTopic') return errorXml('InvalidAction', action);
  const members = readers.slice(from, from + LISTED_AT_ONCE).map(({ endpoint, confirmed }, i) => {
    const arn = confirmed ? `arn:aws:sns:eu-west-1:000000000000:topic:${from + i}` : 'PendingConfirmation';
    return `<member><Protocol>email</Protocol><Endpoint>${endpoint}</Endpoint><SubscriptionArn>${arn}</SubscriptionArn></member>`;
  });
  const next = from + LISTED_AT_ONCE;
  const token = next < readers.length ? `<NextToken>${next}</NextToken>` : '';
  return `<ListSubscriptionsByTopicResponse><ListSubscriptionsByTopicResult><Subscriptions>${members.join('')}</Subscriptions>${token}</ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>`;
}

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function xml(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'text/xml' }).end(body);
}

function errorXml(code: string, message: string): string {
  return `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>r</RequestId></ErrorResponse>`;
}
