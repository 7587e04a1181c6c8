// A person asks for another try of what was given up or is held.
import { deliveryRecord, REDRIVEN } from '../src/domain/delivery.js';
import type { NotificationLedger } from '../src/domain/ledger.js';
import type { Clock } from '../src/domain/ports.js';
import { isoOfMs } from '../src/domain/time.js';
import type { DeliveryLog } from '../src/kafka/delivery-log.js';

export interface RedriveParts {
  readonly ledger: Pick<NotificationLedger, 'read' | 'redrive'>;
  readonly deliveries: Pick<DeliveryLog, 'append'>;
  readonly clock: Clock;
}

/** False: it is neither HELD nor DEAD. Recorded first, so that a rebuild knows of it; the sweeper makes its job. */
export async function redrive({ ledger, deliveries, clock }: RedriveParts, id: string): Promise<boolean> {
  const row = await ledger.read(id);
  if (row?.state !== 'HELD' && row?.state !== 'DEAD') return false;
  const fact = { state: 'scheduled', reason: REDRIVEN, attempt: row.attempt } as const;
  await deliveries.append([deliveryRecord(row, fact, isoOfMs(clock.nowMs()))]);
  return (await ledger.redrive(row, REDRIVEN)) !== undefined;
}
