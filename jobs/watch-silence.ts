// Is the source silent? Silence of a patient means something only while the poller's ticks arrive (data-path.md 4): without them there is one alarm.
import type { Clock, Logger, Metrics, PartitionStatus } from '../src/domain/ports.js';
import { type Micros, microsOfMs } from '../src/domain/time.js';

/** Ticks come every 2 s, to each partition. */
const SILENT_AFTER_US = 5_000_000;
const US_PER_SECOND = 1_000_000;

export interface SilenceWatch {
  /** A tick, by the poller's clock. Null: the partition is ours no more. */
  onTick(partition: number, atUs: Micros | null): void;
  /** Compares the newest ticks with the clock; says once when silence begins and once when it ends. */
  look(partitions: readonly PartitionStatus[]): void;
  /** For people; empty while ticks arrive. */
  reasons(): readonly string[];
}

export function createSilenceWatch(clock: Clock, log: Logger, metrics: Metrics): SilenceWatch {
  const newest = new Map<number, Micros>();
  let silentUs = 0;
  return {
    onTick: (partition, atUs) => {
      if (atUs === null) newest.delete(partition);
      else newest.set(partition, Math.max(atUs, newest.get(partition) ?? atUs));
    },
    look: (partitions) => {
      const nowUs = microsOfMs(clock.nowMs());
      const ages = partitions
        // Where more waits to be read, the newest tick has perhaps not been read yet: that is lag, and no silence.
        .filter(({ state, lag }) => state === 'ready' && lag === 0)
        .map(({ partition }) => {
          // From when we first looked, where none has come at all.
          const since = newest.get(partition) ?? nowUs;
          newest.set(partition, since);
          return nowUs - since;
        });
      const before = silentUs;
      const oldest = Math.max(0, ...ages);
      silentUs = oldest > SILENT_AFTER_US ? oldest : 0;
      metrics.gauge('watch_source_silent_seconds', silentUs / US_PER_SECOND);
      if (silentUs > 0 && before === 0)
        log.warn('watch.source-silent', { seconds: Math.round(silentUs / US_PER_SECOND) });
      if (silentUs === 0 && before > 0) log.info('watch.source-back');
    },
    reasons: () =>
      silentUs === 0
        ? []
        : [
            `watch: no tick of the poller for ${Math.round(silentUs / US_PER_SECOND)} s: it, or RDS, is silent, and no patient's silence means anything`,
          ],
  };
}
