// Metrics: the table is the only list, and a metric that is not in it is an error at once.
import { expect, it } from 'vitest';
import { METRICS, type MetricName } from '../../../src/domain/metric-table.js';
import { createMetrics } from '../../../src/telemetry/metrics.js';

it('exposes every row of the table, once, with its type and help', async () => {
  const text = await createMetrics().text();
  for (const { name, type, help } of METRICS) {
    expect(text).toContain(`# TYPE wardwatch_${name} ${type}\n`);
    expect(text).toContain(`# HELP wardwatch_${name} ${help}\n`);
  }
  expect(new Set(METRICS.map((row) => row.name)).size).toBe(METRICS.length);
});

it('has no label that could hold a patient, and counters end in _total', () => {
  for (const row of METRICS) {
    expect(row.labels.filter((label: string) => /patient|name|id$|address|phone/i.test(label))).toEqual([]);
    expect(row.name.endsWith('_total')).toBe(row.type === 'counter');
  }
});

it('refuses unknown names, labels and types', () => {
  const metrics = createMetrics();
  expect(() => metrics.count('nothing_total' as MetricName)).toThrow('nothing_total');
  expect(() => metrics.gauge('poll_rows_total', 1)).toThrow('poll_rows_total');
  expect(() => metrics.count('poll_commits_total', { patient: 'p' })).toThrow('label');
});

it('asks its collectors before each exposition', async () => {
  const metrics = createMetrics({ process: true });
  let asked = 0;
  metrics.beforeText(async () => metrics.gauge('poll_active', ++asked));
  await metrics.text();
  const text = await metrics.text();
  expect(text).toContain('wardwatch_poll_active 2');
  expect(text).toContain('process_cpu_user_seconds_total');
});

it('tells the rest where a collector fails', async () => {
  const metrics = createMetrics();
  metrics.beforeText(() => {
    throw new Error('nothing to look up');
  });
  metrics.beforeText(async () => Promise.reject(new Error('Redis is away')));
  metrics.beforeText(() => metrics.gauge('poll_active', 3));
  expect(await metrics.text()).toContain('wardwatch_poll_active 3');
});
