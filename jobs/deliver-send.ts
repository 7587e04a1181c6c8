// One attempt of one notification: claim, attempt record, publish once, outcome record, settle; and what follows where its owner died.
import { RunLater } from '../queues/worker.js';
import type { DeliveryFact } from '../src/domain/delivery.js';
import { parseHeartbeatTrigger } from '../src/domain/heartbeat.js';
import { isSettled, LedgerLostError, type NotificationRow, type Settlement } from '../src/domain/ledger.js';
import { buildMessage } from '../src/domain/message.js';
import type { Step } from '../src/domain/steps.js';
import { microsOfMs, msOfIso, parseMicros } from '../src/domain/time.js';
import { contentOf } from './deliver-content.js';
import { acceptCovers, buryCovers } from './deliver-cover.js';
import { fallBack } from './deliver-fallback.js';
import { type DeliverContext, type DeliverParts, record } from './deliver-parts.js';
import { afterFailure, type Outcome } from './publish-outcome.js';

const OUTCOME_RETRY_MS = 500;
const KAFKA_RETRY_MS = 1_000;
const EVENT_MISSING_RETRY_MS = 30_000;

/** `slowed`: the topic was throttled, and an acceptance says that it is better. */
export async function send(
  parts: DeliverParts,
  row: NotificationRow,
  slowed: boolean,
  context: DeliverContext,
): Promise<void> {
  const { ledger, clock } = parts;
  const step = async (name: Step) => {
    context.moved();
    await parts.onStep(name);
  };
  const id = row.notificationId;
  const told = await contentOf(parts, row);
  if (!told) {
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
  const place = await record(parts, row, { ...fact, attempt }).catch(async (error: unknown) => {
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
    await record(parts, row, { state: 'failed', reason, attempt });
    parts.metrics.count('notifications_total', { kind: row.kind, outcome: 'failed', reason });
    if (ours) await ledger.settle(id, token, { state: 'PENDING', reason, dueInMs: KAFKA_RETRY_MS });
    throw new RunLater(KAFKA_RETRY_MS);
  }
  const message = buildMessage(told.content, row.destination, {
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
    await persist(parts, row, token, context, {
      attempt,
      state: 'accepted',
      reason: 'accepted',
      snsMessageId: result.messageId,
    });
    await step('deliver.outcome-recorded');
    // Those that it stands for first: a row that is SENT is never looked at again.
    await keptUp(parts, row, token, context, () => acceptCovers(parts, row));
    await noteHeartbeat(parts, row);
    await ledger.settle(id, token, { state: 'SENT', reason: 'accepted' });
    if (slowed) await parts.limiter.ease(row.destination);
    parts.metrics.count('notifications_total', { kind: row.kind, outcome: 'accepted', reason: 'accepted' });
    const nowUs = microsOfMs(clock.nowMs());
    for (const { notBefore } of told.events)
      parts.metrics.observe('notification_seconds', Math.max(0, (nowUs - (parseMicros(notBefore) ?? 0)) / 1e6), {
        kind: row.kind,
      });
    parts.log.info('deliver.accepted', { notificationId: id, kind: row.kind, attempt, snsMessageId: result.messageId });
    await step('deliver.settled');
    return;
  }
  const after = afterFailure(result.failure, row, parts.random(), parts.gate.retryMs);
  if (result.failure === 'throttled') await parts.limiter.slow(row.destination);
  if (after.closesDestination) parts.gate.close(row.destination);
  else parts.gate.open(row.destination);
  const fields = { notificationId: id, kind: row.kind, attempt, failure: result.failure, code: result.code };
  if (after.serious) parts.log.error('deliver.failed', fields);
  else parts.log.warn('deliver.failed', fields);
  await finishFailed(parts, row, token, attempt, context, after);
}

/** How far the whole chain reaches. */
async function noteHeartbeat({ ledger }: DeliverParts, { kind, trigger }: NotificationRow): Promise<void> {
  const beat = kind === 'heartbeat' ? parseHeartbeatTrigger(trigger) : undefined;
  if (beat) await ledger.heartbeatAccepted(beat.partition, Math.floor(msOfIso(beat.at)));
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
  await persist(parts, row, token, context, { ...after.fact, attempt });
  await parts.onStep('deliver.outcome-recorded');
  if (after.settlement.state === 'DEAD') await buryCovers(parts, row, reason);
  await parts.ledger.settle(row.notificationId, token, after.settlement);
  if (after.settlement.state === 'HELD') await fallBack(parts, row);
  parts.metrics.count('notifications_total', { kind: row.kind, outcome: state, reason });
  await parts.onStep('deliver.settled');
  if (!isSettled(after.settlement.state)) throw new RunLater(after.settlement.dueInMs ?? 0);
}

/**
 * The claim's owner is gone: what became of its attempt stands on alert-deliveries, or nobody knows. An attempt without
 * outcome may have been accepted: sent again, and labelled.
 */
export async function recover(parts: DeliverParts, row: NotificationRow): Promise<void> {
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
      await acceptCovers(parts, row);
      parts.metrics.count('notifications_total', { kind: row.kind, outcome: 'accepted', reason: 'recovered' });
      return as({ state: 'SENT', reason: 'recovered' });
    case 'cancelled':
      return as({ state: 'CANCELLED', reason: 'recovered' });
    case 'dead':
      await buryCovers(parts, row, 'recovered');
      return as({ state: 'DEAD', reason: 'recovered' });
    case 'open-attempt':
      await record(parts, row, { state: 'unknown', reason: 'lease-expired', possibleRepeat: true });
      parts.metrics.count('notifications_total', { kind: row.kind, outcome: 'unknown', reason: 'lease-expired' });
      return as({ state: 'PENDING', reason: 'lease-expired', possibleRepeat: true });
    case 'held':
    case 'unsent':
      return as({ state: 'PENDING', reason: 'recovered', possibleRepeat });
  }
}

async function persist(
  parts: DeliverParts,
  row: NotificationRow,
  token: string,
  context: DeliverContext,
  fact: DeliveryFact,
): Promise<void> {
  await keptUp(parts, row, token, context, () => record(parts, row, fact));
}

/** An outcome that is lost is a second e-mail: tried until it stands, with the lease kept up, as long as the process may run. */
async function keptUp(
  parts: DeliverParts,
  row: NotificationRow,
  token: string,
  context: DeliverContext,
  write: () => Promise<unknown>,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await write();
      return;
    } catch (error) {
      if (error instanceof LedgerLostError) throw error;
      parts.log.error('deliver.outcome-unrecorded', { notificationId: row.notificationId, tries }, error);
      if (context.signal.aborted) throw error;
      context.moved();
      await parts.ledger.extend(row.notificationId, token, parts.leaseMs).catch(() => false);
      await parts.clock.sleep(OUTCOME_RETRY_MS, context.signal);
    }
  }
}
