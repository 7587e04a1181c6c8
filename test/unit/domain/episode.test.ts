// Every row of the condition table (alerts.md), with sustain 0.
import { describe, expect, it } from 'vitest';
import { advance, begin, type EpisodeState, type Sample } from '../../../src/domain/episode.js';

const TIMING = { clearAfterMs: 30_000, clearSamples: 2 };
const S = 1_000_000;

/** Runs samples at seconds and says what came of each: `phase` or `event>phase`. */
function run(samples: readonly (readonly [Sample, number])[], timing = TIMING): string[] {
  let state: EpisodeState | null = null;
  return samples.map(([sample, second]) => {
    if (state === null && sample === 'normal') return 'normal';
    const next: ReturnType<typeof begin> =
      state === null
        ? begin('e1', sample as Exclude<Sample, 'normal'>, second * S)
        : advance(state, sample, second * S, timing);
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

  it('ends by the first normal reading where the policy says so', () => {
    expect(
      run(
        [
          ['high', 0],
          ['normal', 0],
        ],
        { clearAfterMs: 0, clearSamples: 1 },
      ),
    ).toEqual(['raised>active', 'resolved>normal']);
    expect(
      run(
        [
          ['high', 0],
          ['normal', 0],
          ['normal', 0],
        ],
        { clearAfterMs: 0, clearSamples: 2 },
      ),
    ).toEqual(['raised>active', 'recovering', 'resolved>normal']);
  });

  it('counts what the state promises', () => {
    const raised = begin('e1', 'low', 5 * S).state as EpisodeState;
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
      stale: false,
    });
    const worse = advance(raised, 'high', 4 * S, TIMING).state as EpisodeState;
    expect(worse).toEqual({ ...raised, eventIndex: 1, severity: 'high', samples: 2 });
    const recovering = advance(worse, 'normal', 9 * S, TIMING).state as EpisodeState;
    expect(recovering).toEqual({
      ...worse,
      phase: 'recovering',
      recoveringSince: 9 * S,
      recoveringSamples: 1,
      maxEventTime: 9 * S,
    });
    expect(advance(recovering, 'low', 10 * S, TIMING).state).toEqual({
      ...worse,
      samples: 3,
      maxEventTime: 10 * S,
    });
  });
});
