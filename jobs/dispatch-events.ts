// A batch of events: folded and decided, recorded, put into the ledger, handed to deliver; in this order, and every step may be repeated.
import type { QueueRegistry } from '../queues/registry.js';
import { type DecisionRules, decide, fold } from '../src/domain/decision.js';
import { decisionRecords } from '../src/domain/delivery.js';
import type { EpisodeEvent } from '../src/domain/events.js';
import { isSettled, type Ledger, type NewNotification } from '../src/domain/ledger.js';
import type { Decision } from '../src/domain/notification.js';
import type { Clock, Logger, Metrics, OnStep } from '../src/domain/ports.js';
import { formatMicros, microsOfMs, parseMicros } from '../src/domain/time.js';
import type { DeliveryLog } from '../src/kafka/delivery-log.js';
import { addDelivery } from './deliver-job.js';

/**
 * A stored decision older than this makes no rows any more: they were settled, and went (settled rows are kept for seven
 * days, open ones for ever). Otherwise an old event that is read again would be e-mailed again.
 */
const ROWS_REPEATED_FOR_MS = 3 * 86_400_000;
/** Somebody else folds the same episode: one partition has one owner, so a second try nearly always does. */
const FOLD_TRIES = 10;

export interface DispatchParts {
  readonly ledger: Ledger;
  readonly deliveries: DeliveryLog;
  readonly queues: QueueRegistry;
  readonly rules: DecisionRules;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly onStep: OnStep;
}

export interface PlacedEvent {
  readonly event: EpisodeEvent;
  /** On doctors-queue. */
  readonly offset: number;
}

interface Decided {
  readonly event: EpisodeEvent;
  readonly decision: Decision;
}

/** Resolves when each event's decision stands on alert-deliveries and each notification has its row and its job. */
export async function dispatchEvents(parts: DispatchParts, events: readonly PlacedEvent[]): Promise<void> {
  const decided = await foldAll(parts, events);
  await parts.onStep('dispatch.decided');
  const records = decided.map(({ event, decision }) => decisionRecords(event, decision));
  const places = await parts.deliveries.append(records.flat());
  await parts.onStep('dispatch.recorded');
  const rows = newRows(
    parts,
    decided,
    records.map((some) => some.length),
    places,
  );
  const opened = await Promise.all(rows.map((row) => parts.ledger.open(row)));
  await parts.onStep('dispatch.ledger');
  await Promise.all(
    rows.map(async (row, i) => {
      const have = opened[i];
      if (have && !isSettled(have.state)) await addDelivery(parts.queues, row, have.generation);
    }),
  );
  await parts.onStep('dispatch.job');
}

/** Episodes beside each other, the events of one after each other. The answer has the order of the events. */
async function foldAll(parts: DispatchParts, events: readonly PlacedEvent[]): Promise<Decided[]> {
  const decisions = new Map<PlacedEvent, Decision>();
  const episodes = new Map<string, PlacedEvent[]>();
  for (const placed of events) {
    const episode = episodes.get(placed.event.episodeId);
    if (episode) episode.push(placed);
    else episodes.set(placed.event.episodeId, [placed]);
  }
  await Promise.all(
    [...episodes.values()].map(async (episode) => {
      for (const placed of episode) decisions.set(placed, await foldOne(parts, placed));
    }),
  );
  return events.flatMap((placed) => {
    const decision = decisions.get(placed);
    return decision ? [{ event: placed.event, decision }] : [];
  });
}

async function foldOne(parts: DispatchParts, { event, offset }: PlacedEvent): Promise<Decision> {
  const { ledger, clock, metrics } = parts;
  for (let tries = 1; tries <= FOLD_TRIES; tries += 1) {
    const { view, stored, now } = await ledger.view(event.episodeId, event.eventId);
    if (stored) return stored;
    // The earlier of two clocks: one that is fast must not turn live alerts into history.
    const decision = decide(event, view, parts.rules, Math.min(clock.nowMs(), now));
    const result = await ledger.fold({ event, offset, view, decision, next: fold(view, decision, offset) });
    if (result.outcome === 'conflict') continue;
    if (result.outcome === 'below') {
      parts.log.error('dispatch.below', { eventId: event.eventId, offset, folded: view.offset });
      const at = formatMicros(microsOfMs(clock.nowMs()));
      metrics.count('dispatch_decisions_total', { kind: event.kind, reason: 'already-folded' });
      return { reason: 'already-folded', send: [], timers: [], emits: [], at };
    }
    if (result.outcome === 'folded')
      metrics.count('dispatch_decisions_total', { kind: event.kind, reason: decision.reason });
    return result.decision;
  }
  throw new Error(`the view of an episode changed ${FOLD_TRIES} times under us`);
}

function newRows(
  parts: DispatchParts,
  decided: readonly Decided[],
  counts: readonly number[],
  places: readonly { readonly partition: number; readonly offset: number }[],
): NewNotification[] {
  const oldestMs = parts.clock.nowMs() - ROWS_REPEATED_FOR_MS;
  let at = 0;
  return decided.flatMap(({ event, decision }, i) => {
    const mine = places.slice(at, at + (counts[i] ?? 0));
    at += counts[i] ?? 0;
    if ((parseMicros(decision.at) ?? 0) / 1000 < oldestMs) return [];
    return decision.send.map((send, n) => ({
      notificationId: send.notificationId,
      trigger: event.episodeId,
      eventId: event.eventId,
      episodeId: event.episodeId,
      kind: send.kind,
      n: send.n,
      destination: send.destination,
      severity: event.severity,
      after: send.after,
      logPartition: mine[n]?.partition ?? 0,
      logOffset: mine[n]?.offset ?? 0,
    }));
  });
}
