// Kafka dies right after a publish: the outcome is kept in memory until it stands, and nobody is told twice.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../../src/telemetry/clock.js';
import { type AlertBench, startAlertBench } from '../../helpers/alert-bench.js';
import { episodeEvent } from '../../helpers/alert-events.js';
import { type PrivateKafka, startKafka } from '../../helpers/services.js';

/** With what the bench adds, a lease: the outage outlasts it. */
const SNS_TIMEOUT_MS = 2_500;
const OUTAGE_MS = 6_000;

let kafka: PrivateKafka;
let bench: AlertBench;
beforeAll(async () => {
  kafka = await startKafka();
  bench = await startAlertBench({ kafkaBrokers: kafka.brokers, snsTimeoutMs: SNS_TIMEOUT_MS });
});
afterAll(async () => {
  await bench.close();
  await kafka.close();
});

test('killed after publishing, back after longer than a lease: one e-mail an event, none called a repeat', async () => {
  let killed: Promise<void> | undefined;
  const onStep = async (step: string) => {
    if (step !== 'deliver.published') return;
    killed ??= kafka.kill();
    await killed;
  };
  const actors = [await bench.dispatch(), await bench.deliver({ onStep }), await bench.deliver({ onStep })];
  await bench.until('ready', () => actors.every((actor) => actor.health().ready));
  const event = (patientId: string) => episodeEvent({ patientId, atMs: systemClock.nowMs() });
  await bench.write(event('before'));
  await bench.until('Kafka is gone', () => killed !== undefined);
  await killed;
  await systemClock.sleep(OUTAGE_MS);
  expect(bench.sns.requests()).toBe(1);
  await kafka.start();
  await bench.write(event('after'));
  await bench.until(
    'both are settled',
    async () => (await bench.metrics.value('notifications_total', { outcome: 'accepted' })) >= 2,
    50_000,
  );
  await bench.settled();
  expect(bench.sns.requests()).toBe(2);
  expect(bench.sns.accepted.filter(({ body }) => body.includes('POSSIBLE REPEAT'))).toEqual([]);
  expect((await bench.deliveries()).filter(({ state }) => state === 'unknown')).toEqual([]);
  await bench.until('ready again', () => actors.every((actor) => actor.health().ready && actor.health().live));
});
