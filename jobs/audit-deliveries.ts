// The audit's last look: what alert-deliveries says beyond the lake, followed until every notification has ended, or nobody works on it any more.
import { AuditImpossible, type AuditTerm, type Found } from '../src/domain/audit.js';
import { decodeDelivery } from '../src/domain/delivery.js';
import type { DeliveryRecord } from '../src/domain/events.js';
import type { Clock, PartitionReader } from '../src/domain/ports.js';
import { microsOfMs } from '../src/domain/time.js';
import { topicName } from '../src/kafka/topics.js';
import { type AuditedDeliveries, beginDeliveries, type TailRecord } from '../src/lake/audit-deliveries.js';
import type { LakeSql } from '../src/lake/query.js';
import type { CutLimits } from './audit-cut.js';

const LOOK_MS = 500;
/** Dispatch makes its decisions at once. */
const DISPATCH_STANDS_MS = 10_000;
/** A notification is tried again every 30 s at least: whoever says nothing about it for longer does nothing about it. */
const DELIVER_STANDS_MS = 45_000;

export interface FollowParts {
  /** KAFKA_PREFIX. */
  readonly prefix: string;
  readonly clock: Clock;
}

/** Wants what `beginDeliveries` wants. Throws AuditImpossible when it was stopped. */
export async function followDeliveries(
  { prefix, clock }: FollowParts,
  reader: PartitionReader,
  lake: LakeSql,
  { ends, onlyAsked, untilMs, signal }: AuditedDeliveries & CutLimits,
): Promise<{ readonly term: AuditTerm; readonly apart: Readonly<Record<string, Found>> }> {
  const deliveries = await beginDeliveries(lake, { ends, onlyAsked });
  const tails = deliveries.heldTo.map((from, partition) =>
    followTail(reader, topicName(prefix, 'alert-deliveries'), partition, from),
  );
  let seen = '';
  let movedMs = clock.monotonicMs();
  for (;;) {
    for (const tail of tails) await deliveries.add(await tail());
    const unended = await deliveries.look(microsOfMs(clock.nowMs()));
    if (unended.events + unended.notifications === 0) break;
    if (signal?.aborted) throw new AuditImpossible('stopped before every notification had ended');
    const nowMs = clock.monotonicMs();
    const now = Object.values(unended).join();
    if (now !== seen) movedMs = nowMs;
    seen = now;
    const patienceMs = unended.notifications === 0 ? DISPATCH_STANDS_MS : DELIVER_STANDS_MS;
    if (nowMs > untilMs || nowMs - movedMs > patienceMs) break;
    await clock.sleep(LOOK_MS, signal);
  }
  return deliveries.result();
}

/** Each call answers what came since the one before. What Kafka no longer has between the lake's end and its own start is the lake's term's business. */
function followTail(reader: PartitionReader, topic: string, partition: number, heldTo: number) {
  let from: number | undefined;
  return async (): Promise<readonly TailRecord[]> => {
    from ??= Math.max(heldTo, (await reader.offsets(topic, partition)).start);
    const records: TailRecord[] = [];
    const { next } = await reader.read(topic, partition, { from }, ({ offset, value }) => {
      const record = readable(value);
      if (record && record.kind !== 'heartbeat') records.push({ partition, offset, record });
    });
    from = next;
    return records;
  };
}

/** One that can't be read is a dead row of the lake's soon. */
function readable(value: Buffer | null): DeliveryRecord | undefined {
  try {
    return decodeDelivery(value);
  } catch {
    return undefined;
  }
}
