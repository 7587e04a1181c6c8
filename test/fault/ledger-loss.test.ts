// A Redis with 10,000 open notifications is emptied, then killed while e-mails are under way and started with an older snapshot: the ledger comes back from Kafka each time.
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EpisodeEvent } from '../../src/domain/events.js';
import { systemClock } from '../../src/telemetry/clock.js';
import { type AlertBench, startAlertBench } from '../helpers/alert-bench.js';
import { episodeEvent } from '../helpers/alert-events.js';
import { type PrivateUrl, startRedis } from '../helpers/services.js';

const SNAPSHOT_AT = 3_000;
const OPEN = 10_000;
const WRITTEN_TOGETHER = 500;
/** Kill Redis when so many were accepted: in the middle of the rest. */
const KILLED_AT = 2_000;
const WITHIN_MS = 120_000;
const LABEL = 'POSSIBLE REPEAT';

let redis: PrivateUrl;
let bench: AlertBench;
let events: EpisodeEvent[];

beforeAll(async () => {
  redis = await startRedis({ appendonly: false });
  bench = await startAlertBench({ redisUrl: redis.url });
  events = Array.from({ length: OPEN }, (_, i) => {
    const event = episodeEvent({ patientId: `p${i}`, atMs: systemClock.nowMs(), value: 20_000 + i });
    return { ...event, patient: { ...event.patient, name: `Name${i}x` } };
  });
});
afterAll(async () => {
  await bench?.close();
  await redis?.close();
});

const openRows = () => bench.redis.zcard(`${bench.redisPrefix}:notif:due`);
const rebuilds = () => bench.log.lines.filter(({ event }) => event === 'ledger.rebuild.done').length;

async function writeUpTo(from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += WRITTEN_TOGETHER)
    await bench.write(...events.slice(at, Math.min(to, at + WRITTEN_TOGETHER)));
  await bench.until(`${to} rows are open`, async () => (await openRows()) === to, WITHIN_MS);
}

test('every alert is e-mailed once, and the few that may have been sent twice say so', {
  timeout: 400_000,
}, async () => {
  await bench.dispatch();
  await writeUpTo(0, SNAPSHOT_AT);
  const [, folder] = (await bench.redis.config('GET', 'dir')) as [string, string];
  const [dump, kept] = [join(folder, 'dump.rdb'), join(folder, 'older.rdb')];
  await bench.redis.save();
  await copyFile(dump, kept);
  await writeUpTo(SNAPSHOT_AT, OPEN);

  const before = rebuilds();
  await bench.redis.flushall();
  await bench.until(
    'the ledger is whole again',
    async () => rebuilds() > before && (await openRows()) === OPEN,
    WITHIN_MS,
  );

  await bench.deliver();
  await bench.until('e-mails are under way', () => bench.sns.accepted.length >= KILLED_AT, WITHIN_MS);
  const again = rebuilds();
  await redis.kill();
  await copyFile(kept, dump);
  await redis.start();
  await bench.until('rebuilt, from more than the snapshot has', () => rebuilds() > again, WITHIN_MS);
  await bench.until('all are accepted', () => new Set(bench.sns.accepted.map(idOf)).size === OPEN, WITHIN_MS);
  await bench.settled();

  const mails = new Map<string, string[]>();
  for (const mail of bench.sns.accepted) mails.set(idOf(mail), [...(mails.get(idOf(mail)) ?? []), mail.body]);
  expect([...mails.keys()].sort()).toEqual(events.map(({ eventId }) => eventId).sort());
  for (const [i, { eventId }] of events.entries())
    for (const body of mails.get(eventId) ?? []) {
      expect(body).toContain(`Name${i}x`);
      expect(body).toContain(`${20_000 + i} /min`);
    }
  const repeated = [...mails.values()].filter((bodies) => bodies.length > 1);
  // What one replica had in its hands when Redis was killed.
  expect(repeated.length).toBeLessThan(KILLED_AT / 10);
  for (const [first, ...more] of repeated) {
    expect(first).not.toContain(LABEL);
    for (const body of more) expect(body).toContain(LABEL);
  }
});

function idOf({ body }: { readonly body: string }): string {
  return /^Event: +(\S+)$/m.exec(body)?.[1] ?? '(none)';
}
