// When a patient was last heard of, in wards where silence means something: part of watch-state, so that a restart doesn't forget a silent sensor.
import type { Micros } from './time.js';

/** Written at most this often, a patient (alerts.md). */
const REFRESH_US = 20_000_000;

export interface LastSeen {
  /** By the poller's clock, like the ticks that silence is measured with. */
  readonly lastSeen: Micros;
  /** Since when the patient is known to be silent; null while data comes. */
  readonly staleSince: Micros | null;
}

/** `seen` null: nothing is expected of this patient any more. */
export interface SeenChange {
  readonly patientId: string;
  readonly seen: LastSeen | null;
}

export interface SeenBook {
  /** What the state says. */
  restore(change: SeenChange): void;
  /** A live reading. Answers what has to be written, if anything. */
  note(patientId: string, atUs: Micros, expected: boolean): SeenChange | undefined;
  /** Patients of whom something is expected. */
  readonly size: number;
}

export function createSeenBook(): SeenBook {
  const known = new Map<string, { readonly now: LastSeen; readonly writtenUs: Micros }>();
  return {
    restore: ({ patientId, seen }) => {
      if (seen === null) known.delete(patientId);
      else known.set(patientId, { now: seen, writtenUs: seen.lastSeen });
    },
    note: (patientId, atUs, expected) => {
      const before = known.get(patientId);
      if (!expected) return known.delete(patientId) ? { patientId, seen: null } : undefined;
      // Rows that committed late come with a read that is later all the same; a clock set back must not turn the time back.
      const lastSeen = Math.max(atUs, before?.now.lastSeen ?? 0);
      const now: LastSeen = { lastSeen, staleSince: null };
      const due = !before || before.now.staleSince !== null || lastSeen - before.writtenUs >= REFRESH_US;
      known.set(patientId, { now, writtenUs: due ? lastSeen : before.writtenUs });
      return due ? { patientId, seen: now } : undefined;
    },
    get size() {
      return known.size;
    },
  };
}
