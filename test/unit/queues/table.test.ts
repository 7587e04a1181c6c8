// The table of queues: its rows keep the rules that the actors lean on.
import { describe, expect, it } from 'vitest';
import { QUEUE_NAMES, QUEUES, type QueueOptions } from '../../../queues/table.js';

const VALID = {
  'poll-vitals': { v: 1, source: 'rds' },
  'source-command': { v: 1, kind: 'backfill', source: 'rds', by: 'ops', from: '1', to: '9' },
  'import-table': { v: 1, table: 'patients', tickMs: 1_760_000_000_000 },
  'maintain-lake': { v: 1, task: 'audit', tickMs: 1_760_000_000_000 },
  'follow-up': { v: 1, timerId: 'e-reminder-1' },
  'deliver-alert': { v: 1, notificationId: 'abcdefghijklmnopqrstuvwx23' },
} as const;

describe.each(QUEUE_NAMES)('%s', (name) => {
  const options: QueueOptions = QUEUES[name].options;

  it('takes its own data and no unknown version', () => {
    expect(QUEUES[name].data.parse(VALID[name])).toEqual(VALID[name]);
    expect(QUEUES[name].data.safeParse({ ...VALID[name], v: 2 }).success).toBe(false);
    expect(QUEUES[name].data.safeParse({}).success).toBe(false);
  });

  it('drops what its schema does not name, so that no patient travels in a job', () => {
    expect(QUEUES[name].data.parse({ ...VALID[name], patientName: 'Ada' })).toEqual(VALID[name]);
  });

  it('hands the job of a dead worker on within 10 s where alerts wait for it', () => {
    const takeoverMs = options.lockDurationMs + options.stalledIntervalMs;
    expect(takeoverMs).toBeLessThanOrEqual(['import-table', 'maintain-lake'].includes(name) ? 60_000 : 15_000);
    expect(options.stalledIntervalMs).toBeLessThan(options.lockDurationMs);
  });
});

it('keeps the finished job of a tick, so that a late replica is refused, and never the one of a turn', () => {
  expect(QUEUES['import-table'].options.removeOnComplete).toEqual({ age: 172_800 });
  expect(QUEUES['poll-vitals'].options).toMatchObject({ removeOnComplete: true, removeOnFail: true });
});
