// A thousand seeded wards, with processes that die and a Redis that is lost, against the reference: the same episodes, the same notifications, and each ends as it must.
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../ops/local/demo/random.mjs';
import type { Policy } from '../../../src/domain/policy.js';
import { alertsDay, type Day, POLICIES } from '../../helpers/alerts-day.js';
import { type Outcome, type Row, runDispatch } from '../../helpers/crashing-dispatch.js';
import { referenceNotifications } from '../../helpers/reference-notifications.js';

const MINUTE = 60_000;

function played(seed: number): { readonly day: Day; readonly first: Policy; readonly outcome: Outcome } {
  const day = alertsDay(seed);
  const first = POLICIES[seed % POLICIES.length] as Policy;
  const { next: random } = seededRandom(-seed);
  // Every second run dies often; in some SNS is away for minutes.
  const crash = seed % 2 === 0 ? 0 : 0.08;
  const chaos = { random, crash, redisLost: 0.2, away: seed % 5 === 0 ? 0.5 : 0, awayMs: 12 * MINUTE };
  return { day, first, outcome: runDispatch(day.inputs, day.endMs, first, chaos) };
}

/** What is wrong with how it ended, judged by the day alone; undefined: nothing. */
function wrongEnd(row: Row, { day, outcome }: { day: Day; outcome: Outcome }): string | undefined {
  const { send, episodeId, state, why, decidedMs, settledMs } = row;
  const between = day.inputs.filter(({ atMs }) => atMs >= decidedMs && atMs <= settledMs);
  const others = outcome.rows.filter(
    (other) => other.episodeId === episodeId && other.send.destination === send.destination,
  );
  const told = others.filter((other) => send.after.includes(other.send.notificationId));
  if (state === 'SENT') {
    if (row.accepted < 1 || row.accepted > 1 + row.crashes) return `accepted ${row.accepted} times`;
    if (told.some((one) => one.settledMs > settledMs)) return 'a resolved overtook what it ends';
    return send.kind === 'resolved' && !told.some((one) => one.state === 'SENT') ? 'the end of nothing' : undefined;
  }
  if (state === 'PENDING' || row.accepted > 0) return `${state}, accepted ${row.accepted} times`;
  switch (why) {
    case 'acknowledged':
      return between.some((one) => one.type === 'acknowledge' && one.episodeId === episodeId) ? undefined : why;
    case 'silenced':
      return between.some(({ type }) => type === 'silence') ? undefined : why;
    case 'resolved': {
      const ended = between.some(
        (one) => one.type === 'event' && one.event.kind === 'resolved' && one.event.episodeId === episodeId,
      );
      return ended && !['raised', 'worsened', 'resolved'].includes(send.kind) ? undefined : why;
    }
    case 'raised-not-delivered':
      return told.every((one) => one.state === 'CANCELLED') ? undefined : why;
    default:
      return why;
  }
}

describe.each([0, 1, 2, 3].map((i) => [1 + i * 250, (i + 1) * 250]))('seeds %i to %i', (from, to) => {
  test('the same episodes, the same notifications, and every one of them ends', () => {
    for (let seed = from; seed <= to; seed += 1) {
      const run = played(seed);
      const { day, first, outcome } = run;
      const where = `seed ${seed}`;
      if (day.episodes) expect(day.episodes.said, where).toEqual(day.episodes.expected);
      expect(outcome.decided, where).toEqual(referenceNotifications(day.inputs, day.endMs, first));
      expect(outcome.rows.length, where).toBe(outcome.decided.length);
      const wrong = outcome.rows
        .map((row) => [row.send.kind, row.why, wrongEnd(row, run)])
        .filter(([, , what]) => what);
      expect(wrong, where).toEqual([]);
    }
  });
});

test('these seeds meet every kind of notification, every reason to cancel, and crashes', () => {
  const met = new Set<string>();
  let crashes = 0;
  for (let seed = 1; seed <= 60; seed += 1) {
    const { outcome } = played(seed);
    crashes += outcome.crashes;
    for (const { send, why } of outcome.rows) for (const what of [send.kind, why]) met.add(what);
  }
  expect([...met].sort()).toEqual([
    ...[
      'accepted',
      'acknowledged',
      'escalated',
      'raised',
      'raised-not-delivered',
      'reminder',
      'resolved',
      'silence-ended',
    ],
    ...['silenced', 'stale', 'summary', 'unstable', 'worsened'],
  ]);
  expect(crashes).toBeGreaterThan(200);
});
