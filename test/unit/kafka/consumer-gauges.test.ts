// Lag in metrics: of all that is known, and over when nothing waits any more.
import { expect, test } from 'vitest';
import { consumerGauges } from '../../../src/kafka/consumer-gauges.js';
import { recordingMetrics } from '../../helpers/recorders.js';

const part = (topic: string, lag: number, lagSeconds: number, phase: 'ready' | 'wait' | 'owning' = 'ready') => ({
  topic,
  lag,
  lagSeconds,
  phase,
  lastProgressMs: 0,
});

test('rows add up, the latest partition counts, unknown ones are left out', async () => {
  const metrics = recordingMetrics();
  consumerGauges(
    metrics,
    'g',
    ['a', 'b'],
    [part('a', 5, 2), part('a', 7, 40), part('a', -1, 99, 'wait'), part('b', 0, 0)],
    0,
  );
  expect(await metrics.value('consumer_lag_rows', { topic: 'a' })).toBe(12);
  expect(await metrics.value('consumer_lag_seconds', { topic: 'a' })).toBe(40);
  expect(await metrics.value('consumer_partitions', { state: 'ready' })).toBe(3);
  expect(await metrics.value('consumer_partitions', { state: 'wait' })).toBe(1);
});

test('after a backlog nothing is late, however old its last record was', async () => {
  const metrics = recordingMetrics();
  consumerGauges(metrics, 'g', ['a'], [part('a', 1, 3_600)], 0);
  expect(await metrics.value('consumer_lag_seconds', { topic: 'a' })).toBe(3_600);
  consumerGauges(metrics, 'g', ['a'], [part('a', 0, 3_600)], 0);
  expect(await metrics.value('consumer_lag_seconds', { topic: 'a' })).toBe(0);
});

test('it grows while work waits and nothing is handled: a member that hangs is not for ever as late as it was', async () => {
  const metrics = recordingMetrics();
  consumerGauges(metrics, 'g', ['a'], [part('a', 1, 0.05)], 60_000);
  expect(await metrics.value('consumer_lag_seconds', { topic: 'a' })).toBeCloseTo(60.05);
  consumerGauges(metrics, 'g', ['a'], [part('a', 0, 0.05)], 60_000);
  expect(await metrics.value('consumer_lag_seconds', { topic: 'a' })).toBe(0);
});
