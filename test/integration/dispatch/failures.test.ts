// Each class of failure of SNS, through the real SDK against a server that fails: what reaches the doctor, and what is recorded.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { EpisodeEvent } from '../../../src/domain/events.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { type AlertBench, startAlertBench } from '../../helpers/alert-bench.js';
import { episodeEvent } from '../../helpers/alert-events.js';
import type { Behaviour } from '../../helpers/fake-sns.js';

const error = (code: string, status: number, message?: string): Behaviour => ({
  how: 'error',
  code,
  status,
  ...(message ? { message } : {}),
});

describe('deliver against a failing SNS', () => {
  let bench: AlertBench;
  let patients = 0;
  beforeAll(async () => {
    bench = await startAlertBench();
    const dispatch = await bench.dispatch();
    await bench.deliver();
    await bench.until('partitions are owned', () => dispatch.health().ready);
  });
  afterEach(() => bench.sns.behave({ how: 'accept' }));
  afterAll(() => bench.close());

  const raised = (): EpisodeEvent => {
    patients += 1;
    return episodeEvent({ patientId: `f${patients}`, atMs: systemClock.nowMs() });
  };
  const resolvedOf = ({ patient }: EpisodeEvent) =>
    episodeEvent({ patientId: patient.id, atMs: systemClock.nowMs(), kind: 'resolved', index: 1 });
  const mails = (event: EpisodeEvent) => bench.sns.accepted.filter(({ body }) => body.includes(event.eventId));
  const states = async (event: EpisodeEvent) =>
    (await bench.deliveries())
      .filter(({ eventId, state }) => eventId === event.eventId && state !== 'decided')
      .map(({ state, reason }) => (state === 'attempt' ? 'attempt' : `${state}:${reason}`));
  const recorded = async (event: EpisodeEvent, wanted: readonly string[]) => {
    await bench.until(wanted.join(), async () => (await states(event)).length >= wanted.length);
    expect(await states(event)).toEqual(wanted);
  };

  test.each([
    ['throttled, by SNS', error('Throttled', 400), 'failed:throttled'],
    ['throttled, by KMS', error('KMSThrottling', 400), 'failed:throttled'],
    ['throttled, by status', error('SomethingNew', 429), 'failed:throttled'],
    ['expired credentials', error('ExpiredToken', 403), 'failed:identity'],
    ['wrong signature', error('SignatureDoesNotMatch', 403), 'failed:identity'],
  ])('%s: sent again, and not called a repeat', async (_name, behaviour, outcome) => {
    const event = raised();
    bench.sns.behave(behaviour, 2);
    await bench.write(event);
    await recorded(event, ['attempt', outcome, 'attempt', outcome, 'attempt', 'accepted:accepted']);
    expect(mails(event)).toHaveLength(1);
    expect(mails(event)[0]?.body).not.toContain('POSSIBLE REPEAT');
  });

  test.each<[string, Behaviour, number]>([
    ['500 after it was accepted', { how: 'accept-500' }, 2],
    ['reset after it was accepted', { how: 'accept-reset' }, 2],
    ['reset before it was accepted', { how: 'reset' }, 1],
    ['503', error('ServiceUnavailable', 503), 1],
  ])('%s: nobody knows, so it is sent again and says so', async (_name, behaviour, accepted) => {
    const event = raised();
    bench.sns.behave(behaviour, 1);
    await bench.write(event);
    await recorded(event, ['attempt', 'unknown:ambiguous', 'attempt', 'accepted:accepted']);
    expect(mails(event)).toHaveLength(accepted);
    expect(mails(event).map(({ body }) => body.includes('POSSIBLE REPEAT'))).toEqual(
      accepted === 2 ? [false, true] : [true],
    );
  });

  test('a topic that is gone: held, tried by one probe, sent once it is back; its resolved waits', async () => {
    const event = raised();
    const others = [raised(), raised(), raised()];
    bench.sns.behave(error('NotFound', 404));
    await bench.write(event);
    await bench.until('held', async () => (await states(event)).includes('held:configuration'));
    const requests = bench.sns.requests();
    await bench.write(resolvedOf(event), ...others);
    await bench.dispatched();
    await bench.until('the others are held too', async () => {
      await systemClock.sleep(300);
      return (await Promise.all(others.map(states))).every((all) => all.some((one) => one.startsWith('held')));
    });
    // Four notifications in over a second of outage, one probe each half second.
    expect(bench.sns.requests() - requests).toBeLessThan(8);
    expect(await states(resolvedOf(event))).toEqual([]);
    bench.sns.behave({ how: 'accept' });
    await bench.until('all are accepted', () =>
      [...others, event, resolvedOf(event)].every((one) => mails(one).length > 0),
    );
    expect([...others, event, resolvedOf(event)].map((one) => mails(one).length)).toEqual([1, 1, 1, 1, 1]);
    const at = (one: EpisodeEvent) => bench.sns.accepted.findIndex(({ body }) => body.includes(one.eventId));
    expect(at(resolvedOf(event))).toBeGreaterThan(at(event));
  });

  test('a refused text: rebuilt once, plain and without attributes', async () => {
    const event = { ...raised(), message: 'Herzfrequenz zu hoch ♥' };
    bench.sns.behave(error('InvalidParameter', 400, 'Invalid parameter: Message'), 1);
    await bench.write(event);
    await recorded(event, ['attempt', 'failed:payload', 'attempt', 'accepted:accepted']);
    expect(mails(event)[0]?.attributes).toEqual({});
    expect(mails(event)[0]?.body).toMatch(/^[\x20-\x7e\n]+$/);
    expect(mails(event)[0]?.body).toContain('Asha Verma');
  });

  test('refused twice: dead, with an alarm in the log; its resolved is cancelled', async () => {
    const event = raised();
    bench.sns.behave(error('ValidationException', 400));
    await bench.write(event, resolvedOf(event));
    await recorded(event, ['attempt', 'failed:payload', 'attempt', 'dead:payload']);
    await recorded(resolvedOf(event), ['cancelled:raised-not-delivered']);
    expect(
      bench.log.lines.filter(({ level, event: name }) => level === 'error' && name === 'deliver.failed'),
    ).not.toEqual([]);
    expect(await bench.metrics.value('notifications_total', { outcome: 'dead', reason: 'payload' })).toBe(1);
  });

  test('a wrong topic ARN is a setting, not a text: held', async () => {
    const event = raised();
    bench.sns.behave(error('InvalidParameter', 400, 'Invalid parameter: TopicArn Reason: no such'), 1);
    await bench.write(event);
    await recorded(event, ['attempt', 'held:configuration', 'attempt', 'accepted:accepted']);
  });

  test('SNS is down, then up: nothing is lost, nothing comes twice, and resolved comes after raised', async () => {
    await bench.sns.down();
    const events = Array.from({ length: 10 }, raised);
    await bench.write(...events);
    await bench.write(...events.map(resolvedOf));
    await bench.until('it was tried', async () =>
      (await states(events[0] as EpisodeEvent)).includes('failed:definite-transport'),
    );
    await bench.sns.up();
    const all = [...events, ...events.map(resolvedOf)];
    await bench.until('all are accepted', () => all.every((event) => mails(event).length > 0));
    expect(all.map((event) => mails(event).length)).toEqual(all.map(() => 1));
    expect(all.flatMap(mails).filter(({ body }) => body.includes('POSSIBLE REPEAT'))).toEqual([]);
    const at = (one: EpisodeEvent) => bench.sns.accepted.findIndex(({ body }) => body.includes(one.eventId));
    for (const event of events) expect(at(resolvedOf(event))).toBeGreaterThan(at(event));
  });

  test('no patient in what was logged about failures', () => {
    const said = JSON.stringify(bench.log.lines);
    for (const secret of ['Asha', 'Lake Road', 'QUAGGA', 'Herzfrequenz']) expect(said).not.toContain(secret);
  });
});

// A bench of its own: what is short here would make unknown outcomes of slow answers above, on a busy machine.
describe('deliver against an SNS that never answers', () => {
  let bench: AlertBench;
  beforeAll(async () => {
    bench = await startAlertBench({ snsTimeoutMs: 1_000 });
    await bench.dispatch();
    await bench.deliver();
  });
  afterAll(() => bench.close());

  test('no answer after it was accepted: nobody knows, so it is sent again and says so', async () => {
    const event = episodeEvent({ patientId: 'hang', atMs: systemClock.nowMs() });
    bench.sns.behave({ how: 'accept-hang' }, 1);
    await bench.write(event);
    await bench.until('accepted', () => bench.sns.accepted.some(({ told }) => told));
    await bench.settled();
    const records = (await bench.deliveries()).map(({ state, reason }) => `${state}:${reason}`);
    expect(records).toContain('unknown:ambiguous');
    expect(records.at(-1)).toBe('accepted:accepted');
    const [first, ...repeats] = bench.sns.accepted.map(({ body }) => body.includes('POSSIBLE REPEAT'));
    expect(first).toBe(false);
    expect(repeats.length).toBeGreaterThan(0);
    expect(repeats).not.toContain(false);
  });
});
