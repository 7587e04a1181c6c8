// doctors-queue → SNS on real Redis and Kafka: each event once, in order, nothing about a patient where it does not belong.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Actor } from '../../../jobs/actor.js';
import type { RecordedFold } from '../../../src/domain/delivery.js';
import type { DeliveryRecord, EpisodeEvent } from '../../../src/domain/events.js';
import { formatMicros, microsOfMs } from '../../../src/domain/time.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { type AlertBench, startAlertBench, TOPIC_ARN } from '../../helpers/alert-bench.js';
import { episodeEvent } from '../../helpers/alert-events.js';

const PATIENTS = 30;
const HOUR_MS = 3_600_000;
const HOSTILE = 'Zoë "Q" \'X\' 🫀\nReference:     FORGED\r\nSeverity: low';
/** Long enough to occur in no id by chance. */
const ADDRESS = 'x'.repeat(300);

/** What an e-mail says of itself, read as a person would: lines of ours begin at the margin. */
const field = (body: string, label: string) =>
  body
    .split('\n')
    .filter((line) => line.startsWith(`${label}:`))
    .map((line) => line.slice(label.length + 1).trim());

describe('two dispatch and two deliver', () => {
  let bench: AlertBench;
  let dispatchers: Actor[];
  const now = systemClock.nowMs();
  const old = formatMicros(microsOfMs(now - HOUR_MS));
  const life = (i: number): EpisodeEvent[] => {
    const patientId = `p${i}`;
    const one = (kind: EpisodeEvent['kind'], index: number) => episodeEvent({ patientId, atMs: now, kind, index });
    return [one('raised', 0), one('worsened', 1), one('resolved', 2)];
  };
  const lives = Array.from({ length: PATIENTS }, (_, i) => life(i));
  const unclassified = episodeEvent({
    ...{ patientId: 'unknown-one', atMs: now, direction: 'unclassified', reason: 'unknown-patient', range: null },
    patient: { id: 'unknown-one', name: null, age: null, address: null, phone: null, ward: null },
  });
  const hostile = episodeEvent({
    patientId: 'hostile',
    atMs: now,
    patient: { id: 'hostile', name: HOSTILE, age: 7, address: ADDRESS, phone: '1', ward: '4B\nref FORGED' },
  });
  // A slow device clock: measured an hour ago by its own word, but not there at the poller's last read.
  const skewed = episodeEvent({ patientId: 'skewed', atMs: now, measuredAt: old });
  const history = episodeEvent({ patientId: 'history', atMs: now, measuredAt: old, notBefore: old });
  const historyEnds = episodeEvent({ patientId: 'history', atMs: now, kind: 'resolved', index: 1 });
  const fresh = episodeEvent({ patientId: 'p0', atMs: now, kind: 'fresh', index: 3 });
  const mailed = [...lives.flat(), unclassified, hostile, skewed];

  beforeAll(async () => {
    bench = await startAlertBench();
    dispatchers = [await bench.dispatch(), await bench.dispatch()];
    await bench.deliver();
    await bench.deliver();
    await bench.until('partitions are owned', () => dispatchers.every((actor) => actor.health().ready));
    // One event after the other of an episode, the episodes mixed, as watch writes them.
    for (let index = 0; index < 3; index += 1) await bench.write(...lives.flatMap((events) => events[index] ?? []));
    await bench.write(
      '{broken',
      '{"v":9}',
      JSON.stringify({ v: 1, kind: 'heartbeat', eventId: 'h', by: 'watch', partition: 0 }),
    );
    await bench.write(unclassified, hostile, skewed, history, historyEnds, fresh);
    await bench.dispatched();
    await bench.until('all are accepted', () => bench.sns.accepted.length >= mailed.length);
    await bench.settled();
  });
  afterAll(() => bench.close());

  test('each raised, worsened and resolved is e-mailed once, a resolved after its raised', async () => {
    const ids = bench.sns.accepted.map(({ body }) => field(body, 'Event')[0]);
    expect([...ids].sort()).toEqual(mailed.map(({ eventId }) => eventId).sort());
    for (const [raised, worsened, resolved] of lives) {
      expect(ids.indexOf(resolved?.eventId)).toBeGreaterThan(ids.indexOf(raised?.eventId));
      expect(ids.indexOf(resolved?.eventId)).toBeGreaterThan(ids.indexOf(worsened?.eventId));
    }
    expect(new Set(bench.sns.accepted.map(({ topicArn }) => topicArn))).toEqual(new Set([TOPIC_ARN]));
    expect(await bench.metrics.value('notifications_total', { outcome: 'accepted' })).toBe(mailed.length);
    expect(await bench.metrics.value('dispatch_dead_total', { reason: 'not-json' })).toBe(1);
    expect(await bench.metrics.value('dispatch_dead_total', { reason: 'unknown-version' })).toBe(1);
  });

  test('every decision stands on alert-deliveries with its reason, before the attempt, before the outcome', async () => {
    const records = await bench.deliveries();
    const of = (eventId: string) => records.filter((record) => record.eventId === eventId);
    for (const { eventId } of mailed) {
      expect(of(eventId).map(({ state }) => state)).toEqual(['decided', 'attempt', 'accepted']);
      expect(of(eventId)[2]?.snsMessageId).toMatch(/^fake-\d+$/);
    }
    const reasons = [history, historyEnds, fresh].map(({ eventId }) =>
      of(eventId).map(({ state, reason }) => [state, reason]),
    );
    expect(reasons).toEqual([
      [
        ['suppressed', 'historic'],
        // The summary of what is still open a minute later.
        ['scheduled', 'historic'],
      ],
      [['suppressed', 'resolved-without-raised']],
      [['suppressed', 'not-notified']],
    ]);
    expect(records.filter(({ possibleRepeat }) => possibleRepeat)).toEqual([]);
  });

  test('text from the database arrives whole and can not pass for ours', () => {
    const mail = bench.sns.accepted.find(({ body }) => body.includes(hostile.eventId));
    expect(mail?.subject).toBe(
      `[HIGH] heartBeat alert, ward 4B ref FORGED, ref ${hostile.episodeId.slice(0, 6).toUpperCase()}`,
    );
    expect(mail?.body.replaceAll(/(\r\n|\n) {3}\| /g, '$1')).toContain(HOSTILE);
    expect(mail?.body).toContain(ADDRESS);
    expect(field(mail?.body ?? '', 'Reference')).toEqual([hostile.episodeId.slice(0, 6).toUpperCase()]);
    expect(field(mail?.body ?? '', 'Severity')).toEqual(['high']);
    expect(mail?.attributes).toEqual({
      severity: 'high',
      kind: 'raised',
      ward: '4B ref FORGED',
      ref: hostile.episodeId.slice(0, 6).toUpperCase(),
    });
  });

  test('of a patient nothing but the id in logs, jobs, rows of the ledger, subjects, attributes and labels', async () => {
    const said = JSON.stringify(bench.log.lines);
    const keys = (await bench.redis.keys('*')).filter((key) => key.startsWith(bench.redisPrefix));
    const kept: string[] = [];
    for (const key of keys.filter((one) => !one.includes(':episode:'))) {
      const type = await bench.redis.type(key);
      if (type === 'hash') kept.push(JSON.stringify(await bench.redis.hgetall(key)));
      if (type === 'string') kept.push((await bench.redis.get(key)) ?? '');
      if (type === 'stream') kept.push(JSON.stringify(await bench.redis.xrange(key, '-', '+')));
    }
    expect(kept.length).toBeGreaterThan(PATIENTS);
    const shown = bench.sns.accepted.map(({ subject, attributes }) => JSON.stringify([subject, attributes]));
    const labels = await bench.metrics.text();
    expect(labels).toContain('wardwatch_notifications_total{');
    for (const secret of ['Asha', 'Lake Road', 'QUAGGA', 'Zoë', ADDRESS])
      expect(`${said}${kept.join()}${shown.join()}${labels}`).not.toContain(secret);
  });

  test('read again from the start: the same decisions, word for word, and no second e-mail', async () => {
    const decisions = async () =>
      (await bench.deliveries()).filter(({ state }) => state === 'decided' || state === 'suppressed');
    const before = await decisions();
    for (const actor of dispatchers) await bench.stop(actor);
    await bench.rewind();
    await bench.dispatch();
    await bench.dispatched();
    await bench.settled();
    // The views beside a decision are those of when it was written down.
    const words = (records: readonly DeliveryRecord[]) =>
      records.map(({ fold, ...record }) => JSON.stringify([record, (fold as RecordedFold | undefined)?.stored])).sort();
    expect(words(await decisions())).toEqual(words([...before, ...before]));
    expect(bench.sns.requests()).toBe(mailed.length);
  });
});
