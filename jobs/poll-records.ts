// One look at the table as records of one Kafka transaction: readings, ticks, retired ids; the position comes last.
import type { IdRange } from '../src/domain/gap-ledger.js';
import type { OutRecord } from '../src/domain/ports.js';
import type { EvidenceKind } from '../src/domain/position.js';
import type { Tick } from '../src/domain/reading.js';
import type { EncodedReading } from '../src/domain/vitals-row.js';

export interface PollTopics {
  readonly readings: string;
  readonly state: string;
  readonly gaps: string;
  readonly accesses: string;
}

export function pollTopics(prefix: string): PollTopics {
  return {
    readings: `${prefix}vital-info`,
    state: `${prefix}vital-poll-state`,
    gaps: `${prefix}vital-gaps`,
    accesses: `${prefix}access-audit`,
  };
}

/** `ticks`: one to each of that many partitions. `at`: ISO 8601, UTC. */
export function pollRecords(
  topics: PollTopics,
  look: {
    readonly source: string;
    readonly readings: readonly EncodedReading[];
    readonly retired: readonly IdRange[];
    readonly ticks: number;
    readonly evidence: EvidenceKind;
    readonly at: string;
  },
): OutRecord[] {
  const { source, evidence, at } = look;
  const out: OutRecord[] = look.readings.map(({ patientId, value }) => ({
    topic: topics.readings,
    key: patientId,
    value,
  }));
  for (let partition = 0; partition < look.ticks; partition += 1) {
    const tick: Tick = { v: 1, kind: 'tick', source, partition, at };
    out.push({ topic: topics.readings, partition, key: null, value: JSON.stringify(tick) });
  }
  for (const { from, to } of look.retired) {
    const value = JSON.stringify({ v: 1, source, from: String(from), to: String(to), evidence, at });
    out.push({ topic: topics.gaps, key: source, value });
  }
  return out;
}

/** Ids that a person decided not to wait for or not to read: beside the retired ones, told apart by `evidence`. */
export function givenUpRecords(
  topics: PollTopics,
  gone: {
    readonly source: string;
    readonly ranges: readonly IdRange[];
    readonly reason: string;
    readonly at: string;
  },
): OutRecord[] {
  const { source, reason, at } = gone;
  return gone.ranges.map(({ from, to }) => ({
    topic: topics.gaps,
    key: source,
    value: JSON.stringify({ v: 1, source, from: String(from), to: String(to), evidence: 'reset', reason, at }),
  }));
}
