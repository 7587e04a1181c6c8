// `npm run moto`: our topics and messages against moto's SNS, which others wrote from AWS's documentation. Installs it with pip into a temporary folder, and removes it.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { bootstrap } from '../../ops/local/bootstrap.mjs';
import { childEnvironment, scrubInPlace } from '../../ops/local/environment.mjs';
import { freePort } from '../../ops/local/ports.mjs';

const MOTO = 'moto[server]==5.2.5';
const READY_WITHIN_MS = 30_000;
const REGION = 'us-east-1';
const ACCOUNT = '123456789012';

scrubInPlace(process.env);
const write = (text) => process.stderr.write(text);
await bootstrap({ write });
const { buildMessage } = await import('../../dist/src/domain/message.js');
const { createSnsAdmin } = await import('../../dist/src/sns/admin.js');
const { createPublisher } = await import('../../dist/src/sns/publisher.js');

const folder = mkdtempSync(join(tmpdir(), 'wardwatch-moto-'));
let server;
try {
  const python = join(folder, 'bin/python');
  run('python3', ['-m', 'venv', folder]);
  run(python, ['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check', MOTO]);
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const words = ['-c', 'from moto.server import main; main()', '-H', '127.0.0.1', '-p', String(port)];
  server = spawn(python, words, { cwd: folder, env: childEnvironment(process.env, {}), stdio: 'ignore' });
  await ready(endpoint);

  const settings = { region: REGION, endpoint, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } };
  const admin = createSnsAdmin(settings);
  const topic = await admin.createTopic('wardwatch-doctors');
  const queue = await sqs(endpoint, { Action: 'CreateQueue', QueueName: 'doctor' });
  await admin.subscribe(topic, 'sqs', `arn:aws:sqs:${REGION}:${ACCOUNT}:doctor`);
  const { confirmed } = await admin.status(topic);
  same('one confirmed reader', confirmed, 1);

  const publisher = createPublisher({ ...settings, timeoutMs: 5_000 });
  const content = { kind: 'heartbeat', trigger: 'heartbeat:3:2026-11-25T10:00:00.000000Z' };
  const options = { timeZone: 'Europe/Berlin', sentMs: Date.now(), possibleRepeat: false, safe: false };
  const message = buildMessage(content, topic, options);
  const sent = await publisher.publish(message);
  same('accepted', sent.ok, true);
  const [, body = ''] = /<Body>([\s\S]*?)<\/Body>/.exec(await sqs(endpoint, { Action: 'ReceiveMessage' }, queue)) ?? [];
  const got = JSON.parse(unescaped(body));
  same('the id that SNS gave', got.MessageId, sent.messageId);
  same('subject', got.Subject, message.subject);
  same('text, byte for byte', got.Message, message.body);
  const attributes = Object.fromEntries(
    Object.entries(got.MessageAttributes).map(([name, { Value }]) => [name, Value]),
  );
  same('attributes', sorted(attributes), sorted(message.attributes));

  const gone = await publisher.publish({ ...message, destination: `${topic}-gone` });
  same('a topic that is not there', [gone.ok, gone.failure], [false, 'configuration']);
  const long = await publisher.publish({ ...message, body: 'x'.repeat(300_000) });
  same('a message that is too long', [long.ok, long.failure], [false, 'payload']);
  publisher.close();
  admin.close();
  write("moto's SNS takes our topics and messages, and its refusals are understood\n");
} finally {
  if (server) {
    const gone = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGTERM');
    await gone;
  }
  rmSync(folder, { recursive: true, force: true });
}

function run(program, words) {
  const { status, stderr, error } = spawnSync(program, words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${words.join(' ')}: ${error?.message ?? stderr}`);
}

async function ready(endpoint) {
  const untilMs = Date.now() + READY_WITHIN_MS;
  for (;;) {
    const answer = await fetch(`${endpoint}/moto-api/`).catch(() => undefined);
    if (answer?.ok) return;
    if (Date.now() > untilMs) throw new Error(`moto does not answer within ${READY_WITHIN_MS / 1_000} s`);
    await pause(100);
  }
}

/** By the query protocol; the answer of CreateQueue is the queue's path. */
async function sqs(endpoint, fields, path = '/') {
  const response = await fetch(`${endpoint}${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/${REGION}/sqs/aws4_request, SignedHeaders=host, Signature=0`,
    },
    body: new URLSearchParams({ Version: '2012-11-05', ...fields }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${fields.Action}: ${text}`);
  const [, url] = /<QueueUrl>(.*?)<\/QueueUrl>/.exec(text) ?? [];
  return url === undefined ? text : new URL(url).pathname;
}

function unescaped(xml) {
  const of = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };
  return xml
    .replace(/&#x([0-9a-f]+);|&#(\d+);/gi, (_, hex, dec) =>
      String.fromCodePoint(hex ? Number.parseInt(hex, 16) : Number(dec)),
    )
    .replace(/&(lt|gt|quot|apos|amp);/g, (_, name) => of[name]);
}

function sorted(fields) {
  return Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1));
}

function same(what, got, expected) {
  const [have, want] = [JSON.stringify(got), JSON.stringify(expected)];
  if (have !== want) throw new Error(`${what}: ${have} instead of ${want}`);
  write(`  ✓ ${what}\n`);
}
