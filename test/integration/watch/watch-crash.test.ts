// One partition of watch on a real Kafka, without a group: its owner ends at every step of every batch, and a successor goes on.
import { expect, test } from 'vitest';
import { createWatchActor, type WatchParts } from '../../../jobs/watch.js';
import type { OwnedConsumerOptions, PartitionWork, ReceivedRecord } from '../../../src/domain/ports.js';
import { STEPS, type Step } from '../../../src/domain/steps.js';
import { FencedError } from '../../../src/kafka/errors.js';
import { transactionsEnded, until } from '../../helpers/kafka.js';
import { SEED_LIMITS } from '../../helpers/limits.js';
import { testPatient } from '../../helpers/lookups.js';
import { reading } from '../../helpers/readings.js';
import { isEpisodeEvent, watchWorld } from '../../helpers/watch-world.js';

const world = watchWorld('watchcrash', 1);
world.lookup.load(SEED_LIMITS, [testPatient('p1')]);

/** Owns partition 0 as the consumer would; a step that `dies` names leaves everything as a kill does: nothing is closed, nothing aborted. */
async function ownPartition(prefix: string, dies: (step: Step) => boolean): Promise<PartitionWork> {
  let options: OwnedConsumerOptions | undefined;
  const { parts } = world.partsOf(prefix);
  const kafka: WatchParts['kafka'] = {
    partitionReader: () => world.kafka.partitionReader(),
    transactionalProducer: async (id) => {
      const producer = await world.kafka.transactionalProducer(id);
      return { ...producer, close: async () => undefined };
    },
    ownedConsumer: (given) => {
      options = given;
      return {
        start: async () => undefined,
        stop: async () => undefined,
        status: () => [],
        crashed: new Promise(() => undefined),
      };
    },
  };
  const onStep = (step: Step) => {
    if (dies(step)) throw new Error(`killed at ${step}`);
  };
  await createWatchActor({ ...parts, kafka, onStep }).start();
  await until('the group is joined', () => options !== undefined);
  return (options as unknown as OwnedConsumerOptions).own({
    topic: `${world.prefix}${prefix}vital-info`,
    partition: 0,
    isOurs: () => true,
    fail: () => undefined,
    heartbeat: async () => undefined,
  });
}

// Two episodes, the second of both directions; resolved after 5 s and two samples.
const VALUES = [72, 120, 121, 72, 72, 72, 72, 72, 72, 72, 50, 120, 72, 72, 72, 72, 72, 72, 72, 72];
const EXPECTED = [
  'rds:1 raised high',
  'rds:8 resolved high',
  'rds:10 raised low',
  'rds:11 raised high',
  'rds:16 resolved low',
  'rds:17 resolved high',
];
const BATCH = 2;

const records: ReceivedRecord[] = VALUES.map((heartBeat, i) => ({
  offset: i,
  timestamp: 0,
  key: Buffer.from('p1'),
  value: Buffer.from(JSON.stringify(reading(i, 'p1', { heartBeat }, i))),
  headers: {},
}));

const handleFrom = async (work: PartitionWork): Promise<void> => {
  while (work.expected < records.length) {
    const next = Math.min(records.length, work.expected + BATCH);
    await work.handle(records.slice(work.expected, next), next);
  }
};
/** What stands on doctors-queue, once no transaction is open there: a commit is answered before its markers stand. */
const said = async (prefix: string) => {
  await transactionsEnded(world.kafka, `${world.prefix}${prefix}doctors-queue`, 0);
  return (await world.messages(prefix)).filter(isEpisodeEvent).map((e) => `${e.readingId} ${e.kind} ${e.direction}`);
};

test.each(STEPS.watch)('killed at %s, each time later, until one gets through', async (step) => {
  const prefix = `${step}.`;
  await world.create(prefix);
  let deaths = 0;
  for (let survives = 0; ; survives++) {
    let seen = 0;
    try {
      await handleFrom(await ownPartition(prefix, (at) => at === step && seen++ === survives));
      break;
    } catch (error) {
      expect(String(error)).toContain(`killed at ${step}`);
      deaths += 1;
    }
  }
  expect(deaths).toBeGreaterThan(0);
  expect(await said(prefix)).toEqual(EXPECTED);
});

test('an owner that was paused and comes back is fenced, and none of its work is seen', async () => {
  const prefix = 'zombie.';
  await world.create(prefix);
  const zombie = await ownPartition(prefix, () => false);
  await zombie.handle(records.slice(0, 3), 3);
  const heir = await ownPartition(prefix, () => false);
  expect(heir.expected).toBe(3);
  await expect(zombie.handle(records.slice(3, 11), 11)).rejects.toThrow(FencedError);
  await handleFrom(heir);
  expect(await said(prefix)).toEqual(EXPECTED);
  // Its last word, on stop, must not count either.
  await zombie.release('stop');
  await heir.release('stop');
  expect((await ownPartition(prefix, () => false)).expected).toBe(records.length);
});
