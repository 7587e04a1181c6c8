// The live view: what is on it, and that it fits the terminal.
import { expect, test } from 'vitest';
import { frame } from '../../../../ops/local/demo/view.mjs';

const STATE = {
  seconds: 12,
  rates: { rds: 200, kafka: 198, lake: 0 },
  rows: { rds: 2400, kafka: 2398, lake: 2000 },
  alerts: { raised: 3, resolved: 1, accepted: 4 },
  latencyP50Ms: 120,
  email: { subject: '[HIGH] heartBeat alert', body: 'HIGH ALERT\n\nPatient id: 1\nlast line\n' },
  addresses: { console: 'http://127.0.0.1:4000', metrics: [{ name: 'poll', port: 4001 }] },
  next: ['/tmp/wardwatch-demo-x/wardwatch source status', `/tmp/wardwatch-demo-x/wardwatch ${'x'.repeat(100)}`],
};
const height = (lines: readonly string[], columns: number) =>
  lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0);

test('shows rates, alerts, addresses, commands in one piece and the newest e-mail in full', () => {
  const text = frame(STATE, { columns: 80, rows: 50 }).join('\n');
  for (const part of ['RDS 200, Kafka 198, lake 0', '3 raised, 1 resolved', 'http://127.0.0.1:4000', 'poll 4001'])
    expect(text).toContain(part);
  for (const command of STATE.next) expect(text).toContain(`\n  ${command}\n`);
  expect(text).toMatch(/\[HIGH\] heartBeat alert\n\n {2}HIGH ALERT\n\n {2}Patient id: 1\n {2}last line$/);
});

test.each([
  [80, 24],
  [40, 20],
  [200, 60],
])('fits %i columns and %i rows', (columns, rows) => {
  const email = { subject: 's', body: 'a line\n'.repeat(40) };
  expect(height(frame({ ...STATE, email }, { columns, rows }), columns)).toBeLessThanOrEqual(rows);
});

test('says that there is no e-mail yet', () => {
  const lines = frame({ ...STATE, email: null, latencyP50Ms: null }, { columns: 80, rows: 24 });
  expect(lines.at(-1)).toMatch(/^Newest e-mail +none yet/);
});
