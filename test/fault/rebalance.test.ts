// A member of watch's group comes or goes every two seconds for a minute: each event once, and a partition that is kept is not owned anew.
import { expect, test } from 'vitest';
import type { Actor } from '../../jobs/actor.js';
import { createWatchActor, type WatchParts } from '../../jobs/watch.js';
import { systemClock } from '../../src/telemetry/clock.js';
import { until } from '../helpers/kafka.js';
import { SEED_LIMITS } from '../helpers/limits.js';
import { testPatient } from '../helpers/lookups.js';
import { outOfOrder, told, wardScript } from '../helpers/ward-script.js';
import { CLEAR, isEpisodeEvent, watchWorld } from '../helpers/watch-world.js';

const PARTITIONS = 6;
const FOR_MS = 60_000;
const EVERY_MS = 2_000;
const world = watchWorld('rebalance', PARTITIONS);

interface Member {
  readonly actor: Actor;
  readonly log: ReturnType<typeof world.partsOf>['log'];
  /** Producers made, by partition: each is one ownership. */
  readonly owned: Map<number, number>;
}

async function join(): Promise<Member> {
  const owned = new Map<number, number>();
  const kafka: WatchParts['kafka'] = {
    partitionReader: () => world.kafka.partitionReader(),
    ownedConsumer: (options) => world.kafka.ownedConsumer(options),
    transactionalProducer: (id) => {
      const partition = Number(id.slice(id.lastIndexOf('.') + 1));
      owned.set(partition, (owned.get(partition) ?? 0) + 1);
      return world.kafka.transactionalProducer(id);
    },
  };
  const { parts, log } = world.partsOf('', { kafka });
  const actor = createWatchActor(parts);
  await actor.start();
  return { actor, log, owned };
}

const count = (member: Member, event: string, partition: number, why?: readonly string[]) =>
  member.log.lines.filter(
    (line) =>
      line.event === event && line.fields.partition === partition && (!why || why.includes(String(line.fields.why))),
  ).length;

test('a rebalance every 2 s for a minute', async () => {
  await world.create('');
  const ward = wardScript(60);
  world.lookup.load(
    SEED_LIMITS,
    ward.patients.map((id) => testPatient(id)),
  );
  const stays = await join();
  await until('the first owns all', () => stays.actor.health().ready);
  const visitors: Member[] = [];
  const feeding = new AbortController();
  const feed = (async () => {
    while (!feeding.signal.aborted) {
      await world.produce(ward.nextSecond());
      await systemClock.sleep(100);
    }
  })();
  const members = [stays];
  const start = systemClock.monotonicMs();
  for (let change = 1; change <= FOR_MS / EVERY_MS; change++) {
    // Two visitors at most: the one that has been here longest goes.
    if (visitors.length === 2 || (visitors.length === 1 && members.length % 2 === 0))
      await (visitors.shift() as Member).actor.stop();
    else {
      const visitor = await join();
      visitors.push(visitor);
      members.push(visitor);
    }
    await systemClock.sleep(Math.max(0, start + change * EVERY_MS - systemClock.monotonicMs()));
  }
  feeding.abort();
  await feed;
  await world.drained();
  await Promise.all([...visitors, stays].map(({ actor }) => actor.stop()));

  const got = (await world.messages()).filter(isEpisodeEvent);
  const expected = ward.expected(CLEAR);
  expect(expected.length).toBeGreaterThan(500);
  expect(told(got)).toEqual(expected);
  expect(new Set(got.map((e) => e.eventId)).size).toBe(got.length);
  expect(outOfOrder(got)).toEqual([]);

  // Who keeps a partition keeps producer and memory: a producer is made only after the one before was let go.
  let ownerships = 0;
  for (const member of members)
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const made = member.owned.get(partition) ?? 0;
      ownerships += made;
      const letGo = count(member, 'watch.released', partition);
      // An ownership that could not be completed made a producer too, and said so.
      const failed = world.log.lines.filter(
        (line) => line.event === 'kafka.partition.failed' && line.fields.partition === partition,
      ).length;
      expect(made, `partition ${partition}`).toBeLessThanOrEqual(letGo + failed);
      // Each is let go once, as lost or at the stop.
      expect(letGo).toBeLessThanOrEqual(made);
    }
  const assigned = world.log.lines
    .filter((line) => line.event === 'kafka.group.joined')
    .reduce((sum, line) => sum + Number(line.fields.partitions), 0);
  expect(assigned).toBeGreaterThan((PARTITIONS * FOR_MS) / EVERY_MS);
  // Where every generation began anew, as many would have been owned as were assigned.
  expect(ownerships).toBeLessThan(assigned * 0.9);
});
