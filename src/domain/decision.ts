// Who is told of an event, and why, or why nobody is: a pure function of the event, what the episode's doctors were told, and the time.
import type { EpisodeEvent } from './events.js';
import { notificationId } from './identity.js';
import type { Decision, DecisionReason, EpisodeView, Send } from './notification.js';
import { formatMicros, microsOfMs, parseMicros } from './time.js';

export interface DecisionRules {
  /** Topics that every alert goes to. */
  readonly destinations: readonly string[];
  /** Older than this: recorded and shown, never e-mailed one by one. */
  readonly alertMaxAgeMs: number;
}

/**
 * raised, worsened and stale go to every destination unless they are history. resolved goes to exactly those who were told
 * before, however late it comes: somebody who knows of an alert must learn of its end. fresh is nobody's news.
 */
export function decide(event: EpisodeEvent, view: EpisodeView, rules: DecisionRules, nowMs: number): Decision {
  const at = formatMicros(microsOfMs(nowMs));
  const nothing = (reason: DecisionReason): Decision => ({ reason, send: [], timers: [], emits: [], at });
  switch (event.kind) {
    case 'raised':
    case 'worsened':
    case 'stale': {
      const { kind } = event;
      if (event.mark !== undefined || ageMs(event, nowMs) > rules.alertMaxAgeMs) return nothing('historic');
      return {
        reason: 'routed',
        send: rules.destinations.map((to) => send(event, kind, to, [])),
        timers: [],
        emits: [],
        at,
      };
    }
    case 'resolved': {
      const destinations = [...new Set(view.told.map((told) => told.destination))];
      if (destinations.length === 0) return nothing('resolved-without-raised');
      return {
        reason: 'routed',
        send: destinations.map((to) => send(event, 'resolved', to, toldBefore(view, to))),
        timers: [],
        emits: [],
        at,
      };
    }
    case 'fresh':
      return nothing('not-notified');
  }
}

/** What a resolved to `destination` must not overtake. */
export function toldBefore(view: EpisodeView, destination: string): string[] {
  return view.told.filter((one) => one.destination === destination).map((one) => one.notificationId);
}

/** The view after the event and its decision. */
export function fold(view: EpisodeView, decision: Decision, offset: number): EpisodeView {
  const told = decision.send.map(({ destination, notificationId, kind }) => ({ destination, notificationId, kind }));
  return { ...view, version: view.version + 1, offset, told: [...view.told, ...told] };
}

/** Counts from `notBefore`, the later of what the device and what the poller's reads say (alerts.md); never from the device's clock alone. */
function ageMs(event: EpisodeEvent, nowMs: number): number {
  return (microsOfMs(nowMs) - (parseMicros(event.notBefore) ?? 0)) / 1000;
}

function send(event: EpisodeEvent, kind: Send['kind'], destination: string, after: readonly string[]): Send {
  const id = notificationId(event.episodeId, kind, event.index, destination);
  return { kind, n: event.index, destination, notificationId: id, after, severity: event.severity };
}
