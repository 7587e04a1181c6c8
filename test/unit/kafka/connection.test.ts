// kafkajs's connection, mended: one that broke in the middle of an answer is opened again and reads what comes then.
import { createRequire } from 'node:module';
import { createServer, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
// Mends it, before it is loaded here.
import '../../../src/kafka/kafkajs.js';

const load = createRequire(import.meta.url);
const Connection = load('kafkajs/src/network/connection') as new (
  options: object,
) => {
  connect(): Promise<boolean>;
  disconnect(): Promise<boolean>;
  isConnected(): boolean;
  bytesBuffered: number;
  requestQueue: { fulfillRequest: (answer: { correlationId: number; payload: Buffer }) => void };
};
const socketFactory = (load('kafkajs/src/network/socketFactory') as () => unknown)();
const silent = { debug: () => undefined, error: () => undefined, namespace: () => silent };

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** Length, which request it answers, the answer. */
function framed(correlationId: number, text: string): Buffer {
  const frame = Buffer.alloc(8 + text.length);
  frame.writeInt32BE(4 + text.length, 0);
  frame.writeInt32BE(correlationId, 4);
  frame.write(text, 8);
  return frame;
}

test('half an answer of a broken connection is forgotten', async () => {
  const clients: Socket[] = [];
  const server = createServer((client) => clients.push(client));
  const port = await new Promise<number>((done) => {
    server.listen(0, '127.0.0.1', () => done((server.address() as { port: number }).port));
  });
  const connection = new Connection({
    ...{ host: '127.0.0.1', port, logger: silent, socketFactory },
    ...{ connectionTimeout: 5_000, requestTimeout: 5_000 },
  });
  ends.push(
    () => connection.disconnect(),
    () => new Promise((done) => server.close(done)),
  );
  const until = async (check: () => boolean) => {
    while (!check()) await new Promise((done) => setTimeout(done, 1));
  };
  await connection.connect();
  await until(() => clients.length === 1);
  clients[0]?.write(framed(1, 'an answer of which').subarray(0, 13));
  await until(() => connection.bytesBuffered === 13);
  clients[0]?.resetAndDestroy();
  await until(() => !connection.isConnected());
  await connection.connect();
  const answer = new Promise<{ correlationId: number; payload: Buffer }>((done) => {
    connection.requestQueue.fulfillRequest = done;
  });
  await until(() => clients.length === 2);
  clients[1]?.write(framed(2, 'whole'));
  expect(await answer).toMatchObject({ correlationId: 2, payload: Buffer.from('whole') });
});
