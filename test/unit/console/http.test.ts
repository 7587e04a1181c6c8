// /live, /ready and /metrics over real HTTP: what a probe sees when roles work, wait, hang, or block the whole process.
import { expect, it, onTestFinished } from 'vitest';
import { createHealth, type Health } from '../../../src/console/health.js';
import { createHttp, PortTakenError } from '../../../src/console/http.js';
import type { ActorHealth } from '../../../src/domain/actor-health.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { createMetrics } from '../../../src/telemetry/metrics.js';
import { recordingLogger } from '../../helpers/recorders.js';

const WELL: ActorHealth = { ready: true, live: true, reasons: [] };

async function serve(health: Health) {
  const log = recordingLogger();
  const metrics = createMetrics();
  const server = createHttp({ health, metrics, log });
  onTestFinished(() => server.close());
  const port = await server.listen('127.0.0.1', 0);
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    const body = await response.text();
    return { status: response.status, type: response.headers.get('content-type') ?? '', body };
  };
  const json = async (path: string) => {
    const { status, body } = await get(path);
    return { status, ...(JSON.parse(body) as Record<string, unknown>) };
  };
  return { port, log, metrics, get, json };
}

it('says the port it was given, and names the setting where one is taken', async () => {
  const { port, log } = await serve(createHealth(systemClock));
  expect(log.lines).toContainEqual(
    expect.objectContaining({ event: 'http.listening', fields: { what: 'metrics', host: '127.0.0.1', port } }),
  );
  const second = createHttp({ health: createHealth(systemClock), metrics: createMetrics(), log });
  onTestFinished(() => second.close());
  const refused = await second.listen('127.0.0.1', port).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(PortTakenError);
  expect(String(refused)).toContain('METRICS_PORT');
});

it('is ready when the start is over and every role is; reasons name the role', async () => {
  const health = createHealth(systemClock);
  let watch: ActorHealth = { ready: false, live: true, reasons: ['waits for a first version of the limits'] };
  health.add('watch', () => watch);
  health.add('archive', () => WELL);
  const { json } = await serve(health);
  expect(await json('/ready')).toMatchObject({
    status: 503,
    reasons: ['starting', 'watch: waits for a first version of the limits'],
  });
  expect(await json('/live')).toEqual({ status: 200, live: true, reasons: [] });
  health.setWaiting(undefined);
  watch = WELL;
  expect(await json('/ready')).toMatchObject({ status: 200, ready: true, reasons: [] });
  health.setWaiting('stopping');
  expect(await json('/ready')).toMatchObject({ status: 503, reasons: ['stopping'] });
});

it('is not ready while the process lacks something, and names a role once', async () => {
  const health = createHealth(systemClock);
  health.setWaiting(undefined);
  const lacks: string[] = [];
  health.addLacks(() => lacks);
  health.add('watch', () => ({ ready: true, live: true, reasons: ['watch: far behind'] }));
  const { json } = await serve(health);
  expect(await json('/ready')).toMatchObject({ status: 200, reasons: ['watch: far behind'] });
  lacks.push('redis refuses writing (OOM)');
  expect(await json('/ready')).toMatchObject({ status: 503, reasons: [lacks[0], 'watch: far behind'] });
  expect(await json('/live')).toMatchObject({ status: 200, live: true });
});

it('is not live while a role hangs, or can not say how it is', async () => {
  const health = createHealth(systemClock);
  health.setWaiting(undefined);
  health.add('dispatch', () => ({ ready: true, live: false, reasons: ['partition 3 has handled nothing for 61 s'] }));
  health.add('deliver', () => {
    throw new Error('Zyx Plantedname');
  });
  const { json, get } = await serve(health);
  expect(await json('/live')).toEqual({
    status: 503,
    live: false,
    reasons: ['dispatch: partition 3 has handled nothing for 61 s', 'deliver: its health check failed'],
  });
  expect((await get('/ready')).body).not.toContain('Plantedname');
});

it('is not live after a handler has blocked the event loop, also for the probe that comes right after', async () => {
  const health = createHealth(systemClock, 100);
  health.setWaiting(undefined);
  const { json } = await serve(health);
  onTestFinished(health.watchLoop());
  expect(await json('/live')).toMatchObject({ status: 200 });
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 800);
  expect(await json('/live')).toMatchObject({
    status: 503,
    reasons: [expect.stringMatching(/^the event loop stood still for \d+ ms$/)],
  });
});

it('exposes the metrics of the table in the text format', async () => {
  const { get, metrics } = await serve(createHealth(systemClock));
  metrics.count('poll_rows_total', {}, 7);
  const { status, type, body } = await get('/metrics');
  expect([status, type]).toEqual([200, expect.stringContaining('text/plain; version=0.0.4')]);
  expect(body).toContain('\nwardwatch_poll_rows_total 7\n');
});
