// Bull Board as a browser and a curious colleague would use it: every queue, look only, no patient, no other host.
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createQueueRegistry, type QueueRegistry } from '../../../queues/registry.js';
import { QUEUE_NAMES } from '../../../queues/table.js';
import { boardQueues } from '../../../src/app/console-actor.js';
import { createConsole } from '../../../src/console/board.js';
import type { HttpServer } from '../../../src/console/http.js';
import { connectRedis, redisReady } from '../../../src/redis/connections.js';
import { recordingLogger } from '../../helpers/recorders.js';
import { testStack, uniqueName } from '../../helpers/stack.js';
import { stubDesk } from '../../helpers/stub-desk.js';

const PLANTED = 'Zyx Plantedname';
const prefix = `{${uniqueName('board')}}`;
const log = recordingLogger();
let command: Redis;
let registry: QueueRegistry;
let server: HttpServer;
let base: string;

beforeAll(async () => {
  command = connectRedis({ url: testStack().redisUrl }, 'command', log);
  await redisReady(command);
  registry = createQueueRegistry(command, prefix);
  server = createConsole({ queues: boardQueues(registry), alerts: stubDesk().api, log });
  base = `http://127.0.0.1:${await server.listen('127.0.0.1', 0)}`;
  const queue = registry.queue('deliver-alert');
  await registry.add('deliver-alert', 'good', { v: 1, notificationId: `${'a'.repeat(24)}22` });
  await queue.add(PLANTED, { v: 1, patientName: PLANTED, token: 'x' }, { jobId: 'bad' });
  await queue.add('deliver-alert', { v: 1, notificationId: `${'b'.repeat(24)}22` }, { jobId: 'held' });
  await command.hset(`${prefix}:deliver-alert:bad`, {
    failedReason: `no route to ${PLANTED}`,
    stacktrace: JSON.stringify([`Error: ${PLANTED}\n at x`, 'JobError: delivery-retry']),
    returnvalue: JSON.stringify({ name: PLANTED }),
    progress: JSON.stringify({ name: PLANTED }),
  });
  await command.hset(`${prefix}:deliver-alert:held`, { failedReason: 'delivery-held' });
  await (await queue.getJob('bad'))?.log(PLANTED);
});

afterAll(async () => {
  await server.close();
  for (const name of QUEUE_NAMES) await registry.queue(name).obliterate({ force: true });
  await registry.close();
  await command.quit();
});

it('shows every queue; of jobs what their contract names, and of failures their code', async () => {
  const queues = await (await fetch(`${base}/queues/api/queues?activeQueue=deliver-alert&status=latest`)).json();
  const names = (queues as { queues: { name: string; readOnlyMode: boolean }[] }).queues;
  expect(names.map((queue) => queue.name).sort()).toEqual([...QUEUE_NAMES].sort());
  expect(names.every((queue) => queue.readOnlyMode)).toBe(true);
  const texts = [JSON.stringify(queues)];
  for (const path of ['bad', 'held', 'good', 'bad/logs', 'bad/flow']) {
    texts.push(await (await fetch(`${base}/queues/api/queues/deliver-alert/${path}`)).text());
  }
  const all = texts.join('\n');
  expect(all).not.toContain('Plantedname');
  expect(all).toContain('a'.repeat(24));
  expect(all).toContain('"failedReason":"delivery-held"');
  expect(all).toContain('"failedReason":"redacted"');
  expect(all).toContain('JobError: delivery-retry');
});

it('changes nothing, whatever is asked of it', async () => {
  const before = await registry.counts('deliver-alert');
  const tries = [
    ['PUT', 'queues/deliver-alert/pause'],
    ['PUT', 'queues/pause'],
    ['PUT', 'queues/deliver-alert/bad/clean'],
    ['PUT', 'queues/deliver-alert/empty'],
    ['PUT', 'queues/deliver-alert/obliterate'],
    ['PATCH', 'queues/deliver-alert/good/update-data'],
    ['POST', 'queues/deliver-alert/add'],
  ] as const;
  for (const [method, path] of tries) {
    const response = await fetch(`${base}/queues/api/${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    expect(response.status, path).toBe(405);
  }
  expect(await registry.counts('deliver-alert')).toEqual(before);
  expect(await registry.queue('deliver-alert').isPaused()).toBe(false);
});

it('names no other host in a page or style sheet, and the browser would ask none', async () => {
  const page = await fetch(`${base}/`);
  expect(page.url).toBe(`${base}/queues`);
  const html = await page.text();
  const policy = page.headers.get('content-security-policy') ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toMatch(/https?:|\*|'unsafe-eval'/);
  expect(policy).toContain("script-src 'self';");
  const ui = join(dirname(createRequire(import.meta.url).resolve('@bull-board/ui/package.json')), 'dist/static/css');
  const sheets = readdirSync(ui, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.css'));
  expect(sheets.length).toBeGreaterThan(0);
  const served = [html];
  for (const sheet of sheets) {
    const response = await fetch(`${base}/queues/static/css/${sheet}`);
    expect(response.status).toBe(200);
    served.push(await response.text());
  }
  // Names of XML dialects are no addresses: nothing asks them.
  const foreign = served.join('\n').match(/(?:https?:)?\/\/[a-z0-9-]+\.[a-z0-9.-]+[^\s"')]*/gi) ?? [];
  expect(foreign.filter((url) => !/^http:\/\/www\.w3\.org\//.test(url))).toEqual([]);
  const scripts = [...html.matchAll(/<script[^>]*src="([^"]+)"/g)].map((match) => match[1] ?? '');
  expect(scripts.length).toBeGreaterThan(0);
  for (const src of scripts) expect((await fetch(new URL(src, `${base}/queues/`))).status, src).toBe(200);
});
