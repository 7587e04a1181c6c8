// The API of the alerts as a browser, a foreign page in it and a program find it: each verb, who may, and that GET changes nothing.
import fastify from 'fastify';
import { describe, expect, test } from 'vitest';
import { alertsApi } from '../../../src/console/alerts-api.js';
import { ALERT_ROUTES } from '../../../src/console/alerts-routes.js';
import { DeskNotReady, DeskRefused } from '../../../src/domain/alert-desk.js';
import { STUB_ALERT, stubDesk } from '../../helpers/stub-desk.js';

const { ref } = STUB_ALERT;
const BODIES: Readonly<Record<string, object>> = {
  acknowledgeAlert: { by: 'Dr X', note: 'at the bedside', forSeconds: 600 },
  silence: { by: 'Dr X', matcher: { ward: '4B' }, forSeconds: 1_800, reason: 'probes' },
  unsilence: { by: 'Dr X' },
  redrive: { by: 'Dr X', which: 'HELD' },
};
const GOOD = { 'content-type': 'application/json', 'x-wardwatch-request': '1', host: '127.0.0.1:9400' };

async function serve(host?: string) {
  const stub = stubDesk(host);
  const app = fastify();
  app.register(alertsApi(stub.api));
  const ask = async (method: 'GET' | 'POST', url: string, headers: object = GOOD, body?: unknown) => {
    const payload = body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) };
    const { statusCode, body: text } = await app.inject({ method, url, headers: headers as never, ...payload });
    return { status: statusCode, text };
  };
  return { ...stub, ask };
}

const urlOf = (path: string) => path.replace(':alert', ref).replace(':silence', 's1');
const READING = '?recipient=dr.x&time=03:12';

test('every verb answers what its schema says, and asks the desk once', async () => {
  const { ask, calls } = await serve();
  for (const route of ALERT_ROUTES) {
    const query = route.name === 'whyRecipient' ? READING : '';
    const body = route.method === 'POST' ? BODIES[route.name] : undefined;
    const { status, text } = await ask(route.method, urlOf(route.path) + query, GOOD, body);
    expect(status, `${route.name}: ${text}`).toBe(200);
    expect(route.answer.safeParse(JSON.parse(text)).error, route.name).toBeUndefined();
  }
  expect(calls.map(({ verb }) => verb)).toEqual([
    ...['list', 'show', 'why', 'whyRecipient', 'acknowledge', 'silence', 'unsilence', 'redrive'],
  ]);
  expect(calls.map(({ asker }) => asker.user)).toEqual([
    ...['console', 'console', 'console', 'console', 'Dr X', 'Dr X', 'Dr X', 'Dr X'],
  ]);
  const threeTwelve = Date.parse('2026-11-25T03:12:00Z');
  expect(calls[3]?.asked).toEqual({ recipient: 'dr.x', fromMs: threeTwelve - 900_000, toMs: threeTwelve + 900_000 });
  expect(calls[4]?.asked).toEqual({ alert: ref, note: 'at the bedside', forMs: 600_000 });
});

test('GET changes nothing, whatever is asked', () => {
  const changing = new Set(['acknowledgeAlert', 'silence', 'unsilence', 'redrive']);
  expect(ALERT_ROUTES.filter(({ method }) => method === 'GET').filter(({ name }) => changing.has(name))).toEqual([]);
});

describe('a foreign page in a browser of this machine', () => {
  const url = `/api/alerts/${ref}/ack`;
  const body = BODIES.acknowledgeAlert;
  test.each([
    ['sends a form', { ...GOOD, 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['sends JSON as text', { ...GOOD, 'content-type': 'text/plain' }, 415],
    ['sends no header of ours', { 'content-type': 'application/json', host: GOOD.host }, 403],
    ['has its own name point here', { ...GOOD, host: 'evil.example:9400' }, 403],
  ])('%s', async (_what, headers, expected) => {
    const { ask, calls } = await serve();
    expect((await ask('POST', url, headers, body)).status).toBe(expected);
    expect(calls).toEqual([]);
  });

  test('reads nothing under a name of its own', async () => {
    const { ask, calls } = await serve();
    expect((await ask('GET', '/api/alerts', { host: 'evil.example' })).status).toBe(403);
    expect((await ask('GET', `/episodes/${ref}`, { host: 'evil.example' })).status).toBe(404);
    expect(calls).toEqual([]);
  });
});

test('on another address than this machine it changes nothing and names nobody', async () => {
  const { ask, calls } = await serve('0.0.0.0');
  const headers = { ...GOOD, host: 'wardwatch.hospital.example' };
  for (const route of ALERT_ROUTES.filter(({ method }) => method === 'POST'))
    expect((await ask('POST', urlOf(route.path), headers, BODIES[route.name])).status, route.name).toBe(403);
  expect(calls).toEqual([]);
  const shown = [await ask('GET', `/api/alerts/${ref}`, headers), await ask('GET', `/episodes/${ref}`, headers)];
  for (const { status, text } of shown) {
    expect(status).toBe(200);
    expect(text).toContain('1042');
    expect(text).not.toMatch(/Verma|Lake Road|QUAGGA/);
  }
});

test('what is wrong with a request is said, and nothing is done', async () => {
  const { ask, calls } = await serve();
  const wrong = [
    await ask('POST', `/api/alerts/${ref}/ack`, GOOD, { note: 'nobody' }),
    await ask('POST', '/api/silences', GOOD, { ...BODIES.silence, until: 'ever' }),
    await ask('POST', '/api/silences', GOOD, { ...BODIES.silence, forSeconds: 1 }),
    await ask('POST', '/api/redrive', GOOD, { by: 'x', which: [] }),
    await ask('POST', '/api/redrive', GOOD, '{broken'),
    await ask('GET', '/api/why?recipient=x&time=noon'),
    await ask('GET', '/api/alerts?color=red'),
    await ask('GET', '/api/alerts/x'),
  ];
  for (const { status, text } of wrong) {
    expect(status, text).toBe(400);
    expect(JSON.parse(text)).toEqual({ error: 'wrong-request', message: expect.any(String) });
  }
  expect(calls).toEqual([]);
});

test.each<[string, Error, number, string]>([
  ['no such alert', new DeskRefused('no-such-alert', 'no alert X'), 404, 'no-such-alert'],
  ['an ended one', new DeskRefused('not-open', 'it has ended'), 409, 'not-open'],
  ['views that are being rebuilt', new DeskNotReady('soon'), 503, 'not-ready'],
  ['Kafka away', new Error('Zyx Plantedname'), 503, 'unavailable'],
])('%s', async (_what, error, status, code) => {
  const { ask, fails, log } = await serve();
  fails(error);
  const answer = await ask('GET', `/api/alerts/${ref}`);
  expect({ status: answer.status, error: JSON.parse(answer.text).error }).toEqual({ status, error: code });
  expect(answer.text + JSON.stringify(log.lines.map(({ event, fields }) => ({ event, fields })))).not.toContain(
    'Planted',
  );
});

test("the e-mail's link leads to a page that shows the alert, obeys nothing in it and has no form", async () => {
  const { ask } = await serve();
  const { status, text } = await ask('GET', `/episodes/${STUB_ALERT.episodeId}`);
  expect(status).toBe(200);
  expect(text).toContain('Asha Verma');
  expect(text).toContain('&lt;b&gt;raised&lt;/b&gt;');
  expect(text).not.toMatch(/<form|<script|<b>|<a /);
});

test('openapi.json describes every verb with its schemas', async () => {
  const { ask } = await serve();
  const document = JSON.parse((await ask('GET', '/api/openapi.json')).text);
  expect(document.openapi).toBe('3.1.0');
  for (const { path, method, name, body } of ALERT_ROUTES) {
    const operation = document.paths[path.replace(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()];
    expect(operation?.operationId).toBe(name);
    expect(operation.responses[200].content['application/json'].schema.type).toBe('object');
    if (body) expect(operation.requestBody.content['application/json'].schema.required).toContain('by');
  }
  const { parameters } = document.paths['/api/why'].get;
  expect(parameters.map((one: { name: string; required: boolean }) => [one.name, one.required])).toEqual([
    ['recipient', true],
    ['time', true],
    ['aroundSeconds', false],
  ]);
});
