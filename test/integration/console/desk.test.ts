// The desk on real Redis and Kafka: what it lists, what it tells from the record, what it writes, and that nobody looks unrecorded.
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AlertDeskInHand, createAlertDesk } from '../../../jobs/alert-desk.js';
import { createAlertHistory } from '../../../jobs/alert-history.js';
import { type Asker, DeskNotReady, DeskRefused } from '../../../src/domain/alert-desk.js';
import { deliveryRecord } from '../../../src/domain/delivery.js';
import type { DeliveryKind, DeliveryRecord, DeliveryState } from '../../../src/domain/events.js';
import { notificationId, reference } from '../../../src/domain/identity.js';
import { type EpisodeView, NO_EPISODE } from '../../../src/domain/notification.js';
import { formatMicros, microsOfMs } from '../../../src/domain/time.js';
import { createDeskReads } from '../../../src/redis/desk-views.js';
import { createLedger } from '../../../src/redis/ledger.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { episodeEvent } from '../../helpers/alert-events.js';
import { testKafka, valuesOf } from '../../helpers/kafka.js';
import { policyWith } from '../../helpers/policies.js';
import { testStack, uniqueName } from '../../helpers/stack.js';

const DOCTORS = 'arn:aws:sns:eu-central-1:123456789012:doctors';
const OTHERS = 'arn:aws:sns:eu-central-1:123456789012:others';
const MINUTE_MS = 60_000;
const asker: Asker = { user: 'nurse', via: 'command-line' };
const { kafka, prefix: kafkaPrefix, topic } = testKafka('desk');
const redisPrefix = `{${uniqueName('desk')}}`;
const now = systemClock.nowMs();
const at = (ms: number) => formatMicros(microsOfMs(now + ms));
const raised = episodeEvent({ atMs: now - 10 * MINUTE_MS });
const other = episodeEvent({ patientId: '7', attribute: 'bp', atMs: now - 5 * MINUTE_MS });
const ref = reference(raised.episodeId);
let redis: Redis;
let desk: AlertDeskInHand;

const viewOf = (event: typeof raised, more: Partial<EpisodeView> = {}): EpisodeView => ({
  ...NO_EPISODE,
  ...{ version: 1, offset: 0, episodeId: event.episodeId, status: 'open', patientId: event.patient.id },
  ...{ ward: event.patient.ward, attribute: event.attribute, direction: event.direction, severity: event.severity },
  ...{ eventIndex: 0, lastEventId: event.eventId, since: event.since },
  ...more,
});
const record = (
  event: typeof raised,
  kind: DeliveryKind,
  state: DeliveryState,
  reason: string,
  { n = 0, destination = DOCTORS, ms = -10 * MINUTE_MS } = {},
): DeliveryRecord => {
  const { episodeId, eventId } = event;
  const id = notificationId(episodeId, kind, n, destination);
  const subject = { notificationId: id, trigger: episodeId, eventId, episodeId, kind, n, destination };
  return deliveryRecord(subject as never, { state, reason, snsMessageId: 'm1' }, at(ms));
};
const put = async (event: typeof raised, view: EpisodeView) => {
  const key = `${redisPrefix}:episode:${event.episodeId}`;
  await redis.hset(key, 'view', JSON.stringify(view), `e:${event.eventId}`, JSON.stringify(event));
  await redis.zadd(`${redisPrefix}:episodes:open`, Date.parse(event.since), event.episodeId);
};
const audits = async () =>
  (await valuesOf(kafka, `${kafkaPrefix}access-audit`, 0)).map((text) => JSON.parse(text) as Record<string, unknown>);
const queued = async () => {
  const values = await Promise.all(
    [0, 1].map((partition) => valuesOf(kafka, `${kafkaPrefix}doctors-queue`, partition)),
  );
  return values.flat().map((text) => JSON.parse(text) as Record<string, unknown>);
};
/** Resolves when doctors-queue has such an event: what dispatch would fold next. */
const written = async (kind: string): Promise<Record<string, unknown>> => {
  for (;;) {
    const found = (await queued()).find((event) => event.kind === kind);
    if (found) return found;
    await systemClock.sleep(20);
  }
};

beforeAll(async () => {
  redis = new Redis(testStack().redisUrl);
  await Promise.all([topic('doctors-queue', 2), topic('alert-deliveries', 2), topic('access-audit', 1)]);
  const ledger = createLedger(redis, redisPrefix);
  desk = createAlertDesk({
    views: { ...createDeskReads(redis, redisPrefix), attach: ledger.attach, redrive: async () => true },
    history: createAlertHistory({ kafka, kafkaPrefix, lake: undefined }),
    readers: {
      topics: () => [DOCTORS, OTHERS],
      subscriptions: async (arn) => (arn === DOCTORS ? [{ endpoint: 'Dr.X@hospital.example', confirmed: true }] : []),
    },
    plainProducer: () => kafka.plainProducer(),
    kafkaPrefix,
    time: (iso) => iso,
    policy: () => policyWith(),
    clock: systemClock,
  });
  await expect(desk.list(asker, {})).rejects.toBeInstanceOf(DeskNotReady);
  await (await ledger.rebuild())?.finish();
  const told = [{ destination: DOCTORS, notificationId: 'n', kind: 'raised' as const }];
  await put(raised, viewOf(raised, { told }));
  await put(other, viewOf(other, { severity: 'low', silencedBy: 's' }));
  const records = [
    record(raised, 'raised', 'decided', 'routed'),
    record(raised, 'raised', 'accepted', 'accepted', { ms: -10 * MINUTE_MS + 50 }),
    record(raised, 'reminder', 'suppressed', 'acknowledged', { n: 1, destination: '', ms: -2 * MINUTE_MS }),
    record(other, 'raised', 'suppressed', 'silenced', { destination: '', ms: -5 * MINUTE_MS }),
    record(other, 'escalated', 'accepted', 'accepted', { n: 1, destination: OTHERS, ms: -4 * MINUTE_MS }),
  ];
  const producer = await kafka.plainProducer();
  await producer.send([
    ...[raised, other].map((event) => ({
      topic: `${kafkaPrefix}doctors-queue`,
      key: event.patient.id,
      value: JSON.stringify(event),
    })),
    ...records.map((one) => ({
      topic: `${kafkaPrefix}alert-deliveries`,
      key: one.trigger,
      value: JSON.stringify(one),
    })),
  ]);
  await producer.close();
});

afterAll(async () => {
  await desk.close();
  const keys = await redis.keys(`${redisPrefix}*`);
  if (keys.length > 0) await redis.del(...keys);
  redis.disconnect();
});

test('list: the severest first, by ward, no name', async () => {
  const { alerts, more } = await desk.list(asker, {});
  expect(alerts.map((one) => [one.patientId, one.severity])).toEqual([
    ['1042', 'high'],
    ['7', 'low'],
  ]);
  expect(more).toBe(false);
  expect(JSON.stringify(alerts)).not.toMatch(/Verma|Lake Road|QUAGGA/);
  expect((await desk.list(asker, { patientId: '7' })).alerts).toHaveLength(1);
  expect((await desk.list(asker, { ward: '5A' })).alerts).toEqual([]);
});

test('show: by the reference in the e-mail, with the patient, and on record before it is shown', async () => {
  const { alert, event } = await desk.show({ user: 'dr-y', via: 'console' }, ref);
  expect(alert.episodeId).toBe(raised.episodeId);
  expect(event).toEqual(raised);
  expect((await audits()).at(-1)).toMatchObject({
    ...{ v: 1, user: 'dr-y', action: 'alerts-show', patientId: '1042', via: 'console', episodeId: raised.episodeId },
  });
});

test('why of an alert: events and decisions in their order, and the sum', async () => {
  const why = await desk.why(asker, raised.episodeId);
  expect(why.lines.map(({ what, kind, state }) => `${what} ${kind} ${state}`.trim())).toEqual([
    'event raised',
    'decision raised decided',
    'delivery raised accepted',
    'decision reminder suppressed',
  ]);
  expect(why.outcomes.map(({ kind, verdict, reason }) => [kind, verdict, reason])).toEqual([
    ['raised', 'accepted', 'accepted'],
    ['reminder', 'suppressed', 'acknowledged'],
  ]);
});

describe('why of a recipient', () => {
  const during = (fromMs: number, toMs: number, recipient = 'dr.x@hospital.example') =>
    desk.whyRecipient(asker, { recipient, fromMs: now + fromMs, toMs: now + toMs });

  test('what they got, what nobody was told of, and what went elsewhere', async () => {
    const why = await during(-15 * MINUTE_MS, 0);
    expect(why.topics).toEqual([{ topic: DOCTORS, confirmed: true }]);
    expect(why.theirs.map(({ ref: of, kind, verdict }) => [of, kind, verdict])).toEqual([[ref, 'raised', 'accepted']]);
    expect(why.nobody.map(({ kind, reason }) => [kind, reason]).sort()).toEqual([
      ['raised', 'silenced'],
      ['reminder', 'acknowledged'],
    ]);
    expect(why.elsewhere.map(({ destination }) => destination)).toEqual([OTHERS]);
    expect(why.alerts.map(({ patientId }) => patientId).sort()).toEqual(['1042', '7']);
  });

  test('only that time', async () => {
    const why = await during(-3 * MINUTE_MS, 0);
    expect([why.theirs, why.elsewhere]).toEqual([[], []]);
    expect(why.nobody.map(({ kind }) => kind)).toEqual(['reminder']);
  });

  test('a topic is one by its name; who reads nothing is told so', async () => {
    expect((await during(-15 * MINUTE_MS, 0, 'others')).theirs.map(({ kind }) => kind)).toEqual(['escalated']);
    expect((await during(-15 * MINUTE_MS, 0, 'nobody@x.example')).topics).toEqual([]);
  });
});

test('ack: an event of the patient, in force once it is folded', async () => {
  const folded = written('acknowledged').then(({ eventId, by, at: when }) =>
    put(raised, viewOf(raised, { ack: { by, at: when, until: when, eventId, n: 0, eventIndex: 0 } as never })),
  );
  const done = await desk.acknowledge(asker, { alert: ref, note: 'at the bedside', forMs: 30 * MINUTE_MS });
  await folded;
  expect(done.inForce).toBe(true);
  expect(await written('acknowledged')).toMatchObject({
    ...{ v: 1, eventId: done.eventId, by: 'nurse', episodeId: raised.episodeId, patientId: '1042' },
    note: 'at the bedside',
  });
  expect((await audits()).at(-1)).toMatchObject({ user: 'nurse', action: 'alerts-ack', patientId: '1042' });
  const [alert] = (await desk.list(asker, { patientId: '1042' })).alerts;
  expect(alert?.acknowledged?.by).toBe('nurse');
});

test('silence and unsilence: an end for each severity, and events of one key', async () => {
  const request = { matcher: { ward: '4B' }, forMs: 12 * 60 * MINUTE_MS, reason: 'probes' };
  const folded = written('silenced').then((event) =>
    redis.hset(`${redisPrefix}:silences`, String(event.silenceId), JSON.stringify(event)),
  );
  const { silence, inForce } = await desk.silence(asker, request);
  await folded;
  expect(inForce).toBe(true);
  const minutesUntil = (iso: string) => Math.round((Date.parse(iso) - Date.parse(silence.startsAt)) / MINUTE_MS);
  expect(Object.values(silence.endsFor).map(minutesUntil)).toEqual([120, 480, 720]);
  const ended = written('silence-ended').then(() => redis.hdel(`${redisPrefix}:silences`, silence.silenceId));
  expect((await desk.unsilence(asker, silence.silenceId)).inForce).toBe(true);
  await ended;
  await expect(desk.unsilence(asker, silence.silenceId)).rejects.toMatchObject({ code: 'no-such-silence' });
});

test.each<[string, () => Promise<unknown>, string]>([
  ['what is no reference', () => desk.show(asker, '../etc'), 'no-such-alert'],
  ['an alert that is nowhere', () => desk.why(asker, 'zzzzzz'), 'no-such-alert'],
  [
    'an acknowledgement longer than the policy',
    () => desk.acknowledge(asker, { alert: ref, note: '', forMs: 86_400_000 }),
    'too-long',
  ],
  ['a silence of everything', () => desk.silence(asker, { matcher: {}, forMs: 60_000, reason: 'x' }), 'no-matcher'],
  [
    'a silence without a reason',
    () => desk.silence(asker, { matcher: { ward: 'x' }, forMs: 60_000, reason: ' ' }),
    'no-reason',
  ],
  [
    'a silence for a week and a day',
    () => desk.silence(asker, { matcher: { ward: 'x' }, forMs: 691_200_000, reason: 'x' }),
    'too-long',
  ],
])('refused: %s', async (_what, ask, code) => {
  const before = (await queued()).length;
  const error = await ask().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(DeskRefused);
  expect(error).toMatchObject({ code });
  expect((await queued()).length).toBe(before);
});
