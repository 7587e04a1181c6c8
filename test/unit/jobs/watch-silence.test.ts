// One alarm for a source that is silent, none for a reader that is behind.
import { expect, it } from 'vitest';
import { createSilenceWatch } from '../../../jobs/watch-silence.js';
import type { Clock, PartitionStatus } from '../../../src/domain/ports.js';
import { START_US } from '../../helpers/readings.js';
import { recordingLogger, recordingMetrics } from '../../helpers/recorders.js';

it('says once that ticks stay away from a partition that is read to its end, and once that they are back', async () => {
  let seconds = 0;
  const clock = { nowMs: () => START_US / 1_000 + seconds * 1_000 } as Clock;
  const log = recordingLogger();
  const metrics = recordingMetrics();
  const silence = createSilenceWatch(clock, log, metrics);
  const status = (partition: number, lag = 0, state: PartitionStatus['state'] = 'ready') =>
    ({ topic: 'vital-info', partition, state, lag }) as PartitionStatus;
  const at = async (now: number, ...partitions: PartitionStatus[]) => {
    seconds = now;
    silence.look(partitions);
    return metrics.value('watch_source_silent_seconds');
  };
  const tick = (partition: number, second: number) => silence.onTick(partition, START_US + second * 1_000_000);

  tick(0, 0);
  expect(await at(5, status(0), status(1))).toBe(0);
  // Partition 1 has never had one: that counts from the first look.
  tick(0, 8);
  expect(await at(10, status(0), status(1))).toBe(0);
  expect(await at(11, status(0), status(1))).toBe(6);
  expect(silence.reasons()).toEqual([expect.stringContaining('no tick of the poller for 6 s')]);
  tick(1, 10);
  tick(0, 9);
  // An old tick, read again, is no news.
  tick(0, 1);
  expect(await at(13, status(0), status(1))).toBe(0);
  expect(silence.reasons()).toEqual([]);
  // Behind, being owned, or another's now: no silence of the source.
  expect(await at(60, status(0, 100), status(1, 0, 'owning'))).toBe(0);
  silence.onTick(0, null);
  expect(await at(61, status(0))).toBe(0);
  expect(await at(67, status(0))).toBe(6);
  expect(await at(68, status(0))).toBe(7);
  expect(log.lines.map(({ event }) => event)).toEqual([
    'watch.source-silent',
    'watch.source-back',
    'watch.source-silent',
  ]);
});
