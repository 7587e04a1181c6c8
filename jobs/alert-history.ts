// What doctors-queue and alert-deliveries say about an episode or a time: from Kafka, or from the lake where Kafka has deleted it.
import { decodeDelivery } from '../src/domain/delivery.js';
import { decodeDoctorsQueue } from '../src/domain/doctors-queue.js';
import type { DeliveryRecord, EpisodeEvent, OperatorEvent } from '../src/domain/events.js';
import type { PartitionReader } from '../src/domain/ports.js';
import { isoOfMs } from '../src/domain/time.js';
import { partitionOfKey } from '../src/kafka/murmur2.js';

const ID_CHARACTERS = 26;
/** A record's time is the broker's or the producer's: it may lie before or behind the `at` in it by so much. */
const CLOCKS_APART_MS = 10 * 60_000;

/** What doctors-queue says about alerts. */
export type AlertEvent = EpisodeEvent | OperatorEvent;

export interface Told {
  readonly records: readonly DeliveryRecord[];
  readonly source: 'kafka' | 'lake';
}

export interface AlertHistory {
  /** Of one trigger: an episode or a silence. `sinceMs`: nothing about it lies before. */
  deliveriesOf(trigger: string, sinceMs: number): Promise<Told>;
  /** The episode whose id begins so, as the lake knows it; undefined where there is none or more than one. */
  episodeLike(prefix: string): Promise<string | undefined>;
  /** With an `at` in that time, of all triggers, each partition in its order. */
  deliveriesBetween(fromMs: number, toMs: number): Promise<Told>;
  /** Those that `wanted` takes. `key`: only those with that key. */
  events(
    span: { readonly fromMs: number; readonly toMs: number; readonly key?: string },
    wanted: (event: AlertEvent) => boolean,
    source: Told['source'],
  ): Promise<readonly AlertEvent[]>;
}

export interface HistoryParts {
  readonly kafka: {
    partitionReader(): Promise<PartitionReader>;
    readonly admin: {
      startOffsets(topic: string): Promise<readonly number[]>;
      offsetsAt(topic: string, ms: number): Promise<ReadonlyMap<number, number>>;
    };
  };
  /** KAFKA_PREFIX. */
  readonly kafkaPrefix: string;
  /** Rows of a statement over the lake; undefined: no lake is configured. */
  readonly lake: ((sql: string) => Promise<readonly Readonly<Record<string, unknown>>[]>) | undefined;
}

interface Span {
  readonly fromMs: number;
  readonly toMs?: number;
  readonly key?: string;
}

export function createAlertHistory({ kafka, kafkaPrefix, lake }: HistoryParts): AlertHistory {
  const deliveries = `${kafkaPrefix}alert-deliveries`;
  const queue = `${kafkaPrefix}doctors-queue`;

  /** Undefined where records of that time have been deleted. */
  const fromKafka = async <T>(
    topic: string,
    { fromMs, toMs, key }: Span,
    take: (value: Buffer | null) => T | undefined,
  ): Promise<T[] | undefined> => {
    const starts = await kafka.admin.startOffsets(topic);
    const from = await kafka.admin.offsetsAt(topic, fromMs - CLOCKS_APART_MS);
    const to = toMs === undefined ? undefined : await kafka.admin.offsetsAt(topic, toMs + CLOCKS_APART_MS);
    const only = key === undefined ? undefined : partitionOfKey(key, starts.length);
    const found: T[] = [];
    let deleted = false;
    const reader = await kafka.partitionReader();
    try {
      for (const [partition, start] of starts.entries()) {
        if (only !== undefined && partition !== only) continue;
        const first = Math.max(from.get(partition) ?? start, start);
        deleted ||= start > 0 && first === start;
        const last = to?.get(partition);
        await reader.read(topic, partition, { from: first, ...(last === undefined ? {} : { to: last }) }, (record) => {
          const taken = take(record.value);
          if (taken !== undefined) found.push(taken);
        });
      }
    } finally {
      await reader.close();
    }
    return deleted && found.length === 0 ? undefined : found;
  };

  const fromLake = async (table: 'alert' | 'delivery', where: string): Promise<string[]> => {
    if (!lake) return [];
    const rows = await lake(`SELECT body FROM ${table} WHERE ${where} ORDER BY kafka_partition, kafka_offset`);
    return rows.map(({ body }) => String(body));
  };

  return {
    deliveriesOf: async (trigger, sinceMs) => {
      const mine = (value: Buffer | null) => only(decodeDelivery(value), (one) => one.trigger === trigger);
      const found = await fromKafka(deliveries, { fromMs: sinceMs, key: trigger }, mine);
      if (found !== undefined && (found.length > 0 || !lake)) return { records: found, source: 'kafka' };
      const records = (await fromLake('delivery', `trigger_id = ${text(trigger)}`)).map(deliveryOf);
      return { records, source: records.length > 0 ? 'lake' : 'kafka' };
    },
    episodeLike: async (prefix) => {
      if (prefix.length === ID_CHARACTERS) return prefix;
      if (!lake) return undefined;
      const rows = await lake(
        `SELECT DISTINCT episode_id FROM delivery WHERE starts_with(episode_id, ${text(prefix)})`,
      );
      return rows.length === 1 ? String(rows[0]?.episode_id) : undefined;
    },
    deliveriesBetween: async (fromMs, toMs) => {
      const [from, to] = [isoOfMs(fromMs), isoOfMs(toMs)];
      const within = (value: Buffer | null) => only(decodeDelivery(value), ({ at }) => from <= at && at <= to);
      const found = await fromKafka(deliveries, { fromMs, toMs }, within);
      if (found !== undefined) return { records: found, source: 'kafka' };
      return { records: (await fromLake('delivery', during(fromMs, toMs))).map(deliveryOf), source: 'lake' };
    },
    events: async ({ fromMs, toMs, key }, wanted, source) => {
      const take = (value: Buffer | string | null) => only(alertEventOf(value), wanted);
      if (source === 'lake') return (await fromLake('alert', during(fromMs, toMs))).flatMap((body) => take(body) ?? []);
      const span = { fromMs, toMs, ...(key === undefined ? {} : { key }) };
      return (await fromKafka(queue, span, take)) ?? [];
    },
  };
}

function deliveryOf(body: string): DeliveryRecord {
  return decodeDelivery(Buffer.from(body));
}

function only<T>(one: T | undefined, wanted: (one: T) => boolean): T | undefined {
  return one !== undefined && wanted(one) ? one : undefined;
}

/** A dead record is told nowhere: the lake's table of these has it, and dispatch has counted it. */
function alertEventOf(value: Buffer | string | null): AlertEvent | undefined {
  const decoded = decodeDoctorsQueue(value);
  return decoded.type === 'episode' || decoded.type === 'operator' ? decoded.event : undefined;
}

/** The folders' days too: only their files are read. */
function during(fromMs: number, toMs: number): string {
  const [from, to] = [isoOfMs(fromMs), isoOfMs(toMs)];
  const days = `dt BETWEEN ${text(from.slice(0, 10))} AND ${text(to.slice(0, 10))}`;
  return `${days} AND at BETWEEN TIMESTAMP ${text(from.slice(0, -1))} AND TIMESTAMP ${text(to.slice(0, -1))}`;
}

function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
