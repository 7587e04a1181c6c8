// The desk of the alerts over real things: for the command line, and for the console's API.
import { type AlertDeskInHand, createAlertDesk } from '../../jobs/alert-desk.js';
import { createAlertHistory } from '../../jobs/alert-history.js';
import { redrive } from '../../jobs/deliver-redrive.js';
import type { Config } from '../config/load.js';
import type { Policy } from '../domain/policy.js';
import type { SayTime } from '../domain/story.js';
import { parseMicros } from '../domain/time.js';
import { wallOf } from '../domain/zone.js';
import { createDeliveryLog } from '../kafka/delivery-log.js';
import { topicName } from '../kafka/topics.js';
import { lakeQuery } from '../lake/query.js';
import { createDeskReads } from '../redis/desk-views.js';
import { createLedger } from '../redis/ledger.js';
import { type Base, type Connections, lakeCopies } from './connections.js';
import { readersOf } from './readers.js';

const SECOND_CHARACTERS = 'YYYY-MM-DD hh:mm:ss'.length;

/** Its parts are opened when first needed: without Kafka the console still shows its board. */
export function deskOver(
  base: Pick<Base, 'config' | 'clock'>,
  connections: Connections,
  policy: () => Policy = () => base.config.policy,
): AlertDeskInHand {
  const { config, clock } = base;
  const { settings } = config;
  const kafka = connections.kafka();
  const ledger = createLedger(connections.redis(), settings.REDIS_PREFIX);
  const reads = createDeskReads(connections.redis(), settings.REDIS_PREFIX);
  const deliveries = createDeliveryLog({
    topic: topicName(settings.KAFKA_PREFIX, 'alert-deliveries'),
    plainProducer: () => kafka.plainProducer(),
    partitionReader: () => kafka.partitionReader(),
  });
  const desk = createAlertDesk({
    views: {
      ...reads,
      attach: ledger.attach,
      redrive: (id) => redrive({ ledger, deliveries, clock }, id),
    },
    history: createAlertHistory({
      kafka,
      kafkaPrefix: settings.KAFKA_PREFIX,
      lake:
        settings.LAKE_URL === undefined
          ? undefined
          : async (sql) => (await lakeQuery(connections.lake(), sql, config.attributes, lakeCopies(base))).rows,
    }),
    readers: readersOf(config, policy),
    plainProducer: () => kafka.plainProducer(),
    kafkaPrefix: settings.KAFKA_PREFIX,
    time: hospitalTime(config),
    policy,
    clock,
  });
  return {
    ...desk,
    close: async () => {
      await desk.close();
      await deliveries.close();
    },
  };
}

/** In the hospital's zone, to the second. */
export function hospitalTime(config: Config): SayTime {
  const zone = config.settings.HOSPITAL_TIMEZONE;
  return (iso) => wallOf(zone, parseMicros(iso) ?? 0).slice(0, SECOND_CHARACTERS);
}
