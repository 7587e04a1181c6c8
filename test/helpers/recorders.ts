// A log and metrics that remember, for tests that ask what was said and counted.
import type { LogFields, Logger, Metrics } from '../../src/domain/ports.js';
import { createMetrics } from '../../src/telemetry/metrics.js';

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly event: string;
  readonly fields: LogFields;
  readonly cause?: unknown;
}

/** `lines` grows with each call; children write to the same list. */
export function recordingLogger(): Logger & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const make = (base: LogFields): Logger => {
    const at =
      (level: LogLine['level']) =>
      (event: string, fields: LogFields = {}, cause?: unknown) => {
        lines.push({ level, event, fields: { ...base, ...fields }, ...(cause === undefined ? {} : { cause }) });
      };
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (f) => make({ ...base, ...f }),
    };
  };
  return { ...make({}), lines };
}

/** Real metrics with their table's checks, and `value()` to read one back (0 where it was never touched). */
export function recordingMetrics(): Metrics & {
  value(name: string, labels?: Record<string, string>): Promise<number>;
  /** All of them, as they are scraped. */
  text(): Promise<string>;
} {
  const metrics = createMetrics();
  return {
    ...metrics,
    value: async (name, labels = {}) => {
      const text = await metrics.text();
      let sum = 0;
      for (const line of text.split('\n')) {
        const match = /^wardwatch_(\w+?)(?:\{(.*)\})? (\S+)$/.exec(line);
        if (!match || match[1] !== name) continue;
        const have = match[2] ?? '';
        if (Object.entries(labels).every(([key, value]) => have.includes(`${key}="${value}"`))) sum += Number(match[3]);
      }
      return sum;
    },
  };
}
