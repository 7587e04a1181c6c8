// Redis killed and started again, with its data and without: the ledger is rebuilt from Kafka, nobody is forgotten and nobody told twice.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Actor } from '../../../jobs/actor.js';
import type { EpisodeEvent } from '../../../src/domain/events.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { type AlertBench, startAlertBench } from '../../helpers/alert-bench.js';
import { episodeEvent } from '../../helpers/alert-events.js';
import { type PrivateUrl, startRedis } from '../../helpers/services.js';

const PATIENTS = 5;

describe.each([
  ['with its data', true],
  ['empty', false],
])('Redis comes back %s', (_name, appendonly) => {
  let redis: PrivateUrl;
  let bench: AlertBench;
  let actors: Actor[];
  const of = (name: string, kind: EpisodeEvent['kind'], index: number) =>
    Array.from({ length: PATIENTS }, (_, i) =>
      episodeEvent({ patientId: `${name}${i}`, atMs: systemClock.nowMs(), kind, index }),
    );
  const mails = (event: EpisodeEvent) => bench.sns.accepted.filter(({ body }) => body.includes(event.eventId));

  beforeAll(async () => {
    redis = await startRedis({ appendonly });
    bench = await startAlertBench({ redisUrl: redis.url });
    actors = [await bench.dispatch(), await bench.deliver()];
    await bench.until('ready', () => actors.every((actor) => actor.health().ready));
  });
  afterAll(async () => {
    await bench.close();
    await redis.close();
  });

  test('what was sent is not sent again, what waited is sent, ends reach those who were told', async () => {
    const sent = of('sent', 'raised', 0);
    await bench.write(...sent);
    await bench.until('sent', () => sent.every((event) => mails(event).length === 1));
    await bench.sns.down();
    const waiting = of('waiting', 'raised', 0);
    await bench.write(...waiting);
    await bench.dispatched();
    await bench.until('tried', async () =>
      (await bench.deliveries()).some(({ reason }) => reason === 'definite-transport'),
    );
    await redis.kill();
    await bench.until('not ready', () => actors.every((actor) => !actor.health().ready));
    const ends = [...of('sent', 'resolved', 1), ...of('waiting', 'resolved', 1)];
    await bench.write(...ends);
    await redis.start();
    await bench.sns.up();
    const all = [...sent, ...waiting, ...ends];
    await bench.until('all are accepted', () => all.every((event) => mails(event).length > 0), 40_000);
    await bench.until('ready again', () => actors.every((actor) => actor.health().ready));
    await bench.settled();
    expect(all.map((event) => mails(event).length)).toEqual(all.map(() => 1));
    const at = (one: EpisodeEvent) => bench.sns.accepted.findIndex(({ body }) => body.includes(one.eventId));
    for (const end of ends) {
      const begin = [...sent, ...waiting].find(({ episodeId }) => episodeId === end.episodeId);
      expect(at(end)).toBeGreaterThan(at(begin as EpisodeEvent));
    }
    expect(bench.log.lines.filter(({ event }) => event === 'ledger.rebuild.done').length).toBeGreaterThanOrEqual(2);
  });

  // Once is enough: it waits for BullMQ's closing to be cut off.
  if (!appendonly)
    test('Redis gone for good: both actors still stop', async () => {
      await redis.kill();
      await bench.until('not ready', () => actors.every((actor) => !actor.health().ready));
      await Promise.all(actors.map((actor) => bench.stop(actor)));
    });
});
