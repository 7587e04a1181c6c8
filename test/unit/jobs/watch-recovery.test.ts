// Recovery of episodes, against a model that never fails: whatever dies, is fenced, or loses its answer, each event comes once.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ownWatchPartition, type WatchPartitionParts } from '../../../jobs/watch-partition.js';
import { ATTRIBUTES } from '../../../src/domain/attributes.js';
import type { ContextEvent, EpisodeEvent } from '../../../src/domain/events.js';
import type { Clock, Metrics, PartitionWork, ReceivedRecord } from '../../../src/domain/ports.js';
import { STEPS, type Step } from '../../../src/domain/steps.js';
import { compileThresholds } from '../../../src/domain/threshold-table.js';
import { FencedError } from '../../../src/kafka/errors.js';
import { limit } from '../../helpers/limits.js';
import { testPatient } from '../../helpers/lookups.js';
import { memoryKafka } from '../../helpers/memory-kafka.js';
import { policyWith } from '../../helpers/policies.js';
import { reading, START_US } from '../../helpers/readings.js';
import { recordingLogger } from '../../helpers/recorders.js';
import { type JudgedSample, type ReferenceTiming, referenceEvents } from '../../helpers/reference-episodes.js';

/** Raised at once, or only when it lasts: an owner that dies in mid-sustain must change nothing. */
const TIMINGS: readonly Required<ReferenceTiming>[] = [
  { seconds: 4, samples: 2, sustainSeconds: 0, sustainSamples: 1 },
  { seconds: 4, samples: 1, sustainSeconds: 2, sustainSamples: 2 },
];
const AGES = [0, 100] as const;
const LIMITS = compileThresholds(
  [
    limit('heartBeat', AGES, [0, 49], 1, { severity: 'high' }),
    limit('heartBeat', AGES, [50, 69], 1, { severity: 'medium' }),
    limit('heartBeat', AGES, [70, 78], 0),
    limit('heartBeat', AGES, [79, 99], 1, { severity: 'medium' }),
    limit('heartBeat', AGES, [100, 300], 1, { severity: 'high' }),
  ],
  ATTRIBUTES,
);
const SIGNS = [
  { value: 72, judged: 'normal', rank: 0 },
  { value: 72, judged: 'normal', rank: 0 },
  { value: 72, judged: 'normal', rank: 0 },
  { value: 40, judged: 'low', rank: 3 },
  { value: 60, judged: 'low', rank: 2 },
  { value: 90, judged: 'high', rank: 2 },
  { value: 120, judged: 'high', rank: 3 },
  { value: null, judged: 'unclassified', rank: 3 },
] as const;

const sample = fc.record({
  patient: fc.integer({ min: 0, max: 2 }),
  sign: fc.integer({ min: 0, max: SIGNS.length - 1 }),
  /** Seconds since the one before; some come late. */
  after: fc.integer({ min: -3, max: 4 }),
});

type Fate = 'sound' | 'stopped' | 'zombie' | 'committed' | 'not-committed' | Step;
/** One batch: how long it is, what becomes of its owner in it, which limits are in force, whether a second has passed before it. */
const batch = fc.record({
  size: fc.integer({ min: 1, max: 9 }),
  fate: fc.oneof(
    { weight: 3, arbitrary: fc.constant<Fate>('sound') },
    {
      weight: 2,
      arbitrary: fc.constantFrom<Fate>('stopped', 'zombie', 'committed', 'not-committed', ...STEPS.watch),
    },
  ),
  version: fc.integer({ min: 1, max: 2 }),
  waits: fc.boolean(),
});

const quiet: Metrics = { count: () => undefined, gauge: () => undefined, observe: () => undefined };
const topics = { vitalInfo: 'vital-info', watchState: 'watch-state', doctorsQueue: 'doctors-queue' };

it('raises, worsens and resolves as if nothing had happened, and says truly which limits it used', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(sample, { minLength: 1, maxLength: 60 }),
      fc.array(batch, { maxLength: 30 }),
      fc.constantFrom(...TIMINGS),
      play,
    ),
    { numRuns: 400 },
  );
});

it('raises what has lasted at its original time, whichever owner saw it begin', async () => {
  const lasting = [0, 5, 5, 5, 5, 5, 5, 5, 0].map((sign) => ({ patient: 0, sign, after: 1 }));
  for (const fate of ['stopped', 'zombie', 'committed', 'not-committed', ...STEPS.watch] as const)
    for (const size of [1, 2, 3])
      await play(
        lasting,
        lasting.map(() => ({ size, fate, version: 1, waits: true })),
        { seconds: 0, samples: 1, sustainSeconds: 5, sustainSamples: 4 },
      );
});

async function play(
  samples: readonly { patient: number; sign: number; after: number }[],
  batches: readonly { size: number; fate: Fate; version: number; waits: boolean }[],
  timing: Required<ReferenceTiming>,
): Promise<void> {
  const { records, histories } = historyOf(samples);
  const kafka = memoryKafka(1);
  const time = { ms: START_US / 1_000 + 600_000 };
  const clock: Clock = { nowMs: () => time.ms, monotonicMs: () => time.ms, sleep: async () => undefined };
  let version = 1;
  let tokens = 0;
  let dies: Step | undefined;
  const parts: WatchPartitionParts = {
    topics,
    clock,
    log: recordingLogger(),
    metrics: quiet,
    onStep: (step) => {
      if (step === dies) throw new Error(`killed at ${step}`);
    },
    newToken: () => `token-${tokens++}`,
    transactionalProducer: () => kafka.transactionalProducer('watch.vital-info.0'),
    partitionReader: () => kafka.partitionReader(),
    contextFor: async () => ({
      limits: LIMITS,
      thresholdVersion: `t${version}`,
      patientVersion: 'p1',
      policy: policyWith({
        clearAfterMs: timing.seconds * 1_000,
        clearSamples: timing.samples,
        sustainMs: timing.sustainSeconds * 1_000,
        minSamples: timing.sustainSamples,
      }),
      privacy: 'full',
      ageAt: ({ age }) => age,
      patient: (id) => testPatient(id),
    }),
    onTick: () => undefined,
    onOpenEpisodes: () => undefined,
  };
  const own = async (): Promise<PartitionWork> => {
    for (;;)
      try {
        return await ownWatchPartition(parts, {
          topic: topics.vitalInfo,
          partition: 0,
          isOurs: () => true,
          fail: () => undefined,
          heartbeat: async () => undefined,
        });
      } catch {
        // A crash while owning: the next owner lives.
        dies = undefined;
      }
  };
  const handle = (work: PartitionWork, size: number) => {
    const next = Math.min(records.length, work.expected + size);
    return work.handle(records.slice(work.expected, next), next);
  };

  let work = await own();
  for (const { size, fate, version: inForce, waits } of batches) {
    version = inForce;
    if (waits) time.ms += 1_500;
    if (fate === 'committed' || fate === 'not-committed') kafka.failNext(fate);
    else if (fate !== 'sound' && fate !== 'stopped' && fate !== 'zombie') dies = fate;
    const failed = await handle(work, size).then(
      () => false,
      () => true,
    );
    if (fate === 'stopped') await work.release('stop');
    if (fate === 'zombie') {
      // It sleeps, its heir works, it wakes and goes on where it was: nothing of that may be seen.
      const heir = await own();
      await handle(heir, 3);
      time.ms += 1_500;
      await expect(work.handle(records.slice(0, 1), 10_000)).rejects.toThrow(FencedError);
      await work.release('stop');
      work = heir;
    } else if (failed || fate === 'stopped') work = await own();
    // A commit that did not come to be needed: its failure must not hit another one.
    if (fate === 'committed' || fate === 'not-committed') {
      await kafka.transactionalProducer('nobody').then((p) => p.transact([]).catch(() => undefined));
    }
    dies = undefined;
  }
  while (work.expected < records.length) await handle(work, 7);

  const said = kafka.records(topics.doctorsQueue).map((r) => JSON.parse(r.value ?? '') as EpisodeEvent | ContextEvent);
  const events = said.filter((m): m is EpisodeEvent => 'patient' in m);
  const expected = [...histories].flatMap(([id, history]) =>
    referenceEvents(history, timing).map((e) => `${id} ${e.reading} ${e.kind} ${e.direction}`),
  );
  const told = events.map((e) => `${e.patient.id} ${e.readingId.slice(4)} ${e.kind} ${e.direction}`);
  expect(told.sort()).toEqual(expected.sort());
  expect(new Set(events.map((e) => e.eventId)).size).toBe(events.length);
  // The audit takes, for each reading, the last context written before its event that does not begin after it.
  let context: ContextEvent | undefined;
  for (const message of said) {
    if (message.kind === 'context') context = message as ContextEvent;
    else {
      expect(context?.thresholdVersion).toBe(message.thresholdVersion);
      expect(Number(context?.offset)).toBeLessThanOrEqual(Number((message as EpisodeEvent).readingId.slice(4)));
    }
  }
}

/** Readings are numbered by their offsets. */
function historyOf(samples: readonly { patient: number; sign: number; after: number }[]) {
  const histories = new Map<string, JudgedSample[]>();
  let second = 100;
  const records = samples.map(({ patient, sign, after }, offset): ReceivedRecord => {
    second = Math.max(0, second + after);
    const { value, judged, rank } = SIGNS[sign] as (typeof SIGNS)[number];
    const id = `p${patient}`;
    const history = histories.get(id) ?? [];
    histories.set(id, history);
    history.push({ judged, rank, second, reading: offset });
    const row =
      value === null
        ? reading(offset, id, {}, second, { bad: { heartBeat: '?' } })
        : reading(offset, id, { heartBeat: value }, second);
    return { offset, timestamp: 0, key: Buffer.from(id), value: Buffer.from(JSON.stringify(row)), headers: {} };
  });
  return { records, histories };
}
