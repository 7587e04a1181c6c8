// alert-deliveries in memory, as one partition.
import { foldDelivery, NO_HISTORY } from '../../src/domain/delivery.js';
import type { DeliveryRecord } from '../../src/domain/events.js';
import type { DeliveryLog } from '../../src/kafka/delivery-log.js';

/** `records` answers the list that is written to and read. */
export function memoryDeliveries(records: () => DeliveryRecord[]): DeliveryLog {
  return {
    append: async (more) => {
      const places = more.map((_, i) => ({ partition: 0, offset: records().length + i }));
      records().push(...more);
      return places;
    },
    history: async (id, _partition, from) =>
      records()
        .slice(from)
        .reduce((h, one) => (one.notificationId === id ? foldDelivery(h, one) : h), NO_HISTORY),
    close: async () => undefined,
  };
}
