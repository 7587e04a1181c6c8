// Drains: one role alone works off rows that already lie there. From its first row to its last.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { cpuSeconds, peakMemoryMb } from './process-cost.mjs';

/** Each look costs the process some CPU, so not more often than this. */
const LOOK_EVERY_MS = 100;
const READY_WITHIN_MS = 60_000;
const DRAIN_WITHIN_MS = 240_000;

/**
 * Starts `worker --roles <role>` and watches `metric` until it has counted `rows`.
 * Answers {rowsPerSecond, cpuSecondsPerMillion, peakMemoryMb, startToFirstMs, cpuSeconds, wholeSeconds}; the last two from the process's start.
 */
export async function drain({ main, env, role, metric, rows }) {
  const startedMs = performance.now();
  const child = spawn(process.execPath, [main, 'worker', '--roles', role], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let port = null;
  const tail = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    tail.push(line);
    if (tail.length > 10) tail.shift();
    if (line.includes('"http.listening"')) port = JSON.parse(line).port;
  });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  try {
    await until(() => port !== null, READY_WITHIN_MS, 'no port', tail);
    let first = null;
    let count = 0;
    for (;;) {
      count = await counted(port, metric);
      if (first === null && count > 0) first = { ms: performance.now(), count, cpu: cpuSeconds(child.pid) };
      if (count >= rows) break;
      if (performance.now() - startedMs > DRAIN_WITHIN_MS)
        throw new Error(`${role}: ${count} of ${rows} rows after ${DRAIN_WITHIN_MS / 1000} s\n${tail.join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    const endMs = performance.now();
    const cpu = cpuSeconds(child.pid);
    // A role that publishes everything at once has no first part: then the time counts from its start.
    const whole = count === first.count;
    const seconds = (endMs - (whole ? startedMs : first.ms)) / 1000;
    const done = whole ? count : count - first.count;
    return {
      rowsPerSecond: Math.round(done / seconds),
      cpuSecondsPerMillion: cpu === null ? null : Number((((cpu - (whole ? 0 : first.cpu)) / done) * 1e6).toFixed(1)),
      peakMemoryMb: peakMemoryMb(child.pid),
      startToFirstMs: Math.round(first.ms - startedMs),
      cpuSeconds: cpu,
      wholeSeconds: Number(((endMs - startedMs) / 1000).toFixed(1)),
    };
  } finally {
    child.kill('SIGTERM');
    await gone;
  }
}

async function counted(port, metric) {
  const text = await fetch(`http://127.0.0.1:${port}/metrics`).then((response) => response.text());
  let total = 0;
  for (const line of text.split('\n')) {
    if (line.startsWith(`wardwatch_${metric} `) || line.startsWith(`wardwatch_${metric}{`))
      total += Number(line.slice(line.lastIndexOf(' ')));
  }
  return total;
}

async function until(condition, withinMs, what, tail) {
  const endMs = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`${what} after ${withinMs / 1000} s\n${tail.join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
