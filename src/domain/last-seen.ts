// When a patient was last heard of, in wards where silence means something: part of watch-state, so that a restart doesn't forget a silent sensor.
import type { Micros } from './time.js';

/** Written at most this often, a patient (alerts.md). */
const REFRESH_US = 20_000_000;

export interface LastSeen {
  /** By the poller's clock, like the ticks that silence is measured with. */
  readonly lastSeen: Micros;
  /** The newest reading; empty in a record of the version before. */
  readonly reading: string;
  /** A silence that is told; null while data comes. */
  readonly told: { readonly since: Micros; readonly episodeId: string } | null;
}

/** `seen` null: nothing is expected of this patient any more. */
export interface SeenChange {
  readonly patientId: string;
  readonly seen: LastSeen | null;
}

export interface SeenBook {
  /** What the state says. */
  restore(change: SeenChange): void;
  /** A live reading. Answers what has to be written, if anything; forgets the patient where nothing is expected. */
  note(patientId: string, atUs: Micros, reading: string, expected: boolean): SeenChange | undefined;
  /** A silence begins to be told, or (null) nothing is expected any more. */
  put(change: SeenChange): void;
  of(patientId: string): LastSeen | undefined;
  /** Everyone of whom something is expected, with the latest moment at which they can have been heard of. */
  all(): Iterable<{ readonly patientId: string; readonly seen: LastSeen; readonly latestUs: Micros }>;
  /** What the state does not say yet: written when the partition is given away in good order. */
  unwritten(): Iterable<SeenChange>;
  /** Patients of whom something is expected. */
  readonly size: number;
}

interface Entry {
  readonly now: LastSeen;
  readonly writtenUs: Micros;
  /** From the state, and nothing heard since: a reading may have come that was not written. */
  readonly restored: boolean;
}

export function createSeenBook(): SeenBook {
  const known = new Map<string, Entry>();
  const take = ({ patientId, seen }: SeenChange, restored: boolean) => {
    if (seen === null) known.delete(patientId);
    else known.set(patientId, { now: seen, writtenUs: seen.lastSeen, restored });
  };
  return {
    restore: (change) => take(change, true),
    put: (change) => take(change, false),
    note: (patientId, atUs, reading, expected) => {
      const before = known.get(patientId);
      if (!expected) return known.delete(patientId) ? { patientId, seen: null } : undefined;
      // Rows that committed late come with a read that is later all the same; a clock set back must not turn the time back.
      const lastSeen = Math.max(atUs, before?.now.lastSeen ?? 0);
      const now: LastSeen = { lastSeen, reading, told: null };
      const due = !before || before.now.told !== null || lastSeen - before.writtenUs >= REFRESH_US;
      known.set(patientId, { now, writtenUs: due ? lastSeen : before.writtenUs, restored: false });
      return due ? { patientId, seen: now } : undefined;
    },
    of: (patientId) => known.get(patientId)?.now,
    all: function* () {
      for (const [patientId, { now, restored }] of known)
        yield { patientId, seen: now, latestUs: now.lastSeen + (restored ? REFRESH_US : 0) };
    },
    unwritten: function* () {
      for (const [patientId, { now, writtenUs }] of known)
        if (now.lastSeen !== writtenUs) yield { patientId, seen: now };
    },
    get size() {
      return known.size;
    },
  };
}
