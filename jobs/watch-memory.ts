// What watch knows of one partition that is ours: episodes, who was heard of when, ticks; and what of it watch-state does not say yet.
import type { EpisodeChange } from '../src/domain/episode.js';
import { createEpisodeBook, type EpisodeBook } from '../src/domain/episode-book.js';
import { createSeenBook, type SeenBook, type SeenChange } from '../src/domain/last-seen.js';
import { type TickRow, withTick } from '../src/domain/ticks.js';
import type { Micros } from '../src/domain/time.js';
import {
  encodeEpisode,
  encodeNext,
  encodeSeen,
  episodeKeyText,
  NEXT_KEY,
  seenKeyText,
  type WatchStateRecord,
} from '../src/domain/watch-state.js';

/** Key and value of a record of watch-state. */
export interface StateRecord {
  readonly key: string;
  readonly value: string | null;
}

export interface WatchMemory {
  readonly book: EpisodeBook;
  readonly seen: SeenBook;
  /** The row of ticks up to the newest one; null before the first. */
  readonly ticks: TickRow | null;
  /** What the state says; answers the position where it is one. */
  restore(record: WatchStateRecord): number | undefined;
  apply(change: EpisodeChange): void;
  /** Already in `seen`: it has to be written. */
  noteSeen(change: SeenChange): void;
  tick(atUs: Micros): void;
  /** What the state does not say yet, by key only the newest, with the position `next` last. `all`: also what may wait. */
  unwritten(next: number, all: boolean): readonly StateRecord[];
  /** Something of what may wait is not in the state yet. */
  readonly waits: boolean;
  /** That is committed. */
  written(): void;
}

export function createWatchMemory(): WatchMemory {
  const book = createEpisodeBook();
  const seen = createSeenBook();
  const dirty = new Map<string, EpisodeChange>();
  const dirtySeen = new Map<string, SeenChange>();
  let ticks: TickRow | null = null;
  return {
    book,
    seen,
    get ticks() {
      return ticks;
    },
    restore: (record) => {
      if (record.type === 'episode') book.apply(record.change);
      else if (record.type === 'seen') seen.restore(record.change);
      else if (record.type === 'next') {
        ticks = record.ticks ?? null;
        return record.next;
      }
      return undefined;
    },
    apply: (change) => {
      book.apply(change);
      dirty.set(episodeKeyText(change), change);
    },
    noteSeen: (change) => {
      dirtySeen.set(change.patientId, change);
    },
    tick: (atUs) => {
      ticks = withTick(ticks, atUs);
    },
    unwritten: (next, all) => {
      const seenNow = new Map(dirtySeen);
      if (all) for (const change of seen.unwritten()) seenNow.set(change.patientId, change);
      return [
        ...[...dirty].map(([key, { state }]) => ({ key, value: encodeEpisode(state) })),
        ...[...seenNow].map(([id, change]) => ({ key: seenKeyText(id), value: encodeSeen(change.seen) })),
        { key: NEXT_KEY, value: encodeNext(next, ticks) },
      ];
    },
    get waits() {
      for (const _ of seen.unwritten()) return true;
      return false;
    },
    written: () => {
      dirty.clear();
      dirtySeen.clear();
    },
  };
}
