// The condition table of alerts.md once more, as a search over a whole history instead of a step: the evaluator's oracle.

type Direction = 'low' | 'high' | 'unclassified';

/** How one attribute of one reading was judged, at which second of event time. */
export interface JudgedSample {
  readonly judged: 'normal' | Direction;
  /** 1 to 3, of an abnormal one. */
  readonly rank: number;
  readonly second: number;
  readonly reading: number;
  /** Normal, but too close to the limit to count as normal for an open episode of these directions. */
  readonly close?: readonly Direction[];
}

export interface ReferenceEvent {
  readonly reading: number;
  readonly kind: 'raised' | 'worsened' | 'resolved';
  readonly direction: Direction;
}

/** Seconds and numbers of samples; raising at once where nothing is said. */
export interface ReferenceTiming {
  readonly seconds: number;
  readonly samples: number;
  readonly sustainSeconds?: number;
  readonly sustainSamples?: number;
}

/** Of an episode whose worst rank so far is the given one. */
type TimingOfRank = (rank: number) => ReferenceTiming;

/** All events of one patient's attribute, by reading and direction. */
export function referenceEvents(
  history: readonly JudgedSample[],
  timing: ReferenceTiming | TimingOfRank,
): ReferenceEvent[] {
  const of = typeof timing === 'function' ? timing : () => timing;
  const events = (['low', 'high', 'unclassified'] as const).flatMap((direction) => {
    // What can't be judged is no sample for low and high.
    const seen = direction === 'unclassified' ? history : history.filter((s) => s.judged !== 'unclassified');
    return episodesOf(seen, direction, of);
  });
  return events.sort((a, b) => a.reading - b.reading || a.direction.localeCompare(b.direction));
}

function episodesOf(seen: readonly JudgedSample[], direction: Direction, timing: TimingOfRank): ReferenceEvent[] {
  const first = seen.findIndex((s) => s.judged === direction);
  if (first < 0) return [];
  const rest = seen.slice(first);
  const inRow = rest.findIndex((s) => s.judged !== direction);
  const run = inRow < 0 ? rest : rest.slice(0, inRow);
  const raised = run.findIndex((_, i) => {
    const { sustainSeconds = 0, sustainSamples = 1 } = timing(worstOf(run.slice(0, i + 1)));
    return latest(run, i) - (run[0] as JudgedSample).second >= sustainSeconds && i + 1 >= sustainSamples;
  });
  if (raised < 0) return episodesOf(rest.slice(run.length), direction, timing);

  // From here on what lies too close to the limit is no sample.
  const life = rest.filter((s, i) => i <= raised || !s.close?.includes(direction));
  const bad = life.map((s) => s.judged === direction);
  const worst = (i: number) => worstOf(life.slice(0, i).filter((_, k) => bad[k]));
  const runStart = (i: number) => bad.lastIndexOf(true, i) + 1;
  const end = life.findIndex((_, i) => {
    const { seconds, samples } = timing(worst(i));
    return !bad[i] && i - runStart(i) + 1 >= samples && latest(life, i) - latest(life, runStart(i)) >= seconds;
  });
  const until = end < 0 ? life.length : end;
  const events: ReferenceEvent[] = [{ reading: (life[raised] as JudgedSample).reading, kind: 'raised', direction }];
  for (let i = raised + 1; i < until; i++) {
    const { rank, reading } = life[i] as JudgedSample;
    if (bad[i] && rank > worst(i)) events.push({ reading, kind: 'worsened', direction });
  }
  if (end < 0) return events;
  const last = life[end] as JudgedSample;
  events.push({ reading: last.reading, kind: 'resolved', direction });
  return [...events, ...episodesOf(rest.slice(rest.indexOf(last) + 1), direction, timing)];
}

/** The largest second up to the i-th: time never runs backwards. */
function latest(samples: readonly JudgedSample[], i: number): number {
  return Math.max(...samples.slice(0, i + 1).map((s) => s.second));
}

function worstOf(samples: readonly JudgedSample[]): number {
  return Math.max(0, ...samples.map((s) => s.rank));
}
