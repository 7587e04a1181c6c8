import { describe, expect, test } from 'vitest';
import { CONDITION_HOLDS_MS, judgeAlarms, keyOf, parseKey } from '../../../src/domain/alarm-book.js';
import { createConditionWatch, type Sample } from '../../../src/domain/alarm-conditions.js';
import { ALARM_NAMES, ALARMS } from '../../../src/domain/alarms.js';

const MINUTE = 60_000;

function watching(staleAfterSeconds?: number) {
  const values = new Map<string, readonly Sample[]>();
  const watch = createConditionWatch({
    read: async (name) => values.get(name) ?? [],
    host: 'h1',
    staleAfterSeconds: () => staleAfterSeconds,
  });
  return {
    set: (name: string, value: number, labels: Sample['labels'] = {}) => values.set(name, [{ value, labels }]),
    add: (name: string, ...samples: Sample[]) => values.set(name, samples),
    look: async (nowMs: number) => (await watch.look(nowMs)).map(keyOf),
  };
}

describe('conditions of a process', () => {
  test('a new process sees none', async () => {
    expect(await watching().look(0)).toEqual([]);
  });

  test.each([
    ['watch_source_silent_seconds', 6, {}, 'source-silent:'],
    ['consumer_lag_seconds', 31, { group: 'g', topic: 't' }, 'consumer-lag:g'],
    ['archive_damaged', 1, {}, 'lake-damaged:'],
    ['policy_refused', 1, {}, 'policy-refused:'],
    ['import_refused', 1, { table: 'thresholds' }, 'thresholds-refused:'],
    ['topic_subscriptions', 0, { topic: 'arn:x', state: 'confirmed' }, 'subscription-none:arn:x'],
    ['topic_subscriptions', 2, { topic: 'arn:x', state: 'pending' }, 'subscription-pending:arn:x'],
    ['topic_subscriptions', 1, { topic: 'arn:x', state: 'unknown' }, 'subscription-unknown:arn:x'],
    ['clock_skew_seconds', -61, {}, 'process-clock:h1'],
  ])('%s of %d: said while it is so', async (metric, value, labels, key) => {
    const process = watching();
    process.set(metric, value, labels);
    expect(await process.look(0)).toEqual([key]);
    process.set(metric, metric === 'topic_subscriptions' && value === 0 ? 1 : 0, labels);
    expect(await process.look(1)).toEqual([]);
  });

  test.each([
    ['watch_dead_total', 'dead-rows:watch'],
    ['dispatch_dead_total', 'dead-rows:dispatch'],
    ['archive_dead_rows_total', 'dead-rows:archive'],
    ['watch_clamped_total', 'device-clock:'],
    ['watch_clock_skew_total', 'device-clock:'],
  ])('%s: for ten minutes after it went up', async (metric, key) => {
    const process = watching();
    process.set(metric, 0, { reason: 'x' });
    expect(await process.look(0)).toEqual([]);
    process.set(metric, 1, { reason: 'x' });
    expect(await process.look(MINUTE)).toEqual([key]);
    expect(await process.look(10 * MINUTE)).toEqual([key]);
    expect(await process.look(11 * MINUTE)).toEqual([]);
  });

  test('the lag of a poller: only where it polls', async () => {
    const process = watching();
    process.set('poll_lag_seconds', 31);
    process.set('poll_active', 1);
    expect(await process.look(0)).toEqual(['poll-lag:']);
    // Another one polls now, and this one's last value stays.
    process.set('poll_active', 0);
    expect(await process.look(1)).toEqual([]);
  });

  test('credentials: one refusal is none', async () => {
    const process = watching();
    process.set('notifications_total', 1, { reason: 'identity' });
    expect(await process.look(0)).toEqual([]);
    process.set('notifications_total', 2, { reason: 'identity' });
    expect(await process.look(MINUTE)).toEqual(['sns-identity:']);
    process.set('notifications_total', 9, { reason: 'accepted' });
    expect(await process.look(7 * MINUTE)).toEqual([]);
  });

  test('evidence: unclear while lists are asked for and none is fresh', async () => {
    const process = watching();
    const counted = (fresh: number, stale: number) =>
      process.add(
        'poll_evidence_total',
        { value: fresh, labels: { result: 'fresh' } },
        { value: stale, labels: { result: 'stale' } },
      );
    counted(5, 0);
    expect(await process.look(0)).toEqual([]);
    counted(6, 3);
    expect(await process.look(5_000)).toEqual([]);
    counted(6, 40);
    expect(await process.look(36_000)).toEqual(['evidence-unclear:']);
    counted(7, 40);
    expect(await process.look(37_000)).toEqual([]);
  });

  test('tables: older than two imports in a row', async () => {
    const process = watching(100);
    process.set('lookup_age_seconds', 101, { table: 'patients' });
    expect(await process.look(0)).toEqual(['lookup-stale:patients']);
    process.set('lookup_age_seconds', 99, { table: 'patients' });
    expect(await process.look(0)).toEqual([]);
    const byHand = watching();
    byHand.set('lookup_age_seconds', 1e9, { table: 'patients' });
    expect(await byHand.look(0)).toEqual([]);
  });

  test('an audit that never ran does not fail', async () => {
    const process = watching();
    process.set('audit_holds', 0);
    expect(await process.look(0)).toEqual([]);
    process.set('audit_ended_seconds', 1);
    expect(await process.look(0)).toEqual(['audit-broken:']);
  });
});

describe('alarms', () => {
  const lag = { name: 'consumer-lag', subject: 'g' } as const;
  const known = (sinceMs: number, seenMs: number, alarm: { name: keyof typeof ALARMS; subject: string } = lag) => ({
    ...alarm,
    sinceMs,
    seenMs,
  });
  const open = (
    state: 'opening' | 'open' | 'ending' = 'open',
    alarm: { name: keyof typeof ALARMS; subject: string } = lag,
  ) => ({
    ...alarm,
    ...{ state, openedAt: '2026-11-24T22:00:00.000000Z' },
  });
  const after = ALARMS['consumer-lag'];

  test('opens once it has held long enough, and not while it is open', () => {
    const now = 1_000_000;
    expect(judgeAlarms([known(now - after.opensAfterMs + 1, now)], [], now).opens).toEqual([]);
    expect(judgeAlarms([known(now - after.opensAfterMs, now)], [], now).opens).toHaveLength(1);
    expect(judgeAlarms([known(0, now)], [open()], now)).toEqual({ opens: [], ends: [] });
    // Nobody has said so lately.
    expect(judgeAlarms([known(0, now - CONDITION_HOLDS_MS - 1)], [], now).opens).toEqual([]);
  });

  test('ends when its condition has stayed away; what is being opened or ended is carried on first', () => {
    const now = 1_000_000;
    const away = now - CONDITION_HOLDS_MS - after.endsAfterMs;
    expect(judgeAlarms([known(0, away + 1)], [open()], now).ends).toEqual([]);
    expect(judgeAlarms([known(0, away)], [open()], now).ends).toEqual([open()]);
    for (const state of ['opening', 'ending'] as const)
      expect(judgeAlarms([known(0, away)], [open(state)], now).ends).toEqual([]);
  });

  test('waits while another alarm explains it', () => {
    const now = 1_000_000;
    const beat = { name: 'heartbeat-missing', subject: '' } as const;
    expect(judgeAlarms([known(0, now, beat)], [open()], now).opens).toEqual([]);
    expect(judgeAlarms([known(0, now, beat)], [], now).opens).toHaveLength(1);
  });

  test('everything due at once: what explains the others opens alone', () => {
    const now = 1_000_000;
    const due = (...names: readonly (keyof typeof ALARMS)[]) =>
      judgeAlarms(
        names.map((name) => known(0, now, { name, subject: '' })),
        [],
        now,
      ).opens.map(({ name }) => name);
    expect(due('heartbeat-missing', 'poll-lag', 'source-silent')).toEqual(['source-silent']);
    expect(due('unsent-high', 'notification-held', 'dead-rows')).toEqual(['notification-held', 'dead-rows']);
  });

  test('RDS away for ten minutes: one alarm, which ends once', () => {
    // When what is seen, by the words of the alarms' page: no ticks after 5 s, late after 30 s, no heartbeat after 180 s.
    const begins = { 'source-silent': 5_000, 'poll-lag': 30_000, 'heartbeat-missing': 180_000 } as const;
    const awayMs = 600_000;
    const seen = new Map<string, ReturnType<typeof known>>();
    let standing: ReturnType<typeof open>[] = [];
    const said: string[] = [];
    for (let now = 0; now < 2 * awayMs; now += 1_000) {
      for (const [name, fromMs] of Object.entries(begins) as [keyof typeof begins, number][])
        if (now >= fromMs && now <= awayMs + 3_000)
          seen.set(name, known(seen.get(name)?.sinceMs ?? now, now, { name, subject: '' }));
      const { opens, ends } = judgeAlarms([...seen.values()], standing, now);
      for (const { name } of opens) said.push(`${name} opens`);
      for (const { name } of ends) said.push(`${name} ends`);
      standing = [
        ...standing.filter((one) => !ends.some(({ name }) => name === one.name)),
        ...opens.map(({ name, subject }) => open('open', { name, subject })),
      ];
    }
    expect(said).toEqual(['source-silent opens', 'source-silent ends']);
  });

  test('names of keys, also with colons in them; of another version none', () => {
    for (const name of ALARM_NAMES)
      expect(parseKey(keyOf({ name, subject: 'arn:a:b' }))).toEqual({ name, subject: 'arn:a:b' });
    expect(parseKey('of-tomorrow:x')).toBeUndefined();
  });
});
