// Watch on a real Kafka: topics of its own, readings in, events out, and actors as the composition root builds them.
import type { WatchParts } from '../../jobs/watch.js';
import { ATTRIBUTES } from '../../src/domain/attributes.js';
import type { EpisodeEvent } from '../../src/domain/events.js';
import type { Reading } from '../../src/domain/reading.js';
import { systemClock } from '../../src/telemetry/clock.js';
import { testKafka, until, valuesOf } from './kafka.js';
import { type FakeLookup, fakeLookup } from './lookups.js';
import { fixed, policyWith } from './policies.js';
import { recordingLogger, recordingMetrics } from './recorders.js';

export const CLEAR = { seconds: 5, samples: 2 };

let tokens = 0;

/** Makes vital-info, watch-state and doctors-queue under a prefix of the test. Call at the top of a test file. */
export function watchWorld(name: string, partitions: number) {
  const base = testKafka(name);
  const lookup: FakeLookup = fakeLookup();
  const create = async (prefix: string) => {
    for (const topic of ['vital-info', 'doctors-queue']) await base.topic(prefix + topic, partitions);
    await base.topic(`${prefix}watch-state`, partitions, { 'cleanup.policy': 'compact' });
  };

  return {
    ...base,
    lookup,
    create,
    partsOf: (prefix = '', more: Partial<WatchParts> = {}) => {
      const log = recordingLogger();
      const metrics = recordingMetrics();
      const parts: WatchParts = {
        kafka: base.kafka,
        prefix: base.prefix + prefix,
        lookup,
        lookupTimeoutMs: 200,
        policy: fixed(policyWith({ clearAfterMs: CLEAR.seconds * 1_000, clearSamples: CLEAR.samples })),
        privacy: 'full',
        timeZone: 'UTC',
        attributes: ATTRIBUTES,
        clock: systemClock,
        log,
        metrics,
        onStep: () => undefined,
        newToken: () => `token-${process.pid}-${tokens++}`,
        ...more,
      };
      return { parts, log, metrics };
    },
    /** In one transaction, by the patient's key. Text goes in as it is. */
    produce: async (items: readonly (Reading | string)[], prefix = '') => {
      const producer = await base.kafka.transactionalProducer(`${base.prefix}${prefix}poll`);
      await producer.transact(
        items.map((item) => ({
          topic: `${base.prefix}${prefix}vital-info`,
          key: typeof item === 'string' ? 'broken' : item.patientId,
          value: typeof item === 'string' ? item : JSON.stringify(item),
        })),
      );
      await producer.close();
    },
    /** Committed messages of doctors-queue, partition by partition, in order. */
    messages: async (prefix = ''): Promise<Record<string, unknown>[]> => {
      const all: Record<string, unknown>[] = [];
      for (let partition = 0; partition < partitions; partition++) {
        const texts = await valuesOf(base.kafka, `${base.prefix}${prefix}doctors-queue`, partition);
        all.push(...texts.map((text) => JSON.parse(text) as Record<string, unknown>));
      }
      return all;
    },
    /** Waits until the group has told Kafka that it passed everything on vital-info. */
    drained: async (prefix = '') => {
      const topic = `${base.prefix}${prefix}vital-info`;
      const ends = await base.kafka.admin.endOffsets(topic);
      for (const [partition, end] of ends.entries())
        await until(`partition ${partition} handled up to ${end}`, async () => {
          const at = await base.kafka.admin.committedOffset(`${base.prefix}${prefix}watch`, topic, partition);
          return end === 0 || (at ?? 0) >= end;
        });
    },
  };
}

export function isEpisodeEvent(message: Record<string, unknown>): message is Record<string, unknown> & EpisodeEvent {
  return 'patient' in message;
}
