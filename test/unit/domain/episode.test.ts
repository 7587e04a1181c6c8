// Every row of the condition table (alerts.md).
import { describe, expect, it } from 'vitest';
import { advance, begin, type EpisodeState, type EpisodeTiming, type Sample } from '../../../src/domain/episode.js';
import type { Severity } from '../../../src/domain/events.js';

const TIMING: EpisodeTiming = { sustainMs: 0, minSamples: 1, clearAfterMs: 30_000, clearSamples: 2 };
const DEFAULT = () => TIMING;
const S = 1_000_000;

/** Runs samples at seconds and says what came of each: `phase` or `event>phase`. */
function run(samples: readonly (readonly [Sample, number])[], timing: (severity: Severity) => EpisodeTiming = DEFAULT) {
  let state: EpisodeState | null = null;
  return samples.map(([sample, second]): string => {
    if (state === null && sample === 'normal') return 'normal';
    const next: ReturnType<typeof begin> =
      state === null ? begin('e1', sample as Severity, second * S, timing) : advance(state, sample, second * S, timing);
    state = next.state;
    const phase: string = next.state?.phase ?? 'normal';
    return next.emits ? `${next.emits}>${phase}` : phase;
  });
}

describe('the condition table', () => {
  it.each<[string, [Sample, number][], string[]]>([
    [
      'normal → active at once',
      [
        ['normal', 0],
        ['high', 1],
      ],
      ['normal', 'raised>active'],
    ],
    [
      'active, again abnormal: one event only',
      [
        ['low', 0],
        ['low', 1],
        ['low', 99],
      ],
      ['raised>active', 'active', 'active'],
    ],
    [
      'worsened by each more severe band, once',
      [
        ['low', 0],
        ['medium', 1],
        ['medium', 2],
        ['low', 3],
        ['medium', 4],
        ['high', 5],
      ],
      ['raised>active', 'worsened>active', 'active', 'active', 'active', 'worsened>active'],
    ],
    [
      'resolved after clear-after and two samples',
      [
        ['high', 0],
        ['normal', 1],
        ['normal', 30],
        ['normal', 31],
      ],
      ['raised>active', 'recovering', 'recovering', 'resolved>normal'],
    ],
    [
      'one late normal sample is not enough',
      [
        ['high', 0],
        ['normal', 99],
        ['normal', 128],
        ['normal', 129],
      ],
      ['raised>active', 'recovering', 'recovering', 'resolved>normal'],
    ],
    [
      'an abnormal one starts the wait anew',
      [
        ['high', 0],
        ['normal', 1],
        ['normal', 30],
        ['high', 31],
        ['normal', 32],
        ['normal', 61],
        ['normal', 62],
      ],
      ['raised>active', 'recovering', 'recovering', 'active', 'recovering', 'recovering', 'resolved>normal'],
    ],
    [
      'worse while recovering',
      [
        ['low', 0],
        ['normal', 1],
        ['high', 2],
      ],
      ['raised>active', 'recovering', 'worsened>active'],
    ],
    [
      'a late reading does not turn the time back',
      [
        ['high', 50],
        ['normal', 10],
        ['normal', 45],
        ['normal', 79],
        ['normal', 80],
      ],
      ['raised>active', 'recovering', 'recovering', 'recovering', 'resolved>normal'],
    ],
    [
      'after the end a new one',
      [
        ['high', 0],
        ['normal', 1],
        ['normal', 31],
        ['high', 32],
      ],
      ['raised>active', 'recovering', 'resolved>normal', 'raised>active'],
    ],
  ])('%s', (_, samples, expected) => {
    expect(run(samples)).toEqual(expected);
  });

  /** A row for each severity: what is worse waits less. */
  const rows = (severity: Severity): EpisodeTiming => ({
    ...TIMING,
    ...{ high: { sustainMs: 0 }, medium: { sustainMs: 10_000, minSamples: 3 }, low: { sustainMs: 60_000 } }[severity],
  });

  it.each<[string, [Sample, number][], string[]]>([
    [
      'normal → pending → active, when it has lasted long enough and been seen often enough',
      [
        ['medium', 0],
        ['medium', 10],
        ['medium', 11],
      ],
      ['pending', 'pending', 'raised>active'],
    ],
    [
      'so many samples are not enough without the time',
      [
        ['medium', 0],
        ['medium', 1],
        ['medium', 9],
        ['medium', 10],
      ],
      ['pending', 'pending', 'pending', 'raised>active'],
    ],
    [
      'pending → normal: a passing one; the next one waits anew',
      [
        ['medium', 0],
        ['medium', 9],
        ['normal', 10],
        ['medium', 11],
        ['medium', 12],
        ['medium', 21],
      ],
      ['pending', 'pending', 'normal', 'pending', 'pending', 'raised>active'],
    ],
    [
      'what gets worse while pending is judged by the worse row, from the first abnormal reading on',
      [
        ['low', 0],
        ['medium', 9],
        ['low', 20],
      ],
      ['pending', 'pending', 'raised>active'],
    ],
    [
      'what must not wait does not, and is no worsening afterwards',
      [
        ['low', 0],
        ['high', 1],
        ['high', 2],
      ],
      ['pending', 'raised>active', 'active'],
    ],
    [
      'worsened needs no sustain of its own, and an open episode no second one',
      [
        ['low', 0],
        ['low', 60],
        ['normal', 61],
        ['medium', 62],
      ],
      ['pending', 'raised>active', 'recovering', 'worsened>active'],
    ],
    [
      'a late reading neither hastens nor hinders',
      [
        ['medium', 20],
        ['medium', 5],
        ['medium', 29],
        ['medium', 12],
        ['medium', 30],
      ],
      ['pending', 'pending', 'pending', 'pending', 'raised>active'],
    ],
  ])('%s', (_, samples, expected) => {
    expect(run(samples, rows)).toEqual(expected);
  });

  it('raised counts from the first abnormal reading and has the worst severity so far', () => {
    const pending = begin('e1', 'low', 5 * S, rows).state as EpisodeState;
    expect(pending).toMatchObject({ phase: 'pending', eventIndex: -1, severity: 'low', since: 5 * S, samples: 1 });
    const worse = advance(pending, 'medium', 6 * S, rows).state as EpisodeState;
    const { state, emits } = advance(worse, 'low', 15 * S, rows);
    expect(emits).toBe('raised');
    expect(state).toMatchObject({ phase: 'active', eventIndex: 0, severity: 'medium', since: 5 * S, samples: 3 });
  });

  it('raised by a backfilled reading is history, whoever began it: the next live one worsens it', () => {
    const pending = begin('e1', 'medium', 0, rows, false).state as EpisodeState;
    const more = advance(pending, 'medium', 10 * S, rows, true).state as EpisodeState;
    const raised = advance(more, 'medium', 11 * S, rows, true);
    expect([raised.emits, raised.state?.marked]).toEqual(['raised', true]);
    expect(advance(raised.state as EpisodeState, 'medium', 12 * S, rows).emits).toBe('worsened');
    const live = advance(more, 'medium', 11 * S, rows).state as EpisodeState;
    expect(live.marked).toBeUndefined();
    expect(advance(live, 'medium', 12 * S, rows).emits).toBeNull();
  });

  it('ends by the first normal reading where the policy says so', () => {
    expect(
      run(
        [
          ['high', 0],
          ['normal', 0],
        ],
        () => ({ ...TIMING, clearAfterMs: 0, clearSamples: 1 }),
      ),
    ).toEqual(['raised>active', 'resolved>normal']);
    expect(
      run(
        [
          ['high', 0],
          ['normal', 0],
          ['normal', 0],
        ],
        () => ({ ...TIMING, clearAfterMs: 0, clearSamples: 2 }),
      ),
    ).toEqual(['raised>active', 'recovering', 'resolved>normal']);
  });

  it('counts what the state promises', () => {
    const raised = begin('e1', 'low', 5 * S, DEFAULT).state as EpisodeState;
    expect(raised).toEqual({
      phase: 'active',
      episodeId: 'e1',
      eventIndex: 0,
      severity: 'low',
      since: 5 * S,
      samples: 1,
      recoveringSince: null,
      recoveringSamples: 0,
      maxEventTime: 5 * S,
      lastSeen: null,
      lastReading: '',
      stale: false,
    });
    const worse = advance(raised, 'high', 4 * S, DEFAULT).state as EpisodeState;
    expect(worse).toEqual({ ...raised, eventIndex: 1, severity: 'high', samples: 2 });
    const recovering = advance(worse, 'normal', 9 * S, DEFAULT).state as EpisodeState;
    expect(recovering).toEqual({
      ...worse,
      phase: 'recovering',
      recoveringSince: 9 * S,
      recoveringSamples: 1,
      maxEventTime: 9 * S,
    });
    expect(advance(recovering, 'low', 10 * S, DEFAULT).state).toEqual({
      ...worse,
      samples: 3,
      maxEventTime: 10 * S,
    });
  });
});
