// Reminders, escalation, acknowledgement and silence on real Redis and Kafka: who is told when nobody reacts, and who is left alone; also when Redis was emptied meanwhile.
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { EpisodeEvent, OperatorEvent } from '../../../src/domain/events.js';
import { operatorEventId } from '../../../src/domain/operator-events.js';
import { formatMicros, microsOfMs } from '../../../src/domain/time.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { ALERT_POLICY, type AlertBench, startAlertBench, TOPIC_ARN } from '../../helpers/alert-bench.js';
import { episodeEvent } from '../../helpers/alert-events.js';
import { fixed } from '../../helpers/policies.js';
import { uniqueName } from '../../helpers/stack.js';

const arn = (name: string) => TOPIC_ARN.replace('doctors', name);
const [WARD, ICU, NIGHT] = [arn('ward'), arn('icu'), arn('night')];
/** Long enough for what is written before, on a busy machine. */
const SOON_MS = 2_500;
const HOUR_MS = 3_600_000;
const NEVER_MS = 6 * HOUR_MS;
const POLICY = {
  ...ALERT_POLICY,
  routes: [
    {
      ...{ name: 'icu', match: { wards: ['ICU'] }, topic: ICU, reminder: null },
      escalation: [{ afterMs: SOON_MS, topic: NIGHT }],
    },
    {
      ...{ name: 'slow', match: { wards: ['SLOW'] }, topic: ICU, reminder: null },
      escalation: [{ afterMs: NEVER_MS, topic: NIGHT }],
    },
    { name: 'default', match: {}, topic: WARD, reminder: { everyMs: SOON_MS, most: 2 }, escalation: [] },
  ],
};

describe('follow-ups', () => {
  let bench: AlertBench;
  let patient: string;
  let silences = 0;
  const nextSilence = () => `s-${++silences}`;
  const now = () => systemClock.nowMs();
  const iso = (ms: number) => formatMicros(microsOfMs(ms));
  const of = (kind: EpisodeEvent['kind'], index: number, ward = '4B') => {
    const event = episodeEvent({ patientId: patient, atMs: now(), kind, index });
    return { ...event, patient: { ...event.patient, ward } };
  };
  const acknowledged = ({ episodeId, patient: { id } }: EpisodeEvent): OperatorEvent => {
    const at = iso(now());
    const eventId = operatorEventId(episodeId, 'acknowledged', 'anna', at);
    return {
      ...{ v: 1, eventId, kind: 'acknowledged', by: 'anna', at },
      ...{ episodeId, patientId: id, note: 'on it', until: null },
    };
  };
  const silenced = (silenceId: string, forMs: number): OperatorEvent => {
    const at = iso(now());
    return {
      ...{ v: 1, eventId: operatorEventId(`silence:${silenceId}`, 'silenced', 'anna', at), kind: 'silenced' },
      ...{ by: 'anna', at, silenceId, matcher: { patientId: patient }, startsAt: at, endsAt: iso(now() + forMs) },
      reason: 'bath',
    };
  };
  const unsilenced = (silenceId: string): OperatorEvent => {
    const at = iso(now());
    const eventId = operatorEventId(`silence:${silenceId}`, 'silence-ended', 'anna', at);
    return { v: 1, eventId, kind: 'silence-ended', by: 'anna', at, silenceId, reason: 'withdrawn' };
  };
  /** Kind and topic of what was decided about the patient's episode, and what is to be looked at later. */
  const decided = async ({ episodeId }: EpisodeEvent) => {
    const all = (await bench.deliveries()).filter((record) => record.episodeId === episodeId);
    // Two replicas may carry out the same decision: the same records again.
    const once = new Map(all.map((record) => [`${record.state} ${record.notificationId} ${record.at}`, record]));
    return [...once.values()]
      .filter(({ state }) => state === 'decided' || state === 'suppressed')
      .map(({ kind, state, reason, destination }) =>
        state === 'decided' ? `${kind} > ${destination.split(':').at(-1)}` : `${kind}: ${reason}`,
      );
  };
  const shows = (event: EpisodeEvent, what: readonly string[]) =>
    vi.waitFor(async () => expect(await decided(event)).toEqual(what), { timeout: 20_000, interval: 50 });
  const timersOf = async ({ episodeId }: EpisodeEvent) => {
    const list = await bench.redis.zrange(`${bench.redisPrefix}:timers:due`, 0, -1, 'WITHSCORES');
    return list.flatMap((id, i) => (id.startsWith(episodeId) ? [[id, list[i + 1]]] : []));
  };

  beforeAll(async () => {
    bench = await startAlertBench();
    const policy = fixed(POLICY);
    const actors = [await bench.dispatch({ policy }), await bench.dispatch({ policy }), await bench.deliver()];
    await bench.until('ready', () => actors.every((actor) => actor.health().ready));
  });
  afterAll(() => bench.close());
  beforeEach(() => {
    patient = uniqueName('patient');
  });

  test('nobody reacts: the next level is told, then both of the end; nothing is left to be looked at', async () => {
    const raised = of('raised', 0, 'ICU');
    await bench.write(raised);
    await shows(raised, ['raised > icu', 'escalated > night']);
    await bench.write(of('resolved', 1, 'ICU'));
    await shows(raised, ['raised > icu', 'escalated > night', 'resolved > icu', 'resolved > night']);
    await bench.settled();
    const topics = bench.sns.accepted.filter(({ body }) => body.includes(raised.episodeId)).map((one) => one.topicArn);
    expect(topics.sort()).toEqual([ICU, ICU, NIGHT, NIGHT]);
    expect(await timersOf(raised)).toEqual([]);
  });

  test('reminders as many as the route has; after an acknowledgement none', async () => {
    const raised = of('raised', 0);
    await bench.write(raised);
    await shows(raised, ['raised > ward', 'reminder > ward', 'reminder > ward']);
    patient = uniqueName('patient');
    const second = of('raised', 0);
    await bench.write(second);
    await bench.write(acknowledged(second));
    await shows(second, ['raised > ward', 'acknowledged: acknowledged', 'reminder: acknowledged']);
  });

  test('silenced: held back, and told when the silence is withdrawn, or is over', async () => {
    for (const withdrawn of [true, false]) {
      patient = uniqueName('patient');
      const silenceId = nextSilence();
      await bench.write(silenced(silenceId, withdrawn ? HOUR_MS : SOON_MS));
      await bench.dispatched();
      const raised = of('raised', 0);
      await bench.write(raised);
      await shows(raised, withdrawn ? ['raised: silenced'] : ['raised: silenced', 'silence-ended > ward']);
      if (withdrawn) await bench.write(unsilenced(silenceId));
      await bench.until('told', async () => (await decided(raised)).includes('silence-ended > ward'));
      await bench.until('the silence has ended', async () => {
        const open = await bench.redis.hvals(`${bench.redisPrefix}:silences`);
        return !open.join().includes(silenceId);
      });
    }
  });

  test('a new silence is noted in what is open: no reminder meanwhile, told anew at its end', async () => {
    const silenceId = nextSilence();
    const raised = of('raised', 0);
    await bench.write(raised);
    await bench.write(silenced(silenceId, HOUR_MS));
    await shows(raised, ['raised > ward', 'silenced: silenced', 'reminder: silenced']);
    await bench.write(unsilenced(silenceId));
    await bench.until('told', async () => (await decided(raised)).includes('silence-ended > ward'));
  });

  test('Redis is emptied: timers and silences come back as they were, and go off at their own time', async () => {
    const [slow, soon] = [of('raised', 0, 'SLOW'), { ...of('raised', 0, 'ICU') }];
    const silenceId = nextSilence();
    patient = uniqueName('other');
    await bench.write(silenced(silenceId, HOUR_MS));
    await bench.dispatched();
    const held = of('raised', 0);
    await bench.write(slow, held);
    await bench.dispatched();
    const before = [await timersOf(slow), await timersOf(held)];
    expect(before.map((timers) => timers.length)).toEqual([1, 1]);
    const keys = await bench.redis.keys(`${bench.redisPrefix.replace('{', '\\{')}*`);
    await bench.redis.del(...keys);
    patient = soon.patient.id;
    await bench.until('rebuilt', async () => (await timersOf(slow)).length === 1);
    await bench.until('the silence is back', async () => (await timersOf(held)).length === 1);
    expect([await timersOf(slow), await timersOf(held)]).toEqual(before);
    await bench.write(unsilenced(silenceId));
    await shows(held, ['raised: silenced', 'silence-ended > ward']);
  });
});
