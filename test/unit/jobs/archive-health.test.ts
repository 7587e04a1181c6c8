import { describe, expect, it } from 'vitest';
import { type ArchiveHealthInput, archiveHealth } from '../../../jobs/archive-health.js';
import type { PartitionStatus } from '../../../src/domain/ports.js';

const owned = (partition: number, state: PartitionStatus['state']): PartitionStatus => ({
  topic: 'x.vital-info',
  partition,
  state,
  expected: 0,
  lastProgressMs: 0,
  lag: 0,
  busySinceMs: null,
});
const well: ArchiveHealthInput = {
  joined: true,
  crashed: undefined,
  refused: [],
  damage: [],
  trouble: undefined,
  partitions: [owned(0, 'ready')],
  waiting: [{ topic: 'vital-info', partition: 0, sinceMs: undefined }],
  nowMs: 100_000,
  overdueAfterMs: 60_000,
};
const of = (change: Partial<ArchiveHealthInput>) => archiveHealth({ ...well, ...change });

describe('archiveHealth', () => {
  it('is well while rows are younger than a flush can take', () => {
    expect(of({})).toEqual({ ready: true, live: true, reasons: [] });
    expect(of({ waiting: [{ topic: 'vital-info', partition: 0, sinceMs: 40_000 }] }).live).toBe(true);
  });

  it('is not live when a row waits for longer, or the group has crashed', () => {
    const overdue = of({ waiting: [{ topic: 'vital-info', partition: 3, sinceMs: 39_999 }] });
    expect(overdue).toMatchObject({ ready: true, live: false });
    expect(overdue.reasons[0]).toContain('vital-info/3 have waited for more than 60 s');
    const crashed = of({ crashed: 'needs offset 5, but x.vital-info partition 0 begins at 9' });
    expect(crashed).toMatchObject({ ready: false, live: false });
    expect(crashed.reasons[0]).toContain('needs offset 5');
  });

  it('is not ready, and says why, before it has joined, while a partition is not owned, and where the lake is refused', () => {
    expect(of({ joined: false })).toMatchObject({ ready: false, live: true });
    expect(of({ partitions: [owned(0, 'ready'), owned(4, 'wait')] }).reasons[0]).toContain('x.vital-info/4');
    const refused = of({ refused: ['_log/vital-info/0/7.json was written from cluster a, this is b'] });
    expect(refused.ready).toBe(false);
    expect(refused.reasons[0]).toContain('cluster a');
    const full = of({ trouble: 'ENOSPC' });
    expect(full).toMatchObject({ ready: false, live: true });
    expect(full.reasons[0]).toContain('ENOSPC');
  });
});
