// The lake's readings as the watcher saw them: partition by partition in Kafka's order, streamed, never all in memory.
import type { Attribute } from '../domain/attributes.js';
import type { EvaluationTime } from '../domain/evaluate.js';
import { type ClockFlag, clockFlag, FUTURE_TOLERANCE_US } from '../domain/event-time.js';
import type { Reading } from '../domain/reading.js';
import { formatMicros, type Micros } from '../domain/time.js';
import { columnName } from './columns.js';
import type { LakeSql } from './query.js';
import { DUCKDB } from './sql-dialect.js';

/** A reading of the lake and its time, as event-time.ts has it. It was evaluated when it was read. */
export class StreamedReading implements EvaluationTime {
  readonly reading: Reading;
  readonly readUs: Micros;
  readonly clock: ClockFlag | null;
  readonly eventUs: Micros;

  constructor(reading: Reading, recordedUs: Micros, readUs: Micros, clock: ClockFlag | null) {
    this.reading = reading;
    this.readUs = readUs;
    this.clock = clock;
    this.eventUs = clock === 'ahead' ? readUs + FUTURE_TOLERANCE_US : recordedUs;
  }

  get nowIso(): string {
    return this.reading.readAt;
  }
}

/** Instants of event time: from the first, up to the second. */
export interface Period {
  readonly fromUs: Micros;
  readonly toUs: Micros;
}

const NONE = Object.freeze({});
const FIXED = ['patient', 'row_id', 'recorded', 'read_at', 'not_before', 'mark', 'bad', 'time_source'] as const;

/** Texts are made only where they are asked for: nearly every reading is normal. */
class LakeReading implements Reading {
  readonly v = 1;
  readonly other = NONE;
  readonly #id: number | bigint;
  readonly #recordedUs: Micros;
  readonly #readUs: Micros;
  readonly #notBeforeUs: Micros | null;
  /** Each side of a backtest asks for these. */
  #recordedAt: string | undefined;
  #notBefore: string | undefined;
  readonly source: string;
  readonly patientId: string;
  readonly values: Record<string, number>;
  readonly bad: Readonly<Record<string, string>>;
  declare readonly mark?: 'backfill' | 'replayed';
  readonly timeSource: 'row' | 'poll';

  constructor(of: {
    readonly id: number | bigint;
    readonly source: string;
    readonly patientId: string;
    readonly recordedUs: Micros;
    readonly readUs: Micros;
    readonly notBeforeUs: Micros | null;
    readonly timeSource: 'row' | 'poll';
    readonly values: Record<string, number>;
    readonly bad: Readonly<Record<string, string>>;
    readonly mark: string | null;
  }) {
    this.#id = of.id;
    this.source = of.source;
    this.patientId = of.patientId;
    this.#recordedUs = of.recordedUs;
    this.#readUs = of.readUs;
    this.#notBeforeUs = of.notBeforeUs;
    this.timeSource = of.timeSource;
    this.values = of.values;
    this.bad = of.bad;
    if (of.mark === 'backfill' || of.mark === 'replayed') this.mark = of.mark;
  }

  get row(): string {
    return String(this.#id);
  }
  get recordedAt(): string {
    this.#recordedAt ??= formatMicros(this.#recordedUs);
    return this.#recordedAt;
  }
  get readAt(): string {
    return formatMicros(this.#readUs);
  }
  get notBefore(): string | null {
    if (this.#notBeforeUs === null) return null;
    this.#notBefore ??= formatMicros(this.#notBeforeUs);
    return this.#notBefore;
  }
}

/** Calls `take` for each reading of the period. Resolves with how many there were. */
export async function streamReadings(
  lake: LakeSql,
  attributes: readonly Attribute[],
  period: Period,
  take: (streamed: StreamedReading) => void,
): Promise<number> {
  await lake.run(
    `CREATE OR REPLACE TEMP TABLE streamed_patient AS
     SELECT patient_id, (row_number() OVER (ORDER BY patient_id) - 1)::INTEGER AS n
     FROM (SELECT DISTINCT patient_id FROM vital_info WHERE ${within(period)})`,
  );
  const source = String((await lake.query('SELECT any_value(source) AS source FROM vital_info')).rows[0]?.source ?? '');
  const patients = (await lake.query('SELECT patient_id FROM streamed_patient ORDER BY n')).rows.map((row) =>
    String(row.patient_id),
  );
  const signs = attributes.map(({ name }) => name);
  let count = 0;
  await lake.stream(
    `SELECT p.n AS patient, v.row_id, epoch_us(v.recorded_at)::DOUBLE AS recorded, epoch_us(v.read_at)::DOUBLE AS read_at,
       epoch_us(v.not_before)::DOUBLE AS not_before, v.mark, v.bad, v.time_source, ${signs.map((name) => `v.${DUCKDB.quote(columnName(name))}`).join(', ')}
     FROM vital_info v JOIN streamed_patient p USING (patient_id) WHERE ${within(period)}
     ORDER BY v.kafka_partition, v.kafka_offset`,
    (rows, at) => {
      for (let row = 0; row < rows; row++) {
        const recordedUs = at(2, row) as number;
        const readUs = at(3, row) as number;
        const notBeforeUs = at(4, row) as number | null;
        const values: Record<string, number> = {};
        for (let i = 0; i < signs.length; i++) {
          const value = at(FIXED.length + i, row) as number | null;
          if (value !== null) values[signs[i] as string] = value;
        }
        const bad = at(6, row) as string | null;
        const reading = new LakeReading({
          id: at(1, row) as bigint,
          source,
          patientId: patients[at(0, row) as number] as string,
          ...{ recordedUs, readUs, notBeforeUs, values },
          timeSource: at(7, row) as 'row' | 'poll',
          bad: bad === null ? NONE : (JSON.parse(bad) as Record<string, string>),
          mark: at(5, row) as string | null,
        });
        take(new StreamedReading(reading, recordedUs, readUs, clockFlag(recordedUs, readUs, notBeforeUs)));
        count += 1;
      }
    },
  );
  return count;
}

function within({ fromUs, toUs }: Period): string {
  return `recorded_at >= make_timestamp(${fromUs}) AND recorded_at < make_timestamp(${toUs})`;
}
