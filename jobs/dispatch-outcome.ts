// What follows from decisions, whoever made them: records, rows, timers, jobs, events of our own. Every step may be repeated.
import type { QueueRegistry } from '../queues/registry.js';
import { decisionRecords, type Occasion, type RecordedFold } from '../src/domain/delivery.js';
import { isSettled, type Ledger, type NewNotification } from '../src/domain/ledger.js';
import type { Decision } from '../src/domain/notification.js';
import type { PolicySource } from '../src/domain/policy.js';
import type { Clock, Logger, Metrics, OnStep } from '../src/domain/ports.js';
import type { Step } from '../src/domain/steps.js';
import { msOfIso } from '../src/domain/time.js';
import type { DeliveryLog } from '../src/kafka/delivery-log.js';
import type { OperatorLog } from '../src/kafka/operator-log.js';
import { addDelivery } from './deliver-job.js';

/**
 * A stored decision older than this makes no rows any more: they were settled, and went (settled rows are kept for seven
 * days, open ones for ever). Otherwise an old event that is read again would be e-mailed again.
 */
const ROWS_REPEATED_FOR_MS = 3 * 86_400_000;

export interface DispatchParts {
  readonly ledger: Ledger;
  readonly deliveries: DeliveryLog;
  /** doctors-queue, for events of our own. */
  readonly operatorLog: OperatorLog;
  readonly queues: QueueRegistry;
  readonly policy: PolicySource;
  /** SNS_HEARTBEAT_TOPIC_ARN. */
  readonly heartbeatTopic: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly onStep: OnStep;
}

export interface Outcome {
  readonly on: Occasion;
  readonly decision: Decision;
  /** What its timer of that kind waits for. */
  readonly silencedBy: string | null;
  /** Absent where nothing was folded. */
  readonly fold?: RecordedFold;
}

export interface OutcomeSteps {
  readonly decided: Step;
  readonly recorded: Step;
  readonly ledger: Step;
  readonly job: Step;
  readonly emitted: Step;
}

export const DISPATCH_STEPS: OutcomeSteps = {
  decided: 'dispatch.decided',
  recorded: 'dispatch.recorded',
  ledger: 'dispatch.ledger',
  job: 'dispatch.job',
  emitted: 'dispatch.emitted',
};

/** Resolves when each decision stands on alert-deliveries and what follows from it is under way. */
export async function carryOut(parts: DispatchParts, outcomes: readonly Outcome[], steps: OutcomeSteps): Promise<void> {
  await parts.onStep(steps.decided);
  const records = outcomes.map(({ on, decision, fold }) => decisionRecords(on, decision, fold));
  const places = await parts.deliveries.append(records.flat());
  await parts.onStep(steps.recorded);
  const live = placed(parts, outcomes, records, places);
  const rows = live.flatMap(newRows);
  const timers = live.flatMap(({ decision, silencedBy }) => decision.timers.map((timer) => ({ timer, silencedBy })));
  const opened = await Promise.all(rows.map((row) => parts.ledger.open(row)));
  const untilMs = await Promise.all(timers.map(({ timer, silencedBy }) => parts.ledger.schedule(timer, silencedBy)));
  await parts.onStep(steps.ledger);
  await Promise.all([
    ...rows.map(async (newRow, i) => {
      const row = opened[i];
      if (!row || isSettled(row.state)) return;
      await addDelivery(parts.queues, newRow, row.generation);
    }),
    ...timers.map(async ({ timer: { timerId } }, i) => {
      const delayMs = untilMs[i];
      if (delayMs !== undefined) await addTimerJob(parts.queues, timerId, delayMs);
    }),
  ]);
  await parts.onStep(steps.job);
  await parts.operatorLog.append(live.flatMap(({ decision }) => decision.emits));
  await parts.onStep(steps.emitted);
}

/** A timer whose time has come earlier than its delayed job knows gets another: the second to run finds nothing to do. */
export async function addTimerJob(queues: QueueRegistry, timerId: string, delayMs: number): Promise<void> {
  const id = delayMs > 0 ? timerId : `${timerId}-due`;
  await queues.add('follow-up', id, { v: 1, timerId }, { delayMs: Math.ceil(delayMs) });
}

interface PlacedOutcome extends Outcome {
  /** Of its records, in their order. */
  readonly places: readonly { readonly partition: number; readonly offset: number }[];
}

/** Without those that are too old to be repeated. */
function placed(
  parts: DispatchParts,
  outcomes: readonly Outcome[],
  records: readonly (readonly unknown[])[],
  places: PlacedOutcome['places'],
): PlacedOutcome[] {
  const oldestMs = parts.clock.nowMs() - ROWS_REPEATED_FOR_MS;
  let at = 0;
  return outcomes.flatMap((outcome, i) => {
    const mine = places.slice(at, at + (records[i]?.length ?? 0));
    at += mine.length;
    return msOfIso(outcome.decision.at) < oldestMs ? [] : [{ ...outcome, places: mine }];
  });
}

/** The rows of what is sent. */
export function newRows({ on, decision, places }: Omit<PlacedOutcome, 'silencedBy'>): NewNotification[] {
  return decision.send.map((send, i) => ({
    notificationId: send.notificationId,
    trigger: on.trigger,
    eventId: on.eventId,
    episodeId: on.episodeId,
    kind: send.kind,
    n: send.n,
    destination: send.destination,
    severity: send.severity,
    after: send.after,
    logPartition: places[i]?.partition ?? 0,
    logOffset: places[i]?.offset ?? 0,
  }));
}
