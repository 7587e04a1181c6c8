import { describe, expect, test } from 'vitest';
import type { AcknowledgedEvent, EpisodeEvent } from '../../../src/domain/events.js';
import { episodeId, notificationId } from '../../../src/domain/identity.js';
import { operatorEventId } from '../../../src/domain/operator-events.js';
import type { Policy, Route } from '../../../src/domain/policy.js';
import type { Silence } from '../../../src/domain/silence.js';
import { formatMicros, microsOfMs } from '../../../src/domain/time.js';
import { episodeEvent } from '../../helpers/alert-events.js';
import { playDecisions } from '../../helpers/decision-play.js';
import { policyWith } from '../../helpers/policies.js';

const NOW = Date.parse('2026-11-24T22:00:00Z');
const MINUTE = 60_000;
const at = (ms: number) => formatMicros(microsOfMs(ms));

const route = (topic: string, rest: Partial<Route> = {}): Route => ({
  name: topic,
  match: {},
  topic,
  escalation: [],
  reminder: null,
  ...rest,
});
const WARD = route('ward', {
  escalation: [
    { afterMs: 5 * MINUTE, topic: 'senior' },
    { afterMs: 10 * MINUTE, topic: 'head' },
  ],
  reminder: { everyMs: 4 * MINUTE, most: 2 },
});
const policyOf = (...routes: Route[]): Policy => policyWith({}, { routes });

const of = (kind: EpisodeEvent['kind'], index: number, more: Parameters<typeof episodeEvent>[0] | object = {}) =>
  episodeEvent({ atMs: NOW, kind, index, ...more });
const EPISODE = of('raised', 0).episodeId;

function acknowledgement(atMs: number, untilMs: number | null = null, by = 'dr.rao'): AcknowledgedEvent {
  const eventId = operatorEventId(EPISODE, 'acknowledged', by, at(atMs));
  return {
    ...{ v: 1, eventId, kind: 'acknowledged', by, at: at(atMs), episodeId: EPISODE, patientId: '1042', note: '' },
    until: untilMs === null ? null : at(untilMs),
  };
}

const silence = (silenceId: string, fromMs: number, toMs: number, matcher: Silence['matcher'] = { ward: '4B' }) => ({
  ...{ silenceId, matcher, startsAt: at(fromMs), endsAt: at(toMs), reason: 'bed moved', by: 'dr.rao' },
});

describe('events', () => {
  test('raised and stale: the route; worsened: also who was told; resolved: who was told; fresh: nobody', () => {
    const play = playDecisions(policyOf({ ...route('icu'), match: { severities: ['high'] } }, route('ward')), NOW);
    for (const event of [
      of('raised', 0, { severity: 'medium' }),
      of('worsened', 1),
      of('stale', 2),
      of('fresh', 3),
      of('resolved', 4),
    ])
      play.event(event);
    expect(play.said()).toEqual([
      'raised routed raised>ward',
      'worsened routed worsened>icu worsened>ward',
      'stale routed stale>icu',
      'fresh not-notified',
      'resolved routed resolved>ward resolved>icu',
    ]);
  });

  test('the first route that fits is taken: ward, severity, attribute; nobody where no topic is named', () => {
    const routes = [
      route('ward-5', { match: { wards: ['5'] } }),
      route('low', { match: { severities: ['low'] } }),
      route('pressure', { match: { attributes: ['bp'], wards: ['4B', '4C'] } }),
      route(''),
    ];
    const play = playDecisions(policyOf(...routes), NOW);
    const raised = (patientId: string, more: object) => play.event(of('raised', 0, { patientId, ...more }));
    raised('1', { severity: 'low' });
    raised('2', { attribute: 'bp' });
    raised('3', {});
    raised('4', { patient: { ...of('raised', 0).patient, id: '4', ward: '5' }, severity: 'low' });
    raised('5', { patient: { ...of('raised', 0).patient, id: '5', ward: null }, attribute: 'bp' });
    expect(play.said()).toEqual([
      'raised routed raised>low',
      'raised routed raised>pressure',
      'raised not-routed',
      'raised routed raised>ward-5',
      'raised not-routed',
    ]);
  });

  test('ids are functions of content; a resolved names what it must not overtake, per destination', () => {
    const play = playDecisions(policyOf(WARD), NOW);
    const raised = play.event(of('raised', 0));
    expect(raised.send.map((send) => send.notificationId)).toEqual([notificationId(EPISODE, 'raised', 0, 'ward')]);
    play.until(NOW + 5 * MINUTE);
    const end = play.event(of('resolved', 1));
    const told = (kind: string, n: number, to: string) => notificationId(EPISODE, kind, n, to);
    expect(end.send.map(({ destination, after }) => [destination, after])).toEqual([
      ['ward', [told('raised', 0, 'ward'), told('reminder', 1, 'ward')]],
      ['senior', [told('escalated', 1, 'senior')]],
    ]);
  });
});

describe('history', () => {
  const old = { notBefore: at(NOW - 15 * MINUTE - 1) };

  test('is not mailed, nor its end; what is still open when the backlog has passed is told once', () => {
    const play = playDecisions(policyOf(WARD), NOW);
    play.event(of('raised', 0, old));
    play.event(of('worsened', 1, old));
    play.event(of('resolved', 2, old));
    play.event(of('raised', 0, { ...old, patientId: '7' }));
    play.until(NOW + 2 * MINUTE);
    expect(play.said()).toEqual([
      'raised historic',
      'worsened historic',
      'resolved resolved-without-raised',
      'raised historic',
      'summary resolved',
      'summary due summary>ward',
    ]);
  });

  test('a live event of it is told, and no summary then', () => {
    for (const mark of ['backfill', 'replayed'] as const) {
      const play = playDecisions(policyOf(route('ward')), NOW);
      play.event(of('raised', 0, { mark }));
      play.event(of('worsened', 1));
      play.until(NOW + 2 * MINUTE);
      expect(play.said()).toEqual(['raised historic', 'worsened routed worsened>ward', 'summary told-already']);
    }
  });

  test('worse during an outage: who was told before hears of it afterwards', () => {
    const play = playDecisions(policyOf(route('ward')), NOW);
    play.event(of('raised', 0));
    play.until(NOW + 20 * MINUTE);
    play.event(of('worsened', 1));
    play.until(NOW + 22 * MINUTE);
    expect(play.said()).toEqual(['raised routed raised>ward', 'worsened historic', 'summary due summary>ward']);
  });

  test('an escalation meanwhile tells others: the route is told all the same', () => {
    const play = playDecisions(policyOf({ ...WARD, reminder: null, escalation: WARD.escalation.slice(0, 1) }), NOW);
    play.event(of('raised', 0));
    play.until(NOW + 4.5 * MINUTE);
    play.event(of('worsened', 1, { mark: 'replayed' }));
    play.until(NOW + 6 * MINUTE);
    expect(play.said().slice(1)).toEqual([
      'worsened historic',
      'escalated due escalated>senior',
      'summary due summary>ward summary>senior',
    ]);
  });

  test('age counts from notBefore alone: a slow device clock or a wrong time zone makes no history', () => {
    for (const hoursOff of [-14, -1, 1 / 3, 12]) {
      const measuredAt = at(NOW - hoursOff * 60 * MINUTE);
      const play = playDecisions(policyOf(route('ward')), NOW);
      play.event(of('raised', 0, { measuredAt, since: measuredAt, notBefore: at(NOW - 1_000) }));
      expect(play.said()).toEqual(['raised routed raised>ward']);
    }
  });
});

describe('reminders and escalation', () => {
  test('each at its time, as often as the route says, until the episode ends', () => {
    const play = playDecisions(policyOf(WARD), NOW);
    play.event(of('raised', 0));
    play.until(NOW + 9 * MINUTE);
    play.event(of('resolved', 1));
    play.until(NOW + 60 * MINUTE);
    expect(play.said()).toEqual([
      'raised routed raised>ward',
      'reminder due reminder>ward',
      'escalated due escalated>senior',
      'reminder due reminder>ward',
      'resolved routed resolved>ward resolved>senior',
      'escalated resolved',
    ]);
  });

  test('worsened begins them anew, with other numbers; those of before are void', () => {
    const play = playDecisions(policyOf(WARD), NOW);
    play.event(of('raised', 0));
    play.until(NOW + MINUTE);
    play.event(of('worsened', 1));
    play.until(NOW + 6 * MINUTE);
    expect(play.said()).toEqual([
      'raised routed raised>ward',
      'worsened routed worsened>ward',
      'reminder superseded',
      'escalated superseded',
      'reminder due reminder>ward',
      'escalated due escalated>senior',
    ]);
  });

  test('a level or a reminder that the policy has no more', () => {
    const play = playDecisions(policyOf(WARD), NOW);
    play.event(of('raised', 0));
    play.policy = policyOf(route('ward'));
    play.until(NOW + 20 * MINUTE);
    expect(play.said().slice(1)).toEqual(['reminder not-routed', 'escalated not-routed', 'escalated not-routed']);
  });
});

describe('acknowledgement', () => {
  test('stops both; ends after what the policy allows: a reminder at once, and all begins anew', () => {
    const play = playDecisions(policyOf({ ...WARD, escalation: WARD.escalation.slice(0, 1) }), NOW);
    play.event(of('raised', 0));
    play.until(NOW + MINUTE);
    play.event(acknowledgement(NOW + MINUTE, NOW + 600 * MINUTE));
    play.until(NOW + 66 * MINUTE);
    expect(play.said()).toEqual([
      'raised routed raised>ward',
      'acknowledged acknowledged',
      'reminder acknowledged',
      'escalated acknowledged',
      'ack-expiry acknowledgement-ended',
      'ack-ended acknowledgement-ended reminder>ward',
      'reminder due reminder>ward',
      'escalated due escalated>senior',
    ]);
  });

  test('a worsened ends it and is told; an older timer of it does nothing', () => {
    const play = playDecisions(policyOf(route('ward')), NOW);
    play.event(of('raised', 0));
    play.event(acknowledgement(NOW));
    play.event(of('worsened', 1));
    expect(play.view(EPISODE).ack).toBeNull();
    play.event(acknowledgement(NOW + 1, NOW + 2 * MINUTE, 'dr.osei'));
    expect(play.view(EPISODE).ack?.by).toBe('dr.osei');
    play.event(of('resolved', 2));
    play.event(acknowledgement(NOW + 2));
    play.until(NOW + 61 * MINUTE);
    expect(play.said()).toEqual([
      'raised routed raised>ward',
      'acknowledged acknowledged',
      'worsened routed worsened>ward',
      'ack-ended superseded',
      'acknowledged acknowledged',
      'resolved routed resolved>ward',
      'acknowledged not-open',
      'ack-expiry resolved',
      'ack-expiry resolved',
    ]);
  });
});

describe('silence', () => {
  test('holds all back but the end of what was told; on its end what is open is told', () => {
    const play = playDecisions(policyOf(WARD), NOW);
    play.event(of('raised', 0));
    play.silence(silence('s1', NOW, NOW + 30 * MINUTE));
    play.event(of('raised', 0, { patientId: '7' }));
    play.event(of('raised', 0, { patientId: '8' }));
    play.event(of('resolved', 1, { patientId: '8' }));
    play.event(of('raised', 0, { patientId: '9', patient: { ...of('raised', 0).patient, id: '9', ward: '5' } }));
    play.event(of('resolved', 1, { patientId: '9', patient: { ...of('raised', 0).patient, id: '9', ward: '5' } }));
    expect(play.said()).toEqual([
      'raised routed raised>ward',
      'silenced silenced',
      'raised silenced',
      'raised silenced',
      'resolved silenced',
      'raised routed raised>ward',
      'resolved routed resolved>ward',
    ]);
    play.until(NOW + 29 * MINUTE);
    expect(new Set(play.said())).toEqual(
      new Set(['reminder silenced', 'escalated silenced', 'reminder resolved', 'escalated resolved']),
    );
    play.until(NOW + 31 * MINUTE);
    expect(play.said()).toEqual([
      'silence-ended due silence-ended>ward',
      'silence-ended due silence-ended>ward',
      'silence-ended resolved',
    ]);
  });

  test('is capped by severity: worse than it may hide is told', () => {
    const play = playDecisions(policyOf(route('ward')), NOW);
    play.silence(silence('s1', NOW - 3 * 60 * MINUTE, NOW + 600 * MINUTE));
    play.event(of('raised', 0, { severity: 'medium' }));
    play.event(of('worsened', 1));
    play.until(NOW + 6 * 60 * MINUTE);
    expect(play.said()).toEqual(['raised silenced', 'worsened routed worsened>ward', 'silence-ended superseded']);
  });

  test('an escalation in the moment of its end tells others: the route is told all the same', () => {
    const play = playDecisions(policyOf({ ...WARD, reminder: null, escalation: WARD.escalation.slice(0, 1) }), NOW);
    play.event(of('raised', 0, { severity: 'low' }));
    play.silence(silence('s1', NOW, NOW + 5 * MINUTE));
    play.event(of('worsened', 1));
    play.until(NOW + 5 * MINUTE);
    expect(play.said()).toEqual([
      'raised routed raised>ward',
      'silenced silenced',
      'worsened silenced',
      'escalated due escalated>senior',
      'silence-ended due silence-ended>ward',
    ]);
  });

  test('withdrawn: told at once, unless another one holds', () => {
    const play = playDecisions(policyOf(route('ward')), NOW);
    play.silence(silence('s1', NOW, NOW + 60 * MINUTE));
    play.silence(silence('s2', NOW, NOW + 30 * MINUTE, { attribute: 'heartBeat' }));
    play.event(of('raised', 0));
    play.unsilence('s1');
    play.unsilence('s2');
    expect(play.said()).toEqual(['raised silenced', 'silence-ended silenced', 'silence-ended due silence-ended>ward']);
  });
});

describe('flapping', () => {
  const nth = (i: number, kind: 'raised' | 'resolved' | 'worsened', everyMs = MINUTE) => {
    const atMs = NOW + i * everyMs;
    const episode = episodeId('1042', 'heartBeat', 'high', `test:${i}`);
    return episodeEvent({ atMs, kind, index: kind === 'raised' ? 0 : 1, episodeId: episode });
  };

  test('the fourth in half an hour is one notice; later ones are held back until it was calm for so long', () => {
    const play = playDecisions(policyOf(route('ward')), NOW);
    for (const i of [0, 1, 2, 3, 4, 40]) {
      play.until(NOW + i * MINUTE);
      play.event(nth(i, 'raised'));
      play.event(nth(i, 'resolved'));
    }
    const all = ['raised routed raised>ward', 'resolved routed resolved>ward'];
    expect(play.said()).toEqual([
      ...[...all, ...all, ...all],
      ...['raised unstable unstable>ward', 'unstable not-notified', 'resolved flapping'],
      ...['raised flapping', 'resolved flapping', 'reminder resolved', 'reminder resolved'],
      ...all,
    ]);
  });

  test('worse is told even then; what stays open is not forgotten', () => {
    const play = playDecisions(policyOf({ ...WARD, reminder: null }), NOW);
    for (const i of [0, 1, 2, 3]) play.event(nth(i, 'raised', 1_000));
    for (const i of [0, 1, 2, 3]) play.event(nth(i, 'resolved', 1_000));
    for (const i of [4, 5]) play.event(nth(i, 'raised', 1_000));
    play.event(nth(4, 'worsened', 1_000));
    play.said();
    play.event(nth(4, 'resolved', 1_000));
    play.until(NOW + 40 * MINUTE);
    expect(
      play.said().filter((line) => !line.startsWith('escalated resolved') && !line.includes('superseded')),
    ).toEqual([
      'resolved routed resolved>ward',
      'reminder resolved',
      'reminder resolved',
      'reminder due reminder>ward',
      'escalated due escalated>senior',
      'escalated due escalated>head',
    ]);
  });

  test('a sensor that comes and goes is told once in so long, and is not that an episode was told', () => {
    const play = playDecisions(policyOf({ ...WARD, escalation: [] }), NOW);
    for (const i of [0, 1, 2, 3, 4]) play.event(nth(i, 'raised', 1_000));
    for (const i of [0, 1, 2, 3]) play.event(nth(i, 'resolved', 1_000));
    const last = { episodeId: nth(4, 'raised', 1_000).episodeId, atMs: NOW };
    for (const i of [1, 3, 5]) {
      play.until(NOW + i * MINUTE);
      play.event(episodeEvent({ ...last, kind: 'stale', index: i }));
      play.event(episodeEvent({ ...last, kind: 'fresh', index: i + 1 }));
    }
    play.until(NOW + 31 * MINUTE);
    play.event(episodeEvent({ ...last, kind: 'stale', index: 7, notBefore: at(NOW + 31 * MINUTE) }));
    play.until(NOW + 40 * MINUTE);
    const said = play.said().filter((line) => line.startsWith('stale') || line.startsWith('reminder due'));
    // The second and third reminder: the run begins with the first that anybody hears of the fifth episode.
    expect(said).toEqual([
      ...['stale routed stale>ward', 'stale flapping', 'stale flapping'],
      ...['reminder due reminder>ward', 'stale routed stale>ward'],
      ...['reminder due reminder>ward', 'reminder due reminder>ward'],
    ]);
  });
});
