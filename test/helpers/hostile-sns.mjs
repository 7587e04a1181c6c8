// An SNS for chaos: takes every publish down for good, and answers as a broken network would when it is told to.
import { createServer } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

const SLOW_ANSWER_MS = 4_000;

/**
 * Moods: `well`; `refuse` (nothing listens); `hang` (accepted, no answer); `reset` (accepted, connection cut); `fail` (500 after
 * accepting); `throttle` (not accepted); `slow` (accepted, answered after the client's time-out).
 */
export async function startHostileSns() {
  /** Every message that a reader would have got: {id, topic, body}. */
  const received = [];
  let mood = 'well';

  const answer = async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const form = new URLSearchParams(text);
    if (form.get('Action') !== 'Publish') return reply(response, 400, error('InvalidAction'));
    if (mood === 'throttle') return reply(response, 400, error('Throttling'));
    const id = `hostile-${received.length + 1}`;
    received.push({ id, topic: form.get('TopicArn') ?? '', body: form.get('Message') ?? '' });
    if (mood === 'hang') return;
    if (mood === 'reset') return void request.socket.destroy();
    if (mood === 'fail') return reply(response, 500, error('InternalError'));
    if (mood === 'slow') await pause(SLOW_ANSWER_MS);
    reply(
      response,
      200,
      `<PublishResponse><PublishResult><MessageId>${id}</MessageId></PublishResult></PublishResponse>`,
    );
  };

  const server = createServer((request, response) => void answer(request, response).catch(() => undefined));
  const listen = (port) => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const unlisten = () =>
    new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  await listen(0);
  const { port } = server.address();
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    be: async (next) => {
      mood = next;
      if (next === 'refuse' && server.listening) await unlisten();
      if (next !== 'refuse' && !server.listening) await listen(port);
    },
    close: async () => {
      if (server.listening) await unlisten();
    },
  };
}

function reply(response, status, body) {
  response.writeHead(status, { 'content-type': 'text/xml' }).end(body);
}

function error(code) {
  return `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>chaos</Message></Error><RequestId>r</RequestId></ErrorResponse>`;
}
