// The condition table of alerts.md once more, as a search over a whole history instead of a step: the evaluator's oracle.

/** How one attribute of one reading was judged, at which second of event time. */
export interface JudgedSample {
  readonly judged: 'normal' | 'low' | 'high' | 'unclassified';
  /** 1 to 3, of an abnormal one. */
  readonly rank: number;
  readonly second: number;
  readonly reading: number;
}

export interface ReferenceEvent {
  readonly reading: number;
  readonly kind: 'raised' | 'worsened' | 'resolved';
  readonly direction: 'low' | 'high' | 'unclassified';
}

/** All events of one patient's attribute, by reading and direction. */
export function referenceEvents(
  history: readonly JudgedSample[],
  clear: { readonly seconds: number; readonly samples: number },
): ReferenceEvent[] {
  const events = (['low', 'high', 'unclassified'] as const).flatMap((direction) => {
    // What can't be judged is no sample for low and high.
    const seen = direction === 'unclassified' ? history : history.filter((s) => s.judged !== 'unclassified');
    return episodesOf(seen, direction, clear);
  });
  return events.sort((a, b) => a.reading - b.reading || a.direction.localeCompare(b.direction));
}

function episodesOf(
  seen: readonly JudgedSample[],
  direction: ReferenceEvent['direction'],
  clear: { readonly seconds: number; readonly samples: number },
): ReferenceEvent[] {
  const first = seen.findIndex((s) => s.judged === direction);
  if (first < 0) return [];
  const life = seen.slice(first);
  const bad = life.map((s) => s.judged === direction);
  const clock = life.map((_, i) => Math.max(...life.slice(0, i + 1).map((s) => s.second)));
  const runStart = (i: number) => bad.lastIndexOf(true, i) + 1;
  const end = life.findIndex(
    (_, i) =>
      !bad[i] &&
      i - runStart(i) + 1 >= clear.samples &&
      (clock[i] as number) - (clock[runStart(i)] as number) >= clear.seconds,
  );
  const until = end < 0 ? life.length : end;
  const events: ReferenceEvent[] = [{ reading: (life[0] as JudgedSample).reading, kind: 'raised', direction }];
  for (let i = 1; i < until; i++) {
    const worst = Math.max(...life.slice(0, i).map((s, k) => (bad[k] ? s.rank : 0)));
    const { rank, reading } = life[i] as JudgedSample;
    if (bad[i] && rank > worst) events.push({ reading, kind: 'worsened', direction });
  }
  if (end < 0) return events;
  events.push({ reading: (life[end] as JudgedSample).reading, kind: 'resolved', direction });
  return [...events, ...episodesOf(life.slice(end + 1), direction, clear)];
}
