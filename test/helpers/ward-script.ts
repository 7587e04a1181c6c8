// A ward whose patients get worse and better by the clock, and what watch has to say of it, worked out without watch.
import type { EpisodeEvent } from '../../src/domain/events.js';
import type { Reading } from '../../src/domain/reading.js';
import { reading } from './readings.js';
import { type JudgedSample, referenceEvents } from './reference-episodes.js';

/** A heart rate that the shipped limits call normal at 30, one too high, one too low. */
const NORMAL = 72;
const HIGH = 120;
const LOW = 50;

export interface WardScript {
  readonly patients: readonly string[];
  /** One reading of each patient at the next second of event time. */
  nextSecond(): Reading[];
  /** `patient reading kind direction` of all readings handed out so far, sorted. */
  expected(clear: { readonly seconds: number; readonly samples: number }): string[];
}

export function wardScript(size: number): WardScript {
  const patients = Array.from({ length: size }, (_, i) => `p${i}`);
  const histories = patients.map((): JudgedSample[] => []);
  let row = 0;
  let second = 0;
  return {
    patients,
    nextSecond: () => {
      const rows = patients.map((id, patient) => {
        const value = valueAt(patient, second);
        const judged = value === NORMAL ? 'normal' : value === HIGH ? 'high' : 'low';
        row += 1;
        histories[patient]?.push({ judged, rank: 3, second, reading: row });
        return reading(row, id, { heartBeat: value }, second);
      });
      second += 1;
      return rows;
    },
    expected: (clear) =>
      histories
        .flatMap((history, patient) =>
          referenceEvents(history, clear).map((e) => `${patients[patient]} rds:${e.reading} ${e.kind} ${e.direction}`),
        )
        .sort(),
  };
}

/** Bad for four seconds of every 24, each patient at another time; every fifth patient goes from high to low. */
function valueAt(patient: number, second: number): number {
  const phase = (second + patient * 3) % 24;
  if (phase >= 4) return NORMAL;
  return patient % 5 === 0 && phase >= 2 ? LOW : HIGH;
}

/** What was said, in the words of `expected`, sorted. */
export function told(events: readonly EpisodeEvent[]): string[] {
  return events.map((e) => `${e.patient.id} ${e.readingId} ${e.kind} ${e.direction}`).sort();
}

/** Patients whose events do not stand in the order of their readings. */
export function outOfOrder(events: readonly EpisodeEvent[]): string[] {
  const last = new Map<string, number>();
  return events.flatMap(({ patient, readingId }) => {
    const row = Number(readingId.slice('rds:'.length));
    const before = last.get(patient.id) ?? 0;
    last.set(patient.id, row);
    return row < before ? [patient.id] : [];
  });
}
