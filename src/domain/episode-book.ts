// The open episodes of one partition, by patient: most patients have none, and that must be cheap to see.
import type { EpisodeChange, OpenEpisode } from './episode.js';

const NONE: readonly OpenEpisode[] = [];

/** What the evaluator asks: every open or pending episode of a patient. */
export interface OpenEpisodes {
  of(patientId: string): readonly OpenEpisode[];
}

export interface EpisodeBook extends OpenEpisodes {
  apply(change: EpisodeChange): void;
  /** All of them, pending ones too. */
  all(): Iterable<OpenEpisode>;
  /** How many are open: pending ones are not. */
  readonly size: number;
}

export function createEpisodeBook(): EpisodeBook {
  const byPatient = new Map<string, readonly OpenEpisode[]>();
  let size = 0;
  return {
    of: (patientId) => byPatient.get(patientId) ?? NONE,
    apply: (change) => {
      const before = byPatient.get(change.patientId) ?? NONE;
      const others = before.filter(
        (open) => open.attribute !== change.attribute || open.direction !== change.direction,
      );
      const { state } = change;
      const after = state === null ? others : [...others, { ...change, state }];
      if (after.length > 0) byPatient.set(change.patientId, after);
      else byPatient.delete(change.patientId);
      size += openOf(after) - openOf(before);
    },
    all: function* () {
      for (const episodes of byPatient.values()) yield* episodes;
    },
    get size() {
      return size;
    },
  };
}

function openOf(episodes: readonly OpenEpisode[]): number {
  let open = 0;
  for (const { state } of episodes) if (state.phase !== 'pending') open++;
  return open;
}
