// What follows from one event of doctors-queue: who is told, or why nobody is, and what is looked at again later. Pure.
import { ackEnded, acknowledged } from './decide-acknowledgement.js';
import type { EpisodeEvent, EpisodeOperatorEvent, UnstableEvent } from './events.js';
import { noteBeginning } from './flapping.js';
import { beginRound, followUp, numbered, SUMMARY_AFTER_MS } from './follow-ups.js';
import { heldBy, hold } from './hold.js';
import type { Decision, EpisodeView, KeyView, Timer } from './notification.js';
import { ackEndedEventId, DISPATCH, operatorEventId } from './operator-events.js';
import type { Route } from './policy.js';
import { routeOf } from './routes.js';
import { isoOfMs, msOfIso } from './time.js';
import { type Circumstances, destinationsTold, nothing, type Step, tell } from './told.js';

/** An episode of data that stays away: the return of data is its end. */
const DATA_ATTRIBUTE = '~data';

export interface DecideInput extends Circumstances {
  readonly event: EpisodeEvent | EpisodeOperatorEvent;
  /** Of the event on doctors-queue. */
  readonly offset: number;
  /** NO_EPISODE where nothing was folded yet. */
  readonly view: EpisodeView;
  /** Of the event's patient, attribute and direction; NO_KEY where there is none yet. Only beginnings change it. */
  readonly key: KeyView;
}

export interface Decided {
  readonly decision: Decision;
  readonly next: EpisodeView;
  /** `key` itself where it did not change. */
  readonly nextKey: KeyView;
}

/**
 * raised, worsened and stale go where the route says unless they are history, silenced or one of too many; resolved to exactly
 * those who were told, however late it comes: somebody who knows of an alert must learn of its end.
 */
export function decide(input: DecideInput): Decided {
  const { view, offset, key } = input;
  const { decision, view: next, key: nextKey = key } = follow(input);
  return { decision, next: { ...next, version: view.version + 1, offset }, nextKey };
}

interface Followed extends Step {
  readonly key?: KeyView;
}

function follow(input: DecideInput): Followed {
  const { event, view, nowMs } = input;
  switch (event.kind) {
    case 'raised':
    case 'worsened':
    case 'stale':
      return view.status === 'closed' ? nothing('not-open', view, nowMs) : signal(input, event, event.kind);
    case 'resolved':
      return ended(view, event, nowMs);
    case 'fresh':
      if (event.attribute === DATA_ATTRIBUTE) return ended(view, event, nowMs);
      return nothing('not-notified', { ...view, eventIndex: event.index, stale: false }, nowMs);
    case 'acknowledged':
      return acknowledged(view, event, input);
    case 'ack-ended':
      return ackEnded(view, event, input);
    case 'unstable':
    case 'rated':
      return nothing('not-notified', view, nowMs);
  }
}

type SignalKind = 'raised' | 'worsened' | 'stale';

function signal(input: DecideInput, event: EpisodeEvent, kind: SignalKind): Followed {
  const { policy, nowMs } = input;
  const emits = kind === 'worsened' ? endOfAck(input.view, nowMs) : [];
  const view = seen(input.view, event);
  if (event.mark !== undefined || ageMs(event, nowMs) > policy.alertMaxAgeMs) return historic(view, input, emits);
  const held = heldBy(view, input);
  const route = routeOf(policy, view);
  const begins = input.view.status === 'none' && kind !== 'worsened';
  const beginning = begins ? noteBeginning(input.key, event, policy.flapping, !held && route !== undefined) : undefined;
  const key = beginning ? { key: beginning.key } : {};
  if (held) return { ...hold(view, held, nowMs, emits), ...key };
  if (!route) return { ...nothing('not-routed', view, nowMs, { emits }), ...key };
  if (beginning && beginning.verdict !== 'steady')
    return { ...oneOfMany(view, event, route, input, beginning.verdict, beginning.key.raised.length), ...key };
  if (kind === 'stale' && !begins) return staleAgain(view, event, route, input);
  const { round, timers } = beginRound(view, route, nowMs);
  const destinations =
    kind === 'worsened'
      ? union(
          route.topic,
          view.told.map(({ destination }) => destination),
        )
      : [route.topic];
  const started = { ...view, round, flapping: false, ...(kind === 'stale' ? { staleToldAt: isoOfMs(nowMs) } : {}) };
  return {
    ...tell(started, { reason: 'routed', kind, n: event.index, destinations, nowMs, rest: { timers, emits } }),
    ...key,
  };
}

/** The view with what the event says; nobody told of it yet. */
function seen(view: EpisodeView, event: EpisodeEvent): EpisodeView {
  const { patient, attribute, direction, severity, index, eventId, since, episodeId } = event;
  return {
    ...view,
    episodeId,
    status: 'open',
    patientId: patient.id,
    ward: patient.ward,
    attribute,
    direction,
    severity,
    eventIndex: index,
    lastEventId: eventId,
    since,
    stale: event.kind === 'stale',
    ack: event.kind === 'worsened' ? null : view.ack,
  };
}

/** An acknowledgement was for what was known then. */
function endOfAck({ ack, episodeId, patientId }: EpisodeView, nowMs: number): readonly EpisodeOperatorEvent[] {
  if (!ack) return [];
  const eventId = ackEndedEventId(episodeId, ack.eventId);
  return [
    { v: 1, eventId, kind: 'ack-ended', by: DISPATCH, at: isoOfMs(nowMs), episodeId, patientId, reason: 'worsened' },
  ];
}

/** Never e-mailed one by one. What is still open when the backlog has passed is told then, once. */
function historic(before: EpisodeView, circumstances: Circumstances, emits: readonly EpisodeOperatorEvent[]): Step {
  const { nowMs } = circumstances;
  const { view, timers: silence } = stillHeld(before, circumstances);
  if (view.historic) return nothing('historic', view, nowMs, { timers: silence, emits });
  const timers = [...silence, followUp('summary', view.signals, view.episodeId, nowMs + SUMMARY_AFTER_MS)];
  return nothing('historic', { ...view, historic: true, signals: view.signals + 1 }, nowMs, { timers, emits });
}

/** A silence may hide what is worse for a shorter time, or no more. */
function stillHeld(view: EpisodeView, circumstances: Circumstances): { view: EpisodeView; timers: readonly Timer[] } {
  if (view.silencedBy === null) return { view, timers: [] };
  const held = heldBy(view, circumstances);
  if (!held) return { view: { ...view, silencedBy: null, silencedUntil: null }, timers: [] };
  const { view: next, decision } = hold(view, held, circumstances.nowMs);
  return { view: next, timers: decision.timers };
}

/** One notice that the key is unstable; later ones are held back, but an episode that stays open is not forgotten. */
function oneOfMany(
  view: EpisodeView,
  event: EpisodeEvent,
  route: Route,
  { policy, nowMs }: Circumstances,
  verdict: 'unstable' | 'flapping',
  episodes: number,
): Step {
  const flapping = { ...view, flapping: true };
  const round = view.round + 1;
  const lasting = followUp('reminder', numbered(round, 1), view.episodeId, nowMs + policy.flapping.withinMs);
  if (verdict === 'flapping') return nothing('flapping', { ...flapping, round }, nowMs, { timers: [lasting] });
  const began = beginRound(view, route, nowMs);
  return tell(
    { ...flapping, round: began.round },
    {
      reason: 'unstable',
      kind: 'unstable',
      n: event.index,
      destinations: [route.topic],
      nowMs,
      rest: {
        timers: route.reminder === null ? [...began.timers, lasting] : began.timers,
        emits: [unstableEvent(event, episodes, nowMs)],
      },
    },
  );
}

function unstableEvent(event: EpisodeEvent, episodes: number, nowMs: number): UnstableEvent {
  const { episodeId, attribute, direction, patient } = event;
  const at = isoOfMs(nowMs);
  const eventId = operatorEventId(episodeId, 'unstable', DISPATCH, at);
  return {
    ...{ v: 1, eventId, kind: 'unstable', by: DISPATCH, at, episodeId, patientId: patient.id },
    ...{ attribute, direction, episodes },
  };
}

/** A sensor that comes and goes is told once in as long as a flapping key. */
function staleAgain(view: EpisodeView, event: EpisodeEvent, route: Route, { policy, nowMs }: Circumstances): Step {
  const toldMs = view.staleToldAt === null ? Number.NEGATIVE_INFINITY : msOfIso(view.staleToldAt);
  if (nowMs - toldMs < policy.flapping.withinMs) return nothing('flapping', view, nowMs);
  const told = { ...view, staleToldAt: isoOfMs(nowMs) };
  return tell(told, { reason: 'routed', kind: 'stale', n: event.index, destinations: [route.topic], nowMs });
}

function ended(view: EpisodeView, event: EpisodeEvent, nowMs: number): Step {
  if (view.status === 'closed') return nothing('not-open', view, nowMs);
  const closed: EpisodeView = { ...seen(view, event), status: 'closed', ack: null };
  const destinations = destinationsTold(view);
  if (destinations.length > 0)
    return tell(closed, { reason: 'routed', kind: 'resolved', n: event.index, destinations, nowMs });
  const reason = view.flapping ? 'flapping' : view.silencedBy !== null ? 'silenced' : 'resolved-without-raised';
  return nothing(reason, closed, nowMs);
}

function union(topic: string, others: readonly string[]): readonly string[] {
  return [...new Set([topic, ...others])];
}

/** Counts from `notBefore`, the later of what the device and what the poller's reads say (alerts.md); never from the device's clock alone. */
function ageMs(event: EpisodeEvent, nowMs: number): number {
  return nowMs - msOfIso(event.notBefore);
}
