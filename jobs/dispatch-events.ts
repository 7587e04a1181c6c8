// A batch of doctors-queue: folded and decided, recorded, put into the ledger, handed on; in this order, and every step may be repeated.
import { decide } from '../src/domain/decide.js';
import { type Occasion, occasionOf } from '../src/domain/delivery.js';
import type { EpisodeEvent, EpisodeOperatorEvent, HeartbeatEvent, OperatorEvent } from '../src/domain/events.js';
import { operatorKey } from '../src/domain/operator-events.js';
import type { FlappingKey } from '../src/domain/views.js';
import { heartbeatOutcome } from './dispatch-heartbeats.js';
import { carryOut, DISPATCH_STEPS, type DispatchParts, type Outcome } from './dispatch-outcome.js';
import { afterSilence, foldSilence } from './dispatch-silence.js';
import { foldDecision, nowOf } from './fold-decision.js';

export interface PlacedEvent {
  readonly event: EpisodeEvent | OperatorEvent | HeartbeatEvent;
  /** On doctors-queue. */
  readonly offset: number;
}

/** Resolves when each event's decision stands on alert-deliveries and each notification and timer has its row and its job. */
export async function dispatchEvents(parts: DispatchParts, events: readonly PlacedEvent[]): Promise<void> {
  await carryOut(parts, await foldAll(parts, events), DISPATCH_STEPS);
  for (const { event } of events)
    if (event.kind === 'silenced' || event.kind === 'silence-ended') await afterSilence(parts, event);
}

/** Patients beside each other, the events of one after each other. The answer has the order of the events. */
async function foldAll(parts: DispatchParts, events: readonly PlacedEvent[]): Promise<Outcome[]> {
  const outcomes = new Map<PlacedEvent, Outcome>();
  const patients = new Map<string, PlacedEvent[]>();
  for (const placed of events) {
    const whose = subjectOf(placed.event);
    const mine = patients.get(whose);
    if (mine) mine.push(placed);
    else patients.set(whose, [placed]);
  }
  await Promise.all(
    [...patients.values()].map(async (mine) => {
      for (const placed of mine) outcomes.set(placed, await foldOne(parts, placed));
    }),
  );
  return events.flatMap((placed) => outcomes.get(placed) ?? []);
}

function subjectOf(event: PlacedEvent['event']): string {
  if (event.kind === 'heartbeat') return event.kind;
  return 'patient' in event ? event.patient.id : operatorKey(event);
}

async function foldOne(parts: DispatchParts, { event, offset }: PlacedEvent): Promise<Outcome> {
  switch (event.kind) {
    case 'heartbeat':
      return heartbeatOutcome(event, parts.heartbeatTopic);
    case 'silenced':
    case 'silence-ended':
      return foldSilence(parts, event, offset);
    case 'acknowledged':
    case 'ack-ended':
    case 'unstable':
    case 'rated':
      return foldEvent(parts, event, offset, null, undefined, (lastEventId) => ({
        ...{ id: event.eventId, trigger: event.episodeId, episodeId: event.episodeId, kind: event.kind, n: 0 },
        ...{ eventId: lastEventId || event.eventId, timer: null },
      }));
    default: {
      const { patient, attribute, direction } = event;
      const key = { patientId: patient.id, attribute, direction };
      return foldEvent(parts, event, offset, event, key, () => occasionOf(event));
    }
  }
}

function foldEvent(
  parts: DispatchParts,
  event: EpisodeEvent | EpisodeOperatorEvent,
  offset: number,
  content: EpisodeEvent | null,
  key: FlappingKey | undefined,
  occasion: (lastEventId: string) => Occasion,
): Promise<Outcome> {
  const policy = parts.policy.current();
  return foldDecision(parts, {
    ...{ episodeId: event.episodeId, id: event.eventId, offset, event: content },
    ...(key && { key }),
    occasion: (_decision, { lastEventId }) => occasion(lastEventId),
    decide: (look) =>
      decide({
        ...{ event, offset, view: look.view, key: look.key, silences: look.silences, policy },
        nowMs: nowOf(parts, look),
      }),
  });
}
