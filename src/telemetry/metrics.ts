// Metrics of one process over prom-client: the table is the only list.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ReadMetric, Sample } from '../domain/alarm-conditions.js';
import { METRICS, type MetricRow } from '../domain/metric-table.js';
import type { Metrics } from '../domain/ports.js';

const PREFIX = 'wardwatch_';

/** Metrics of a process and their exposition text. */
export interface MetricRegistry extends Metrics {
  text(): Promise<string>;
  /** The values of one metric now. */
  samples: ReadMetric;
  readonly contentType: string;
  /** Called before each exposition: the place for values that are looked up (queue depths). One that fails leaves its values as they were. */
  beforeText(collect: () => Promise<void> | void): void;
}

/** `process`: also CPU, memory, event loop and garbage collection of this process, under prom-client's own names. */
export function createMetrics(options: { readonly process?: boolean } = {}): MetricRegistry {
  const registry = new Registry();
  if (options.process) collectDefaultMetrics({ register: registry });
  const counters = new Map<string, Counter>();
  const gauges = new Map<string, Gauge>();
  const histograms = new Map<string, Histogram>();
  const collectors: (() => Promise<void> | void)[] = [];
  for (const row of METRICS as readonly MetricRow[]) {
    const options = { name: PREFIX + row.name, help: row.help, labelNames: [...row.labels], registers: [registry] };
    if (row.type === 'counter') counters.set(row.name, new Counter(options));
    else if (row.type === 'gauge') gauges.set(row.name, new Gauge(options));
    else histograms.set(row.name, new Histogram({ ...options, buckets: [...(row.buckets ?? [])] }));
  }
  return {
    count: (name, labels = {}, n = 1) => need(counters, name).inc(labels, n),
    gauge: (name, value, labels = {}) => need(gauges, name).set(labels, value),
    observe: (name, seconds, labels = {}) => need(histograms, name).observe(labels, seconds),
    text: async () => {
      // What can't be looked up now must not keep the rest from being told.
      await Promise.allSettled(collectors.map(async (collect) => collect()));
      return registry.metrics();
    },
    samples: async (name) => {
      const metric = registry.getSingleMetric(PREFIX + name);
      const values = (await metric?.get())?.values ?? [];
      return values.map(({ labels, value }) => ({ labels: labels as Sample['labels'], value }));
    },
    contentType: registry.contentType,
    beforeText: (collect) => {
      collectors.push(collect);
    },
  };
}

function need<T>(table: Map<string, T>, name: string): T {
  const metric = table.get(name);
  if (!metric)
    throw new Error(
      `metric ${name} has another type or is no row of src/domain/metric-table.ts: add or correct the row`,
    );
  return metric;
}
