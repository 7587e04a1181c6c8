import { describe, expect, test } from 'vitest';
import { type DecisionRules, decide, fold } from '../../../src/domain/decision.js';
import { decisionRecords } from '../../../src/domain/delivery.js';
import type { EpisodeEvent } from '../../../src/domain/events.js';
import { notificationId } from '../../../src/domain/identity.js';
import { type EpisodeView, NO_EPISODE } from '../../../src/domain/notification.js';
import { formatMicros, microsOfMs } from '../../../src/domain/time.js';
import { episodeEvent } from '../../helpers/alert-events.js';

const NOW = Date.parse('2026-11-24T22:00:00Z');
const MINUTE = 60_000;
const rules: DecisionRules = { destinations: ['arn:a', 'arn:b'], alertMaxAgeMs: 15 * MINUTE };
const ago = (ms: number) => formatMicros(microsOfMs(NOW - ms));

/** Decides and folds one after the other, as dispatch does; the answer is what was sent and why, per event. */
function play(events: readonly EpisodeEvent[], nowMs = NOW) {
  let view: EpisodeView = NO_EPISODE;
  return events.map((event, offset) => {
    const decision = decide(event, view, rules, nowMs);
    view = fold(view, decision, offset);
    return [event.kind, decision.reason, decision.send.map(({ kind, destination }) => `${kind}>${destination}`).join()];
  });
}

describe('who is told', () => {
  const of = (kind: EpisodeEvent['kind'], index: number, more: Partial<EpisodeEvent> = {}) =>
    episodeEvent({ atMs: NOW, kind, index, ...more });

  test('raised, worsened and stale: everybody; resolved: who was told; fresh: nobody', () => {
    expect(play([of('raised', 0), of('worsened', 1), of('stale', 2), of('fresh', 3), of('resolved', 4)])).toEqual([
      ['raised', 'routed', 'raised>arn:a,raised>arn:b'],
      ['worsened', 'routed', 'worsened>arn:a,worsened>arn:b'],
      ['stale', 'routed', 'stale>arn:a,stale>arn:b'],
      ['fresh', 'not-notified', ''],
      ['resolved', 'routed', 'resolved>arn:a,resolved>arn:b'],
    ]);
  });

  test('history is not mailed, nor its end; but who was told of an alert learns of its end however late', () => {
    const old = { notBefore: ago(15 * MINUTE + 1) };
    expect(play([of('raised', 0, old), of('resolved', 1)])).toEqual([
      ['raised', 'historic', ''],
      ['resolved', 'resolved-without-raised', ''],
    ]);
    expect(play([of('raised', 0), of('resolved', 1, { notBefore: ago(60 * MINUTE) })])[1]?.[1]).toBe('routed');
    expect(play([of('raised', 0, old), of('worsened', 1), of('resolved', 2)]).map(([, reason]) => reason)).toEqual([
      'historic',
      'routed',
      'routed',
    ]);
  });

  test('what was backfilled or replayed is history, whatever its age', () => {
    for (const mark of ['backfill', 'replayed'] as const)
      expect(play([of('raised', 0, { mark }), of('worsened', 1, { mark }), of('worsened', 2)])).toEqual([
        ['raised', 'historic', ''],
        ['worsened', 'historic', ''],
        ['worsened', 'routed', 'worsened>arn:a,worsened>arn:b'],
      ]);
  });

  test('age counts from notBefore alone: a slow device clock makes no history', () => {
    const slow = of('raised', 0, { measuredAt: ago(600 * MINUTE), since: ago(600 * MINUTE), notBefore: ago(1_000) });
    expect(play([slow])[0]?.[1]).toBe('routed');
    expect(play([of('raised', 0, { notBefore: ago(15 * MINUTE) })])[0]?.[1]).toBe('routed');
  });

  test('ids are functions of content; a resolved names what it must not overtake, per destination', () => {
    const raised = of('raised', 0);
    const first = decide(raised, NO_EPISODE, rules, NOW);
    expect(first.send.map((send) => send.notificationId)).toEqual([
      notificationId(raised.episodeId, 'raised', 0, 'arn:a'),
      notificationId(raised.episodeId, 'raised', 0, 'arn:b'),
    ]);
    const end = decide(of('resolved', 1), fold(NO_EPISODE, first, 0), { ...rules, destinations: ['arn:c'] }, NOW);
    expect(end.send.map(({ destination, after }) => [destination, after])).toEqual([
      ['arn:a', [first.send[0]?.notificationId]],
      ['arn:b', [first.send[1]?.notificationId]],
    ]);
  });

  test('every decision makes records, the same each time, also the one to send nothing', () => {
    const event = of('raised', 0);
    const decision = decide(event, NO_EPISODE, rules, NOW);
    expect(decisionRecords(event, decision)).toEqual(decisionRecords(event, decision));
    expect(decisionRecords(event, decision).map(({ state, at, due }) => [state, at, due])).toEqual([
      ['decided', ago(0), ago(0)],
      ['decided', ago(0), ago(0)],
    ]);
    const fresh = of('fresh', 1);
    const [record, ...rest] = decisionRecords(fresh, decide(fresh, NO_EPISODE, rules, NOW));
    expect(rest).toEqual([]);
    expect(record).toMatchObject({
      state: 'suppressed',
      reason: 'not-notified',
      eventId: fresh.eventId,
      destination: '',
    });
  });
});
