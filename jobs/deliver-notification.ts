// One job of deliver-alert: what data-path.md 7 says of step 2 and 4, over injected parts. The ledger's row decides what is done.
import { RunLater } from '../queues/worker.js';
import { type DeliveryFact, deliveryRecord } from '../src/domain/delivery.js';
import { isSettled, type Ledger, type NotificationRow, type Settlement, TOO_OLD } from '../src/domain/ledger.js';
import { buildMessage, eventContent } from '../src/domain/message.js';
import type { AlertPublisher } from '../src/domain/notification.js';
import type { Clock, Logger, Metrics, OnStep } from '../src/domain/ports.js';
import type { Step } from '../src/domain/steps.js';
import { formatMicros, microsOfMs, parseMicros } from '../src/domain/time.js';
import type { DeliveryLog } from '../src/kafka/delivery-log.js';
import type { DestinationGate } from './destination-gate.js';
import { afterFailure, type Outcome } from './publish-outcome.js';

/** A claim: attempt record, publishing and outcome record have to fit in. */
export const LEASE_MS = 10_000;
const WAIT_FOR_RAISED_MIN_MS = 250;
const WAIT_FOR_RAISED_MAX_MS = 5_000;
const OUTCOME_RETRY_MS = 500;
const KAFKA_RETRY_MS = 1_000;
const EVENT_MISSING_RETRY_MS = 30_000;

export interface DeliverParts {
  readonly ledger: Ledger;
  readonly deliveries: DeliveryLog;
  readonly publisher: AlertPublisher;
  readonly gate: DestinationGate;
  /** IANA name, for the times in the e-mails. */
  readonly timeZone: string;
  /** CONSOLE_URL, for the links in the e-mails. */
  readonly consoleUrl?: string | undefined;
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly onStep: OnStep;
  /** A random text, new at each call. */
  readonly newToken: () => string;
  /** In [0, 1). */
  readonly random: () => number;
}

/** What the job's shell gives and hears. */
export interface DeliverContext {
  /** Aborted: claim nothing new. */
  readonly signal: AbortSignal;
  /** Called whenever something has moved: a job that is silent for long is stuck. */
  readonly moved: () => void;
}

/** Resolves when the notification is settled; throws RunLater while it isn't. Repeatable from any point. */
export async function deliverNotification(parts: DeliverParts, notificationId: string, context: DeliverContext) {
  const row = await parts.ledger.read(notificationId);
  if (!row) {
    // Never guessed: what is not in the ledger was settled long ago, or comes back with a rebuild.
    parts.log.warn('deliver.no-row', { notificationId });
    parts.metrics.count('notifications_total', { kind: 'unknown', outcome: 'missing', reason: 'no-row' });
    return;
  }
  if (isOver(row)) return;
  if (row.state === 'SENDING') {
    if (row.leaseUntil > row.now) throw new RunLater(row.leaseUntil - row.now);
    await recover(parts, row);
    return;
  }
  if (row.due > row.now) throw new RunLater(row.due - row.now);
  if (!(await predecessorsSettled(parts, row))) return;
  const waitMs = parts.gate.enter(row.destination);
  if (waitMs > 0) {
    if (row.state === 'PENDING') await record(parts, row, row.attempt, { state: 'held', reason: 'configuration' });
    await parts.ledger.move(row.notificationId, { state: 'HELD', reason: 'configuration', dueInMs: waitMs });
    throw new RunLater(waitMs);
  }
  if (context.signal.aborted) throw new RunLater(0);
  await send(parts, row, context);
}

/** Nothing happens to it any more by itself. */
function isOver(row: NotificationRow): boolean {
  return isSettled(row.state) || (row.state === 'HELD' && row.reason === TOO_OLD);
}

/** A resolved never overtakes its raised, and does not come where that never came. False: cancelled. */
async function predecessorsSettled(parts: DeliverParts, row: NotificationRow): Promise<boolean> {
  if (row.after.length === 0) return true;
  const before = await Promise.all(row.after.map((id) => parts.ledger.read(id)));
  // A row that is gone was settled long ago.
  if (before.some((one) => one && !isOver(one))) {
    const waitMs = Math.min(WAIT_FOR_RAISED_MAX_MS, Math.max(WAIT_FOR_RAISED_MIN_MS, (row.now - row.createdAt) / 4));
    throw new RunLater(Math.round(waitMs));
  }
  if (before.some((one) => !one || one.state === 'SENT')) return true;
  await record(parts, row, row.attempt, { state: 'cancelled', reason: 'raised-not-delivered' });
  await parts.ledger.move(row.notificationId, { state: 'CANCELLED', reason: 'raised-not-delivered' });
  parts.metrics.count('notifications_total', { kind: row.kind, outcome: 'cancelled', reason: 'raised-not-delivered' });
  return false;
}

/** Claim, attempt record, publish once, outcome record, settle. */
async function send(parts: DeliverParts, row: NotificationRow, context: DeliverContext): Promise<void> {
  const { ledger, clock } = parts;
  const step = async (name: Step) => {
    context.moved();
    await parts.onStep(name);
  };
  const id = row.notificationId;
  const event = await ledger.event(row.episodeId, row.eventId);
  if (!event) {
    parts.log.error('deliver.event-missing', { notificationId: id, eventId: row.eventId });
    await ledger.move(id, { state: 'HELD', reason: 'event-missing', dueInMs: EVENT_MISSING_RETRY_MS });
    throw new RunLater(EVENT_MISSING_RETRY_MS);
  }
  const token = parts.newToken();
  const claimedMs = clock.monotonicMs();
  const claim = await ledger.claim(id, token, parts.leaseMs);
  if (!claim) throw new RunLater(0);
  const { attempt } = claim;
  await step('deliver.claimed');
  const fact = { state: 'attempt', reason: 'sending', possibleRepeat: row.possibleRepeat } as const;
  const place = await record(parts, row, attempt, fact).catch(async (error: unknown) => {
    // The record may stand: the next attempt then says "possible repeat" of one that never was. Nothing was sent.
    parts.log.error('deliver.attempt-unrecorded', { notificationId: id, attempt }, error);
    await ledger.settle(id, token, { state: 'PENDING', reason: 'kafka-unavailable', dueInMs: KAFKA_RETRY_MS });
    throw new RunLater(KAFKA_RETRY_MS);
  });
  await step('deliver.attempt-recorded');
  // Asked after the attempt is on Kafka: whoever takes over or rebuilds from now on will find it there.
  const ours = await ledger.confirm(id, token, place.offset);
  const leaseLeftMs = claimedMs + parts.leaseMs - clock.monotonicMs();
  if (!ours || leaseLeftMs < parts.publisher.timeoutMs) {
    const reason = ours ? 'lease-too-short' : 'lease-lost';
    await record(parts, row, attempt, { state: 'failed', reason });
    parts.metrics.count('notifications_total', { kind: row.kind, outcome: 'failed', reason });
    if (ours) await ledger.settle(id, token, { state: 'PENDING', reason, dueInMs: KAFKA_RETRY_MS });
    throw new RunLater(KAFKA_RETRY_MS);
  }
  const message = buildMessage(eventContent(row.kind, event), row.destination, {
    timeZone: parts.timeZone,
    consoleUrl: parts.consoleUrl,
    sentMs: clock.nowMs(),
    possibleRepeat: row.possibleRepeat,
    safe: row.safe,
  });
  const result = await parts.publisher.publish(message);
  await step('deliver.published');
  if (result.ok) {
    parts.gate.open(row.destination);
    await persistOutcome(parts, row, token, attempt, context, {
      state: 'accepted',
      reason: 'accepted',
      snsMessageId: result.messageId,
    });
    await step('deliver.outcome-recorded');
    await ledger.settle(id, token, { state: 'SENT', reason: 'accepted' });
    parts.metrics.count('notifications_total', { kind: row.kind, outcome: 'accepted', reason: 'accepted' });
    const sinceUs = microsOfMs(clock.nowMs()) - (parseMicros(event.notBefore) ?? 0);
    parts.metrics.observe('notification_seconds', Math.max(0, sinceUs / 1e6), { kind: row.kind });
    parts.log.info('deliver.accepted', { notificationId: id, kind: row.kind, attempt, snsMessageId: result.messageId });
    await step('deliver.settled');
    return;
  }
  const after = afterFailure(result.failure, row, parts.random(), parts.gate.retryMs);
  if (after.closesDestination) parts.gate.close(row.destination);
  else parts.gate.open(row.destination);
  const fields = { notificationId: id, kind: row.kind, attempt, failure: result.failure, code: result.code };
  if (after.serious) parts.log.error('deliver.failed', fields);
  else parts.log.warn('deliver.failed', fields);
  await finishFailed(parts, row, token, attempt, context, after);
}

async function finishFailed(
  parts: DeliverParts,
  row: NotificationRow,
  token: string,
  attempt: number,
  context: DeliverContext,
  after: Outcome,
): Promise<void> {
  const { state, reason } = after.fact;
  await persistOutcome(parts, row, token, attempt, context, after.fact);
  await parts.onStep('deliver.outcome-recorded');
  await parts.ledger.settle(row.notificationId, token, after.settlement);
  parts.metrics.count('notifications_total', { kind: row.kind, outcome: state, reason });
  await parts.onStep('deliver.settled');
  if (!isSettled(after.settlement.state)) throw new RunLater(after.settlement.dueInMs ?? 0);
}

/**
 * The claim's owner is gone: what became of its attempt stands on alert-deliveries, or nobody knows. An attempt without
 * outcome may have been accepted: sent again, and labelled.
 */
async function recover(parts: DeliverParts, row: NotificationRow): Promise<void> {
  const { ledger } = parts;
  const id = row.notificationId;
  const token = parts.newToken();
  if (!(await ledger.takeOver(id, row.token, token, parts.leaseMs))) throw new RunLater(KAFKA_RETRY_MS);
  const { standing, possibleRepeat } = await parts.deliveries.history(id, row.logPartition, row.logOffset);
  parts.log.warn('deliver.recovered', { notificationId: id, attempt: row.attempt, standing });
  const as = async (settlement: Settlement) => {
    await ledger.settle(id, token, settlement);
    if (!isSettled(settlement.state)) throw new RunLater(0);
  };
  switch (standing) {
    case 'accepted':
      parts.metrics.count('notifications_total', { kind: row.kind, outcome: 'accepted', reason: 'recovered' });
      return as({ state: 'SENT', reason: 'recovered' });
    case 'cancelled':
      return as({ state: 'CANCELLED', reason: 'recovered' });
    case 'dead':
      return as({ state: 'DEAD', reason: 'recovered' });
    case 'open-attempt':
      await record(parts, row, row.attempt, { state: 'unknown', reason: 'lease-expired', possibleRepeat: true });
      parts.metrics.count('notifications_total', { kind: row.kind, outcome: 'unknown', reason: 'lease-expired' });
      return as({ state: 'PENDING', reason: 'lease-expired', possibleRepeat: true });
    case 'held':
    case 'unsent':
      return as({ state: 'PENDING', reason: 'recovered', possibleRepeat });
  }
}

/** An outcome that is lost is a second e-mail: tried until it stands, with the lease kept up, as long as the process may run. */
async function persistOutcome(
  parts: DeliverParts,
  row: NotificationRow,
  token: string,
  attempt: number,
  context: DeliverContext,
  fact: DeliveryFact,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await record(parts, row, attempt, fact);
      return;
    } catch (error) {
      parts.log.error('deliver.outcome-unrecorded', { notificationId: row.notificationId, attempt, tries }, error);
      if (context.signal.aborted) throw error;
      context.moved();
      await parts.ledger.extend(row.notificationId, token, parts.leaseMs).catch(() => false);
      await parts.clock.sleep(OUTCOME_RETRY_MS, context.signal);
    }
  }
}

async function record(parts: DeliverParts, row: NotificationRow, attempt: number, fact: DeliveryFact) {
  const at = formatMicros(microsOfMs(parts.clock.nowMs()));
  const [place] = await parts.deliveries.append([deliveryRecord(row, { ...fact, attempt }, at)]);
  if (!place) throw new Error('an append that answered with no place');
  return place;
}
